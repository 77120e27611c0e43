/**
 * Sessions of PostgreSQL: rows of pg_stat_activity become the exporter's counts, figures that have one name for every engine, and the
 * sessions of the database's detail, the worst first. Statements leave without literals.
 */
import type { DatabaseSession } from '@coequal/contract';
import { numberOf, type Row, textOf } from '../database/answer.ts';
import type { BlockingTree, LockWait } from '../database/blocking.ts';
import { maskLiterals } from '../database/mask.ts';
import { point } from '../database/points.ts';
import type { Label, Point } from '../sample.ts';
import { states } from './points.ts';

export type Backend = {
  readonly id: number;
  readonly database: string;
  readonly user: string;
  readonly address: string;
  readonly state: string;
  readonly kind: string;
  readonly waitKind: string;
  readonly wait: string;
  /** Age of the open transaction. */
  readonly transactionSeconds: number | undefined;
  /** In this state; of a running statement, since it began. */
  readonly seconds: number;
  /** With literals. Never leaves this package. */
  readonly statement: string;
};

const sessionLimit = 50;

/** Columns as `activity` asks for them. */
export const readBackends = (rows: readonly Row[]): readonly Backend[] =>
  rows.flatMap((row) => {
    const [pid, database, user, address, state, kind, waitKind, wait, transaction, seconds, statement] = row;
    const id = numberOf(pid);
    if (id === undefined) return [];
    return [
      {
        id,
        database: textOf(database),
        user: textOf(user),
        address: textOf(address),
        state: textOf(state),
        kind: textOf(kind),
        waitKind: textOf(waitKind),
        wait: textOf(wait),
        transactionSeconds: transaction === null ? undefined : Math.max(0, numberOf(transaction) ?? 0),
        seconds: Math.max(0, numberOf(seconds) ?? 0),
        statement: textOf(statement),
      },
    ];
  });

/** Pairs of `blockers`. 0 stands for a prepared transaction, which is nobody's session. */
export const readWaits = (rows: readonly Row[]): readonly LockWait[] =>
  rows.flatMap(([pid, blocker]) => {
    const [waiting, blocking] = [numberOf(pid), numberOf(blocker)];
    return waiting === undefined || blocking === undefined || blocking === 0 ? [] : [{ waiting, blocking }];
  });

/** Every state of every database, also those that nobody is in. */
export const backendPoints = (databases: readonly string[], backends: readonly Backend[]): readonly Point[] =>
  databases.flatMap((datname) =>
    states.flatMap((state) => {
      const own = backends.filter((one) => one.database === datname && one.state === state);
      const labels: readonly Label[] = [
        ['datname', datname],
        ['state', state],
      ];
      return [
        point('pg_stat_activity_count', labels, own.length),
        point(
          'pg_stat_activity_max_tx_duration',
          labels,
          greatest(own.map(({ transactionSeconds }) => transactionSeconds ?? 0)),
        ),
      ];
    }),
  );

const greatest = (values: readonly number[]): number => values.reduce((most, value) => Math.max(most, value), 0);

const isClient = ({ kind }: Backend): boolean => kind === 'client backend' || kind === 'parallel worker';
const isWaiting = ({ waitKind }: Backend): boolean => waitKind === 'Lock';
const isIdleInside = ({ state }: Backend): boolean => state.startsWith('idle in transaction');

/** The same names as of every other engine. */
export const activityPoints = (
  backends: readonly Backend[],
  waits: readonly LockWait[],
  trees: readonly BlockingTree[],
): readonly Point[] => {
  const clients = backends.filter(isClient);
  const waiting = clients.filter(isWaiting);
  const working = clients.filter((one) => one.state === 'active');
  const idle = clients.filter(isIdleInside);
  const ages = (list: readonly Backend[]): number =>
    greatest(list.map(({ transactionSeconds }) => transactionSeconds ?? 0));
  const state = (name: string, count: number): Point => point('coequal_database_sessions', [['state', name]], count);
  return [
    state('working', working.length - waiting.length),
    state('waiting', waiting.length),
    state('idle_in_transaction', idle.length),
    point('coequal_database_longest_statement_seconds', [], greatest(working.map(({ seconds }) => seconds))),
    point('coequal_database_longest_transaction_seconds', [], ages(clients)),
    point('coequal_database_longest_idle_transaction_seconds', [], ages(idle)),
    point('coequal_database_lock_waits', [], waits.length),
    point('coequal_database_longest_lock_wait_seconds', [], greatest(waiting.map(({ seconds }) => seconds))),
    point('coequal_database_most_blocked_by_one', [], greatest(trees.map(({ blocked }) => blocked))),
  ];
};

/** Those that work, wait or hold a transaction open: blockers first, then who waits, then by age. */
export const detailSessions = (
  backends: readonly Backend[],
  waits: readonly LockWait[],
  trees: readonly BlockingTree[],
): DatabaseSession[] => {
  const blocked = new Map(trees.map((one) => [one.session, one.blocked]));
  const blocking = new Set(waits.map((one) => one.blocking));
  const rank = (one: Backend): number =>
    (blocked.get(one.id) ?? 0) * 1e12 +
    (blocking.has(one.id) ? 1e11 : 0) +
    (isWaiting(one) ? 1e10 : 0) +
    (one.transactionSeconds ?? one.seconds);
  return backends
    .filter((one) => (isClient(one) && one.state !== 'idle' && one.state !== '') || blocking.has(one.id))
    .map((one) => [one, rank(one)] as const)
    .sort(([, a], [, b]) => b - a)
    .slice(0, sessionLimit)
    .map(([one]) => {
      const statement = maskLiterals(one.statement, 'postgres');
      return {
        id: one.id,
        user: one.user,
        address: one.address,
        ...(one.database === '' ? {} : { database: one.database }),
        command: one.state,
        state: one.waitKind === '' ? '' : `${one.waitKind}: ${one.wait}`,
        seconds: one.seconds,
        ...(one.transactionSeconds === undefined ? {} : { transactionSeconds: one.transactionSeconds }),
        ...(statement === '' ? {} : { statement }),
      };
    });
};
