/**
 * The driver of one Galera instance on this host. It starts, observes, stops, fences and inspects; it never
 * decides what may cost data: `forcePrimary` and `reprovision` are separate, named for what they do, and
 * class C3 for whoever offers them to people.
 */
import { rename, rm } from 'node:fs/promises';
import { serves } from '@coequal/estate';
import { type Clock, fail, type Log, until } from '@coequal/kernel';
import type { EngineDriver, Observation, StartMode, StoredPosition } from '../../driver.ts';
import {
  type ConfigurationInput,
  cacheFolder,
  errorLogPath,
  formatConfiguration,
  optionFile,
  socketPath,
} from '../configuration.ts';
import { findFailure, findProgress, hasBegunTransfer, saysDiskIsFull } from '../log.ts';
import {
  combinePosition,
  formatSavedState,
  formatSavedView,
  parseRecoveredPosition,
  parseSavedState,
  parseSavedView,
  type SavedView,
} from '../position.ts';
import { type Answer, credentialsReason, nameState } from '../states.ts';
import {
  freeBytes,
  isEmptyFolder,
  isThere,
  makeFolder,
  readIfThere,
  readTail,
  remove,
  sizeOf,
  writeWhole,
} from './files.ts';
import { isPortBusy } from './ports.ts';
import {
  isAlive,
  type Launch,
  type Running,
  runToEnd,
  signal,
  signalGroup,
  startProcess,
  untilGone,
} from './process.ts';
import { connectSql, failureAnswer, type Sql } from './sql.ts';

export type GaleraDriverOptions = ConfigurationInput & {
  /** Full path of mariadbd. */
  readonly server: string;
  readonly launch: Launch;
  /** Account for observation and administration, over the local socket; asked for each time, as passwords change. */
  readonly account: () => { readonly user: string; readonly password: string };
  /** User id that data and run folders are given to; undefined: the caller's own. */
  readonly owner?: number;
  readonly clock: Clock;
  readonly log: Log;
  /** An answer later than this is silence, ms. */
  readonly observeDeadlineMs?: number;
};

export type GaleraDriver = EngineDriver & {
  readonly process: () => { readonly pid: number; readonly startTicks: string } | undefined;
  /** Takes over a process that an earlier owner started. */
  readonly adopt: (process: { readonly pid: number; readonly startTicks: string }) => void;
  /** True once the running server has said that it waits for space: until it is fenced, the whole group waits with it. */
  readonly diskIsFull: () => Promise<boolean>;
  /** Whether its data folder holds a database. */
  readonly hasData: () => Promise<boolean>;
  /** Members of the last component on disk; empty when none is written. */
  readonly storedComponent: () => Promise<readonly string[]>;
  /** Writes the component that this instance forms with others at its own position (see `planRecovery`). */
  readonly writeComponent: (view: SavedView) => Promise<void>;
  /** Notes in its data that the service was re-formed without it from this position on. */
  readonly markFork: (sequence: number) => Promise<void>;
  /** True: its data goes beyond the position at which the service was re-formed without it, and must not be served. */
  readonly holdsOldBranch: () => Promise<boolean>;
  /** Class C3: makes this instance a Primary component by itself. Others must be fenced: see `forcePrimary` of the coordinator. */
  readonly forcePrimary: () => Promise<void>;
  /** Class C3: puts the data aside (`<folder>.aside`), so that the next join is a full transfer. */
  readonly reprovision: () => Promise<void>;
  /** Full copy of the global status, for reports; empty when it does not answer. */
  readonly status: () => Promise<Readonly<Record<string, string>>>;
  /** A statement over the local socket by the administrative account. */
  readonly administer: (
    text: string,
    values?: readonly (string | number)[],
  ) => Promise<readonly Readonly<Record<string, unknown>>[]>;
  readonly close: () => void;
};

/** Time for a crashed instance's own repair of its tables, and for its recovery run, ms. */
const recoverDeadlineMs = 600_000;
const logTailBytes = 64 * 1024;

