/** What is fetched on which distribution, and what a person is told. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { groupOf, groups, labPrograms, type ProgramGroup, type ProgramName } from './catalog.ts';
import {
  groupDoes,
  isPackageFile,
  isUnpacked,
  missingAdvice,
  missingGroups,
  packageNames,
  selectPackages,
} from './select.ts';

const server = groupOf('mariadbd');
const programs = groups.flatMap((group) => group.programs);
const finding = (names: readonly ProgramName[], partsFound = true) => ({
  programs: new Map(names.map((name) => [name, `/usr/bin/${name}`] as const)),
  partsFound,
});
type Asked = Parameters<typeof labPrograms>[0]['services'][number];
const estateWith = (...services: readonly Partial<Asked>[]) => ({
  services: services.map((one): Asked => ({ stateTransfer: 'rsync', tls: true, arbitrators: [], ...one })),
});
const witness = { name: 'witness', host: 'host-3', groupPort: 4567 };

describe('the packages of a distribution', () => {
  const bookworm = new Set([
    ...['mariadb-server', 'mariadb-server-core', 'mariadb-client-core', 'mariadb-backup', 'galera-4'],
    ...['vde2', 'vde-wirefilter', 'vde-switch', 'vdeplug', 'rsync'],
  ]);
  const jammy = new Set([
    ...['mariadb-server', 'mariadb-server-10.6', 'mariadb-server-core-10.6', 'mariadb-client-core-10.6'],
    ...['mariadb-backup', 'galera-4', 'vde2', 'rsync'],
  ]);
  const vde = groupOf('wirefilter');

  test('are those with the usual names where it has them', () => {
    expect(selectPackages([server, vde], bookworm)).toEqual({
      packages: [
        ...['mariadb-server-core', 'mariadb-client-core', 'mariadb-backup', 'galera-4'],
        ...['vde-wirefilter', 'vde-switch', 'vdeplug', 'vde2'],
      ],
      alone: ['mariadb-server'],
      absent: [],
    });
  });

  test('are those with other names where it has not, each once', () => {
    expect(selectPackages([server, vde], jammy)).toEqual({
      packages: ['mariadb-server-core-10.6', 'mariadb-client-core-10.6', 'mariadb-backup', 'galera-4', 'vde2'],
      alone: ['mariadb-server'],
      absent: [],
    });
  });

  test('that it does not have are named', () => {
    expect(selectPackages([groupOf('nft'), groupOf('rsync')], jammy)).toEqual({
      packages: ['rsync'],
      alone: [],
      absent: ['nftables'],
    });
  });

  test('are only ever names that it has, and what it lacks is never silent', () => {
    const names = groups.flatMap((group) => [...group.packages, ...group.alone].flat());
    fc.assert(
      fc.property(fc.subarray([...groups]), fc.subarray(names), (wanted, list) => {
        const available = new Set(list);
        const { packages, alone, absent } = selectPackages(wanted, available);
        for (const name of [...packages, ...alone]) expect(available.has(name)).toBe(true);
        const choices = wanted.flatMap((group) => [...group.packages, ...group.alone]);
        for (const choice of choices) {
          expect(choice.some((name) => packages.includes(name) || alone.includes(name))).toBe(
            !absent.includes(choice[0]),
          );
        }
      }),
    );
  });
});

describe('a group of programs', () => {
  const whole = ['mariadbd', 'mariadb-install-db', 'my_print_defaults', 'wsrep_sst_common', 'wsrep_sst_rsync'] as const;

  test('does without its extras unless they are needed', () => {
    expect(groupDoes(server, finding(whole), new Set(['mariadbd']))).toBe(true);
    expect(groupDoes(server, finding(whole), new Set(['mariadb-backup']))).toBe(false);
    expect(groupDoes(server, finding([...whole, 'mariadb-backup']), new Set(['mariadb-backup']))).toBe(true);
  });

  test('does not do in parts, or without the files beside it', () => {
    for (const missing of whole) {
      const rest = whole.filter((name) => name !== missing);
      expect(groupDoes(server, finding(rest), new Set(['mariadbd']))).toBe(false);
    }
    expect(groupDoes(server, finding(whole, false), new Set(['mariadbd']))).toBe(false);
  });

  test('is missing when a needed program is in it and it does not do', () => {
    const nothing = () => false;
    const names = (
      need: readonly ProgramName[],
      found: (program: ProgramName) => boolean,
      does: (group: ProgramGroup) => boolean,
    ) => missingGroups(new Set(need), found, does).map(({ name }) => name);
    expect(names(['rsync', 'mariadbd', 'mariadb-install-db'], nothing, nothing)).toEqual([
      'MariaDB with Galera',
      'rsync',
    ]);
    expect(names(['rsync', 'mariadbd'], nothing, (group) => group === server)).toEqual(['rsync']);
  });

  test('is not missing when a substitute is there', () => {
    const withLsof = (program: ProgramName) => program === 'lsof';
    expect(missingGroups(new Set(['ss']), withLsof, () => false)).toEqual([]);
    expect(
      missingGroups(
        new Set(['ss']),
        () => false,
        () => false,
      ),
    ).toEqual([groupOf('ss')]);
  });

  test('holds each program once', () => {
    expect(new Set(programs).size).toBe(programs.length);
    for (const group of groups) for (const extra of group.extras) expect(group.programs).toContain(extra);
  });
});

describe('a lab needs', () => {
  test('stunnel for an encrypted transfer by rsync, and not otherwise', () => {
    expect(labPrograms(estateWith({}))).toEqual(expect.arrayContaining(['mariadbd', 'rsync', 'stunnel', 'ss']));
    expect(labPrograms(estateWith({ tls: false }))).not.toContain('stunnel');
  });

  test('the backup program and socat for a transfer by mariabackup', () => {
    const need = labPrograms(estateWith({ stateTransfer: 'mariabackup' }));
    expect(need).toEqual(expect.arrayContaining(['mariadb-backup', 'mbstream', 'socat']));
    expect(need).not.toContain('rsync');
  });

  test('the arbitrator where there is one', () => {
    expect(labPrograms(estateWith({}))).not.toContain('garbd');
    expect(labPrograms(estateWith({}, { arbitrators: [witness] }))).toContain('garbd');
  });
});

describe('what a person is told', () => {
  test('is one line to install exactly what is missing', () => {
    const advice = missingAdvice([server, groupOf('rsync')]);
    expect(advice).toContain(
      'apt-get install --no-install-recommends mariadb-server mariadb-server-core mariadb-client-core mariadb-backup galera-4 rsync\n',
    );
    expect(advice).toContain('docker run');
    expect(advice).not.toContain('nftables');
  });

  test('names each package once', () => {
    const names = packageNames(groups);
    expect(new Set(names).size).toBe(names.length);
  });
});

describe('a downloaded package', () => {
  test.each(['libc6_2.36-9_amd64.deb', 'libstdc++6_12.2.0-14_amd64.deb', 'bash_5.2_amd64.deb', 'lock', 'partial'])(
    'is never unpacked beside the system when it is %s',
    (name) => {
      expect(isUnpacked(name) && isPackageFile(name)).toBe(false);
    },
  );

  test.each([
    'galera-4_26.4.23-0+deb12u1_amd64.deb',
    'rsync_3.5.0+ds1-0+deb12u1_amd64.deb',
    'stunnel4_3%3a5.68-2+deb12u1_amd64.deb',
  ])('is unpacked when it is %s', (name) => {
    expect(isUnpacked(name) && isPackageFile(name)).toBe(true);
  });
});
