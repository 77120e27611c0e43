/**
 * Looks for programs in a place (the system, or an unpacked root) and checks that a group is whole there. Looks
 * only: nothing is fetched or changed.
 */
import { constants } from 'node:fs';
import { access, readFile, realpath, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { codeOf } from '@coequal/kernel';
import { groups, type ProgramGroup, type ProgramName } from '../catalog.ts';
import {
  faketimeLibraries,
  galeraLibraries,
  pluginFolders,
  pluginProof,
  programFolders,
  shareFolders,
  shareProof,
} from '../layout.ts';
import type { GroupFinding } from '../select.ts';
import { parseGaleraVersion, parseServerVersion, serverVersionProblem } from '../version.ts';
import { run } from './run.ts';

export type Place = {
  /** `''` for the system itself. */
  readonly root: string;
  readonly triplet: string;
  readonly folders: readonly string[];
  /** With which its programs run. */
  readonly environment: Readonly<Record<string, string>>;
};

export type ServerParts = {
  readonly galeraLibrary: string;
  readonly pluginFolder: string;
  readonly shareFolder: string;
  readonly version: string;
  readonly galeraVersion: string;
};

export type Found = GroupFinding & {
  readonly server?: ServerParts;
  readonly faketimeLibrary?: string;
  /** Why what was found will not do. */
  readonly problem?: string;
};

const nothing: Found = { programs: new Map(), partsFound: false };

/** What a place has of every group. */
export const lookAt = async (place: Place): Promise<ReadonlyMap<ProgramGroup, Found>> =>
  new Map(await Promise.all(groups.map(async (group) => [group, await lookFor(group, place)] as const)));

const lookFor = async (group: ProgramGroup, place: Place): Promise<Found> => {
  switch (group.parts) {
    case 'server':
      return await lookForServer(group, place);
    case 'faketime': {
      const faketimeLibrary = await firstWith(faketimeLibraries(place.root, place.triplet), '');
      return faketimeLibrary === undefined ? nothing : { programs: new Map(), partsFound: true, faketimeLibrary };
    }
    case 'none':
      return { programs: await findAll(group.programs, place.folders), partsFound: true };
  }
};

/** All parts of the server are taken from below the folder that holds the server itself. */
const lookForServer = async (group: ProgramGroup, place: Place): Promise<Found> => {
  const found = await findProgram('mariadbd', place.folders);
  if (found === undefined) return nothing;
  const server = await realpath(found);
  const base = dirname(dirname(server));
  const programs = await findAll(group.programs, [`${base}/bin`, `${base}/sbin`, `${base}/libexec`]);
  programs.set('mariadbd', server);
  const parts = await serverParts(server, base, place);
  return typeof parts === 'string'
    ? { programs, partsFound: false, problem: parts }
    : { programs, partsFound: true, server: parts };
};

const serverParts = async (server: string, base: string, place: Place): Promise<ServerParts | string> => {
  const galeraLibrary = await firstWith(galeraLibraries(base), '');
  if (galeraLibrary === undefined) return `${server} has no Galera library beside it`;
  const pluginFolder = await firstWith(pluginFolders(base), pluginProof);
  if (pluginFolder === undefined) return `${server} has no plugins beside it`;
  const shareFolder = await firstWith(shareFolders(base), shareProof);
  if (shareFolder === undefined) return `${server} has no messages beside it`;
  const answer = await run(server, ['--version'], { environment: place.environment, deadlineMs: 20_000 });
  if (!answer.ok) return `${server} does not run: ${answer.errors.trim()}`;
  const version = parseServerVersion(answer.output);
  if (version === undefined) return `${server} is not MariaDB`;
  const problem = serverVersionProblem(version);
  if (problem !== undefined) return `${server}: ${problem}`;
  const galeraVersion = parseGaleraVersion(await readFile(galeraLibrary, 'latin1'));
  if (galeraVersion === undefined) return `${galeraLibrary} is not Galera 26.4`;
  return { galeraLibrary, pluginFolder, shareFolder, version, galeraVersion };
};

const findAll = async (
  names: readonly ProgramName[],
  folders: readonly string[],
): Promise<Map<ProgramName, string>> => {
  const paths = await Promise.all(names.map(async (name) => [name, await findProgram(name, folders)] as const));
  return new Map(paths.flatMap(([name, path]) => (path === undefined ? [] : [[name, path] as const])));
};

/** The first executable file of this name, as PATH would find it. */
export const findProgram = async (name: string, folders: readonly string[]): Promise<string | undefined> => {
  for (const folder of folders) {
    const path = `${folder}/${name}`;
    if (await isThere(path, constants.X_OK)) {
      if ((await stat(path)).isFile()) return path;
    }
  }
  return undefined;
};

/** The first path below which `proof` can be read. */
const firstWith = async (paths: readonly string[], proof: string): Promise<string | undefined> => {
  for (const path of paths) {
    if (await isThere(proof === '' ? path : `${path}/${proof}`, constants.R_OK)) return path;
  }
  return undefined;
};

const isThere = async (path: string, mode: number): Promise<boolean> => {
  try {
    await access(path, mode);
    return true;
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EACCES', 'ELOOP'].includes(codeOf(error) ?? '')) return false;
    throw error;
  }
};

/** A place below an unpacked root, and the environment that its programs need. */
export const unpackedPlace = (root: string, triplet: string, path: string): Place => {
  const folders = programFolders(root).filter((folder) => !folder.includes('/local/'));
  const environment = {
    PATH: [...folders, path].join(':'),
    LD_LIBRARY_PATH: [`${root}/usr/lib/${triplet}`, `${root}/lib/${triplet}`].join(':'),
  };
  return { root, triplet, folders, environment };
};
