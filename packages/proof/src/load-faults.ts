/**
 * The faults that are work, not damage: somebody's statements, jobs and settings that hurt the others. Each is made by a program inside the
 * site, by the same means as in life.
 */

export const loadFaultKinds = [
  'cpu',
  'memory',
  'lock',
  'bad-query',
  'missing-index',
  'spike',
  'backup',
  'batch',
  'ddl',
  'connections',
  'setting',
  'applier',
  'hot-row',
  'login-storm',
] as const;

export type LoadFaultKind = (typeof loadFaultKinds)[number];

export const isLoadFault = (kind: string): kind is LoadFaultKind => loadFaultKinds.some((each) => each === kind);

export type LoadFaultEntry = {
  /** Completes "north: …" in the view. */
  readonly text: string;
  /** What `amount` counts, its usual value and bounds; undefined: there is nothing to choose. */
  readonly amount?: { readonly words: string; readonly usual: number; readonly least: number; readonly most: number };
  /** Works on the branch's tables, which a lab has when it has branches. */
  readonly needsBranches: boolean;
};

export const loadFaults: Readonly<Record<LoadFaultKind, LoadFaultEntry>> = {
  cpu: {
    text: 'other processes take its processor',
    amount: { words: 'busy processes', usual: 3, least: 1, most: 64 },
    needsBranches: false,
  },
  memory: {
    text: 'another process takes its memory',
    amount: { words: 'MiB', usual: 600, least: 16, most: 65_536 },
    needsBranches: false,
  },
  lock: { text: 'a session holds row locks and does nothing', needsBranches: true },
  'bad-query': {
    text: 'somebody runs statements that read everything',
    amount: { words: 'sessions', usual: 4, least: 1, most: 200 },
    needsBranches: true,
  },
  'missing-index': { text: 'an index was dropped', needsBranches: true },
  spike: {
    text: 'its branch has many times the customers',
    amount: { words: 'transactions a second', usual: 600, least: 1, most: 100_000 },
    needsBranches: true,
  },
  backup: {
    text: 'a dump of everything is being made',
    amount: { words: 'sessions', usual: 2, least: 1, most: 32 },
    needsBranches: true,
  },
  batch: {
    text: 'one statement changes many rows',
    amount: { words: 'rows', usual: 60_000, least: 1, most: 10_000_000 },
    needsBranches: true,
  },
  ddl: { text: 'a table is being rebuilt', needsBranches: true },
  connections: {
    text: 'somebody opens connections until none is left',
    amount: { words: 'connections', usual: 400, least: 1, most: 100_000 },
    needsBranches: false,
  },
  setting: { text: 'somebody made it read-only', needsBranches: false },
  applier: { text: 'it cannot apply what the others write', needsBranches: false },
  'hot-row': {
    text: 'everybody changes the same few rows',
    amount: { words: 'sessions a site', usual: 6, least: 1, most: 200 },
    needsBranches: true,
  },
  'login-storm': {
    text: 'somebody tries passwords',
    amount: { words: 'attempts a second', usual: 60, least: 1, most: 10_000 },
    needsBranches: false,
  },
};
