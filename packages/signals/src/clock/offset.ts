/**
 * How far another clock is from the own one, from one question and its answer: the answer was made about halfway, so half of the round
 * trip is the most by which this can be wrong. Pure.
 */
import type { Family, Point } from '../sample.ts';

export type ClockAnswer = {
  /** Own wall clock when the question was sent, milliseconds since 1970. */
  readonly askedMs: number;
  /** By a clock that is never set. */
  readonly roundTripMs: number;
  /** What the other one said. */
  readonly theirsMs: number;
};

/** Positive: the other clock is ahead. */
export const offsetSeconds = ({ askedMs, roundTripMs, theirsMs }: ClockAnswer): number =>
  (theirsMs - (askedMs + roundTripMs / 2)) / 1_000;

/** Of several answers the one that can be least wrong. */
export const bestAnswer = (answers: readonly ClockAnswer[]): ClockAnswer | undefined =>
  answers.reduce<ClockAnswer | undefined>(
    (best, answer) => (best === undefined || answer.roundTripMs < best.roundTripMs ? answer : best),
    undefined,
  );

export const clockFamilies: readonly Family[] = [
  {
    name: 'coequal_clock_offset_seconds',
    type: 'gauge',
    help: 'How far the clock of the peer is ahead of the own one; wrong by half of the round trip at most.',
  },
  { name: 'coequal_clock_round_trip_seconds', type: 'gauge', help: 'Of the question that the offset is from.' },
];

export const clockPoints = (peer: string, answer: ClockAnswer): readonly Point[] => [
  { name: 'coequal_clock_offset_seconds', labels: [['peer', peer]], value: offsetSeconds(answer) },
  { name: 'coequal_clock_round_trip_seconds', labels: [['peer', peer]], value: answer.roundTripMs / 1_000 },
];
