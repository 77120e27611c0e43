/** Hosts for real: a quota that holds, figures that move, and groups that go, also those of a lab that died. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { codeOf, systemClock, until } from '@coequal/kernel';
import { afterEach, describe, expect, test } from 'vitest';
import { type LabHosts, openHosts, removeStaleHosts } from './cgroups.ts';

const lab = `hosts-test-${process.pid}`;
const children: ChildProcess[] = [];
const opened: LabHosts[] = [];
const PATIENCE_MS = 20_000;

const open = async (name: string): Promise<LabHosts> => {
  const hosts = await openHosts(name);
  opened.push(hosts);
  return hosts;
};
/** A process that uses all the processor time it gets. */
const busy = (): number => {
  const child = spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' });
  children.push(child);
  return child.pid ?? 0;
};
const endChildren = async (): Promise<void> => {
  for (const child of children.splice(0)) {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }
};
/** As a sweep sees it: gone, or without an environment, which is before the kernel has let go of it. */
const isDead = (pid: number): boolean => {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8') === '';
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ESRCH') return true;
    throw error;
  }
};
const groupsOf = (pid: number): string => readFileSync(`/proc/${pid}/cgroup`, 'utf8');

const { available, reason } = await openHosts(lab);
if (!available) process.stderr.write(`Skipped: ${reason}\n`);

afterEach(async () => {
  await endChildren();
  for (const hosts of opened.splice(0)) await hosts.close();
});

describe.skipIf(!available)('a lab host', () => {
  test('has what was put into it, and tells the time and memory it uses', async () => {
    const host = await (await open(lab)).host('north');
    const pid = busy();
    host.add(pid);
    expect(groupsOf(pid)).toContain(`coequal-${lab}.north`);
    await until(
      systemClock,
      { what: 'some processor time', deadlineMs: PATIENCE_MS },
      async () => (await host.cpuMsUsed()) > 20,
    );
    expect(await host.memoryBytes()).toBeGreaterThan(0);
  });

  test('is held back to its quota', async () => {
    const host = await (await open(lab)).host('north', { cpus: 0.2 });
    host.add(busy());
    const usedBefore = await host.cpuMsUsed();
    const startedAt = systemClock.monotonic();
    await until(
      systemClock,
      { what: 'a second', deadlineMs: PATIENCE_MS },
      () => systemClock.monotonic() > startedAt + 1_000,
    );
    const share = ((await host.cpuMsUsed()) - usedBefore) / (systemClock.monotonic() - startedAt);
    // Never more than the quota and one period of it; a busy machine may give less.
    expect(share).toBeLessThan(0.35);
  });

  test('loses a process that takes more memory than the host has', async () => {
    const host = await (await open(lab)).host('north', { memoryBytes: 64 * 2 ** 20 });
    const child = spawn(process.execPath, ['-e', 'process.stdin.once("data", () => Buffer.alloc(512 * 2 ** 20, 1))'], {
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    children.push(child);
    host.add(child.pid ?? 0);
    const ended = once(child, 'exit');
    child.stdin?.write('go\n');
    const [, signal] = await ended;
    expect(signal).toBe('SIGKILL');
  });

  test('does not mind a process that is gone', async () => {
    const host = await (await open(lab)).host('north');
    const child = spawn('true');
    await once(child, 'exit');
    expect(() => host.add(child.pid ?? 0)).not.toThrow();
  });

  test('goes with its lab', async () => {
    const hosts = await open(lab);
    await hosts.host('north');
    await hosts.close();
    expect(await removeStaleHosts(lab)).toBe(0);
  });
});

describe.skipIf(!available)('hosts of a lab that died', () => {
  test('are removed by the lab’s name, and no other lab’s', async () => {
    const other = await open(`${lab}-b`);
    await other.host('north');
    const dead = await open(lab);
    await dead.host('north');
    await dead.host('south');
    expect(await removeStaleHosts(lab)).toBeGreaterThanOrEqual(2);
    expect(await removeStaleHosts(lab)).toBe(0);
    expect(await removeStaleHosts(`${lab}-b`)).toBeGreaterThanOrEqual(1);
  });

  test('go also when their processes were killed this very moment', async () => {
    const host = await (await open(lab)).host('north');
    const pids = [busy(), busy(), busy()];
    for (const pid of pids) host.add(pid);
    for (const pid of pids) process.kill(pid, 'SIGKILL');
    await until(systemClock, { what: 'their death', deadlineMs: PATIENCE_MS }, () => pids.every(isDead));
    expect(await removeStaleHosts(lab)).toBeGreaterThan(0);
    expect(await removeStaleHosts(lab)).toBe(0);
  });

  test('stay while they hold a process', async () => {
    const host = await (await open(lab)).host('north');
    host.add(busy());
    expect(await removeStaleHosts(lab)).toBe(0);
    await endChildren();
    await until(
      systemClock,
      { what: 'their removal', deadlineMs: PATIENCE_MS },
      async () => (await removeStaleHosts(lab)) > 0,
    );
  });
});
