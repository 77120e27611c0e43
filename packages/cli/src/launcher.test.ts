/** The command as people start it: through bin/coequal.js, as a process with streams and an exit code. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const launcher = `${root}bin/coequal.js`;
const deadlineMs = 60_000;

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'coequal-cli-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

type Result = { readonly code: number | null; readonly out: string; readonly told: string };

const coequal = async (args: readonly string[], script = launcher): Promise<Result> => {
  const child = spawn(process.execPath, [script, ...args], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: deadlineMs,
    // A state folder of the test's own: no lab of this machine is seen or touched.
    env: { ...process.env, COEQUAL_HOME: join(folder, 'home') },
  });
  let out = '';
  let told = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (told += text));
  const [code] = await once(child, 'close');
  return { code: typeof code === 'number' ? code : null, out, told };
};

describe('bad input is one line on standard error, nothing on standard output, exit 2', { timeout: deadlineMs }, () => {
  test.concurrent.each([
    [['lba'], /Unknown command 'lba'.*Did you mean lab\?.*`coequal --help`/],
    [['lab', 'up', '--detatch'], /'--detatch'.*--detach.*`coequal lab up --help`/],
    [['lab', 'up', '--sites', 'many'], /--sites.*whole number from 1 to 9/],
    [['estate', 'validate', 'nope.yaml'], /no file nope\.yaml.*three-centres\.yaml/],
    [['estate', 'show', '.'], /cannot be read: it is not a regular file/],
    [['drill', 'instance-kill'], /--out <folder>/],
    [['evidence', 'verify', 'nowhere'], /not an evidence pack/],
  ])('%j', async (args, words) => {
    const { code, out, told } = await coequal(args);
    expect(told).toMatch(words);
    expect(told.trimEnd().split('\n')).toHaveLength(1);
    expect(told).toMatch(/^coequal: .* \[[A-Z_]+\]\n$/);
    expect(out).toBe('');
    expect(code).toBe(2);
  });
});

test('an estate is validated, shown and described end to end', { timeout: deadlineMs }, async () => {
  const file = join(root, 'estates/three-centres.yaml');
  expect(await coequal(['estate', 'validate', file])).toMatchObject({
    code: 0,
    out: expect.stringContaining('3 sites, 3 hosts'),
    told: '',
  });
  const schema = await coequal(['estate', 'schema']);
  expect(schema.out).toBe(readFileSync(join(root, 'schema/coequal.schema.json'), 'utf8'));
  writeFileSync(join(folder, 'coequal.yaml'), readFileSync(file, 'utf8').replace('preset: default', 'preset: defualt'));
  const broken = await coequal(['estate', 'validate']);
  expect(broken).toEqual({
    code: 2,
    out: '',
    told: expect.stringMatching(
      /^coequal: coequal\.yaml:41:13: `services\[0\]\.preset` cannot be `defualt`.*\[ESTATE_INVALID\]\n$/,
    ),
  });
});

test('a reader that goes away is no failure', { timeout: deadlineMs }, async () => {
  const child = spawn(process.execPath, [launcher, 'estate', 'schema'], { stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout.destroy();
  let told = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (told += text));
  await once(child, 'close');
  expect(told).toBe('');
});

test('a checkout without its dependencies says how to get them', { timeout: deadlineMs }, async () => {
  const bare = join(folder, 'bare');
  mkdirSync(join(bare, 'bin'), { recursive: true });
  cpSync(launcher, join(bare, 'bin/coequal.js'));
  writeFileSync(join(bare, 'package.json'), '{"type":"module"}');
  const { code, told } = await coequal(['lab', 'up'], join(bare, 'bin/coequal.js'));
  expect(told).toMatch(/^coequal: Its dependencies are not installed\. Run `npm ci` in .*bare.* and try again\.\n$/);
  expect(code).toBe(2);
});
