/** Versions as programs print them. */
import { describe, expect, test } from 'vitest';
import { parseDistribution, tripletOf } from './layout.ts';
import { parseGaleraVersion, parseServerVersion, serverVersionProblem } from './version.ts';

describe('the version of a server', () => {
  test.each([
    ['/usr/sbin/mariadbd  Ver 10.11.19-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64 (Debian 12)', '10.11.19'],
    ['mariadbd  Ver 11.8.3-MariaDB-0+deb13u1 from Debian for debian-linux-gnu on aarch64 (-- Please help)', '11.8.3'],
    ['/usr/sbin/mysqld  Ver 8.0.36 for Linux on x86_64 (MySQL Community Server - GPL)', undefined],
    ['', undefined],
  ])('is read from "%s"', (output, version) => {
    expect(parseServerVersion(output)).toBe(version);
  });

  test.each(['10.6.18', '10.6.23', '10.11.8', '10.11.19', '11.4.2', '11.5.0', '11.8.3', '12.1.2'])(
    '%s will do',
    (version) => {
      expect(serverVersionProblem(version)).toBeUndefined();
    },
  );

  test.each(['10.5.29', '10.6.17', '10.11.7', '11.3.2', '11.4.1', '5.5.68', '10.11', 'unknown'])(
    '%s will not',
    (version) => {
      expect(serverVersionProblem(version)).toContain(version);
    },
  );
});

test.each([
  ['junk\u00004.23(rXXXX)\u0000more', '26.4.23'],
  ['26.4.16(r7dce5149)', '26.4.16'],
  ['3.25.4(r1)', undefined],
  ['14.23(r1)', undefined],
  ['nothing', undefined],
])('the version of Galera is read from its library (%j)', (library, version) => {
  expect(parseGaleraVersion(library)).toBe(version);
});

describe('the system', () => {
  test.each([
    ['x64', 'x86_64-linux-gnu'],
    ['arm64', 'aarch64-linux-gnu'],
    ['riscv64', 'riscv64-linux-gnu'],
    ['loong64', 'loong64-linux-gnu'],
  ])('has its libraries for %s below %s', (architecture, triplet) => {
    expect(tripletOf(architecture)).toBe(triplet);
  });

  test.each([
    ['PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\nID=debian\n', { id: 'debian', version: '12' }],
    ['ID_LIKE=debian\nID=ubuntu\nVERSION_ID="24.04"\n', { id: 'ubuntu', version: '24.04' }],
    ['ID=arch\n', { id: 'arch', version: 'unknown' }],
    ['ID="../../etc"\n', { id: 'unknown', version: 'unknown' }],
    ['', { id: 'unknown', version: 'unknown' }],
  ])('is named by %j', (text, distribution) => {
    expect(parseDistribution(text)).toEqual(distribution);
  });
});
