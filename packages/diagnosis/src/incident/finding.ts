/** What a witness says: a cause at a place, how strongly, and why; or why not. */
import type { Evidence, Place } from '@coequal/contract';
import type { CauseName } from '../causes.ts';
import { shortNumber } from '../predicates.ts';
import type { Reading } from './view.ts';

export type WitnessName = 'changes' | 'profile' | 'structure' | 'detail';

export type Finding = {
  readonly witness: WitnessName;
  readonly cause: CauseName;
  readonly place: Place;
  /** 0 to 1, as the witness itself believes; 0: it looked and found nothing, which `text` says. */
  readonly strength: number;
  /** Completes a sentence about the place: `session 7 holds row locks`. */
  readonly text: string;
  readonly evidence: readonly Evidence[];
};

/** 0 up to `low`, 1 from `high` on, straight between. What is not known is 0. */
export const grade = (value: number | undefined, low: number, high: number): number => {
  if (value === undefined || Number.isNaN(value)) return 0;
  return Math.max(0, Math.min(1, (value - low) / (high - low)));
};

/** How many times more than before; 1 where one of both is not known. `least` is the level that counts as something. */
export const factorOf = (reading: Reading | undefined, least: number): number =>
  reading === undefined || Number.isNaN(reading.now) || Number.isNaN(reading.before)
    ? 1
    : Math.max(reading.now, least) / Math.max(reading.before, least);

/** The same of what is counted from its first time on: not told before means that there was none. */
export const factorFromNone = (reading: Reading | undefined, least: number): number =>
  reading === undefined ? 1 : factorOf({ ...reading, before: reading.before || 0 }, least);

/** Whether one doubts less than each alone: several weak signs of one thing add up. */
export const either = (...strengths: readonly number[]): number =>
  1 - strengths.reduce((doubt, strength) => doubt * (1 - strength), 1);

/** `disk latency 0.12 s (before 0.002 s)`, with the signal to draw. */
export const said = (what: string, reading: Reading, unit: string): Evidence => ({
  text: `${what} ${numberWith(reading.now, unit)} (before ${numberWith(reading.before, unit)})`,
  signal: { name: reading.name, labels: { ...reading.labels } },
});

export const numberWith = (value: number, unit: string): string => {
  if (Number.isNaN(value)) return 'not measured';
  if (unit === '%') return `${shortNumber(value * 100)} %`;
  if (unit === 'B') return bytesText(value);
  if (unit === 's' && Math.abs(value) < 1) return `${shortNumber(value * 1_000)} ms`;
  return unit === '' ? shortNumber(value) : `${shortNumber(value)} ${unit}`;
};

const bytesText = (value: number): string => {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log2(Math.max(1, Math.abs(value))) / 10)));
  return `${shortNumber(value / 2 ** (10 * power))} ${units[power]}`;
};
