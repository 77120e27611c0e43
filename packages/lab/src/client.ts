/**
 * Labs from outside: starting, finding, talking to and ending them. This is what the command line uses. Whatever
 * fails on the way up is undone before the error is told.
 */

import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { access, constants, cp, mkdir, open, readdir, readFile, realpath, rm, stat, statfs } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { findCompanion, findPrograms, labPrograms } from '@coequal/engines';
import { type Estate, estateOrThrow, type PresetName } from '@coequal/estate';
import {
  CoequalError,
  codeOf,
  fail,
  formatBytes,
  reasonOf,
  systemClock,
  systemRandom,
  until,
  within,
} from '@coequal/kernel';
import type { DrillReport, Fault } from '@coequal/proof';
import { writeSecretFile } from '@coequal/trust';
import { type ControlClient, openControl } from './control.ts';
import type { DrillCall } from './daemon/calls.ts';
import { type LabDefinition, type LabOptions, markOf, smallHeap, usualGateways } from './definition.ts';
import { chooseForwards, chooseGatewayForwards, chooseOperationsPorts, gatewayPlan } from './doors.ts';
import { estateOfSites, layOut } from './estate.ts';
import { plainAddress, siteAddress } from './network/addresses.ts';
import { probeFullMode } from './network/namespaces.ts';
import { parseRtt } from './network/rtt.ts';
import { controlSocket, daemonLog, definitionPath, labFolder, labsFolder, type Places, placesOf } from './places.ts';
import { freePorts } from './process/ports.ts';
import { findMarked } from './process/sweep.ts';
import { clearAway, holdsKeptData, isThere, readDefinition, reserve, stopStarting } from './remains.ts';
import type { LabSnapshot } from './snapshot.ts';

export type LabProgress = (step: string, detail?: string) => void;

export type LabHandle = {
  readonly name: string;
  readonly snapshot: () => Promise<LabSnapshot>;
  /** Resolves when aborted; rejects LAB_ENDED when the lab ends by itself. */
  readonly watch: (onSnapshot: (snapshot: LabSnapshot) => void, signal: AbortSignal) => Promise<void>;
  readonly fault: (fault: Fault) => Promise<{ readonly text: string }>;
  readonly heal: (site?: string) => Promise<{ readonly text: string }>;
  readonly forcePrimary: (instance: string) => Promise<{ readonly text: string }>;
  readonly drill: (call: DrillCallParams, progress: (text: string) => void) => Promise<DrillReport>;
  readonly down: () => Promise<void>;
  readonly detach: () => void;
};

export type DrillCallParams = Omit<DrillCall, 'compare' | 'direct'> & Partial<Pick<DrillCall, 'compare' | 'direct'>>;

export type ListedLab = {
  readonly name: string;
  readonly pid: number | null;
  readonly folder: string;
  readonly running: boolean;
  /** Its data is kept for the next start, whether it runs or not. */
  readonly kept: boolean;
};

export type EndedLab = {
  /** How many of its processes were running. */
  readonly ended: number;
  /** Where its data is kept; null when nothing of it is left. */
  readonly keptIn: string | null;
};

const clock = systemClock;
const startDeadlineMs = 20_000;
/** A snapshot looks at every instance, each with a deadline of its own well below this. */
const answerDeadlineMs = 15_000;
/** What one site's data, logs and a full transfer take, at the least. */
const diskBytesPerSite = 400 * 2 ** 20;

const userId = (): number => process.getuid?.() ?? -1;
const places = (): Places => placesOf(process.env, userId());

/** Asks before something is installed on this machine; undefined where nobody can be asked. */
export type Interactive = (question: string) => Promise<boolean>;

/**
 * Starts a lab and waits until it serves. Not detached, it ends with this process. Aborted, it ends what it has
 * started and rejects INTERRUPTED.
 */
