/**
 * Stands in for the lab's daemon in the volumes' tests: inside a mount namespace of its own it makes one volume, tries its
 * faults, and says what it saw as one line of JSON; with `hold` it then stays until it is killed.
 */
import { randomBytes } from 'node:crypto';
import { open, readFile, statfs, writeFile } from 'node:fs/promises';
import { codeOf, systemClock } from '@coequal/kernel';
import { openHosts } from '../hosts/cgroups.ts';
import { insideSetup } from '../network/namespaces.ts';
import { type LabVolume, makeVolume } from '../volumes/volumes.ts';

export type VolumeTask = { readonly folder: string; readonly keep: boolean; readonly end: 'close' | 'hold' };
export type VolumeFacts = {
  readonly kind: string;
  readonly can: LabVolume['can'];
  readonly freeBytes: number;
  /** What a write to the full volume came to: an error code, or `written`. */
  readonly whenFull: string;
  readonly freeAgainBytes: number;
  readonly syncMs: number;
  /** The same writes on the slow volume; null where it cannot be slow. */
  readonly slowSyncMs: number | null;
  /** The text that an earlier run left, or null. */
  readonly found: string | null;
};

const WRITES = 10;

const free = async (folder: string): Promise<number> => {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
};

/** Time of a few synchronous writes. */
const syncMs = async (folder: string): Promise<number> => {
  const file = await open(`${folder}/synchronous`, 'w');
  const startedAt = performance.now();
  for (let count = 0; count < WRITES; count += 1) {
    await file.write(randomBytes(4_096));
    await file.sync();
  }
  await file.close();
  return performance.now() - startedAt;
};

const slowSyncMs = async (volume: LabVolume): Promise<number | null> => {
  const hosts = await openHosts(`volume-test-${process.pid}`);
  if (!hosts.available || !volume.can.slow) return null;
  const own = await readFile('/proc/self/cgroup', 'utf8');
  const host = await hosts.host('site');
  host.add(process.pid);
  await volume.slow(host, 64 * 1024);
  const ms = await syncMs(volume.folder);
  await volume.unslow(host);
  await leave(own);
  await hosts.close();
  return ms;
};

/** Back to the groups that this process came from, so that the host's can be removed. */
const leave = async (own: string): Promise<void> => {
  for (const line of own.trim().split('\n')) {
    const [, controllers = '', path = '/'] = line.split(':');
    const mount = controllers === '' ? ['/sys/fs/cgroup/unified', '/sys/fs/cgroup'] : [`/sys/fs/cgroup/${controllers}`];
    for (const folder of mount)
      await writeFile(`${folder}${path}/cgroup.procs`, String(process.pid)).catch(() => undefined);
  }
};

const task = JSON.parse(process.argv[2] ?? '{}') as VolumeTask;
await insideSetup();
const volume = await makeVolume({
  folder: `${task.folder}/site`,
  image: `${task.folder}/image`,
  sizeBytes: 128 * 2 ** 20,
  keep: task.keep,
  programs: { path: () => undefined, environment: {} },
  log: (level, event, fields) => process.stderr.write(`${level} ${event} ${JSON.stringify(fields)}\n`),
  clock: systemClock,
});
const found = await readFile(`${volume.folder}/kept`, 'utf8').catch(() => null);
const freeBytes = await free(volume.folder);
const unhurried = await syncMs(volume.folder);
let whenFull = 'not tried';
if (volume.can.fill) {
  await volume.fill();
  whenFull = await writeFile(`${volume.folder}/late`, randomBytes(65_536)).then(
    () => 'written',
    (error: unknown) => codeOf(error) ?? 'an error',
  );
  await volume.unfill();
}
const facts: VolumeFacts = {
  kind: volume.kind,
  can: volume.can,
  freeBytes,
  whenFull,
  freeAgainBytes: await free(volume.folder),
  syncMs: unhurried,
  slowSyncMs: await slowSyncMs(volume),
  found,
};
await writeFile(`${volume.folder}/kept`, 'from before');
if (task.end === 'close') await volume.close();
process.stdout.write(`${JSON.stringify(facts)}\n`);
if (task.end === 'hold') process.stdin.resume();
