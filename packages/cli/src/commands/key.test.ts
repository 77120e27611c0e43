/** `coequal key` with rings in files, as people and programs call it. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { runIn } from '../testing.ts';

let folder = '';
const at = (name: string): string => join(folder, name);
const key = (...args: readonly string[]) => runIn(['key', ...args]);
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'coequal-key-'));
});
afterEach(() => rm(folder, { recursive: true }));

test('seals a file and opens it, over a rotation of both kinds of keys', async () => {
  expect(await key('init', at('ring'), '--provider', 'file')).toMatchObject({ code: 0, told: '' });
  expect((await key('status', at('ring'))).out).toMatch(
    /^Provider file: .*ring\.master, versions 1 to 1\nIt holds no key yet\.\n$/,
  );
  await writeFile(at('plain'), 'secret of the bank');
  const sealed = await key(
    'seal',
    at('plain'),
    '--ring',
    at('ring'),
    '--out',
    at('sealed'),
    '--tenant',
    'bank-a',
    '--json',
  );
  const { key: id } = JSON.parse(sealed.out);
  expect(JSON.parse((await key('rotate', at('ring'), '--json')).out)).toMatchObject({ rotated: 1 });
  expect(JSON.parse((await key('rotate', at('ring'), '--master', '--json')).out)).toMatchObject({
    version: 2,
    rewrapped: 2,
  });
  expect(JSON.parse((await key('rewrap', at('ring'), '--json')).out)).toMatchObject({ version: 2, rewrapped: 0 });
  expect((await key('open', at('sealed'), '--ring', at('ring'), '--out', at('opened'))).out).toContain(
    'what was sealed as plain',
  );
  expect(await readFile(at('opened'), 'utf8')).toBe('secret of the bank');
  const status = await key('status', at('ring'));
  expect(status.out).toMatch(new RegExp(`${id} +files +bank-a +readable`));

  expect(await key('retire', at('ring'), id)).toMatchObject({ code: 2, out: '' });
  expect((await key('retire', at('ring'), id, '--yes', 'another')).told).toContain('nothing was done');
  expect((await key('retire', at('ring'), id, '--yes', id)).code).toBe(0);
  const gone = await key('open', at('sealed'), '--ring', at('ring'), '--out', at('again'));
  expect(gone).toMatchObject({ code: 2 });
  expect(gone.told).toContain('or it was retired');
});

test('tells when the provider is away, and prints no key', async () => {
  await key('init', at('ring'), '--provider', 'file', '--master-file', at('elsewhere'));
  await writeFile(at('plain'), 'x');
  await key('seal', at('plain'), '--ring', at('ring'), '--out', at('sealed'));
  const master = await readFile(at('elsewhere'), 'utf8');
  const said = [await key('status', at('ring'), '--json'), await key('rotate', at('ring'), '--master')];
  for (const { out, told } of said) expect(out + told).not.toContain(JSON.parse(master).versions[0].key);
  await rm(at('elsewhere'));
  const status = await key('status', at('ring'), '--json');
  expect(status.code).toBe(1);
  expect(JSON.parse(status.out)).toMatchObject({ versions: null, trouble: expect.stringContaining('it is not there') });
});

test('makes a ring of the key of an older sealed store', async () => {
  await writeFile(at('old.key'), 'coequal-key-1:ejvJg7Q1qeAXeBMXFzFD8f8ppJIB3TgzPSZHzhp1wPM=\n', { mode: 0o600 });
  expect((await key('init', at('old.key'), '--provider', 'file')).out).toContain('opens as before');
  expect((await key('status', at('old.key'))).out).toMatch(/98b04d4de4120339 +credentials +readable/);
});

test.each([
  [['init', 'r', '--provider', 'paper'], 'It can be file, vault, pkcs11'],
  [['init', 'r'], "required option '--provider <kind>' not specified"],
  [['init', 'r', '--provider', 'file', '--token', 'x'], '--token is not for the file provider.'],
  [
    ['init', 'r', '--provider', 'vault', '--address', 'http://v:8200', '--token-file', 't'],
    '--address is not https://HOST:PORT.',
  ],
  [
    ['init', 'r', '--provider', 'vault', '--address', 'https://v:8200'],
    '--token-file is needed for the vault provider.',
  ],
  [
    ['init', 'r', '--provider', 'pkcs11', '--token', 't', '--pin-file', 'p'],
    '--module is needed for the pkcs11 provider.',
  ],
  [['rotate', 'r', '--purpose', 'Not A Name'], 'Give a name'],
  [['rotate', 'r', '--purpose', 'files', '--master'], 'A master key has no purpose'],
  [['seal', 'f', '--ring', 'r'], "required option '--out <file>' not specified"],
  [['status', 'nothing'], 'it is not there'],
])('refuses %j in one line', async (args, words) => {
  const ran = await key(...args);
  expect(ran.code).toBe(2);
  expect(ran.told.toLowerCase()).toContain(words.toLowerCase());
  expect(ran.told.trim().split('\n')).toHaveLength(1);
});
