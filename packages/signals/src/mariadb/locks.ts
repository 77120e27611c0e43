/**
 * Who waits for whom, as pairs of sessions: row locks from pairs of transactions, locks on the definitions of tables (metadata locks)
 * from the list of those held and wanted. For the latter the server does not say who blocks; it follows from which kinds go together.
 */
import { numberOf, type Row, textOf } from '../database/answer.ts';
import type { LockWait } from '../database/blocking.ts';
import type { Transaction } from './sessions.ts';

/** As the detail may hold. */
const waitLimit = 1_000;

/** Rows: waiting and blocking transaction. A transaction without a session (rolled back after a crash) is not told. */
export const rowLockWaits = (rows: readonly Row[], transactions: readonly Transaction[]): readonly LockWait[] => {
  const sessions = new Map(transactions.map(({ id, session }) => [id, session]));
  return rows.slice(0, waitLimit).flatMap(([waitingId, blockingId]) => {
    const [waiting, blocking] = [sessions.get(textOf(waitingId)), sessions.get(textOf(blockingId))];
    return waiting === undefined || blocking === undefined ? [] : [{ waiting, blocking }];
  });
};

/**
 * What a held lock keeps others from taking on the same table. Source: MySQL's and MariaDB's documentation of metadata locks
 * (sql/mdl.cc: the matrix for locks on objects).
 */
const keepsOut: Readonly<Record<string, readonly string[]>> = {
  SHARED: ['EXCLUSIVE'],
  SHARED_HIGH_PRIO: ['EXCLUSIVE'],
  SHARED_READ: ['SHARED_NO_READ_WRITE', 'EXCLUSIVE'],
  SHARED_WRITE: ['SHARED_READ_ONLY', 'SHARED_NO_WRITE', 'SHARED_NO_READ_WRITE', 'EXCLUSIVE'],
  SHARED_WRITE_LOW_PRIO: ['SHARED_READ_ONLY', 'SHARED_NO_WRITE', 'SHARED_NO_READ_WRITE', 'EXCLUSIVE'],
  SHARED_UPGRADABLE: ['SHARED_UPGRADABLE', 'SHARED_NO_WRITE', 'SHARED_NO_READ_WRITE', 'EXCLUSIVE'],
  SHARED_READ_ONLY: ['SHARED_WRITE', 'SHARED_WRITE_LOW_PRIO', 'SHARED_NO_READ_WRITE', 'EXCLUSIVE'],
  SHARED_NO_WRITE: [
    ...['SHARED_WRITE', 'SHARED_WRITE_LOW_PRIO', 'SHARED_UPGRADABLE', 'SHARED_NO_WRITE', 'SHARED_NO_READ_WRITE'],
    'EXCLUSIVE',
  ],
  SHARED_NO_READ_WRITE: [
    ...['SHARED_READ', 'SHARED_WRITE', 'SHARED_WRITE_LOW_PRIO', 'SHARED_UPGRADABLE', 'SHARED_READ_ONLY'],
    ...['SHARED_NO_WRITE', 'SHARED_NO_READ_WRITE', 'EXCLUSIVE'],
  ],
  EXCLUSIVE: [
    ...['SHARED', 'SHARED_HIGH_PRIO', 'SHARED_READ', 'SHARED_WRITE', 'SHARED_WRITE_LOW_PRIO', 'SHARED_UPGRADABLE'],
    ...['SHARED_READ_ONLY', 'SHARED_NO_WRITE', 'SHARED_NO_READ_WRITE', 'EXCLUSIVE'],
  ],
};

type MetadataLock = { readonly session: number; readonly table: string; readonly kind: string; readonly held: boolean };

/** Rows: session, schema, table, kind, GRANTED or PENDING. */
export const metadataLockWaits = (rows: readonly Row[]): readonly LockWait[] => {
  const locks = rows.flatMap(([id, schema, name, kind, status]): readonly MetadataLock[] => {
    const session = numberOf(id);
    if (session === undefined) return [];
    const table = `${textOf(schema)}\n${textOf(name)}`;
    return [{ session, table, kind: textOf(kind), held: textOf(status) === 'GRANTED' }];
  });
  const waits: LockWait[] = [];
  for (const wanted of locks.filter(({ held }) => !held)) {
    const others = locks.filter(({ table, session }) => table === wanted.table && session !== wanted.session);
    const keeping = others.filter(({ kind }) => (keepsOut[kind] ?? []).includes(wanted.kind));
    const holders = keeping.filter(({ held }) => held);
    // What goes together with everything held waits in the queue behind a stronger one that waits.
    const before = holders.length > 0 ? holders : keeping.filter(({ kind }) => isStronger(kind, wanted.kind));
    for (const blocking of new Set(before.map(({ session }) => session)))
      if (waits.length < waitLimit) waits.push({ waiting: wanted.session, blocking });
  }
  return waits;
};

const isStronger = (kind: string, other: string): boolean =>
  (keepsOut[kind]?.length ?? 0) > (keepsOut[other]?.length ?? 0);
