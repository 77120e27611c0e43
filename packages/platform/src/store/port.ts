/** What is kept on disk, as those who use it see it. Everything is whole or not there; a call that could not write throws. */
import type { ChangeEvent, ChangeQuery, Event, Incident, IncidentQuery } from '@coequal/contract';

export type Page<T> = { readonly items: readonly T[]; readonly next: string | null };

export type IncidentStore = {
  /** All of them, or none. */
  readonly save: (incidents: readonly Incident[]) => void;
  readonly get: (id: string) => Incident | undefined;
  /** The newest first. */
  readonly list: (query: IncidentQuery) => Page<Incident>;
  /** Those that are not resolved. */
  readonly open: () => readonly Incident[];
  /** Resolved at or after a time. */
  readonly resolvedSince: (ms: number) => readonly Incident[];
  /** Drops the oldest resolved ones beyond a number. */
  readonly prune: (kept: number) => number;
};

export type EventStore = {
  /** Those that are new; one that is there already is not written again. */
  readonly add: (events: readonly Event[]) => readonly Event[];
  readonly changes: (query: ChangeQuery) => Page<ChangeEvent>;
  /** Of a kind, since a time, the oldest first; at most so many, the newest of them. */
  readonly since: (kind: Event['kind'], ms: number, most: number) => readonly Event[];
  readonly prune: (kept: number) => number;
};

/** Small values by name: silences, what was told to whom. */
export type DocumentStore = {
  readonly put: (name: string, value: unknown) => void;
  readonly get: (name: string) => unknown;
};
