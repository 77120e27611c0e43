/** Decides what to fetch, and says what to install by hand. Pure: names in, names and sentences out. */
import { groupOf, groups, type PackageChoice, type ProgramGroup, type ProgramName, substitutes } from './catalog.ts';

/** What was found of a group in one place. */
export type GroupFinding = {
  readonly programs: ReadonlyMap<ProgramName, string>;
  /** The files beside the programs are there, and the version will do. */
  readonly partsFound: boolean;
};

/** Whether a group, as it was found, does for what is needed of it. */
export const groupDoes = (group: ProgramGroup, finding: GroupFinding, need: ReadonlySet<ProgramName>): boolean =>
  finding.partsFound && group.programs.every((program) => has(finding, program) || !isNeeded(group, program, need));

const has = (finding: GroupFinding, program: ProgramName): boolean => finding.programs.has(program);

const isNeeded = (group: ProgramGroup, program: ProgramName, need: ReadonlySet<ProgramName>): boolean =>
  !group.extras.includes(program) || need.has(program);

/** Groups without which the needed programs are incomplete, given which groups do. */
export const missingGroups = (
  need: ReadonlySet<ProgramName>,
  found: (program: ProgramName) => boolean,
  does: (group: ProgramGroup) => boolean,
): readonly ProgramGroup[] => {
  const missing = new Set<ProgramGroup>();
  for (const program of need) {
    const group = groupOf(program);
    const substitute = substitutes[program];
    if (does(group) || (substitute !== undefined && found(substitute))) continue;
    missing.add(group);
  }
  return groups.filter((group) => missing.has(group));
};

export type Selection = {
  /** To be fetched with what they depend on. */
  readonly packages: readonly string[];
  /** To be fetched alone. */
  readonly alone: readonly string[];
  /** Packages that this distribution does not have under any name, by their usual one. */
  readonly absent: readonly string[];
};

/** The packages of some groups under the names that this distribution has. */
export const selectPackages = (wanted: readonly ProgramGroup[], available: ReadonlySet<string>): Selection => {
  const absent: string[] = [];
  const choose = (choices: readonly PackageChoice[]): string[] =>
    choices.flatMap((choice) => {
      const name = choice.find((candidate) => available.has(candidate));
      if (name === undefined) absent.push(choice[0]);
      return name ?? [];
    });
  const packages = choose(wanted.flatMap((group) => group.packages));
  const alone = choose(wanted.flatMap((group) => group.alone));
  return { packages: [...new Set(packages)], alone: [...new Set(alone)], absent };
};

/** The usual package names of some groups, for a person to install. */
export const packageNames = (wanted: readonly ProgramGroup[]): readonly string[] => [
  ...new Set(wanted.flatMap((group) => [...group.alone, ...group.packages].map(([usual]) => usual))),
];

export const aptLine = (wanted: readonly ProgramGroup[]): string =>
  `apt-get install --no-install-recommends ${packageNames(wanted).join(' ')}`;

/** What to do when programs are missing and could not be fetched. */
export const missingAdvice = (wanted: readonly ProgramGroup[]): string =>
  [
    `On Debian or Ubuntu, as root: ${aptLine(wanted)}`,
    `On another Linux: install ${wanted.map(({ name }) => name).join(', ')} with your package manager.`,
    'On macOS, or in Docker: docker run --rm -it --cap-add NET_ADMIN --cap-add SYS_ADMIN ' +
      '--device /dev/net/tun -v "$PWD":/coequal -w /coequal node:24-bookworm npm start',
  ].join('\n');

/**
 * Packages that are never unpacked beside the system's own: the C library, its loader and what a shell stands on
 * must be the ones the kernel starts programs with.
 */
const systemPackages: ReadonlySet<string> = new Set([
  'base-files',
  'bash',
  'coreutils',
  'dash',
  'debconf',
  'dpkg',
  'init-system-helpers',
  'libc-bin',
  'libc6',
  'libgcc-s1',
  'libstdc++6',
  'perl-base',
]);

/** Whether the package in a file of apt's archive folder (`name_version_architecture.deb`) is to be unpacked. */
export const isUnpacked = (fileName: string): boolean =>
  fileName.endsWith('.deb') && !systemPackages.has(fileName.slice(0, fileName.indexOf('_')));

export const isPackageFile = (fileName: string): boolean =>
  /^[a-z0-9][a-z0-9+.-]+_[^/]+_[a-z0-9]+\.deb$/.test(fileName);
