import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { endMarked, findMarked, holdsMark, isLeaving, markedEnvironment, parentIn, startIn } from './sweep.ts';

const children: ChildProcess[] = [];

/** Starts a process with the mark that says when it runs; what it does then is `script`. */
const start = async (lab: string, token: string, script: string): Promise<number> => {
  const child = spawn(process.execPath, ['-e', `${script}; console.log('up'); setInterval(() => {}, 1000)`], {
    env: { PATH: process.env['PATH'], ...markedEnvironment(lab, token) },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  if (child.stdout !== null) await once(createInterface({ input: child.stdout }), 'line');
  return child.pid ?? 0;
};
const newToken = (): string => randomBytes(8).toString('hex');

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

describe('a process that was killed', () => {
  const line = (state: string, start: number): string =>
    `7 (a) b) (c) ${state} 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 ${start} 1000 2\n`;

  test('is leaving until the kernel has let go of it', () => {
    expect(startIn(line('S', 4_711))).toBe('4711');
    expect(isLeaving(line('R', 4_711), '4711')).toBe(true);
    expect(isLeaving(line('Z', 4_711), '4711')).toBe(false);
  });

  test('is gone when its line is, or is another one’s', () => {
    expect(isLeaving('', '4711')).toBe(false);
    expect(isLeaving('', '')).toBe(false);
    expect(isLeaving(line('S', 4_712), '4711')).toBe(false);
  });
});

describe('the mark', () => {
  test('is found among other variables, whole', () => {
    expect(holdsMark('PATH=/bin\0COEQUAL_LAB=a:1\0X=y\0', 'a:1')).toBe(true);
    expect(holdsMark('PATH=/bin\0COEQUAL_LAB=a:12\0', 'a:1')).toBe(false);
    expect(holdsMark('X=COEQUAL_LAB=a:1\0', 'a:1')).toBe(false);
  });

  test('of all runs of a lab matches that lab only', () => {
    expect(holdsMark('COEQUAL_LAB=a:1\0', 'a:')).toBe(true);
    expect(holdsMark('COEQUAL_LAB=ab:1\0', 'a:')).toBe(false);
    expect(holdsMark('COEQUAL_LAB=a\0', 'a:')).toBe(false);
  });

  test('is no other lab’s or run’s, whatever they are called', () => {
    const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,15}$/);
    const token = fc.stringMatching(/^[0-9a-f]{16}$/);
    fc.assert(
      fc.property(name, token, name, token, (lab, run, otherLab, otherRun) => {
        const environment = `A=b\0COEQUAL_LAB=${lab}:${run}\0C=d\0`;
        expect(holdsMark(environment, `${otherLab}:${otherRun}`)).toBe(lab === otherLab && run === otherRun);
        expect(holdsMark(environment, `${otherLab}:`)).toBe(lab === otherLab);
      }),
    );
  });
});

test('the parent of a process is read also when its name is made to mislead', () => {
  expect(parentIn('42 (node) S 7 42 42 0')).toBe(7);
  expect(parentIn('42 (x) S 9 (y) R 8 42 42 0')).toBe(8);
});

describe('ending', () => {
  test('what carries the mark leaves the rest alone', async () => {
    const token = newToken();
    const mine = await start('sweep-test', token, '');
    const other = await start('sweep-test', newToken(), '');
    expect(findMarked(`sweep-test:${token}`)).toEqual([mine]);
    expect(await endMarked(`sweep-test:${token}`, { graceMs: 5_000 })).toBe(1);
    expect(findMarked(`sweep-test:${token}`)).toEqual([]);
    expect(() => process.kill(other, 0)).not.toThrow();
  });

  test('is by force where asking does not help', async () => {
    const token = newToken();
    await start('sweep-test', token, "process.on('SIGTERM', () => {})");
    expect(await endMarked(`sweep-test:${token}`, { graceMs: 100 })).toBe(1);
    expect(findMarked(`sweep-test:${token}`)).toEqual([]);
  });

  test('reaches a stopped process, and those that were started meanwhile', async () => {
    const token = newToken();
    const pid = await start('sweep-test', token, '');
    process.kill(pid, 'SIGSTOP');
    const breeder =
      "require('child_process').spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { detached: true })";
    await start('sweep-test', token, `process.on('SIGTERM', () => { ${breeder}; })`);
    expect(await endMarked(`sweep-test:${token}`, { graceMs: 200 })).toBeGreaterThanOrEqual(2);
    expect(findMarked(`sweep-test:${token}`)).toEqual([]);
  });

  test('never includes the process that does it', async () => {
    const token = newToken();
    const sweep = new URL('./sweep.ts', import.meta.url).href;
    const child = spawn(
      process.execPath,
      [
        '-e',
        `import(${JSON.stringify(sweep)}).then(async (m) => console.log(await m.endMarked('sweep-test:${token}', { graceMs: 0 })))`,
      ],
      {
        env: { PATH: process.env['PATH'], ...markedEnvironment('sweep-test', token) },
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    children.push(child);
    const said = child.stdout === null ? '' : await once(createInterface({ input: child.stdout }), 'line');
    expect(said).toEqual(['0']);
    expect(child.exitCode === null ? (await once(child, 'exit'))[0] : child.exitCode).toBe(0);
  });

  test('of nothing is no error', async () => {
    expect(await endMarked(`sweep-test:${newToken()}`, { graceMs: 0 })).toBe(0);
  });
});