export const startLab = async (
  options: LabOptions & { readonly detach: boolean },
  progress: LabProgress,
  interactive?: Interactive,
  signal: AbortSignal = new AbortController().signal,
): Promise<LabHandle> => {
  const folder = labFolder(places(), options.name);
  await makeFolder(labsFolder(places()));
  const release = await reserve(options.name, folder);
  try {
    await refuseSecond(options.name, folder);
    await refuseForgetting(options, folder);
    await clearAway(options.name, folder, clock, false);
    return await startAlone(options, folder, progress, interactive, signal);
  } finally {
    await release();
  }
};

const startAlone = async (
  options: LabOptions & { readonly detach: boolean },
  folder: string,
  progress: LabProgress,
  interactive: Interactive | undefined,
  signal: AbortSignal,
): Promise<LabHandle> => {
  try {
    const definition = await define(options, folder, progress, interactive, signal);
    await writeSecretFile(definitionPath(folder), JSON.stringify(definition));
    interrupted(signal);
    const control = await launch(definition, folder);
    if (!options.detach) control.call('attach').catch(() => undefined);
    await orInterrupted(
      control.call('ready', null, (value) => report(value, progress)),
      signal,
    );
    return handleOf(options.name, folder, control);
  } catch (error) {
    if (signal.aborted) {
      await clearAway(options.name, folder, clock, false);
      throw fail('INTERRUPTED', {}, { cause: error });
    }
    throw await buryLab(options.name, error);
  }
};

/**
 * Ends what is left of a lab that failed, and answers the error with the place of its logs, which are all that stays
 * (and data that is kept).
 */
export const buryLab = async (name: string, error: unknown): Promise<unknown> => {
  const folder = labFolder(places(), name);
  const logs = await saveLogs(name, folder);
  await clearAway(name, folder, clock, false);
  return logs === undefined ? error : pointingTo(error, folder, logs);
};

const interrupted = (signal: AbortSignal): void => {
  if (signal.aborted) throw fail('INTERRUPTED', {});
};

const orInterrupted = <T>(promise: Promise<T>, signal: AbortSignal): Promise<T> =>
  new Promise((resolve, reject) => {
    const leave = (): void => reject(fail('INTERRUPTED', {}));
    if (signal.aborted) leave();
    signal.addEventListener('abort', leave, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave));
  });

/** Data that somebody asked to keep is not thrown away because a flag was forgotten. */
const refuseForgetting = async ({ name, keep, loadPath, mode }: LabOptions, folder: string): Promise<void> => {
  if (!(await holdsKeptData(folder))) return;
  const refuse = (problem: string) => fail('COMMAND_USAGE', { problem, help: 'coequal lab down --help' });
  const discard = `remove it first with \`coequal lab down --name ${name} --discard\``;
  if (!keep) throw refuse(`The lab ${name} has kept data: start it with --keep to use it, or ${discard}.`);
  if (loadPath !== undefined) throw refuse(`The lab ${name} has kept data, and --load is for a new one: ${discard}.`);
  const earlier = (await readDefinition(folder))?.mode;
  if (mode !== undefined && earlier !== undefined && mode !== earlier)
    throw refuse(`The kept data of the lab ${name} is that of ${earlier} mode: leave --mode out, or ${discard}.`);
};

/** The logs of a failure outlive its folder, those of the latest few labs; undefined when there are none. */
const saveLogs = async (name: string, folder: string): Promise<string | undefined> => {
  if (!(await isThere(daemonLog(folder)))) return undefined;
  const saved = `${places().state}/failed/${name}`;
  await rm(saved, { recursive: true, force: true });
  const isLog = async (path: string): Promise<boolean> => (await stat(path)).isDirectory() || path.endsWith('.log');
  for (const entry of ['lab.log', 'run']) {
    if (await isThere(`${folder}/${entry}`))
      await cp(`${folder}/${entry}`, `${saved}/${entry}`, { recursive: true, filter: isLog });
  }
  await forgetOldLogs(`${places().state}/failed`);
  return saved;
};

const logsSaved = 5;