export const galeraDriver = (options: GaleraDriverOptions): GaleraDriver => {
  const { instance, service, clock, log, places } = options;
  const address = `${instance.at.address}:${instance.ports.client}`;
  const logPath = errorLogPath(places.runFolder);
  const observeMs = options.observeDeadlineMs ?? 700;
  const forkPath = `${instance.dataFolder}/coequal-fork`;
  let running: Running | { readonly pid: number; readonly startTicks: string } | undefined;
  let stoppedInOrder = false;
  let logMark = 0;
  /** How far the log was read for `diskIsFull`, and what was found since the start. */
  let logSeen = 0;
  let waitsForSpace = false;
  /** When it last answered, and when it was last started: how long a silence has lasted. */
  let answeredAt = 0;
  let startedAt = clock.monotonic();
  let servedSinceStart = false;
  let sql: Sql | undefined;
  /** Name of the group that the server at the socket belongs to. */
  let groupName: string | undefined;

  const target = () => ({ socketPath: socketPath(places.runFolder), ...options.account() });

  const diskIsFull = async (): Promise<boolean> => {
    const size = await sizeOf(logPath);
    if (size > logSeen) {
      waitsForSpace ||= saysDiskIsFull(await readTail(logPath, Math.min(logTailBytes, size - logSeen)));
      logSeen = size;
    }
    return waitsForSpace;
  };

  const freshLog = async (): Promise<string> => {
    const size = await sizeOf(logPath);
    return readTail(logPath, Math.min(logTailBytes, Math.max(0, size - logMark)));
  };

  const connect = async (): Promise<Sql> => {
    if (sql !== undefined) return sql;
    const opened = await connectSql(target(), observeMs);
    // Looking must not wait for the cluster: a cut-off instance would never answer.
    await opened.query('SET SESSION wsrep_sync_wait=0');
    const [group] = await opened.query("SHOW GLOBAL VARIABLES LIKE 'wsrep_cluster_name'");
    groupName = group === undefined ? undefined : String(group['Value']);
    sql = opened;
    return opened;
  };

  const forget = (): void => {
    sql?.close();
    sql = undefined;
  };

  const ask = async (): Promise<Answer> => {
    const began = clock.monotonic();
    try {
      const connection = await connect();
      const rows = await connection.query("SHOW GLOBAL STATUS LIKE 'wsrep\\_%'", [], observeMs);
      const status = Object.fromEntries(rows.map((row) => [String(row['Variable_name']), String(row['Value'])]));
      answeredAt = clock.monotonic();
      return { kind: 'status', status, answerMs: answeredAt - began };
    } catch (error) {
      forget();
      const answer = failureAnswer(error);
      return answer.kind === 'timeout'
        ? { ...answer, afterMs: clock.monotonic() - Math.max(answeredAt, startedAt) }
        : answer;
    }
  };

  const observe = async (): Promise<Observation> => {
    let answer = await ask();
    // A connection from before a restart ends at its first use; only a second failure says something.
    if (answer.kind === 'lost') answer = await ask();
    if (answer.kind === 'refused') return observeAbsent();
    const named = nameState(answer, service.name, undefined);
    if (answer.kind !== 'status') return named;
    const { status, answerMs } = answer;
    const foreign = foreignGroup(status);
    if (foreign !== undefined) return nameState({ kind: 'foreign', found: foreign }, service.name, undefined);
    if (serves(named.state)) servedSinceStart = true;
    return {
      ...(named.state === 'isolated' && !servedSinceStart ? await stillJoining(named) : named),
      answerMs,
      members: Number(status['wsrep_cluster_size'] ?? 0),
      position: `${status['wsrep_cluster_state_uuid'] ?? ''}:${status['wsrep_last_committed'] ?? ''}`,
    };
  };

  /** Before it has its data, a joining instance answers that it has no majority; the log knows better. */
  const stillJoining = async (named: Pick<Observation, 'state' | 'reason'>) =>
    hasBegunTransfer(await freshLog())
      ? { state: 'joining' as const, reason: 'It receives what it missed (incremental or full copy).' }
      : named;

  /** Nobody listens: what the process and the log say decides between starting, joining, stopped and gone. */
  const observeAbsent = async (): Promise<Observation> => {
    const text = await freshLog();
    if (running !== undefined && isAlive(running)) {
      const progress = findProgress(text);
      return { state: hasBegunTransfer(text) ? 'joining' : 'starting', reason: progress ?? 'It has not answered yet.' };
    }
    if (stoppedInOrder || (running === undefined && !text.includes('[ERROR]'))) {
      return { state: 'stopped', reason: 'It ended in order.' };
    }
    return { state: 'gone', reason: findFailure(text)?.reason ?? 'Its process has ended without a word in the log.' };
  };

  const foreignGroup = (status: Readonly<Record<string, string>>): string | undefined => {
    const provider = status['wsrep_provider_name'];
    if (provider === undefined || provider === '') return 'a server without Galera';
    return groupName === service.name ? undefined : `the group ${groupName ?? 'of unknown name'}`;
  };

  const hasData = (): Promise<boolean> => isThere(`${instance.dataFolder}/ibdata1`);

  const prepare = async (): Promise<void> => {
    await makeFolder(places.runFolder, 0o700, options.owner);
    await makeFolder(instance.dataFolder, 0o700, options.owner);
    if (cacheFolder(instance) !== instance.dataFolder) await makeFolder(cacheFolder(instance), 0o700, options.owner);
    if (!(await hasData()) && !(await isEmptyFolder(instance.dataFolder))) {
      throw fail('DATA_FOLDER_FOREIGN', { path: instance.dataFolder });
    }
    await writeWhole(optionFile(places.runFolder), formatConfiguration(options), 0o600, options.owner);
  };

  const start = async (mode: StartMode): Promise<void> => {
    if (running !== undefined && isAlive(running)) return;
    await checkBeforeStart(options);
    forget();
    logMark = await sizeOf(logPath);
    logSeen = logMark;
    waitsForSpace = false;
    startedAt = clock.monotonic();
    servedSinceStart = false;
    stoppedInOrder = false;
    await setAsideDamagedState();
    if (mode.kind !== 're-form') await remove(`${instance.dataFolder}/gvwstate.dat`);
    if (mode.kind === 'bootstrap') await allowBootstrap();
    const flags = [
      ...(mode.kind === 'bootstrap' ? ['--wsrep-new-cluster'] : []),
      ...(mode.position === undefined ? [] : [`--wsrep-start-position=${mode.position}`]),
    ];
    running = await startProcess(
      options.launch,
      [options.server, `--defaults-file=${optionFile(places.runFolder)}`, ...flags],
      `${places.runFolder}/output.log`,
    );
    log('info', 'instance started', { instance: instance.name, mode: mode.kind, pid: running.pid });
  };

  /** The engine does not start with a state file that it cannot read; the data itself knows the position. */
  const setAsideDamagedState = async (): Promise<void> => {
    const path = `${instance.dataFolder}/grastate.dat`;
    const text = await readIfThere(path);
    if (text === undefined || parseSavedState(text) !== undefined) return;
    log('warn', 'damaged state file set aside', { instance: instance.name, path });
    await rename(path, `${path}.damaged`);
  };

  /** The engine refuses to start first unless its state file says so; who decided that is `planRecovery`, or two people. */
  const allowBootstrap = async (): Promise<void> => {
    const path = `${instance.dataFolder}/grastate.dat`;
    const saved = parseSavedState((await readIfThere(path)) ?? '');
    if (saved === undefined) return;
    await writeWhole(path, formatSavedState({ ...saved, safeToBootstrap: true }), 0o660, options.owner);
  };

  const stop = async (deadlineMs: number): Promise<void> => {
    forget();
    if (running === undefined || !isAlive(running)) return;
    stoppedInOrder = true;
    const ending = running;
    signal(ending, 'SIGCONT');
    signal(ending, 'SIGTERM');
    try {
      await untilGone(clock, ending, deadlineMs, instance.name);
    } catch {
      // In order it would not end: by force then; its position is found by recovery at the next start.
      stoppedInOrder = false;
      await fence();
    }
    signalGroup(ending, 'SIGKILL');
  };

  const fence = async (): Promise<void> => {
    forget();
    if (running === undefined) return;
    signalGroup(running, 'SIGKILL');
    signal(running, 'SIGKILL');
    await untilGone(clock, running, 10_000, instance.name);
  };

  const untilServing = async (deadlineMs: number): Promise<void> => {
    let last: Observation | undefined;
    await until(
      clock,
      {
        what: `${instance.name} serving`,
        deadlineMs,
        everyMs: 25,
        last: () => (last === undefined ? '' : `It is ${last.state}: ${last.reason}`),
        advice: `See its log ${logPath}.`,
      },
      async () => {
        last = await observe();
        if (last.state === 'foreign') throw foreignError(last.reason);
        if (running !== undefined && !isAlive(running)) throw await refusedStart();
        return serves(last.state);
      },
    );
  };

  const foreignError = (reason: string) =>
    reason === credentialsReason
      ? fail('ENGINE_CREDENTIALS', { instance: instance.name, address, user: options.account().user })
      : fail('ENGINE_FOREIGN', { instance: instance.name, address, found: reason, expected: service.name });

  const refusedStart = async () => {
    const finding = findFailure(await freshLog());
    return fail('ENGINE_REFUSED_START', {
      instance: instance.name,
      reason: `${finding?.reason ?? 'its process ended without a word in the log'}.`,
      advice: finding?.advice ?? `See ${logPath}.`,
    });
  };

  const savedView = async (): Promise<SavedView | undefined> =>
    parseSavedView((await readIfThere(`${instance.dataFolder}/gvwstate.dat`)) ?? '');

  const storedPosition = async (): Promise<StoredPosition> => {
    const saved = parseSavedState((await readIfThere(`${instance.dataFolder}/grastate.dat`)) ?? '');
    const view = await savedView();
    if (await isEmptyFolder(instance.dataFolder)) return combinePosition(undefined, undefined, undefined);
    if (saved !== undefined && saved.sequence >= 0) return combinePosition(saved, view, undefined);
    return combinePosition(saved, view, await recoveryRun());
  };

  /** Lets the server repair its tables and print its position, without joining anything. */
  const recoveryRun = async () => {
    const recoveryLog = `${places.runFolder}/recovery.log`;
    await remove(recoveryLog);
    const { status, output } = await runToEnd(
      options.launch,
      [
        options.server,
        `--defaults-file=${optionFile(places.runFolder)}`,
        '--wsrep-recover',
        `--log-error=${recoveryLog}`,
      ],
      recoverDeadlineMs,
    );
    const text = `${await readTail(recoveryLog, 2 ** 20)}\n${output}`;
    const found = parseRecoveredPosition(text);
    if (found === undefined) {
      const finding = findFailure(text);
      throw fail('ENGINE_POSITION_UNKNOWN', {
        instance: instance.name,
        reason: finding?.reason ?? `the recovery run ended with ${status}`,
        advice: finding?.advice ?? `See ${recoveryLog}.`,
      });
    }
    return found;
  };

  const administer = async (text: string, values: readonly (string | number)[] = []) => {
    const connection = await connectSql(target(), 5_000);
    try {
      return await connection.query(text, values, 60_000);
    } finally {
      connection.close();
    }
  };

  return {
    instance: instance.name,
    prepare,
    start,
    stop,
    observe,
    untilServing,
    fence,
    storedPosition,
    diskIsFull,
    hasData,
    storedComponent: async () => (await savedView())?.members ?? [],
    process: () => (running !== undefined && isAlive(running) ? running : undefined),
    adopt: (found) => {
      running = found;
    },
    writeComponent: (view) =>
      writeWhole(`${instance.dataFolder}/gvwstate.dat`, formatSavedView(view), 0o660, options.owner),
    markFork: async (sequence) => {
      if (await hasData()) await writeWhole(forkPath, `${sequence}\n`, 0o600, options.owner);
    },
    holdsOldBranch: async () => {
      const text = await readIfThere(forkPath);
      if (text === undefined) return false;
      const fork = Number(text.trim());
      const { sequence } = await storedPosition();
      const beyond = !Number.isInteger(fork) || sequence < 0 || sequence > fork;
      if (!beyond) await remove(forkPath);
      return beyond;
    },
    forcePrimary: async () => {
      await administer("SET GLOBAL wsrep_provider_options='pc.bootstrap=YES'");
    },
    reprovision: async () => {
      if (running !== undefined && isAlive(running)) throw new Error('Bug: re-provisioning a running instance');
      const aside = `${instance.dataFolder}.aside`;
      await rm(aside, { recursive: true, force: true });
      await rename(instance.dataFolder, aside);
      await makeFolder(instance.dataFolder, 0o700, options.owner);
    },
    status: async () => {
      const answer = await ask();
      return answer.kind === 'status' ? answer.status : {};
    },
    administer,
    close: forget,
  };
};

/** Refuses early, with the reason, what the server would say only in its log. */
const checkBeforeStart = async ({ instance, estate }: GaleraDriverOptions): Promise<void> => {
  const free = await freeBytes(instance.dataFolder);
  if (free < estate.limits.freeDiskBytes) {
    throw fail('ENGINE_REFUSED_START', {
      instance: instance.name,
      reason: `its disk is full: ${Math.round(free / 2 ** 20)} MiB free in ${instance.dataFolder}, ${Math.round(estate.limits.freeDiskBytes / 2 ** 20)} MiB are needed.`,
      advice: 'Free space there and start it again; nothing acknowledged is lost.',
    });
  }
  for (const port of [instance.ports.client, instance.ports.group]) {
    if (await isPortBusy(instance.at.address, port)) {
      throw fail('PORT_BUSY', { port, address: instance.at.address, subject: instance.name });
    }
  }
};
