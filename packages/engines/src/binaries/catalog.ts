/**
 * The programs that engines and labs need, and the packages of the distribution that hold them. Programs of one
 * group come from one place, installed or unpacked, never mixed: a server of one version with the messages,
 * plugins or transfer scripts of another fails in ways that look like broken data.
 */
import type { Service } from '@coequal/estate';

export type ProgramName =
  | 'garbd'
  | 'ip'
  | 'lsof'
  | 'mariadb'
  | 'mariadb-backup'
  | 'mariadb-install-db'
  | 'mariadbd'
  | 'mbstream'
  | 'mkfs.ext4'
  | 'my_print_defaults'
  | 'nft'
  | 'nsenter'
  | 'ps'
  | 'rsync'
  | 'setpriv'
  | 'socat'
  | 'ss'
  | 'stunnel'
  | 'tc'
  | 'unshare'
  | 'vde_plug'
  | 'vde_plug2tap'
  | 'vde_switch'
  | 'wirefilter'
  | 'wsrep_sst_common'
  | 'wsrep_sst_mariabackup'
  | 'wsrep_sst_rsync';

/** A package under the names that distributions give it, the usual one first. */
export type PackageChoice = readonly [string, ...string[]];

export type ProgramGroup = {
  readonly name: string;
  /** Files that must be there beside the programs. */
  readonly parts: 'server' | 'faketime' | 'none';
  readonly programs: readonly ProgramName[];
  /** Fetched together with what they depend on. */
  readonly packages: readonly PackageChoice[];
  /** Fetched alone: what they depend on is either named here or not needed for running a server by hand. */
  readonly alone: readonly PackageChoice[];
  /** Programs of the group that may be missing without making the group incomplete. */
  readonly extras: readonly ProgramName[];
};

const group = (
  name: string,
  programs: readonly ProgramName[],
  packages: readonly PackageChoice[],
  more: Partial<ProgramGroup> = {},
): ProgramGroup => ({ name, programs, packages, parts: 'none', alone: [], extras: [], ...more });

export const groups: readonly ProgramGroup[] = [
  group(
    'MariaDB with Galera',
    [
      'mariadbd',
      'mariadb-install-db',
      'my_print_defaults',
      'mariadb',
      'wsrep_sst_common',
      'wsrep_sst_rsync',
      'wsrep_sst_mariabackup',
      'mariadb-backup',
      'mbstream',
    ],
    [
      ['mariadb-server-core', 'mariadb-server-core-10.6'],
      ['mariadb-client-core', 'mariadb-client-core-10.6'],
      ['mariadb-backup'],
      ['galera-4'],
    ],
    {
      parts: 'server',
      // This package holds the plugins and the transfer scripts. Its dependencies (Perl, a second set of
      // clients) are for the distribution's own service and would double what is fetched.
      alone: [['mariadb-server', 'mariadb-server-10.6']],
      extras: ['mariadb', 'wsrep_sst_mariabackup', 'mariadb-backup', 'mbstream'],
    },
  ),
  group('the Galera arbitrator', ['garbd'], [['galera-arbitrator-4']]),
  group('rsync', ['rsync'], [['rsync']]),
  group('socat', ['socat'], [['socat']]),
  group('stunnel', ['stunnel'], [['stunnel4', 'stunnel']]),
  group('lsof', ['lsof'], [['lsof']]),
  group('iproute2', ['ip', 'ss', 'tc'], [['iproute2']], { extras: ['tc'] }),
  group('nftables', ['nft'], [['nftables']]),
  group(
    'vde2',
    ['wirefilter', 'vde_switch', 'vde_plug', 'vde_plug2tap'],
    [['vde-wirefilter', 'vde2'], ['vde-switch', 'vde2'], ['vdeplug', 'vde2'], ['vde2']],
  ),
  group('libfaketime', [], [['libfaketime']], { parts: 'faketime' }),
  group('e2fsprogs', ['mkfs.ext4'], [['e2fsprogs']]),
  group('procps', ['ps'], [['procps']]),
  group('util-linux', ['unshare', 'nsenter', 'setpriv'], [['util-linux']], { extras: ['setpriv'] }),
];

/** A program in whose place another does as well. */
export const substitutes: Readonly<Partial<Record<ProgramName, ProgramName>>> = { ss: 'lsof' };

export const groupOf = (program: ProgramName): ProgramGroup => {
  const found = groups.find(({ programs }) => programs.includes(program));
  if (found === undefined) throw new Error(`Bug: no group holds ${program}`);
  return found;
};

/** What every lab needs. */
const basic = [
  'mariadbd',
  'mariadb-install-db',
  'my_print_defaults',
  'wsrep_sst_common',
  'wsrep_sst_rsync',
  'ss',
] as const satisfies readonly ProgramName[];

/** How a full copy of the data reaches a joining instance. */
const transferPrograms = {
  rsync: ['rsync'],
  mariabackup: ['mariadb-backup', 'mbstream', 'wsrep_sst_mariabackup', 'socat'],
} as const satisfies Record<string, readonly ProgramName[]>;

/** What a lab of this estate cannot do without. The rest of the catalogue makes a lab more faithful. */
export const labPrograms = (estate: {
  readonly services: readonly Pick<Service, 'stateTransfer' | 'tls' | 'arbitrators'>[];
}): readonly ProgramName[] => {
  const needed = new Set<ProgramName>(basic);
  for (const { stateTransfer, tls, arbitrators } of estate.services) {
    for (const program of transferPrograms[stateTransfer]) needed.add(program);
    if (stateTransfer === 'rsync' && tls) needed.add('stunnel');
    if (arbitrators.length > 0) needed.add('garbd');
  }
  return [...needed];
};
