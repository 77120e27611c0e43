/**
 * What statements did between two readings, from counters that the server keeps for each kind of statement. A kind that was not seen
 * before counts whole only when the server says it is new; otherwise its past would look like a burst. Counters that went down
 * began anew.
 */
import type { StatementActivity } from '@coequal/contract';

/** The counters of a kind of statement: seconds, the rest whole numbers. */
export type StatementCounters = Omit<StatementActivity, 'digest' | 'text' | 'database'>;

export type StatementRow = {
  /** Of the digest and whatever else tells two rows apart. */
  readonly key: string;
  readonly digest: string;
  readonly database: string | undefined;
  readonly counters: StatementCounters;
  /** The server began to count it since the reading before. */
  readonly isNew: boolean;
};

export type StatementDelta = StatementRow & { readonly delta: StatementCounters };

/** More kinds than this are not remembered; the least active are forgotten first. */
const memoryLimit = 5_000;
const names = [
  'calls',
  'seconds',
  'lockSeconds',
  'rowsExamined',
  'rowsSent',
  'rowsChanged',
  'errors',
  'withoutIndex',
  'temporaryTablesOnDisk',
] as const satisfies readonly (keyof StatementCounters)[];

export class StatementMemory {
  #known = new Map<string, StatementCounters>();

  /** Forgets everything, as after a restart of the server. */
  clear(): void {
    this.#known.clear();
  }

  /** What took the most time since the reading before, first. The first reading gives nothing. */
  step(rows: readonly StatementRow[]): readonly StatementDelta[] {
    const first = this.#known.size === 0;
    const found: StatementDelta[] = [];
    for (const row of rows) {
      const before = this.#known.get(row.key);
      // Again at the end of the map, where what is active stays longest.
      this.#known.delete(row.key);
      this.#known.set(row.key, row.counters);
      if (first || (before === undefined && !row.isNew)) continue;
      const delta = difference(before, row.counters);
      if (delta.calls > 0) found.push({ ...row, delta });
    }
    for (const key of this.#known.keys()) {
      if (this.#known.size <= memoryLimit) break;
      this.#known.delete(key);
    }
    return found.sort((a, b) => b.delta.seconds - a.delta.seconds);
  }
}

const difference = (before: StatementCounters | undefined, after: StatementCounters): StatementCounters => {
  const began = before === undefined || after.calls < before.calls;
  const of = (name: keyof StatementCounters): number => (began ? after[name] : Math.max(0, after[name] - before[name]));
  return Object.fromEntries(names.map((name) => [name, of(name)])) as StatementCounters;
};
