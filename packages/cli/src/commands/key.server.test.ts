/** `coequal key` with a real security module (SoftHSM through pkcs11-tool). Needs both installed, or apt with its sources within reach. */
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { findCompanion } from '@coequal/engines';
import { systemClock } from '@coequal/kernel';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runIn } from '../testing.ts';

let folder = '';
let environment: Readonly<Record<string, string | undefined>> = {};
let provider: readonly string[] = [];
const at = (name: string): string => join(folder, name);
const key = (...args: readonly string[]) => runIn(['key', ...args], { environment });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'coequal-hsm-'));
  const cacheFolder = process.getuid?.() === 0 ? '/var/cache/coequal' : join(homedir(), '.cache', 'coequal');
  const found = await findCompanion('softhsm', {
    ...{ cacheFolder, environment: process.env, clock: systemClock },
    progress: () => undefined,
  });
  const [tool, utility = '', module = ''] = found.files;
  await mkdir(at('tokens'));
  await writeFile(at('softhsm.conf'), `directories.tokendir = ${at('tokens')}\nobjectstore.backend = file\n`);
  await writeFile(at('pin'), '987654\n', { mode: 0o600 });
  environment = { ...process.env, ...found.environment, SOFTHSM2_CONF: at('softhsm.conf') };
  const label = ['--label', 'bank', '--so-pin', '12345678', '--pin', '987654'];
  execFileSync(utility, ['--module', module, '--init-token', '--free', ...label], {
    env: environment,
    stdio: 'ignore',
  });
  provider = ['--provider', 'pkcs11', '--module', module, '--token', 'bank', '--pin-file', at('pin'), '--tool', tool];
}, 120_000);
afterAll(() => rm(folder, { recursive: true }));

test('a ring of a security module seals, rotates, retires, and moves there from a file', async () => {
  await writeFile(at('plain'), 'what must not be read');
  expect(await key('init', at('ring'), ...provider)).toMatchObject({ code: 0, told: '' });
  expect((await key('seal', at('plain'), '--ring', at('ring'), '--out', at('sealed'))).code).toBe(0);
  expect(await readFile(at('sealed'), 'utf8')).not.toContain('must not');
  const before = await readFile(at('ring'), 'utf8');
  expect(before).toContain('pkcs11:v1:');

  expect((await key('rotate', at('ring'), '--master', '--json')).out).toContain('"version":2,"rewrapped":1');
  expect((await key('open', at('sealed'), '--ring', at('ring'), '--out', at('opened'))).code).toBe(0);
  expect(await readFile(at('opened'), 'utf8')).toBe('what must not be read');
  expect((await key('retire', at('ring'), '--yes', 'versions', '--json')).out).toContain('"oldest":2');
  expect((await key('open', at('sealed'), '--ring', at('ring'), '--out', at('again'))).code).toBe(0);

  // A ring from before opens no more: the version it names is gone from the module.
  await writeFile(at('old-ring'), before, { mode: 0o600 });
  const old = await key('open', at('sealed'), '--ring', at('old-ring'), '--out', at('old'));
  expect(old).toMatchObject({ code: 2 });
  expect(old.told).toContain('holds no version 1 of its key');

  // One that was changed does not open either.
  const ring = await readFile(at('ring'), 'utf8');
  await writeFile(at('changed-ring'), ring.replace('"purpose": "files"', '"purpose": "other"'), { mode: 0o600 });
  const changed = await key('open', at('sealed'), '--ring', at('changed-ring'), '--out', at('changed'));
  expect(changed.told).toContain('a wrapped key was changed, or belongs elsewhere');

  expect((await key('init', at('file-ring'), '--provider', 'file')).code).toBe(0);
  expect((await key('seal', at('plain'), '--ring', at('file-ring'), '--out', at('file-sealed'))).code).toBe(0);
  expect((await key('move', at('file-ring'), ...provider)).code).toBe(0);
  await rm(at('file-ring.master'));
  expect((await key('open', at('file-sealed'), '--ring', at('file-ring'), '--out', at('moved'))).code).toBe(0);
  expect(await readFile(at('moved'), 'utf8')).toBe('what must not be read');

  // Last: some modules lock themselves after wrong PINs.
  await writeFile(at('pin'), '111111\n');
  const refused = await key('status', at('ring'));
  expect(refused).toMatchObject({ code: 1 });
  expect(refused.out).toContain('CKR_PIN_INCORRECT');
  expect(refused.out + refused.told).not.toContain('111111');
}, 60_000);
