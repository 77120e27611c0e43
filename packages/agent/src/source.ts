/**
 * The shape of everything an agent collects from. A source answers with samples that carry their labels already; what it cannot see
 * it says in words. It may reject or hang: whoever asks it has a deadline and the signal that goes with it.
 */
import type { DatabaseDetail, Event } from '@coequal/contract';
import type { Family, Sample } from '@coequal/signals/collecting';

export type Collected = {
  readonly samples: readonly Sample[];
  readonly families?: readonly Family[];
  readonly detail?: DatabaseDetail | undefined;
  readonly events?: readonly Event[];
  readonly problems?: readonly string[];
};

export type Source = {
  /** Kind: `host`, `mariadb`, `logs`, … */
  readonly collector: string;
  /** What of that kind: an instance, a job; the empty text where there is one only. */
  readonly target: string;
  readonly everyMs: number;
  readonly deadlineMs: number;
  /** `timeMs`: what the samples are stamped with. */
  readonly collect: (timeMs: number, signal: AbortSignal) => Promise<Collected>;
  readonly close: () => Promise<void>;
};
