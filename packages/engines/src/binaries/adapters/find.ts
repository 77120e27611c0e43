/**
 * Finds the programs that databases and labs need, in this order: installed on the system; unpacked in our cache;
 * fetched from the distribution's packages into our cache; installed, when a person agrees or in CI as root.
 * Otherwise one error says what to install. Nothing is ever half there, and the system is changed in the last
 * case only.
 */
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { type Clock, codeOf, fail, reasonOf } from '@coequal/kernel';
import { groups, type ProgramGroup, type ProgramName } from '../catalog.ts';
import { installedFolders, parseDistribution, tripletOf } from '../layout.ts';
import { aptLine, groupDoes, missingAdvice, missingGroups, packageNames } from '../select.ts';
import { findApt } from './apt.ts';
import { addSet, type CachedSet, cachedSets, checkSpace, dropSet, openCache, setsFolder } from './cache.ts';
import { type Found, findProgram, lookAt, type Place, unpackedPlace } from './locate.ts';
import { run } from './run.ts';
import { unpackPrograms } from './unpack.ts';

export type Programs = {
  /** Full path; undefined when it is neither installed nor to be had. What is needed is always there, or its substitute. */
  readonly path: (name: ProgramName) => string | undefined;
  /** To be given to every program started: PATH, and LD_LIBRARY_PATH where programs were unpacked. */
  readonly environment: Readonly<Record<string, string>>;
  readonly galeraLibrary: string;
  readonly pluginFolder: string;
  /** Messages and character sets of the server (`lc_messages_dir`). */
  readonly shareFolder: string;
  /** To be preloaded for a clock fault. */
  readonly faketimeLibrary?: string;
  readonly versions: Readonly<Record<string, string>>;
  /** Where the database server came from. */
  readonly source: 'installed' | 'unpacked';
};

export type FindOptions = {
  readonly cacheFolder: string;
  /** PATH, CI, and what apt needs to reach its sources (proxies). */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly progress: (text: string) => void;
  /** Asks a person. Only given where one is there to answer. */
  readonly interactive?: (question: string) => Promise<boolean>;
  readonly signal?: AbortSignal;
};

/** What is found where, at one moment. */
type View = {
  readonly installed: ReadonlyMap<ProgramGroup, Found>;
  readonly unpacked: ReadonlyMap<ProgramGroup, Found>;
  readonly place: Place | undefined;
};

/** Where the system has programs. Tests name other places, to stand on a system that has fewer. */
export type System = {
  /** Folders in which an installed program counts. */
  readonly installed: readonly string[];
  /** Folders of the system's own tools: apt, dpkg, sudo. */
  readonly tools: readonly string[];
};

type Search = FindOptions & {
  readonly system: System;
  readonly need: ReadonlySet<ProgramName>;
  readonly path: string;
  readonly triplet: string;
  readonly distribution: string;
  readonly asRoot: boolean;
};

const installDeadlineMs = 600_000;
/** After a vain attempt at programs that are welcome but not needed, the next one waits this long. */
const retryMs = 3_600_000;

export const findPrograms = (need: readonly ProgramName[], options: FindOptions): Promise<Programs> => {
  const folders = installedFolders(options.environment['PATH'] ?? '');
  return findProgramsOn({ installed: folders, tools: folders }, need, options);
};

export const findProgramsOn = async (
  system: System,
  need: readonly ProgramName[],
  options: FindOptions,
): Promise<Programs> => {
  const search = await openSearch(system, need, options);
  const view = await withCache(search, await lookAtSystem(search));
  if (lacking(search, view).length === 0) return answer(search, await withWelcome(search, view));
  return answer(search, await obtain(search, view));
};

const openSearch = async (system: System, need: readonly ProgramName[], options: FindOptions): Promise<Search> => {
  const release = parseDistribution(await textOf('/etc/os-release'));
  return {
    ...options,
    system,
    need: new Set(need),
    path: installedFolders(options.environment['PATH'] ?? '').join(':'),
    triplet: tripletOf(process.arch),
    distribution: `${release.id}-${release.version}-${process.arch}`,
    asRoot: process.getuid?.() === 0,
  };
};

const lookAtSystem = (search: Search): Promise<View['installed']> =>
  lookAt({
    root: '',
    triplet: search.triplet,
    folders: search.system.installed,
    environment: { PATH: search.path },
  });

/** The first cached set that completes what is installed; a set that does not run is removed. */
const withCache = async (search: Search, installed: View['installed']): Promise<View> => {
  const without: View = { installed, unpacked: new Map(), place: undefined };
  let best = without;
  for (const set of await cachedSets(search.cacheFolder, search.distribution)) {
    const view = await viewOf(search, installed, set);
    if (isBroken(set, view)) {
      search.progress(`the programs in ${set.root} do not run any more; making them anew`);
      await dropSet(search.cacheFolder, set.name);
    } else if (coverage(search, view) > coverage(search, best)) best = view;
  }
  return best;
};

const viewOf = async (search: Search, installed: View['installed'], set: CachedSet): Promise<View> => {
  const place = unpackedPlace(set.root, search.triplet, search.path);
  return { installed, unpacked: await lookAt(place), place };
};

/** A server that was unpacked and does not run any more: a library of the system went away, or a file did. */
const isBroken = (set: CachedSet, view: View): boolean =>
  set.stamp.packages.some((name) => name.startsWith('mariadb-server-core')) &&
  groups.some((group) => group.parts === 'server' && view.unpacked.get(group)?.partsFound !== true);

const coverage = (search: Search, view: View): number =>
  groups.filter((group) => foundOf(search, view, group) !== undefined).length;

/** Where a group is whole: installed before unpacked. */
const foundOf = (search: Search, view: View, group: ProgramGroup): Found | undefined =>
  [view.installed.get(group), view.unpacked.get(group)].find(
    (found) => found !== undefined && groupDoes(group, found, search.need),
  );

const programIn = (search: Search, view: View, name: ProgramName): string | undefined => {
  const group = groups.find(({ programs }) => programs.includes(name));
  // A caller from elsewhere may ask for any of the system's programs: those are looked up on PATH, not here.
  if (group === undefined) return undefined;
  const whole = foundOf(search, view, group)?.programs.get(name);
  if (whole !== undefined || group.parts === 'server') return whole;
  return view.installed.get(group)?.programs.get(name) ?? view.unpacked.get(group)?.programs.get(name);
};

/** Groups that are needed and whole nowhere. */
const lacking = (search: Search, view: View): readonly ProgramGroup[] =>
  missingGroups(
    search.need,
    (program) => programIn(search, view, program) !== undefined,
    (group) => foundOf(search, view, group) !== undefined,
  );

const unsatisfied = (search: Search, view: View): readonly ProgramGroup[] =>
  groups.filter((group) => foundOf(search, view, group) === undefined);

/** Everything needed is there. What is only welcome is fetched once, and its lack is no error. */
const withWelcome = async (search: Search, view: View): Promise<View> => {
  const names = unsatisfied(search, view).map(({ name }) => name);
  if (names.length === 0 || (await wasTried(search, names))) return view;
  try {
    await openCache(search.cacheFolder, search.asRoot);
    const fetched = await fetchSet(search, view, []);
    if (fetched !== undefined) return fetched;
  } catch (error) {
    search.signal?.throwIfAborted();
    search.progress(`not to be had now: ${names.join(', ')} (${reasonOf(error)})`);
  }
  await recordAttempt(search, names);
  return view;
};

const attemptPath = (search: Search): string => `${setsFolder(search.cacheFolder)}/.tried-${search.distribution}`;

/** True when a set was made with these groups asked for, or an attempt at them was vain within the last hour. */
const wasTried = async (search: Search, names: readonly string[]): Promise<boolean> => {
  for (const { stamp } of await cachedSets(search.cacheFolder, search.distribution)) {
    if (names.every((name) => stamp.groups.includes(name))) return true;
  }
  const [at, ...tried] = (await textOf(attemptPath(search))).split('\n');
  const agoMs = search.clock.now() - Number(at);
  return agoMs >= 0 && agoMs < retryMs && names.every((name) => tried.includes(name));
};

const recordAttempt = async (search: Search, names: readonly string[]): Promise<void> => {
  try {
    await writeFile(attemptPath(search), [search.clock.now(), ...names].join('\n'));
  } catch (error) {
    // A cache that cannot be written costs another attempt next time, nothing else.
    search.progress(`not recorded: ${reasonOf(error)}`);
  }
};

/** The empty text for a file that is not there or not ours to read. */
const textOf = async (path: string): Promise<string> => {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EACCES'].includes(codeOf(error) ?? '')) return '';
    throw error;
  }
};

/** Something needed is lacking: fetched, or installed, or an error that says what to do. */
const obtain = async (search: Search, view: View): Promise<View> => {
  const missing = lacking(search, view);
  try {
    await openCache(search.cacheFolder, search.asRoot);
    const fetched = await fetchSet(search, view, missing);
    if (fetched !== undefined) return fetched;
    throw missingError(view, missing);
  } catch (error) {
    search.signal?.throwIfAborted();
    const installable = ['PACKAGES_UNREACHABLE', 'PROGRAM_MISSING', 'PROGRAM_FAILED'].includes(codeOf(error) ?? '');
    if (!installable || !(await install(search, missing))) throw error;
  }
  const after = { ...view, installed: await lookAtSystem(search) };
  const still = lacking(search, after);
  if (still.length > 0) throw missingError(after, still);
  return after;
};

const missingError = (view: View, missing: readonly ProgramGroup[]) => {
  const names = missing.map((group) => {
    const problem = view.installed.get(group)?.problem;
    return problem === undefined ? group.name : `${group.name} (${problem})`;
  });
  return fail('PROGRAM_MISSING', { programs: names.join(', '), advice: missingAdvice(missing) });
};

/** Fetches and unpacks everything that is whole nowhere; undefined on a system without apt. */
const fetchSet = async (search: Search, view: View, required: readonly ProgramGroup[]): Promise<View | undefined> => {
  const apt = await findApt(search.system.tools);
  if (apt === undefined) return undefined;
  await checkSpace(search.cacheFolder);
  const wanted = groups.filter(({ name }) => notInstalled(search, view).some((group) => group.name === name));
  const { distribution, triplet, need, environment, clock, progress, signal } = search;
  const hash = createHash('sha256')
    .update(wanted.map(({ name }) => name).join('\n'))
    .digest('hex')
    .slice(0, 12);
  const request = { apt, distribution, triplet, wanted, required, need, clock, progress, signal };
  const aptEnvironment = { ...environment, PATH: search.path };
  const set = await addSet(search.cacheFolder, `${distribution}-${hash}`, (folder) =>
    unpackPrograms(folder, { ...request, environment: aptEnvironment }),
  );
  return await viewOf(search, view.installed, set);
};

/** A set holds all that the system lacks, so that one set is in use at a time. */
const notInstalled = (search: Search, view: View): readonly ProgramGroup[] =>
  groups.filter((group) => {
    const found = view.installed.get(group);
    return found === undefined || !groupDoes(group, found, search.need);
  });

/** True when the packages were installed. A person is asked; CI that runs as root has been given the machine. */
const install = async (search: Search, missing: readonly ProgramGroup[]): Promise<boolean> => {
  const apt = await findApt(search.system.tools);
  if (apt === undefined) return false;
  const sudo = search.asRoot ? undefined : await findProgram('sudo', search.system.tools);
  if (!search.asRoot && sudo === undefined) return false;
  const inCi = search.asRoot && search.environment['CI'] === 'true';
  const agreed = inCi || (await search.interactive?.(question(missing, sudo !== undefined))) === true;
  if (!agreed) return false;
  search.progress(`installing ${packageNames(missing).join(', ')}`);
  const prefix = sudo === undefined ? [] : [sudo];
  for (const args of [['update'], ['install', '--yes', '--no-install-recommends', ...packageNames(missing)]]) {
    const [program = apt.get, ...rest] = [...prefix, apt.get, ...args];
    const environment = { ...search.environment, PATH: search.path, DEBIAN_FRONTEND: 'noninteractive' };
    const { ok, status, errors } = await run(program, rest, {
      environment,
      deadlineMs: installDeadlineMs,
      signal: search.signal,
    });
    const advice = `Install them yourself: ${aptLine(missing)}`;
    if (!ok)
      throw fail('PROGRAM_FAILED', { program: `apt-get ${args[0] ?? ''}`, status, output: errors.trim(), advice });
  }
  return true;
};

const question = (missing: readonly ProgramGroup[], asSudo: boolean): string =>
  `Install ${packageNames(missing).join(', ')} on this system${asSudo ? ' (with sudo)' : ''}? ` +
  "Where systemd runs, this also starts the distribution's own database service. [y/N] ";

const answer = (search: Search, view: View): Programs => {
  const server = groups.find(({ parts }) => parts === 'server');
  const faketime = groups.find(({ parts }) => parts === 'faketime');
  const parts = server === undefined ? undefined : foundOf(search, view, server);
  const source = server !== undefined && parts === view.installed.get(server) ? 'installed' : 'unpacked';
  const faketimeLibrary = faketime === undefined ? undefined : foundOf(search, view, faketime)?.faketimeLibrary;
  return {
    path: (name) => programIn(search, view, name),
    environment: environmentFor(search, view, source),
    galeraLibrary: parts?.server?.galeraLibrary ?? '',
    pluginFolder: parts?.server?.pluginFolder ?? '',
    shareFolder: parts?.server?.shareFolder ?? '',
    ...(faketimeLibrary === undefined ? {} : { faketimeLibrary }),
    versions: parts?.server === undefined ? {} : { mariadb: parts.server.version, galera: parts.server.galeraVersion },
    source,
  };
};

/**
 * The place of the server comes first, so that its scripts call the parts that belong to it. Libraries are only
 * those that the system does not have itself.
 */
const environmentFor = (search: Search, view: View, source: Programs['source']): Readonly<Record<string, string>> => {
  if (view.place === undefined) return { PATH: search.path };
  const unpacked = view.place.folders.join(':');
  const libraries = [view.place.environment['LD_LIBRARY_PATH'], search.environment['LD_LIBRARY_PATH']];
  return {
    PATH: source === 'installed' ? `${search.path}:${unpacked}` : `${unpacked}:${search.path}`,
    LD_LIBRARY_PATH: libraries.filter((path) => path !== undefined && path !== '').join(':'),
  };
};
