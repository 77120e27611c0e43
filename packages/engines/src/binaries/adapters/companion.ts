/**
 * Finds a companion: installed on the system, unpacked in our cache, or fetched from the distribution's packages
 * into our cache, in this order. Nothing is installed. What cannot be had is one error that says what to install;
 * the caller decides whether that ends anything.
 */
import { glob, readFile, rm } from 'node:fs/promises';
import { fail } from '@coequal/kernel';
import { type CompanionName, companionPackages, companions, patternOf } from '../companions.ts';
import { installedFolders, parseDistribution, programFolders, tripletOf } from '../layout.ts';
import { selectPackages } from '../select.ts';
import { findApt, openApt } from './apt.ts';
import { addSet, cachedSets, checkSpace, openCache, type Stamp } from './cache.ts';
import type { FindOptions } from './find.ts';

export type FoundCompanion = {
  readonly name: CompanionName;
  /** Below which it lies; empty when it is installed on the system. */
  readonly root: string;
  /** Its files in the order of the table, with full paths. */
  readonly files: readonly [string, ...string[]];
  /** Laid over the environment of what uses it. */
  readonly environment: Readonly<Record<string, string>>;
};

export type CompanionOptions = Omit<FindOptions, 'interactive'>;

const neededBytes = 150 * 2 ** 20;

/** Throws PROGRAM_MISSING where there is no apt or no such package, PACKAGES_UNREACHABLE, or DISK_TOO_SMALL. */
export const findCompanion = async (name: CompanionName, options: CompanionOptions): Promise<FoundCompanion> => {
  const triplet = tripletOf(process.arch);
  const installed = await lookBelow(name, '', triplet, options);
  if (installed !== undefined) return installed;
  const release = parseDistribution(await readFile('/etc/os-release', 'utf8'));
  // Another name than that of the labs' sets, which would otherwise be looked through for servers.
  const distribution = `${release.id}-${release.version}-${process.arch}+${name}`;
  for (const set of await cachedSets(options.cacheFolder, distribution)) {
    const found = await lookBelow(name, set.root, triplet, options);
    if (found !== undefined) return found;
  }
  return await fetched(name, distribution, triplet, options);
};

const fetched = async (
  name: CompanionName,
  distribution: string,
  triplet: string,
  options: CompanionOptions,
): Promise<FoundCompanion> => {
  const { cacheFolder } = options;
  await openCache(cacheFolder, process.getuid?.() === 0);
  await checkSpace(cacheFolder, neededBytes);
  const set = await addSet(cacheFolder, distribution, (folder) => unpack(name, distribution, folder, options));
  const found = await lookBelow(name, set.root, triplet, options);
  if (found !== undefined) return found;
  throw missing(name, 'its packages do not hold it');
};

const unpack = async (
  name: CompanionName,
  distribution: string,
  folder: string,
  { environment, clock, progress, signal }: CompanionOptions,
): Promise<Stamp> => {
  const folders = installedFolders(environment['PATH'] ?? '');
  const tools = await findApt(folders);
  if (tools === undefined) throw missing(name, 'there is no apt here to fetch it with');
  const apt = await openApt(tools, `${folder}/apt`, { ...environment, PATH: folders.join(':') }, signal);
  const { available } = await apt.update();
  const { packages, alone } = companions[name];
  const wanted = { name, packages, alone, programs: [], extras: [], parts: 'none' } as const;
  const selection = selectPackages([wanted], available);
  if (selection.absent.length > 0) throw missing(name, `this distribution has no ${selection.absent.join(', ')}`);
  progress(`fetching ${[...selection.alone, ...selection.packages].join(', ')}`);
  await apt.download(selection);
  const unpacked = await apt.unpack(`${folder}/root`);
  await rm(`${folder}/apt`, { recursive: true });
  return {
    format: 1,
    made: new Date(clock.now()).toISOString(),
    distribution,
    groups: [name],
    absent: [],
    packages: unpacked,
  };
};

const lookBelow = async (
  name: CompanionName,
  root: string,
  triplet: string,
  { environment }: CompanionOptions,
): Promise<FoundCompanion | undefined> => {
  const [first, ...rest] = await Promise.all(
    companions[name].files.map((file) => firstMatch(`${root}/${patternOf(file, triplet)}`)),
  );
  if (first === undefined || rest.some((file) => file === undefined)) return undefined;
  const files = [first, ...rest.filter((file) => file !== undefined)] as const;
  if (root === '') return { name, root, files, environment: {} };
  const path = [...programFolders(root).filter((folder) => !folder.includes('/local/')), environment['PATH'] ?? ''];
  const libraries = `${root}/usr/lib/${triplet}:${root}/lib/${triplet}`;
  return { name, root, files, environment: { PATH: path.join(':'), LD_LIBRARY_PATH: libraries } };
};

const firstMatch = async (pattern: string): Promise<string | undefined> => {
  const found: string[] = [];
  for await (const path of glob(pattern)) found.push(path);
  return found.sort()[0];
};

const missing = (name: CompanionName, reason: string) =>
  fail('PROGRAM_MISSING', {
    programs: `${name} (${reason})`,
    advice: `On Debian or Ubuntu, as root: apt-get install --no-install-recommends ${companionPackages(name).join(' ')}`,
  });
