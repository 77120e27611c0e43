/** `coequal audit`, over chains that commands and gateways write. */
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@coequal/kernel';
import { openChain } from '@coequal/trust';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runIn } from '../testing.ts';

let folder = '';
const at = (...names: readonly string[]): string => join(folder, ...names);
const audit = (...args: readonly string[]) => runIn(['audit', ...args]);
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'coequal-audit-cli-'));
  const chain = await openChain({ folder: at('north'), chain: 'north', keyFile: at('key') }, systemClock);
  await chain.write({ actor: 'os:ann', action: 'gateway.drain', target: '=cmd|"x"', result: 'done', reason: '<b>&' });
  await chain.write({ actor: 'os:bob', action: 'gateway.kill', target: 'session 7', result: 'refused' });
  await chain.checkpoint();
  await chain.close();
});
afterEach(() => rm(folder, { recursive: true }));
const segment = (): string => at('north', '000000000001.ndjson');

describe('audit verify', () => {
  test('says what holds, and against whom it does not', async () => {
    const ran = await audit('verify', at('north'));
    expect(ran).toMatchObject({ code: 0, told: '' });
    expect(ran.out).toMatch(
      /^VALID {2}4 records in 1 chain\nnorth: 4 records, signed to record 3, held by nobody else\n/,
    );
    expect(ran.out).toContain('not pinned');
    expect(ran.out).toContain('give --anchor');
    const pinned = await audit('verify', segment(), '--key', at('key'), '--json');
    expect(JSON.parse(pinned.out)).toMatchObject({
      valid: true,
      records: 4,
      chains: [{ chain: 'north', pinned: true, problem: null }],
    });
  });

  test('names the first bad record with its file and line', async () => {
    await writeFile(segment(), (await readFile(segment(), 'utf8')).replace('os:ann', 'os:eve'));
    const ran = await audit('verify', at('north'));
    expect(ran.code).toBe(1);
    expect(ran.out).toContain(
      `FIRST BAD RECORD  ${segment()}:2: Record 2 was changed: its content does not fit its hash.`,
    );
    expect(JSON.parse((await audit('verify', at('north'), '--json')).out)).toMatchObject({
      valid: false,
      chains: [{ problem: { kind: 'changed', sequence: 2, line: 2, file: segment() } }],
    });
  });

  test.each([
    [['verify', '/nowhere/at/all'], 'There is no file'],
    [['verify', '.', '--stamped-within', '1h'], '--stamped-within needs --tsa'],
    [['verify', '.', '--stamped-within', 'soon'], 'Give a duration'],
    [['export', '.'], "Required option '--out <file>'"],
    [['export', '.', '--out', 'x', '--from', 'yesterday'], 'Give a day'],
    [['export', '.', '--out', 'x', '--format', 'pdf'], 'It can be ndjson, csv, html'],
  ])('refuses %j in one line', async (args, words) => {
    const ran = await audit(...args);
    expect(ran.code).toBe(2);
    expect(ran.told).toContain(words);
    expect(ran.told.trim().split('\n')).toHaveLength(1);
  });

  test('refuses a key that is none, and a folder of anchors that is not there', async () => {
    await writeFile(at('no-key'), 'nothing');
    expect((await audit('verify', at('north'), '--key', at('no-key'))).told).toContain(
      'not a usable Ed25519 public key',
    );
    expect((await audit('verify', at('north'), '--anchor', at('nowhere'))).told).toContain(
      'its anchors cannot be read',
    );
  });
});

describe('audit export', () => {
  test('hands over the lines as they are, cells that no spreadsheet runs, and a page that escapes', async () => {
    expect((await audit('export', at('north'), '--out', at('all.ndjson'), '--json')).out).toContain(
      '"records":4,"valid":true',
    );
    expect(await readFile(at('all.ndjson'), 'utf8')).toBe(await readFile(segment(), 'utf8'));
    expect((await stat(at('all.ndjson'))).mode & 0o777).toBe(0o600);
    await audit('export', at('north'), '--out', at('all.csv'), '--format', 'csv');
    const csv = await readFile(at('all.csv'), 'utf8');
    expect(csv).toContain(`,gateway.drain,"'=cmd|""x""",done,<b>&,`);
    expect(csv.trim().split('\r\n')).toHaveLength(5);
    await audit('export', at('north'), '--out', at('all.html'), '--format', 'html');
    const html = await readFile(at('all.html'), 'utf8');
    expect(html).toContain('<td>&#60;b&#62;&#38;</td>');
    expect(html).not.toContain('<b>');
    expect(html).toContain('<p>VALID  4 records in 1 chain</p>');
    expect(html.trim().endsWith('</html>')).toBe(true);
  });

  test('takes a stretch of time, and says when what it wrote does not hold', async () => {
    expect((await audit('export', at('north'), '--out', at('x'), '--to', '2001-01-01', '--json')).out).toContain(
      '"records":0',
    );
    await writeFile(segment(), (await readFile(segment(), 'utf8')).replace('os:ann', 'os:eve'));
    const ran = await audit('export', at('north'), '--out', at('y'), '--from', '2001-01-01T00:00Z', '--format', 'html');
    expect(ran.code).toBe(1);
    expect(await readFile(at('y'), 'utf8')).toContain('FIRST BAD RECORD');
    expect((await audit('export', at('north'), '--out', at('no', 'folder'))).told).toContain('cannot be written');
  });
});

test('commands that change keys are recorded, and never with a secret', async () => {
  await writeFile(at('plain'), 'geheim');
  await runIn(['key', 'init', at('ring'), '--provider', 'file']);
  await runIn(['key', 'seal', at('plain'), '--ring', at('ring'), '--out', at('sealed')]);
  expect((await runIn(['key', 'retire', at('ring'), 'k-0', '--yes', 'k-0'])).code).toBe(2);
  expect((await audit('verify', at('ring.audit'))).code).toBe(0);
  const text = await readFile(at('ring.audit', '000000000001.ndjson'), 'utf8');
  const records = text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(
    records.filter(({ actor }) => actor === 'os:tester').map(({ action, result, reason }) => [action, result, reason]),
  ).toEqual([
    ['key.init', 'asked', undefined],
    ['key.init', 'done', undefined],
    ['key.seal', 'asked', undefined],
    ['key.seal', 'done', undefined],
    ['key.retire', 'asked', undefined],
    ['key.retire', 'refused', 'KEY_UNKNOWN'],
  ]);
  const master = JSON.parse(await readFile(at('ring.master'), 'utf8')).versions[0].key;
  for (const secret of ['geheim', master]) expect(text).not.toContain(secret);
});

test('what cannot be recorded is not done', async () => {
  await runIn(['key', 'init', at('ring'), '--provider', 'file']);
  const before = await readFile(at('ring'), 'utf8');
  await rm(at('ring.audit'), { recursive: true });
  await writeFile(at('ring.audit'), 'in the way');
  const ran = await runIn(['key', 'rotate', at('ring'), '--master']);
  expect(ran.code).toBe(2);
  expect(ran.told).toContain('AUDIT_UNWRITABLE');
  expect(await readFile(at('ring'), 'utf8')).toBe(before);
});
