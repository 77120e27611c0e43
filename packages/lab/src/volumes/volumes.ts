/**
 * A disk for one site, so that a full or slow disk at one site is that site's alone. The best of what the machine
 * allows: a file with a file system on a loop device (root), memory with a size limit (root in a namespace of an
 * ordinary user), or a plain folder. Invariants: mounts are made only in a mount namespace of the lab's own, so the
 * kernel takes mount and loop device away with the lab's last process; what cannot be done is said in `can`.
 *
 * The file system keeps its journal and passes every flush on to the disk below: an acknowledged write is as safe
 * here as on the disk that holds the image.
 */
import { constants } from 'node:fs';
import { access, mkdir, open, readlink, rm, stat, statfs } from 'node:fs/promises';
import { basename } from 'node:path';
import { type Clock, CoequalError, fail, type Log, reasonOf, systemClock, until } from '@coequal/kernel';
import type { LabHost } from '../hosts/cgroups.ts';
import { hasOwnMounts } from '../process/mounts.ts';
import { type Programs, type Runner, runnerFor } from '../process/run.ts';

export type VolumeKind = 'loop' | 'memory' | 'folder';

export type LabVolume = {
  readonly folder: string;
  readonly kind: VolumeKind;
  /** Name of its block device as the kernel has it (`loop3`); undefined where it has none of its own. */
  readonly device?: string;
  /** What faults it can have, and why not. */
  readonly can: { readonly fill: boolean; readonly slow: boolean; readonly reason?: string };
  /** Takes all free space. */
  readonly fill: () => Promise<void>;
  readonly unfill: () => Promise<void>;
  /** Bounds what the host's processes read and write a second, each way. */
  readonly slow: (host: Pick<LabHost, 'throttleDevice'>, bytesPerSecond: number) => Promise<void>;
  readonly unslow: (host: Pick<LabHost, 'clearThrottle'>) => Promise<void>;
  /** Unmounts; an image that is to be kept stays, and everything else of it goes but the (empty) folder. */
  readonly close: () => Promise<void>;
};

export type VolumeOptions = {
  /** Where it is mounted; made when it is not there. */
  readonly folder: string;
  /** The file that holds it, when it is a loop device. */
  readonly image: string;
  readonly sizeBytes: number;
  /** The data outlives the lab: an image that is there is used again, and memory is not good enough. */
  readonly keep: boolean;
  readonly programs: Programs;
  readonly environment?: Readonly<Record<string, string | undefined>>;
  readonly log: Log;
  readonly clock?: Clock;
};

const UNMOUNT_DEADLINE_MS = 5_000;
const SHRINK_ATTEMPTS = 50;
const JOURNAL_MB = 16;
/** The filler's name at the top of the volume. */
const FILLER = '.full-disk';

export const makeVolume = async (options: VolumeOptions): Promise<LabVolume> => {
  const runner = runnerFor(options.programs, options.environment);
  await mkdir(options.folder, { recursive: true, mode: 0o755 });
  if (!hasOwnMounts()) return folderVolume(options.folder, 'the lab shares the mounts of this machine (plain mode)');
  if (await mayUseLoops()) {
    try {
      return await loopVolume(runner, options);
    } catch (error) {
      // An image with somebody's data that cannot be mounted is not silently replaced by something else.
      if (options.keep) throw error;
      options.log('warn', 'no loop device', { folder: options.folder, reason: reasonOf(error) });
      await rm(options.image, { force: true });
    }
  }
  if (options.keep) return folderVolume(options.folder, 'without root only a plain folder keeps data between starts');
  return memoryVolume(runner, options);
};

const mayUseLoops = async (): Promise<boolean> =>
  access('/dev/loop-control', constants.R_OK | constants.W_OK).then(
    () => true,
    () => false,
  );

const loopVolume = async (runner: Runner, options: VolumeOptions): Promise<LabVolume> => {
  const { folder, image, sizeBytes } = options;
  const kept = options.keep && (await isThere(image));
  if (!kept) await makeImage(runner, image, sizeBytes);
  // `loop` has the kernel free the device with the last mount. No background work, which would disturb what is measured.
  await runner.run(['mount', '-t', 'ext4', '-o', 'loop,noatime,noinit_itable,nodiscard', image, folder]);
  const device = deviceOf((await stat(folder)).dev);
  // Spares the memory for a second copy of every page; file systems that cannot do it work without.
  await runner.attempt(['losetup', '--direct-io=on', `/dev/block/${device}`]);
  return {
    folder,
    kind: 'loop',
    device: basename(await readlink(`/sys/dev/block/${device}`)),
    can: { fill: true, slow: true },
    fill: () => fillUp(runner, folder),
    unfill: () => rm(`${folder}/${FILLER}`, { force: true }),
    slow: (host, bytesPerSecond) => host.throttleDevice(device, { bytesPerSecond }),
    unslow: (host) => host.clearThrottle(device),
    close: async () => {
      await rm(`${folder}/${FILLER}`, { force: true });
      await unmount(runner, options);
      if (!options.keep) await rm(image, { force: true });
    },
  };
};

