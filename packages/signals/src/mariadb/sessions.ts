/**
 * Sessions and their transactions: rows of SHOW PROCESSLIST and INNODB_TRX become counts as mysqld_exporter gives them, and the sessions
 * of the database's detail, the worst first. Rows in, values out; statements leave without literals.
 */
import type { DatabaseSession } from '@coequal/contract';
import { numberOf, type Row, textOf } from '../database/answer.ts';
import type { LockWait } from '../database/blocking.ts';
import { maskLiterals } from '../database/mask.ts';
import { point } from '../database/points.ts';
import type { Point } from '../sample.ts';

export type Process = {
  readonly id: number;
  readonly user: string;
  /** Without the port. */
  readonly address: string;
  readonly database: string | undefined;
  readonly command: string;
  readonly seconds: number;
  readonly state: string;
  /** As the server gives it: cut to 100 characters, with literals. Never leaves this package. */
  readonly statement: string;
};

export type Transaction = {
  readonly session: number;
  readonly id: string;
  readonly state: string;
  readonly seconds: number;
  readonly waitingSeconds: number | undefined;
  readonly rowsLocked: number;
  readonly rowsChanged: number;
};

/** SHOW PROCESSLIST cuts statements here. */
export const processStatementLimit = 100;
const sessionLimit = 50;

/** Columns: Id, User, Host, db, Command, Time, State, Info. */
export const readProcesses = (rows: readonly Row[], own: number | undefined): readonly Process[] =>
  rows.flatMap((row) => {
    const [id, user, host, database, command, time, state, info] = row;
    const session = numberOf(id);
    if (session === undefined || session === own) return [];
    return [
      {
        id: session,
        user: textOf(user),
        address: textOf(host).replace(/:\d+$/, ''),
        database: database ?? undefined,
        command: textOf(command),
        // Since before the clock of the server was set, it may be below zero, or above 4 billion.
        seconds: sane(numberOf(time)),
        state: textOf(state),
        statement: textOf(info),
      },
    ];
  });

const sane = (seconds: number | undefined): number =>
  seconds === undefined || seconds < 0 || seconds > 2 ** 31 ? 0 : seconds;

export const readTransactions = (rows: readonly Row[]): readonly Transaction[] =>
  rows.flatMap(([thread, id, state, seconds, waiting, locked, changed]) => {
    const session = numberOf(thread);
    // 0: of no session any more, such as one that is being recovered after a crash.
    if (session === undefined) return [];
    return [
      {
        session,
        id: textOf(id),
        state: textOf(state),
        seconds: sane(numberOf(seconds)),
        waitingSeconds: waiting === null ? undefined : sane(numberOf(waiting)),
        rowsLocked: numberOf(locked) ?? 0,
        rowsChanged: numberOf(changed) ?? 0,
      },
    ];
  });

/** Threads of the server itself that do nothing: appliers without work, the scheduler of events, and the like. */
const isIdleThread = ({ command, user, state }: Process): boolean =>
  command === 'Daemon' ||
  command === 'Binlog Dump' ||
  command === 'Binlog Dump GTID' ||
  (user === 'system user' && (command === 'Sleep' || /idle|waiting for|has read all/i.test(state))) ||
  user === 'event_scheduler';

export const isWorking = (one: Process): boolean => one.command !== 'Sleep' && !isIdleThread(one);

export const waitsForMetadata = ({ state }: Process): boolean => /^Waiting for .*(metadata|backup) lock/i.test(state);

const waitsForLock = ({ state }: Process): boolean => /^Waiting for .*\block\b/i.test(state);

/** As mysqld_exporter words states and commands. */
const labelWords = (text: string): string => {
  const words = text
    .toLowerCase()
    .replaceAll(/[;,:.()]/g, '')
    .replaceAll(/[ -]/g, '_');
  return words === '' ? 'unknown' : words;
};

/** A server has a few hundred kinds of states; texts that vary without end would make series without end. */
const seriesLimit = 300;

export const processPoints = (processes: readonly Process[]): readonly Point[] => {
  const prefix = 'mysql_info_schema_processlist';
  const [states, users, hosts] = [new Map<string, [string, string, number, number]>(), countMap(), countMap()];
  for (const { command, state, seconds, user, address } of processes) {
    const [commandWords, stateWords] = [labelWords(command), labelWords(state)];
    const key = `${commandWords}\n${stateWords}`;
    const known = states.get(key);
    if (known === undefined) states.set(key, [commandWords, stateWords, 1, seconds]);
    else {
      known[2] += 1;
      known[3] += seconds;
    }
    users.set(user, (users.get(user) ?? 0) + 1);
    hosts.set(address, (hosts.get(address) ?? 0) + 1);
  }
  const counted = (label: string, counts: ReadonlyMap<string, number>): readonly Point[] =>
    [...counts]
      .slice(0, seriesLimit)
      .map(([name, count]) =>
        point(
          `${prefix}_processes_by_${label === 'mysql_user' ? 'user' : 'host'}`,
          [[label, name || 'unknown']],
          count,
        ),
      );
  return [
    ...[...states.values()].slice(0, seriesLimit).flatMap(([command, state, count, seconds]) => {
      const labels = [['command', command] as const, ['state', state] as const];
      return [point(`${prefix}_threads`, labels, count), point(`${prefix}_seconds`, labels, seconds)];
    }),
    ...counted('mysql_user', users),
    ...counted('client_host', hosts),
  ];
};

