/** Makes a set of programs from the distribution's packages: update, choose, fetch, unpack, leave out, check. */
import { readdir, rm } from 'node:fs/promises';
import { type Clock, fail } from '@coequal/kernel';
import type { ProgramGroup, ProgramName } from '../catalog.ts';
import { groupDoes, missingAdvice, packageNames, type Selection, selectPackages } from '../select.ts';
import { type Apt, type AptSession, openApt } from './apt.ts';
import type { Stamp } from './cache.ts';
import { lookAt, unpackedPlace } from './locate.ts';

export type UnpackRequest = {
  readonly apt: Apt;
  readonly distribution: string;
  readonly triplet: string;
  /** Everything that would be welcome. */
  readonly wanted: readonly ProgramGroup[];
  /** What the set is worthless without. */
  readonly required: readonly ProgramGroup[];
  readonly need: ReadonlySet<ProgramName>;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly progress: (text: string) => void;
  readonly signal?: AbortSignal | undefined;
};

/** Fills `<folder>/root`. Throws PACKAGES_UNREACHABLE, PROGRAM_MISSING, PROGRAM_FAILED or DISK_TOO_SMALL. */
export const unpackPrograms = async (folder: string, request: UnpackRequest): Promise<Stamp> => {
  const { progress } = request;
  const apt = await openApt(request.apt, `${folder}/apt`, request.environment, request.signal);
  progress('reading the list of packages of this distribution');
  const selection = await choose(apt, request);
  progress(`fetching ${[...selection.alone, ...selection.packages].join(', ')}`);
  await download(apt, request, selection);
  progress('unpacking (nothing is installed)');
  const packages = await apt.unpack(`${folder}/root`);
  await rm(`${folder}/apt`, { recursive: true });
  await leaveOut(`${folder}/root`);
  await check(`${folder}/root`, request);
  return {
    format: 1,
    made: new Date(request.clock.now()).toISOString(),
    distribution: request.distribution,
    groups: request.wanted.map(({ name }) => name),
    absent: selection.absent,
    packages,
  };
};

const choose = async (apt: AptSession, request: UnpackRequest): Promise<Selection> => {
  const { available, trouble } = await apt.update();
  const { absent } = selectPackages(request.required, available);
  if (absent.length === 0) return selectPackages(request.wanted, available);
  if (trouble !== '' || available.size === 0) {
    const reason = trouble === '' ? 'apt has no package sources.' : trouble;
    throw fail('PACKAGES_UNREACHABLE', { reason, packages: packageNames(request.required).join(' ') });
  }
  const programs = `${absent.join(', ')} (this distribution has no such package)`;
  throw fail('PROGRAM_MISSING', { programs, advice: missingAdvice(request.required) });
};

/** One package that cannot be had (held back, in conflict) must not cost those without which nothing runs. */
const download = async (apt: AptSession, request: UnpackRequest, selection: Selection): Promise<void> => {
  try {
    await apt.download(selection);
  } catch (error) {
    if (request.signal?.aborted === true || request.required.length === 0) throw error;
    const names = new Set(packageNames(request.required));
    const least = {
      packages: selection.packages.filter((name) => names.has(name)),
      alone: selection.alone.filter((name) => names.has(name)),
      absent: selection.absent,
    };
    if (least.packages.length === selection.packages.length) throw error;
    request.progress('not everything can be had; fetching what is needed most');
    await apt.download(least);
  }
};

/** Folders without which every program still runs: about half of what is unpacked. */
const leftOut = [
  'doc',
  'doc-base',
  'info',
  'lintian',
  'locale',
  'man',
  'bug',
  'perl',
  'perl5',
  'zsh',
  'bash-completion',
];

/** Tools for table formats that nobody here uses, five megabytes each. */
const toolsLeftOut = /^(aria_|myisam|innochecksum$|mariadb-embedded|resolve_stack_dump$|galera_new_cluster$)/;

const leaveOut = async (root: string): Promise<void> => {
  for (const name of leftOut) await rm(`${root}/usr/share/${name}`, { recursive: true, force: true });
  const tools = await readdir(`${root}/usr/bin`).catch((): string[] => []);
  for (const name of tools) if (toolsLeftOut.test(name)) await rm(`${root}/usr/bin/${name}`);
};

const check = async (root: string, request: UnpackRequest): Promise<void> => {
  const path = request.environment['PATH'] ?? '';
  const found = await lookAt(unpackedPlace(root, request.triplet, path));
  for (const group of request.required) {
    const finding = found.get(group);
    if (finding !== undefined && groupDoes(group, finding, request.need)) continue;
    const lacking = group.programs.filter((name) => finding?.programs.has(name) !== true);
    const reason = finding?.problem ?? `the packages do not hold ${lacking.join(', ')}`;
    throw fail('PROGRAM_MISSING', { programs: `${group.name} (${reason})`, advice: missingAdvice([group]) });
  }
};
