/** Volumes for real, as root (loop devices) and as an ordinary user who is root in his own namespaces (memory). */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { codeOf, systemClock, until } from '@coequal/kernel';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { daemonPrefix, probeFullMode } from '../network/namespaces.ts';
import { testPrograms } from '../testing/programs.ts';
import type { VolumeFacts, VolumeTask } from '../testing/volume-holder.ts';

const HOLDER = fileURLToPath(new URL('../testing/volume-holder.ts', import.meta.url));
const PATIENCE_MS = 20_000;
const isRoot = process.getuid?.() === 0;
const asNobody = [
  'setpriv',
  '--reuid=65534',
  '--regid=65534',
  '--clear-groups',
  '--',
  'unshare',
  '--user',
  '--map-root-user',
];
const asUser = isRoot ? [...asNobody, ...daemonPrefix().slice(1)] : [...daemonPrefix()];

const probe = await probeFullMode(await testPrograms());
if (!probe.possible) process.stderr.write(`Skipped: full mode is not possible here (${probe.reason}).\n`);
if (!isRoot) process.stderr.write('Skipped: volumes on loop devices need root.\n');

let folder = '';
let holder: ChildProcess | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'coequal-volume-'));
  await chmod(folder, 0o777);
});
afterEach(async () => {
  holder?.kill('SIGKILL');
  await rm(folder, { recursive: true, force: true });
});

const run = async (prefix: readonly string[], task: Omit<VolumeTask, 'folder'>): Promise<VolumeFacts> => {
  const [program = '', ...rest] = [...prefix, process.execPath, HOLDER, JSON.stringify({ folder, ...task })];
  const child = spawn(program, rest, { stdio: ['pipe', 'pipe', 'inherit'] });
  holder = child;
  const ended = once(child, 'exit');
  const line = once(createInterface({ input: child.stdout }), 'line').then(([text]) => String(text));
  const said = await Promise.race([line, ended.then(() => line)]);
  if (task.end === 'close') await ended;
  return JSON.parse(said) as VolumeFacts;
};

/** Files behind the loop devices of this machine. */
const loopFiles = (): readonly string[] =>
  readdirSync('/sys/block')
    .filter((name) => name.startsWith('loop'))
    .map((name) => {
      try {
        return readFileSync(`/sys/block/${name}/loop/backing_file`, 'utf8').trim();
      } catch (error) {
        if (codeOf(error) === 'ENOENT') return '';
        throw error;
      }
    });
const leftovers = (): readonly string[] => [
  ...loopFiles().filter((path) => path.startsWith(folder)),
  ...readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => line.includes(folder)),
];

describe.skipIf(!isRoot || !probe.possible)('a volume on a loop device', () => {
  test('can be full for everybody and is free again afterwards', async () => {
    const facts = await run(daemonPrefix(), { keep: false, end: 'close' });
    expect(facts.kind).toBe('loop');
    expect(facts.freeBytes).toBeGreaterThan(64 * 2 ** 20);
    expect(facts.whenFull).toBe('ENOSPC');
    expect(facts.freeAgainBytes).toBeGreaterThan(64 * 2 ** 20);
    expect(leftovers()).toEqual([]);
    expect(readdirSync(folder)).toEqual(['site']);
  });

  test('can be slow where the machine can throttle', async () => {
    const facts = await run(daemonPrefix(), { keep: false, end: 'close' });
    if (facts.slowSyncMs === null) process.stderr.write('Not tried: no control group throttles disks here.\n');
    // 10 × 4 KiB and the journal's blocks at 64 KiB a second: a throttle only ever makes it longer.
    else expect(facts.slowSyncMs).toBeGreaterThan(400);
  });

  test('that is kept is mounted again with its data', async () => {
    await run(daemonPrefix(), { keep: true, end: 'close' });
    expect(leftovers()).toEqual([]);
    const facts = await run(daemonPrefix(), { keep: true, end: 'close' });
    expect(facts.found).toBe('from before');
  });

  test('that is kept survives the death of its holder', async () => {
    await run(daemonPrefix(), { keep: true, end: 'hold' });
    holder?.kill('SIGKILL');
    await until(
      systemClock,
      { what: 'the freeing of the device', deadlineMs: PATIENCE_MS },
      () => leftovers().length === 0,
    );
    const facts = await run(daemonPrefix(), { keep: true, end: 'close' });
    expect(facts.found).toBe('from before');
  });

  test('leaves neither mount nor device when its holder is killed', async () => {
    await run(daemonPrefix(), { keep: false, end: 'hold' });
    expect(loopFiles().filter((path) => path.startsWith(folder))).toHaveLength(1);
    holder?.kill('SIGKILL');
    const wait = { what: 'the freeing of the device', deadlineMs: PATIENCE_MS, last: () => leftovers().join(' ') };
    await until(systemClock, wait, () => leftovers().length === 0);
    expect(leftovers()).toEqual([]);
  });
});

describe.skipIf(!probe.possible)('a volume of an ordinary user', () => {
  test('lies in memory, can be full, and says that it cannot be slow', async () => {
    const facts = await run(asUser, { keep: false, end: 'close' });
    expect(facts.kind).toBe('memory');
    expect(facts.whenFull).toBe('ENOSPC');
    expect(facts.freeAgainBytes).toBeGreaterThan(64 * 2 ** 20);
    expect(facts.can).toMatchObject({ slow: false, reason: expect.stringContaining('memory') });
    expect(leftovers()).toEqual([]);
  });

  test('that is kept lies in a plain folder, and says what that cannot do', async () => {
    const facts = await run(asUser, { keep: true, end: 'close' });
    expect(facts).toMatchObject({ kind: 'folder', can: { fill: false, slow: false } });
    expect((await run(asUser, { keep: true, end: 'close' })).found).toBe('from before');
  });
});