const countMap = (): Map<string, number> => new Map();

/** The first two as newer versions of mysqld_exporter name them. */
export const transactionPoints = (transactions: readonly Transaction[]): readonly Point[] => {
  const prefix = 'mysql_info_schema_innodb_trx';
  return ['RUNNING', 'LOCK WAIT', 'ROLLING BACK', 'COMMITTING'].flatMap((state) => {
    const own = transactions.filter((one) => one.state === state);
    const labels = [['state', state] as const];
    return [
      point(`${prefix}_transactions`, labels, own.length),
      point(`${prefix}_oldest_transaction_seconds`, labels, greatest(own.map(({ seconds }) => seconds))),
    ];
  });
};

const greatest = (values: readonly number[]): number => values.reduce((most, value) => Math.max(most, value), 0);

export type Activity = {
  readonly processes: readonly Process[];
  readonly transactions: readonly Transaction[];
  readonly waits: readonly LockWait[];
  /** How many wait behind whom, the one that blocks most first. */
  readonly blocked: ReadonlyMap<number, number>;
};

/** Engine-neutral figures of who works and who waits, under names of ours; the same for every engine. */
export const activityPoints = ({ processes, transactions, waits, blocked }: Activity): readonly Point[] => {
  const inTransaction = new Map(transactions.map((one) => [one.session, one]));
  const waiting = new Set(waits.map((one) => one.waiting));
  const isWaiting = (one: Process): boolean =>
    waiting.has(one.id) || waitsForLock(one) || inTransaction.get(one.id)?.state === 'LOCK WAIT';
  const working = processes.filter((one) => isWorking(one));
  const idle = processes.filter(
    (one) => one.command === 'Sleep' && inTransaction.has(one.id) && one.user !== 'system user',
  );
  const ages = (list: readonly Process[]): readonly number[] =>
    list.map(({ id }) => inTransaction.get(id)?.seconds ?? 0);
  const waitingNow = processes.filter(isWaiting);
  const state = (name: string, count: number): Point => point('coequal_database_sessions', [['state', name]], count);
  return [
    state('working', working.filter((one) => !isWaiting(one)).length),
    state('waiting', waitingNow.length),
    state('idle_in_transaction', idle.length),
    point('coequal_database_longest_statement_seconds', [], greatest(working.map(({ seconds }) => seconds))),
    point('coequal_database_longest_transaction_seconds', [], greatest(transactions.map(({ seconds }) => seconds))),
    point('coequal_database_longest_idle_transaction_seconds', [], greatest(ages(idle))),
    point('coequal_database_lock_waits', [], waits.length),
    point(
      'coequal_database_longest_lock_wait_seconds',
      [],
      greatest([
        ...transactions.map(({ waitingSeconds }) => waitingSeconds ?? 0),
        ...processes.filter(waitsForLock).map(({ seconds }) => seconds),
      ]),
    ),
    point('coequal_database_most_blocked_by_one', [], greatest([...blocked.values()])),
    point('coequal_database_rows_locked', [], sum(transactions.map(({ rowsLocked }) => rowsLocked))),
    point('coequal_database_rows_changed_uncommitted', [], sum(transactions.map(({ rowsChanged }) => rowsChanged))),
    point('coequal_database_metadata_lock_waits', [], processes.filter(waitsForMetadata).length),
  ];
};

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** Those that work, wait or hold a transaction open: blockers first, then who waits, then by age. */
export const chooseProcesses = ({ processes, transactions, waits, blocked }: Activity): readonly Process[] => {
  const inTransaction = new Map(transactions.map((one) => [one.session, one]));
  const waiting = new Set(waits.map((one) => one.waiting));
  const blocking = new Set(waits.map((one) => one.blocking));
  const rank = (one: Process): number =>
    (blocked.get(one.id) ?? 0) * 1e12 +
    (blocking.has(one.id) ? 1e11 : 0) +
    (waiting.has(one.id) || waitsForLock(one) ? 1e10 : 0) +
    Math.max(inTransaction.get(one.id)?.seconds ?? 0, one.command === 'Sleep' ? 0 : one.seconds);
  return processes
    .filter((one) => isWorking(one) || inTransaction.has(one.id) || blocking.has(one.id))
    .map((one) => [one, rank(one)] as const)
    .sort(([, a], [, b]) => b - a)
    .slice(0, sessionLimit)
    .map(([one]) => one);
};

/** `texts`: longer statements of some sessions. */
export const detailSessions = (
  chosen: readonly Process[],
  transactions: readonly Transaction[],
  texts: ReadonlyMap<number, string>,
): readonly DatabaseSession[] => {
  const inTransaction = new Map(transactions.map((one) => [one.session, one]));
  return chosen.map((one) => {
    const transaction = inTransaction.get(one.id);
    const statement = maskLiterals(texts.get(one.id) ?? one.statement, 'mysql');
    return {
      id: one.id,
      user: one.user,
      address: one.address,
      ...(one.database === undefined ? {} : { database: one.database }),
      command: one.command,
      state: one.state,
      seconds: one.seconds,
      ...(transaction === undefined
        ? {}
        : {
            transactionSeconds: transaction.seconds,
            rowsLocked: transaction.rowsLocked,
            rowsChanged: transaction.rowsChanged,
          }),
      ...(statement === '' ? {} : { statement }),
    };
  });
};