/** Labs of drills have a new name each time: without a bound their logs would pile up. */
const forgetOldLogs = async (parent: string): Promise<void> => {
  const names = await readdir(parent);
  const dated = await Promise.all(names.map(async (name) => ({ name, at: (await stat(`${parent}/${name}`)).mtimeMs })));
  const old = dated.sort((a, b) => b.at - a.at).slice(logsSaved);
  for (const { name } of old) await rm(`${parent}/${name}`, { recursive: true, force: true });
};

/** The same error, with the saved logs in place of those that are gone. */
const pointingTo = (error: unknown, folder: string, saved: string): unknown => {
  if (!(error instanceof CoequalError)) return error;
  const moved = (value: string | number | boolean) =>
    typeof value === 'string' ? value.replaceAll(folder, saved) : value;
  const details = Object.fromEntries(Object.entries(error.details).map(([key, value]) => [key, moved(value)]));
  return fail(error.code, details, { cause: error });
};

/** Connects to a running lab. @throws LAB_NOT_RUNNING */
export const openLab = async (name: string): Promise<LabHandle> => {
  const folder = labFolder(places(), name);
  try {
    return handleOf(name, folder, await openControl(controlSocket(folder), name, daemonLog(folder)));
  } catch (error) {
    if (error instanceof CoequalError) throw error;
    if (codeOf(error) === 'EACCES') {
      throw fail('PERMISSION_MISSING', {
        what: `the lab ${name} belongs to another user`,
        advice: 'Run this as the user that started it.',
      });
    }
    throw fail('LAB_NOT_RUNNING', { name }, { cause: error });
  }
};

/** Labs that run, and folders of labs that no longer do. */
export const listLabs = async (): Promise<readonly ListedLab[]> => {
  const parent = labsFolder(places());
  const entries = await readdir(parent, { withFileTypes: true }).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return [];
    throw fail('FILE_UNREADABLE', { path: parent, reason: reasonOf(error) }, { cause: error });
  });
  const names = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  return Promise.all(
    names.sort().map(async (name) => {
      const folder = `${parent}/${name}`;
      const running = await answers(name, folder);
      const pid = running ? Number(await readFile(`${folder}/daemon.pid`, 'utf8').catch(() => '')) || null : null;
      return { name, pid, folder, running, kept: await holdsKeptData(folder) };
    }),
  );
};

/** What a lab may take to end in order. */
const endDeadlineMs = 60_000;

/** Ends a lab in order where it answers, and by force what is left of it. Kept data stays unless it is discarded. */
export const endLab = async (name: string, options: { readonly discard?: boolean } = {}): Promise<EndedLab> => {
  const folder = labFolder(places(), name);
  await stopStarting(folder, clock);
  const definition = await readDefinition(folder);
  if (definition === undefined && !(await isThere(folder))) return { ended: 0, keptIn: null };
  const before = definition === undefined ? 0 : findMarked(markOf(definition)).length;
  await endInOrder(name, folder);
  await clearAway(name, folder, clock, options.discard === true);
  return { ended: before, keptIn: (await isThere(folder)) ? folder : null };
};

const endInOrder = async (name: string, folder: string): Promise<void> => {
  const control = await openControl(controlSocket(folder), name, daemonLog(folder)).catch(() => undefined);
  if (control === undefined) return;
  const done = new AbortController();
  // A daemon that ends before it could answer has ended all the same, and one that does not is ended by force.
  const down = control.call('down').then(
    () => undefined,
    () => undefined,
  );
  await Promise.race([down, clock.sleep(endDeadlineMs, done.signal).catch(() => undefined)]);
  done.abort();
  control.close();
};

const refuseSecond = async (name: string, folder: string): Promise<void> => {
  if (!(await answers(name, folder))) return;
  const pid = await readFile(`${folder}/daemon.pid`, 'utf8').catch(() => '?');
  throw fail('LAB_ALREADY_RUNNING', { name, pid: pid.trim() });
};

/** How long a daemon may take to say that it is there; one that hangs is there too. */
const greetingMs = 1_000;

