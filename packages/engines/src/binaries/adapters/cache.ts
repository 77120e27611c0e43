/**
 * The cache of unpacked programs: one folder a set, complete or not there. A set is built beside under a name of
 * its own and renamed into place, so that neither a kill halfway nor two processes at once leave half a set.
 *
 *     <cache>/programs/<set>/stamp.json   what it holds, and since when
 *     <cache>/programs/<set>/root/        the packages' files
 *     <cache>/programs/.part-<pid>-<hex>/ being built, or left by a process that died
 */
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readdir, readFile, rename, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { codeOf, fail, formatBytes, reasonOf } from '@coequal/kernel';

export type Stamp = {
  readonly format: 1;
  /** ISO 8601. */
  readonly made: string;
  readonly distribution: string;
  /** Names of the groups that were asked for, whether the distribution had all of them or not. */
  readonly groups: readonly string[];
  /** Usual names of packages that the distribution does not have. */
  readonly absent: readonly string[];
  /** Files of the packages unpacked, with version and architecture. */
  readonly packages: readonly string[];
};

/** A set takes about 150 MB; while it is built, the lists and the packages lie beside it. */
const neededBytes = 400 * 2 ** 20;

export const setsFolder = (cacheFolder: string): string => `${cacheFolder}/programs`;

/** Makes the cache folder; as root, readable by others, because servers run as another user. */
export const openCache = async (cacheFolder: string, asRoot: boolean): Promise<void> => {
  const advice = 'Give this user a folder to write in, or name another one with COEQUAL_HOME.';
  try {
    const first = await mkdir(setsFolder(cacheFolder), { recursive: true, mode: 0o755 });
    if (asRoot && first !== undefined) await openToOthers(setsFolder(cacheFolder), first);
    const probe = `${setsFolder(cacheFolder)}/.part-${process.pid}-${randomBytes(4).toString('hex')}`;
    await mkdir(probe);
    await rm(probe, { recursive: true });
  } catch (error) {
    throw fail('FOLDER_UNWRITABLE', { path: cacheFolder, reason: reasonOf(error), advice }, { cause: error });
  }
  if (asRoot) await checkOthersReach(setsFolder(cacheFolder));
};

/** The folders that were just made, whatever the umask said. */
const openToOthers = async (path: string, first: string): Promise<void> => {
  for (let folder = path; folder.length >= first.length; folder = dirname(folder)) await chmod(folder, 0o755);
};

const checkOthersReach = async (path: string): Promise<void> => {
  for (let folder = path; folder !== '/'; folder = dirname(folder)) {
    if (((await stat(folder)).mode & 0o001) !== 0) continue;
    const what = `other users cannot reach ${folder}, and databases run as user nobody when started by root`;
    const advice = 'Run `chmod o+x` on it, or name another folder with COEQUAL_HOME.';
    throw fail('PERMISSION_MISSING', { what, advice });
  }
};

export const checkSpace = async (cacheFolder: string, needed: number = neededBytes): Promise<void> => {
  const { bavail, bsize } = await statfs(cacheFolder);
  const free = bavail * bsize;
  if (free >= needed) return;
  const [freeText, neededText] = [formatBytes(free), formatBytes(needed)];
  throw fail('DISK_TOO_SMALL', { path: cacheFolder, free: freeText, needed: neededText, setting: 'COEQUAL_HOME' });
};

export type CachedSet = { readonly name: string; readonly root: string; readonly stamp: Stamp };

/** All complete sets for a distribution. */
export const cachedSets = async (cacheFolder: string, distribution: string): Promise<readonly CachedSet[]> => {
  const names = await readdir(setsFolder(cacheFolder)).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  });
  const sets = await Promise.all(
    names.filter((name) => !name.startsWith('.')).map((name) => readSet(cacheFolder, name)),
  );
  return sets.filter((set) => set !== undefined).filter(({ stamp }) => stamp.distribution === distribution);
};

const readSet = async (cacheFolder: string, name: string): Promise<CachedSet | undefined> => {
  const folder = `${setsFolder(cacheFolder)}/${name}`;
  try {
    const stamp = parseStamp(await readFile(`${folder}/stamp.json`, 'utf8'));
    return stamp === undefined ? undefined : { name, root: `${folder}/root`, stamp };
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EACCES'].includes(codeOf(error) ?? '')) return undefined;
    throw error;
  }
};

/** Undefined for whatever is not a stamp of this format: such a set is as good as not there. */
export const parseStamp = (text: string): Stamp | undefined => {
  const value = parseObject(text);
  if (value === undefined || value['format'] !== 1) return undefined;
  const { made, distribution } = value;
  const [groups, absent, packages] = [texts(value['groups']), texts(value['absent']), texts(value['packages'])];
  if (typeof made !== 'string' || typeof distribution !== 'string') return undefined;
  if (groups === undefined || absent === undefined || packages === undefined) return undefined;
  return { format: 1, made, distribution, groups, absent, packages };
};

const parseObject = (text: string): Readonly<Record<string, unknown>> | undefined => {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? { ...value } : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
};

const texts = (value: unknown): readonly string[] | undefined =>
  Array.isArray(value) && value.every((item) => typeof item === 'string') ? value : undefined;

/**
 * Builds a set with `build`, which fills `<folder>/root` and answers its stamp, and puts it into place. When
 * another process was faster, its set is used; when `build` throws, nothing is left.
 */
export const addSet = async (
  cacheFolder: string,
  name: string,
  build: (folder: string) => Promise<Stamp>,
): Promise<CachedSet> => {
  await sweepParts(cacheFolder);
  const part = `${setsFolder(cacheFolder)}/.part-${process.pid}-${randomBytes(4).toString('hex')}`;
  try {
    await mkdir(`${part}/root`, { recursive: true });
    for (const folder of [part, `${part}/root`]) await chmod(folder, 0o755);
    const stamp = await build(part);
    await writeFile(`${part}/stamp.json`, `${JSON.stringify(stamp, null, 2)}\n`, { mode: 0o644 });
    await chmod(`${part}/stamp.json`, 0o644);
    await putInPlace(part, `${setsFolder(cacheFolder)}/${name}`);
    const placed = await readSet(cacheFolder, name);
    if (placed === undefined) throw new Error(`Bug: the set ${name} is not readable after it was put into place`);
    return placed;
  } finally {
    await rm(part, { recursive: true, force: true });
  }
};

const putInPlace = async (part: string, target: string): Promise<void> => {
  try {
    await rename(part, target);
  } catch (error) {
    if (!['ENOTEMPTY', 'EEXIST'].includes(codeOf(error) ?? '')) throw error;
  }
};

/** Takes a set that does not run out of the way. */
export const dropSet = async (cacheFolder: string, name: string): Promise<void> => {
  const aside = `${setsFolder(cacheFolder)}/.part-${process.pid}-${randomBytes(4).toString('hex')}`;
  try {
    await rename(`${setsFolder(cacheFolder)}/${name}`, aside);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
  await rm(aside, { recursive: true, force: true });
};

/** Removes what processes that died left half-built. */
const sweepParts = async (cacheFolder: string): Promise<void> => {
  for (const name of await readdir(setsFolder(cacheFolder))) {
    const pid = /^\.part-(\d+)-/.exec(name)?.[1];
    if (pid !== undefined && !isRunning(Number(pid))) {
      // A tool that the dead process started may still be writing there for a moment.
      await rm(`${setsFolder(cacheFolder)}/${name}`, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
    }
  }
};

const isRunning = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) !== 'ESRCH';
  }
};
