/**
 * Who waits for whom: lock waits as pairs become trees, each under the session that waits for nobody. A blocker with an idle
 * transaction at the root is what a person looks for first. A ring (a deadlock that the server has not seen yet) has no root;
 * one of its members stands for it, and is said to be in a ring. Pure; bounded in sessions.
 *
 * Rows come from performance_schema.data_lock_waits (MySQL) or information_schema.INNODB_LOCK_WAITS (MariaDB).
 */

/** Ids of sessions, as SHOW PROCESSLIST has them. */
export type LockWait = { readonly waiting: number; readonly blocking: number };

export type BlockingTree = {
  readonly session: number;
  /** Waits itself, for one that waits for it. */
  readonly inRing: boolean;
  /** How many sessions wait for it, directly and behind others. */
  readonly blocked: number;
  /** Its direct waiters, the one with most behind it first. */
  readonly waiters: readonly BlockingTree[];
};

/** More waits than this are one and the same story. */
const waitLimit = 10_000;

/**
 * The trees, the one that blocks most first. A session that waits for several stands under the first one only, in the order
 * of the rows, so that every session is there once.
 */
export const blockingTrees = (waits: readonly LockWait[]): readonly BlockingTree[] => {
  const waitersOf = new Map<number, number[]>();
  const waitsFor = new Map<number, number>();
  for (const { waiting, blocking } of waits.slice(0, waitLimit)) {
    if (waiting === blocking || waitsFor.has(waiting)) continue;
    waitsFor.set(waiting, blocking);
    const known = waitersOf.get(blocking);
    if (known === undefined) waitersOf.set(blocking, [waiting]);
    else known.push(waiting);
  }
  const placed = new Set<number>();
  const free = [...waitersOf.keys()].filter((session) => !waitsFor.has(session));
  const trees = free.map((root) => treeOf(root, waitersOf, placed, false));
  // What no free session leads to hangs on a ring. From any of its sessions, following whom it waits for ends in the ring.
  for (const session of waitsFor.keys())
    if (!placed.has(session)) trees.push(treeOf(inRingFrom(session, waitsFor), waitersOf, placed, true));
  return trees.sort((a, b) => b.blocked - a.blocked);
};

const inRingFrom = (start: number, waitsFor: ReadonlyMap<number, number>): number => {
  const seen = new Set<number>();
  let session = start;
  while (!seen.has(session)) {
    seen.add(session);
    session = waitsFor.get(session) ?? session;
  }
  return session;
};

type Open = { readonly session: number; readonly order: readonly number[] };

/** Without recursion: a chain of ten thousand waits is deeper than the stack may be. */
const treeOf = (
  root: number,
  waitersOf: ReadonlyMap<number, readonly number[]>,
  placed: Set<number>,
  inRing: boolean,
): BlockingTree => {
  const opened: Open[] = [];
  const waiting = [root];
  placed.add(root);
  for (let session = waiting.pop(); session !== undefined; session = waiting.pop()) {
    const order = (waitersOf.get(session) ?? []).filter((waiter) => !placed.has(waiter));
    for (const waiter of order) {
      placed.add(waiter);
      waiting.push(waiter);
    }
    opened.push({ session, order });
  }
  // Opened from the root down, so that backwards every waiter is made before its blocker.
  const made = new Map<number, BlockingTree>();
  for (const { session, order } of opened.reverse()) {
    const waiters = order.flatMap((waiter) => made.get(waiter) ?? []).sort((a, b) => b.blocked - a.blocked);
    const blocked = waiters.reduce((sum, waiter) => sum + 1 + waiter.blocked, 0);
    made.set(session, { session, inRing: inRing && session === root, blocked, waiters });
  }
  return made.get(root) ?? { session: root, inRing, blocked: 0, waiters: [] };
};