/** Whether a daemon is there. Connecting is no answer: a daemon that was just killed still lets itself be connected to. */
const answers = async (name: string, folder: string): Promise<boolean> => {
  const control = await openControl(controlSocket(folder), name, daemonLog(folder)).catch(() => undefined);
  if (control === undefined) return false;
  const done = new AbortController();
  const there = () => true;
  try {
    return await Promise.race([
      control.call('ping').then(there, () => false),
      clock.sleep(greetingMs, done.signal).then(there, there),
    ]);
  } finally {
    done.abort();
    control.close();
  }
};

const define = async (
  options: LabOptions,
  folder: string,
  progress: LabProgress,
  interactive: Interactive | undefined,
  signal: AbortSignal,
): Promise<LabDefinition> => {
  const earlier = (await holdsKeptData(folder)) ? await readDefinition(folder) : undefined;
  const described = await describeEstate(options);
  const siteNames = described.sites.map(({ name }) => name);
  const rtt = options.rtt ?? linksOf(described) ?? '5ms';
  const parsed = parseRtt(rtt, siteNames);
  if ('problem' in parsed) throw fail('COMMAND_USAGE', { problem: parsed.problem, help: 'coequal lab up --help' });
  // A kept lab was loaded when it was new; that it was decides which schema the bank uses.
  const loadPath = options.loadPath === undefined ? (earlier?.loadPath ?? null) : await checkDump(options.loadPath);
  const cacheFolder = places().cache;
  for (const path of [folder, cacheFolder]) {
    await makeFolder(path);
    await checkPassage(path);
  }
  await checkSpace(folder, siteNames.length);
  progress('programs');
  const programs = await findPrograms(labPrograms(described), {
    cacheFolder,
    environment: cleanEnvironment(),
    clock,
    progress: (text) => progress('programs', text),
    signal,
    ...(interactive === undefined ? {} : { interactive }),
  });
  // The daemon has a network of its own, from which nothing can be fetched.
  if (options.operations === true)
    await findCompanion('victoria-metrics', {
      cacheFolder,
      environment: cleanEnvironment(),
      clock,
      progress: (text) => progress('programs', text),
      signal,
    }).catch((error: unknown) => progress('warning', `nothing will watch the lab: ${reasonOf(error)}`));
  const { mode, reason } = await chooseMode(
    earlier === undefined ? options : { ...options, mode: earlier.mode },
    programs,
  );
  const token = randomBytes(8).toString('hex');
  const estate = await layOut(described, folder, {
    memoryFolder: `/dev/shm/coequal-${options.name}-${token}`,
    // Gateways of plain mode have no way between sites to tell near from far by.
    rttMs: mode === 'full' ? parsed.rttMs : () => 0,
    gateways: gatewayPlan(mode, options.gateways ?? usualGateways),
    ...(options.connectionsPerInstance === undefined ? {} : { connectionsPerInstance: options.connectionsPerInstance }),
    address: (site, host) => (mode === 'full' ? siteAddress(site + 1, host + 1) : plainAddress(site + 1, host + 1)),
    ports: async (address) => {
      if (mode === 'full') return { client: 3306, group: 4567, incremental: 4568, transfer: 4444 };
      const [client = 0, group = 0, incremental = 0, transfer = 0] = await freePorts(address, 4);
      return { client, group, incremental, transfer };
    },
  });
  return {
    name: options.name,
    token,
    mode,
    modeReason: reason,
    folder,
    cacheFolder,
    estate,
    rtt,
    keep: options.keep,
    hosts: options.hosts,
    workload: options.workload,
    branches: options.branches === true,
    skew: options.skew ?? 0,
    seed: systemRandom.below(2 ** 31),
    loadPath,
    forwards: await chooseForwards(estate, mode),
    gatewayForwards: await chooseGatewayForwards(estate, mode),
    operations: options.operations === true ? await chooseOperationsPorts(estate, mode) : null,
  };
};

const describeEstate = async (options: LabOptions): Promise<Estate> => {
  if (options.estatePath === undefined) return estateOfSites(options.name, options.sites, options.preset ?? 'default');
  const text = await readFile(options.estatePath, 'utf8').catch((error: unknown) => {
    throw codeOf(error) === 'ENOENT'
      ? fail('FILE_MISSING', { path: options.estatePath ?? '', advice: 'Check the path given with --estate.' })
      : fail('FILE_UNREADABLE', { path: options.estatePath ?? '', reason: reasonOf(error) }, { cause: error });
  });
  return withPreset(estateOrThrow(text, options.estatePath), options.preset);
};

