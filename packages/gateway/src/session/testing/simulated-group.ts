/**
 * What all simulated instances share: one total order of commits. A commit is certified against everything that was ordered
 * since it took its rows, and the first one wins; the outcome rows of sessions are rows like any other. Nothing is ever forgotten, so that a
 * test can ask at the end what any snapshot showed.
 *
 * It leaves to others: what a session does before it commits (`simulated-session.ts`), and which part of the order an
 * instance has applied (`simulated-instance.ts`).
 */

/** One change of one statement, under the tag that its client gave it. */
export type Effect = {
  readonly tag: string;
  readonly kind: 'add' | 'insert' | 'ddl';
  readonly key: string;
  /** The default schema of its session, in which unqualified names are looked up. */
  readonly schema: string;
};

export type OutcomeRow = {
  readonly epoch: number;
  readonly sequence: bigint;
  readonly affected: bigint;
  readonly insertId: bigint;
};

export type Commit = {
  readonly seqno: number;
  readonly effects: readonly Effect[];
  readonly keys: ReadonlySet<string>;
  /** Null within: the row of a session that has ended was removed. */
  readonly outcome: { readonly session: string; readonly row: OutcomeRow | null } | null;
};

export type CommitWish = {
  readonly effects: readonly Effect[];
  /** Each key with the position up to which its row had been seen when it was taken. */
  readonly keys: ReadonlyMap<string, number>;
  readonly outcome: Commit['outcome'];
};

export const counterKey = (id: number): string => `t:${id}`;
export const logKey = (id: number): string => `log:${id}`;
export const outcomeKeyOf = (session: string): string => `outcome:${session}`;
export const guardKey = (name: string): string => `guard:${name}`;

export class SimulatedGroup {
  readonly commits: Commit[] = [];

  get seqno(): number {
    return this.commits.length;
  }

  /** The last commit up to a position that changed the row; 0: none did. */
  lastChange(key: string, upTo: number): number {
    for (let seqno = upTo; seqno > 0; seqno -= 1) if (this.commits[seqno - 1]?.keys.has(key) === true) return seqno;
    return 0;
  }

  /** Puts it behind everything else. Null: somebody was first. */
  commit({ effects, keys, outcome }: CommitWish): number | null {
    for (const [key, since] of keys) if (this.lastChange(key, this.seqno) > since) return null;
    const seqno = this.seqno + 1;
    this.commits.push({ seqno, effects: [...effects], keys: new Set(keys.keys()), outcome });
    return seqno;
  }

  /** The counter as a snapshot shows it. */
  value(id: number, upTo: number): number {
    const key = counterKey(id);
    let value = 0;
    for (const { effects } of this.commits.slice(0, upTo))
      for (const effect of effects) if (effect.kind === 'add' && effect.key === key) value += 1;
    return value;
  }

  outcome(session: string, upTo: number): OutcomeRow | undefined {
    for (let seqno = upTo; seqno > 0; seqno -= 1) {
      const found = this.commits[seqno - 1]?.outcome;
      if (found?.session === session) return found.row ?? undefined;
    }
    return undefined;
  }

  /** A fence commits on an instance that has applied everything, so nothing can be before it. */
  fence(session: string, epoch: number): OutcomeRow {
    const before = this.outcome(session, this.seqno);
    const row: OutcomeRow =
      before === undefined
        ? { epoch, sequence: 0n, affected: 0n, insertId: 0n }
        : { ...before, epoch: before.epoch + 1 };
    this.commit({ effects: [], keys: new Map([[outcomeKeyOf(session), this.seqno]]), outcome: { session, row } });
    return row;
  }

  /** The row goes, as that of a session about which nobody can ask. */
  forget(session: string): void {
    this.commit({
      effects: [],
      keys: new Map([[outcomeKeyOf(session), this.seqno]]),
      outcome: { session, row: null },
    });
  }

  /** Positions at which the changes of a tag are. */
  places(tag: string): readonly number[] {
    return this.commits.flatMap(({ seqno, effects }) =>
      effects.filter((effect) => effect.tag === tag).map(() => seqno),
    );
  }
}
