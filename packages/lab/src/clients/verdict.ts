/**
 * What one client of the kill test said, and what the database says of it. Pure. The invariant: a transaction
 * counts as acknowledged only when the client's own library said so, and what neither side can tell is in doubt,
 * never lost and never right.
 */

export type Said =
  | { readonly kind: 'ok' | 'conflict'; readonly n: number }
  | { readonly kind: 'error'; readonly n: number | null; readonly code: string; readonly message: string }
  /** What the program was told when it asked what became of a transaction in doubt. */
  | { readonly kind: 'fate'; readonly n: number; readonly fate: string }
  | { readonly kind: 'done' };

/** A line of a program; undefined for what is not one of its words, such as a tool's banner. */
export const parseSaid = (line: string): Said | undefined => {
  if (line === 'done') return { kind: 'done' };
  const [, kind, n] = /^(ok|conflict) (\d+)$/.exec(line) ?? [];
  if (kind !== undefined) return { kind: kind === 'ok' ? 'ok' : 'conflict', n: Number(n) };
  const fate = /^fate (\d+) (.+)$/.exec(line);
  if (fate !== null) return { kind: 'fate', n: Number(fate[1]), fate: fate[2] ?? '' };
  const error = /^error (\d+) (\S+) ?(.*)$/.exec(line);
  if (error !== null) return { kind: 'error', n: Number(error[1]), code: error[2] ?? '', message: error[3] ?? '' };
  // What sysbench says before it ends: FATAL: mysql_drv_query() returned error 2013 (Lost connection …) for query 'COMMIT'
  const fatal = /^FATAL: \w+\(\) (?:returned error|failed[^0-9]*) ?(\d+) ?(.*)$/.exec(line);
  return fatal === null ? undefined : { kind: 'error', n: null, code: fatal[1] ?? '', message: fatal[2] ?? '' };
};

/** What the database holds of one run, read after everything has ended. */
export type Held = {
  /** How often each entry is there. */
  readonly entries: ReadonlyMap<number, number>;
  /** Account 2·RUN: one up with each transaction of the first kind. */
  readonly inTransactions: number;
  /** Account 2·RUN + 1: one up with each transaction of the third kind. */
  readonly alone: number;
};

export type Verdict = {
  readonly acknowledged: number;
  readonly conflicts: number;
  readonly errors: number;
  /** Every code with how often it was seen, the most frequent first. */
  readonly errorCodes: string | null;
  readonly firstError: string | null;
  /** Without an answer, or with an error that does not tell. */
  readonly inDoubt: number;
  /** Acknowledged, and not there. */
  readonly lost: number;
  /** There more than once. */
  readonly doubled: number;
  /** Transactions of which one write is there and another is not. */
  readonly torn: number;
};

/** What transaction n is: 0 with several writes, 1 an entry alone, 2 an update alone. */
export type KindOf = (n: number) => number;
const inTurn: KindOf = (n) => n % 3;

/** `cut`: the program did not say `done`, so that what it had in flight at the end is in doubt. */
export const judge = (said: readonly Said[], held: Held, cut: boolean, kindOf: KindOf = inTurn): Verdict => {
  const acknowledged = new Set(said.flatMap((each) => (each.kind === 'ok' ? [each.n] : [])));
  const errors = said.filter((each) => each.kind === 'error');
  const doubtful = doubtfulOf(said, acknowledged, cut);
  const updates = [...acknowledged].filter((n) => kindOf(n) === 2).length;
  const openUpdates = [...doubtful].filter((n) => kindOf(n) === 2).length;
  const written = [...held.entries].filter(([n]) => kindOf(n) === 0).reduce((sum, [, count]) => sum + count, 0);
  const missing = [...acknowledged].filter((n) => kindOf(n) !== 2 && (held.entries.get(n) ?? 0) === 0).length;
  const surplus = [...held.entries.values()].reduce((sum, count) => sum + Math.max(0, count - 1), 0);
  return {
    acknowledged: acknowledged.size,
    conflicts: said.filter(({ kind }) => kind === 'conflict').length,
    errors: errors.length,
    errorCodes: codesOf(errors.map(({ code }) => code)),
    firstError: errors[0]?.message || null,
    inDoubt: doubtful.size,
    lost: missing + Math.max(0, updates - held.alone),
    doubled: surplus + Math.max(0, held.alone - updates - openUpdates) + strangersOf(held, acknowledged, doubtful),
    torn: Math.abs(held.inTransactions - written),
  };
};

const doubtfulOf = (said: readonly Said[], acknowledged: ReadonlySet<number>, cut: boolean): ReadonlySet<number> => {
  let next = 0;
  const doubtful = new Set<number>();
  for (const each of said) {
    if (each.kind === 'ok') next = each.n + 1;
    if (each.kind === 'error') {
      doubtful.add(each.n ?? next);
      next = (each.n ?? next) + 1;
    }
  }
  if (cut) doubtful.add(next);
  return new Set([...doubtful].filter((n) => !acknowledged.has(n)));
};

/** Entries that nobody wrote, as far as the client knows: a transaction that was refused and is there all the same. */
const strangersOf = (held: Held, acknowledged: ReadonlySet<number>, doubtful: ReadonlySet<number>): number =>
  [...held.entries.keys()].filter((n) => !acknowledged.has(n) && !doubtful.has(n)).length;

const codesOf = (codes: readonly string[]): string | null => {
  const counts = new Map<string, number>();
  for (const code of codes) counts.set(code, (counts.get(code) ?? 0) + 1);
  const sorted = [...counts].sort((a, b) => b[1] - a[1]);
  return sorted.map(([code, count]) => (count === 1 ? code : `${code} (${count})`)).join(', ') || null;
};