const withPreset = (estate: Estate, preset: PresetName | undefined): Estate =>
  preset === undefined ? estate : { ...estate, services: estate.services.map((service) => ({ ...service, preset })) };

/** The estate's own links as a matrix; undefined when it names none. */
const linksOf = (estate: Estate): string | undefined =>
  estate.links.length === 0
    ? undefined
    : estate.links.map(({ between: [a, b], rttMs }) => `${a}-${b}=${rttMs}ms`).join(',');

const checkDump = async (path: string): Promise<string> => {
  const absolute = path.startsWith('/') ? path : `${process.cwd()}/${path}`;
  try {
    await access(absolute, constants.R_OK);
    if (!(await stat(absolute)).isFile()) throw new Error('it is not a regular file');
    return absolute;
  } catch (error) {
    throw codeOf(error) === 'ENOENT'
      ? fail('FILE_MISSING', { path, advice: 'Name a dump made by mariadb-dump, plain or compressed with gzip.' })
      : fail('FILE_UNREADABLE', { path, reason: reasonOf(error) }, { cause: error });
  }
};

const makeFolder = async (path: string): Promise<void> => {
  try {
    await mkdir(path, { recursive: true, mode: 0o755 });
    await access(path, constants.W_OK);
  } catch (error) {
    const advice = 'Set COEQUAL_HOME to a folder that you may write.';
    throw fail('FOLDER_UNWRITABLE', { path, reason: reasonOf(error), advice }, { cause: error });
  }
};

/** As root the databases run as the user `nobody`, who has to get to the programs and to the data. */
const checkPassage = async (path: string): Promise<void> => {
  if (userId() !== 0) return;
  const parts = (await realpath(path)).split('/');
  for (let depth = 2; depth <= parts.length; depth += 1) {
    const folder = parts.slice(0, depth).join('/');
    if (((await stat(folder)).mode & 0o001) !== 0) continue;
    throw fail('PERMISSION_MISSING', {
      what: `the databases run as the user nobody, who may not enter ${folder}`,
      advice: 'Set COEQUAL_HOME to a folder that everybody may enter, or leave it out (/var/lib/coequal).',
    });
  }
};

const checkSpace = async (folder: string, sites: number): Promise<void> => {
  const { bavail, bsize } = await statfs(folder);
  const needed = sites * diskBytesPerSite;
  if (bavail * bsize >= needed) return;
  throw fail('DISK_TOO_SMALL', {
    path: folder,
    free: formatBytes(bavail * bsize),
    needed: formatBytes(needed),
    setting: 'COEQUAL_HOME',
  });
};

const chooseMode = async (
  options: LabOptions,
  programs: Awaited<ReturnType<typeof findPrograms>>,
): Promise<{ readonly mode: 'full' | 'plain'; readonly reason: string | null }> => {
  if (options.mode === 'plain') return { mode: 'plain', reason: null };
  const probe = await probeFullMode(programs, cleanEnvironment());
  if (probe.possible) return { mode: 'full', reason: null };
  if (options.mode === 'full') {
    throw fail('LAB_MODE_IMPOSSIBLE', {
      mode: 'full',
      reason: probe.reason,
      advice: 'Run as root, allow unprivileged user namespaces, or use --mode plain (no latency, no partitions).',
    });
  }
  return { mode: 'plain', reason: `Full mode is not possible here: ${probe.reason}.` };
};

const front = fileURLToPath(new URL('./front/main.ts', import.meta.url));
const daemon = fileURLToPath(new URL('./daemon/main.ts', import.meta.url));

