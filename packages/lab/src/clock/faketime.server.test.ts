/** The clock of a process is set wrong and right again while it runs; only its wall clock moves. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { systemClock, until } from '@coequal/kernel';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { testPrograms } from '../testing/programs.ts';
import { type FakeClock, fakeClock, noClockReason, offsetText, setClockOffset } from './faketime.ts';

const programs = await testPrograms();
const missing = programs.faketimeLibrary === undefined;
if (missing) process.stderr.write(`Skipped: ${noClockReason(programs)}\n`);
const PATIENCE_MS = 20_000;
const show = 'setInterval(() => console.log(Date.now(), performance.now()), 50)';

describe.skipIf(missing)('the clock of a process', () => {
  let folder = '';
  let clock: FakeClock | null = null;
  let child: ChildProcess;
  let shown = { wallMs: 0, monotonicMs: 0 };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'coequal-clock-'));
    clock = fakeClock(programs, `${folder}/clock`, true);
    child = spawn(process.execPath, ['-e', show], { env: { PATH: process.env['PATH'], ...clock?.environment } });
    if (child.stdout === null) throw new Error('no output');
    createInterface({ input: child.stdout }).on('line', (line) => {
      const [wallMs = 0, monotonicMs = 0] = line.split(' ').map(Number);
      shown = { wallMs, monotonicMs };
    });
  });

  afterAll(async () => {
    // Ended in order, so that the library takes its files out of /dev/shm.
    child.kill('SIGTERM');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    await rm(folder, { recursive: true, force: true });
    for (const name of ['faketime_shm_', 'sem.faketime_sem_'])
      await rm(`/dev/shm/${name}${child.pid}`, { force: true });
  });

  const untilAhead = (seconds: number) =>
    until(
      systemClock,
      { what: `a clock ${seconds} s ahead`, deadlineMs: PATIENCE_MS, last: () => String(shown.wallMs - Date.now()) },
      () => shown.wallMs > 0 && Math.abs(shown.wallMs - Date.now() - seconds * 1_000) < 5_000,
    );

  test('is right at first', async () => {
    await untilAhead(0);
  });

  test('follows its offset ahead, behind, and back', async () => {
    for (const seconds of [3_600, -3_600, 0]) {
      await clock?.setOffset(seconds);
      await untilAhead(seconds);
    }
  });

  test('measures time honestly all along', async () => {
    const before = shown.monotonicMs;
    await clock?.setOffset(86_400);
    await untilAhead(86_400);
    expect(shown.monotonicMs - before).toBeLessThan(PATIENCE_MS * 2);
    await clock?.setOffset(0);
  });
});

test('a clock is not faked where the library would leave files on the machine', () => {
  expect(fakeClock({ faketimeLibrary: '/x/libfaketimeMT.so.1' }, '/nowhere', false)).toBeNull();
  expect(noClockReason({ faketimeLibrary: '/x' })).toMatch(/plain mode/);
});

test('an offset that no clock could have is refused', async () => {
  await expect(setClockOffset('/nowhere', Number.NaN)).rejects.toMatchObject({ code: 'FAULT_IMPOSSIBLE' });
  await expect(setClockOffset('/nowhere', 1e12)).rejects.toMatchObject({ code: 'FAULT_IMPOSSIBLE' });
});

test('an offset is always written as the library reads it', () => {
  fc.assert(
    fc.property(fc.double({ min: -1e8, max: 1e8, noNaN: true }), (seconds) => {
      expect(offsetText(seconds)).toMatch(/^[+-]\d+\.\d{3}\n$/);
      expect(Number(offsetText(seconds))).toBeCloseTo(seconds, 2);
    }),
  );
});
