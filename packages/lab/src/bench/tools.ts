/** What every bench gets: time, the way to say how it goes, and the signal that ends it. Limits of all of them too. */
import type { Clock } from '@coequal/kernel';
import type { Figure } from './figures.ts';

export type BenchTools = {
  readonly clock: Clock;
  /** What is being done, for a person. */
  readonly progress: (text: string) => void;
  /** Called with each figure as soon as it is known. */
  readonly figure: (figure: Figure) => void;
  /** Aborted: the bench ends what it started and rejects. */
  readonly signal: AbortSignal;
};

export type BenchOptions = {
  /** Repetitions of each measurement; every bench has its own number unless told. */
  readonly runs?: number;
  /** Round trip times between the sites as `lab up` takes them; 5 ms unless told. */
  readonly rtt?: string;
  /** Folder of labelled incidents; the bench of diagnosis looks beside the checkout unless told. */
  readonly datasets?: string;
  /** What to measure of a bench that has parts; all of them unless told. */
  readonly parts?: readonly string[];
};

export type Bench = (options: BenchOptions, tools: BenchTools) => Promise<void>;

export const defaultRtt = '5ms';

/** The name of a figure, with the distance between the sites when that is another than usual. */
export const named = (name: string, { rtt = defaultRtt }: BenchOptions): string =>
  rtt === defaultRtt ? name : `${name}/${rtt}`;

/** Numbers from 1, for "run 2 of 5". */
export const counting = (count: number): readonly number[] => Array.from({ length: count }, (_, index) => index + 1);

/** Milliseconds that something took. */
export const timed = async (clock: Clock, work: () => Promise<unknown>): Promise<number> => {
  const began = clock.monotonic();
  await work();
  return clock.monotonic() - began;
};
