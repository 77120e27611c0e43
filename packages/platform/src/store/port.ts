/** What is kept on disk, as those who use it see it. Everything is whole or not there; a call that could not write throws. */
import type { ChangeEvent, ChangeQuery, Event, Incident, IncidentQuery } from '@coequal/contract';
import type { Grant } from '../access/subject.ts';

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
  readonly change: (id: string) => ChangeEvent | undefined;
  /** Of a kind, since a time, the oldest first; at most so many, the newest of them. */
  readonly since: (kind: Event['kind'], ms: number, most: number) => readonly Event[];
  readonly prune: (kept: number) => number;
};

/** Small values by name: silences, what was told to whom. */
export type DocumentStore = {
  readonly put: (name: string, value: unknown) => void;
  readonly get: (name: string) => unknown;
};

/** What is kept of a service account. Of its token only a hash is. */
export type KeptAccount = {
  readonly id: string;
  readonly name: string;
  readonly tokenHash: string;
  readonly grants: readonly Grant[];
  readonly createdMs: number;
  readonly createdBy: string;
  readonly expiresMs: number;
  readonly revokedMs: number | null;
  readonly revokedBy: string | null;
};

export type AccountStore = {
  readonly add: (account: KeptAccount) => void;
  /** All that ever were, the newest first. */
  readonly list: () => readonly KeptAccount[];
  readonly byHash: (tokenHash: string) => KeptAccount | undefined;
  /** The one of that name that was not revoked. */
  readonly byName: (name: string) => KeptAccount | undefined;
  readonly revoke: (id: string, by: string, ms: number) => void;
};

/** What was asked for with a key, and how it ended; `answer` is null until it did. */
export type OnceStore = {
  readonly get: (
    subject: string,
    request: string,
    key: string,
  ) => { readonly digest: string; readonly answer: string | null } | undefined;
  readonly begin: (subject: string, request: string, key: string, digest: string, ms: number) => void;
  readonly end: (subject: string, request: string, key: string, answer: string) => void;
  readonly forget: (subject: string, request: string, key: string) => void;
  /** Drops what is older, and the oldest beyond a number. */
  readonly prune: (beforeMs: number, kept: number) => void;
};