const launch = async (definition: LabDefinition, folder: string): Promise<ControlClient> => {
  const logFile = await open(daemonLog(folder), 'a', 0o600);
  try {
    const child = spawn(process.execPath, [...smallHeap, definition.mode === 'full' ? front : daemon, folder], {
      detached: true,
      stdio: ['ignore', logFile.fd, logFile.fd],
      env: { ...cleanEnvironment(), COEQUAL_LAB: markOf(definition) },
      cwd: '/',
    });
    let ended = false;
    child.once('exit', () => {
      ended = true;
    });
    child.once('error', () => {
      ended = true;
    });
    child.unref();
    return await until(
      clock,
      { what: `The daemon of the lab ${definition.name}`, deadlineMs: startDeadlineMs, everyMs: 20 },
      async () => {
        if (ended) throw await endedAtStart(definition.name, folder);
        return openControl(controlSocket(folder), definition.name, daemonLog(folder)).catch(() => undefined);
      },
    );
  } finally {
    await logFile.close();
  }
};

const endedAtStart = async (name: string, folder: string) => {
  const text = await readFile(daemonLog(folder), 'utf8').catch(() => '');
  const last = reasonIn(text.trim().split('\n').at(-1) ?? '');
  return fail('LAB_ENDED', { name, reason: `its daemon did not start: ${last.slice(0, 300)}`, log: daemonLog(folder) });
};

/** The reason in a line of the log, or the line itself when it is not the log's own. */
const reasonIn = (line: string): string => {
  try {
    const { reason } = JSON.parse(line) as { readonly reason?: unknown };
    return typeof reason === 'string' ? reason : line;
  } catch (error) {
    if (error instanceof SyntaxError) return line;
    throw error;
  }
};

const systemPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

const cleanEnvironment = (): Readonly<Record<string, string>> => {
  const passed: Record<string, string> = {};
  for (const name of [
    'PATH',
    'HOME',
    'LANG',
    'CI',
    'TMPDIR',
    'NODE_COMPILE_CACHE',
    // How apt reaches its sources, where that is not direct.
    'http_proxy',
    'https_proxy',
    'no_proxy',
  ]) {
    const value = process.env[name];
    if (value !== undefined) passed[name] = value;
  }
  // Ordinary users and schedulers often have a path without the administrators' programs (unshare, ip, mount).
  passed['PATH'] = [passed['PATH'], systemPath].filter((path) => path !== undefined && path !== '').join(':');
  return passed;
};

const handleOf = (name: string, folder: string, control: ControlClient): LabHandle => ({
  name,
  snapshot: async () =>
    (await within(
      clock,
      {
        what: `An answer of the lab ${name}`,
        deadlineMs: answerDeadlineMs,
        advice: `Its daemon hangs or the machine is overloaded; \`coequal lab down --name ${name}\` ends it also then.`,
      },
      control.call('snapshot'),
    )) as LabSnapshot,
  watch: async (onSnapshot, signal) => {
    const watcher = await openControl(controlSocket(folder), name, daemonLog(folder));
    if (signal.aborted) {
      watcher.close();
      return;
    }
    signal.addEventListener('abort', watcher.close, { once: true });
    try {
      await watcher.call('watch', null, (value) => onSnapshot(value as LabSnapshot));
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  },
  fault: async (fault) => textOf(await control.call('fault', fault)),
  heal: async (site) => textOf(await control.call('heal', site === undefined ? {} : { site })),
  forcePrimary: async (instance) => textOf(await control.call('forcePrimary', { instance })),
  drill: async (call, progress) =>
    (await control.call('drill', call, (value) => {
      const { text } = value as { readonly text?: unknown };
      if (typeof text === 'string') progress(text);
    })) as DrillReport,
  down: async () => {
    control.close();
    await endLab(name);
  },
  detach: control.close,
});

const textOf = (value: unknown): { readonly text: string } => ({
  text: typeof value === 'object' && value !== null && 'text' in value ? String(value.text) : '',
});

const report = (value: unknown, progress: LabProgress): void => {
  const { step, detail } = value as { readonly step?: unknown; readonly detail?: unknown };
  if (typeof step === 'string') progress(step, typeof detail === 'string' ? detail : undefined);
};