/** A sparse file with a file system; nothing is reserved for root, so that full means full for everybody. */
const makeImage = async (runner: Runner, image: string, sizeBytes: number): Promise<void> => {
  const file = await open(image, 'w', 0o600);
  try {
    await file.truncate(sizeBytes);
  } finally {
    await file.close();
  }
  const lazily = 'lazy_itable_init=1,lazy_journal_init=1,nodiscard';
  await runner.run(['mkfs.ext4', '-q', '-F', '-m', '0', '-J', `size=${JOURNAL_MB}`, '-E', lazily, image]);
};

/** What is left after one pass are crumbs that the file system's own bookkeeping took or gave back. */
const fillUp = async (runner: Runner, folder: string): Promise<void> => {
  let offset = 0;
  for (let pass = 0; pass < 64; pass += 1) {
    const { bavail, bsize } = await statfs(folder);
    if (bavail === 0) return;
    // Halves, when the file system's bookkeeping needs part of what it calls free.
    let length = bavail * bsize;
    while (length >= bsize && !(await allocate(runner, `${folder}/${FILLER}`, offset, length))) {
      length = Math.floor(length / 2 / bsize) * bsize;
    }
    if (length < bsize) return;
    offset += length;
  }
};

const allocate = async (runner: Runner, path: string, offset: number, length: number): Promise<boolean> => {
  const result = await runner.attempt(['fallocate', '--offset', String(offset), '--length', String(length), path]);
  return result.status === 0;
};

const memoryVolume = async (runner: Runner, options: VolumeOptions): Promise<LabVolume> => {
  const { folder, sizeBytes } = options;
  const mounted = await runner.attempt(['mount', '-t', 'tmpfs', '-o', `size=${sizeBytes},mode=755`, 'coequal', folder]);
  if (mounted.status !== 0) return folderVolume(folder, 'nothing can be mounted here');
  // Naming type and source keeps `mount` from adding the options it reads of the mount: its owner is none in here.
  const resize = (bytes: number) =>
    runner.run(['mount', '-t', 'tmpfs', '-o', `remount,size=${bytes},mode=755`, 'coequal', folder]);
  const refuse = () => Promise.reject(impossible('slow-disk', 'its data lies in memory'));
  return {
    folder,
    kind: 'memory',
    can: { fill: true, slow: false, reason: 'its data lies in memory, which cannot be slowed down' },
    // Shrinking to what is in use costs no memory, which a filler would.
    fill: async () => {
      // What is written between the look and the shrinking makes it too small, which the kernel refuses.
      for (let attempt = 1; ; attempt += 1) {
        const { blocks, bfree, bsize } = await statfs(folder);
        try {
          await resize((blocks - bfree) * bsize);
          return;
        } catch (error) {
          if (attempt === SHRINK_ATTEMPTS) throw error;
        }
      }
    },
    unfill: async () => {
      await resize(sizeBytes);
    },
    slow: refuse,
    unslow: async () => {},
    close: () => unmount(runner, options),
  };
};

const folderVolume = (folder: string, reason: string): LabVolume => {
  const refuse = (fault: string) => () => Promise.reject(impossible(fault, reason));
  return {
    folder,
    kind: 'folder',
    can: { fill: false, slow: false, reason: `its data lies in a plain folder: ${reason}` },
    fill: refuse('full-disk'),
    unfill: async () => {},
    slow: refuse('slow-disk'),
    unslow: async () => {},
    close: async () => {},
  };
};

const impossible = (fault: string, reason: string) =>
  fail('FAULT_IMPOSSIBLE', { fault, reason, advice: 'It needs root, a loop device and the full mode.' });

/** Processes that were just killed hold the mount for a moment; one that stays loses sight of it. */
const unmount = async (runner: Runner, { folder, log, clock = systemClock }: VolumeOptions): Promise<void> => {
  let last = '';
  const attempt = async (): Promise<boolean> => {
    const { status, stderr } = await runner.attempt(['umount', folder]);
    last = stderr.trim();
    return status === 0;
  };
  try {
    await until(
      clock,
      { what: `the unmounting of ${folder}`, deadlineMs: UNMOUNT_DEADLINE_MS, everyMs: 20, last: () => last },
      attempt,
    );
  } catch (error) {
    if (!(error instanceof CoequalError)) throw error;
    log('warn', 'a volume is still in use', { folder, reason: last });
    await runner.attempt(['umount', '--lazy', folder]);
  }
};

/** Major and minor number as in /proc/partitions, from `stat` (the kernel's encoding, makedev(3)). */
export const deviceOf = (device: number): string => {
  const wide = BigInt(device);
  const major = ((wide >> 8n) & 0xfffn) | ((wide >> 32n) & ~0xfffn);
  const minor = (wide & 0xffn) | ((wide >> 12n) & ~0xffn & 0xffffffffn);
  return `${major}:${minor}`;
};

const isThere = async (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );
