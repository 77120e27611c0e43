/**
 * A lab host is a control group: a quota of processor time and memory, figures of its own, and a throttle on its
 * disk, so that load on one site is load on one site. Uses version 1 or 2, whichever has the controllers here, below
 * the group that this process is in where the kernel allows it. Invariants: groups are named
 * `coequal-<lab>.<site>` and nothing else is touched; where no group can be made, the lab works without and says why.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { mkdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { type Clock, codeOf, fail, type Log, reasonOf, silentLog, systemClock } from '@coequal/kernel';
import { type GroupMount, ownPath, parseGroupMounts, upwards } from './mounts.ts';

export type HostSize = { readonly cpus?: number; readonly memoryBytes?: number };

/** Upper bounds each way; what is not named is not bounded. */
export type Throttle = { readonly bytesPerSecond?: number; readonly iops?: number };

export type LabHost = {
  /** Puts a process into the host, and what it will start. A process that is gone already is no error. */
  readonly add: (pid: number) => void;
  /** Processor time used since the host was made, ms. */
  readonly cpuMsUsed: () => Promise<number>;
  /** Memory in use without file pages that could be dropped, bytes. */
  readonly memoryBytes: () => Promise<number>;
  /** `8:0` as in /proc/partitions. @throws FAULT_IMPOSSIBLE where there is no such controller */
  readonly throttleDevice: (device: string, throttle: Throttle) => Promise<void>;
  readonly clearThrottle: (device: string) => Promise<void>;
  /** Folder with `cpu.pressure`, `memory.pressure` and `io.pressure`; undefined where the kernel has none. */
  readonly pressureFolder: string | undefined;
};

export type LabHosts = {
  readonly available: boolean;
  /** Why hosts are not available. */
  readonly reason?: string;
  /** Makes the host of a site. Only when available. */
  readonly host: (site: string, size?: HostSize) => Promise<LabHost>;
  /** Removes the groups; their processes must have ended. */
  readonly close: () => Promise<void>;
};

/** Where groups can be made: one folder a controller (version 1), or one for all (version 2). */
type Bases = {
  readonly version: 1 | 2;
  readonly cpu: string;
  readonly memory: string;
  /** Processor time used; version 1 may have it apart. */
  readonly account: string | undefined;
  readonly disk: string | undefined;
  readonly pressure: string | undefined;
};

const PERIOD_US = 100_000;
const REMOVE_DEADLINE_MS = 5_000;
const REMOVE_EVERY_MS = 10;
/** Control groups nest a few levels deep (slice, session, container); deeper ones are none of ours. */
const SEARCH_DEPTH = 8;

export const openHosts = async (
  labName: string,
  { log = silentLog, clock = systemClock }: { readonly log?: Log; readonly clock?: Clock } = {},
): Promise<LabHosts> => {
  const found = await findBases();
  if (typeof found === 'string') {
    return {
      available: false,
      reason: found,
      host: () => Promise.reject(fail('PERMISSION_MISSING', { what: found, advice: 'Run as root.' })),
      close: async () => {},
    };
  }
  const made = new Set<string>();
  return {
    available: true,
    host: async (site, size = {}) => {
      const bases = inGroup(found, groupName(labName, site));
      for (const folder of foldersOf(bases)) {
        await mkdir(folder, { recursive: true });
        made.add(folder);
      }
      await setSize(bases, size);
      return hostIn(bases, log);
    },
    close: async () => {
      await Promise.all([...made].map((folder) => remove(folder, clock, log)));
    },
  };
};

const groupPrefix = (labName: string): string => `coequal-${labName}.`;
/** A dot between, which no lab's name holds: so `a` and `a-b` are never confused. */
const groupName = (labName: string, site: string): string => `${groupPrefix(labName)}${site}`;

/** Removes the groups of a lab that ended without doing so; those that still hold live processes stay. Returns how many went. */
export const removeStaleHosts = async (
  labName: string,
  { clock = systemClock }: { readonly clock?: Clock } = {},
): Promise<number> => {
  const mounts = parseGroupMounts(await readFile('/proc/self/mountinfo', 'utf8'));
  const stale = mounts.flatMap(({ folder }) => search(folder, groupPrefix(labName), SEARCH_DEPTH));
  const gone = await Promise.all(stale.map((folder) => removeUnlessUsed(folder, clock)));
  return gone.filter((went) => went).length;
};

const search = (folder: string, prefix: string, depth: number): readonly string[] => {
  let names: readonly string[];
  try {
    names = readdirSync(folder, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));
  } catch (error) {
    // Groups come and go while we look, and some are not for everybody to see.
    if (['ENOENT', 'EACCES', 'ENODEV'].includes(codeOf(error) ?? '')) return [];
    throw error;
  }
  return names.flatMap((name) => {
    if (name.startsWith(prefix)) return [`${folder}/${name}`];
    return depth === 0 ? [] : search(`${folder}/${name}`, prefix, depth - 1);
  });
};

/** Removes a group, waiting for dying processes but not for live ones. False: it stays. */
const removeUnlessUsed = async (folder: string, clock: Clock): Promise<boolean> => {
  const end = clock.monotonic() + REMOVE_DEADLINE_MS;
  for (;;) {
    const outcome = await tryRemove(folder);
    if (outcome === 'gone') return true;
    if (outcome === 'refused' || holdsLife(folder) || clock.monotonic() > end) return false;
    await clock.sleep(REMOVE_EVERY_MS);
  }
};

/** At the end of a lab: its processes have just been ended, and hold their group until the kernel has let go of them. */
const remove = async (folder: string, clock: Clock, log: Log): Promise<void> => {
  const end = clock.monotonic() + REMOVE_DEADLINE_MS;
  let outcome = await tryRemove(folder);
  while (outcome === 'busy' && clock.monotonic() < end) {
    await clock.sleep(REMOVE_EVERY_MS);
    outcome = await tryRemove(folder);
  }
  if (outcome !== 'gone') log('warn', 'a host is still in use', { folder, outcome });
};

const tryRemove = async (folder: string): Promise<'gone' | 'busy' | 'refused'> => {
  try {
    await rmdir(folder);
    return 'gone';
  } catch (error) {
    const code = codeOf(error) ?? '';
    if (code === 'ENOENT') return 'gone';
    if (code === 'EBUSY') return 'busy';
    if (['EACCES', 'EPERM', 'EROFS'].includes(code)) return 'refused';
    throw error;
  }
};

/** True when a process in the group is more than a dead one that nobody has asked after yet. */
const holdsLife = (folder: string): boolean =>
  readIfThere(`${folder}/cgroup.procs`)
    .split('\n')
    .filter((pid) => pid !== '')
    .some((pid) => /\) [^ZX]/.test(readIfThere(`/proc/${pid}/stat`)));

const readIfThere = (path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'ENODEV'].includes(codeOf(error) ?? '')) return '';
    throw error;
  }
};

/** The folders to make groups in, or in words why there are none. Really tries, and leaves nothing. */
const findBases = async (): Promise<Bases | string> => {
  if (process.platform !== 'linux') return 'Control groups are a feature of Linux.';
  const mounts = parseGroupMounts(await readFile('/proc/self/mountinfo', 'utf8'));
  const own = await readFile('/proc/self/cgroup', 'utf8');
  const first = versionOne(mounts, own);
  const second = mounts.filter(({ version }) => version === 2).map((mount) => versionTwo(mount, own));
  const found = first ?? second.find((bases) => bases !== undefined);
  if (found !== undefined) return found;
  return mounts.length === 0
    ? 'No control groups are mounted.'
    : 'No control group can be made below those that are mounted: hosts have no quota, and slow-disk is not possible.';
};

const versionOne = (mounts: readonly GroupMount[], own: string): Bases | undefined => {
  const base = (controller: string): string | undefined => {
    const mount = mounts.find(({ controllers }) => controllers.includes(controller));
    if (mount === undefined) return undefined;
    return [`${mount.folder}${ownPath(mount, own)}`, mount.folder].find(isUsable);
  };
  const [cpu, memory] = [base('cpu'), base('memory')];
  if (cpu === undefined || memory === undefined) return undefined;
  const unified = mounts.find(({ version }) => version === 2);
  const pressure = unified === undefined ? undefined : upwards(unified, ownPath(unified, own)).find(isUsable);
  return { version: 1, cpu, memory, account: base('cpuacct'), disk: base('blkio'), pressure };
};

/**
 * The nearest group upwards that hands its controllers down. A group that holds processes itself cannot (the kernel's
 * rule of no internal processes), so the lab's hosts mostly become its neighbours.
 */
const versionTwo = (mount: GroupMount, own: string): Bases | undefined => {
  const folder = upwards(mount, ownPath(mount, own)).find(
    (each) => handsDown(each, ['cpu', 'memory']) && isUsable(each),
  );
  if (folder === undefined) return undefined;
  const disk = handsDown(folder, ['io']) ? folder : undefined;
  return { version: 2, cpu: folder, memory: folder, account: folder, disk, pressure: folder };
};

const handsDown = (folder: string, controllers: readonly string[]): boolean => {
  const file = `${folder}/cgroup.subtree_control`;
  try {
    const has = readFileSync(file, 'utf8').trim().split(' ');
    const missing = controllers.filter((name) => !has.includes(name));
    if (missing.length > 0) writeFileSync(file, missing.map((name) => `+${name}`).join(' '));
    return true;
  } catch {
    // Not there, not allowed, or busy with processes of its own: the next group up is asked.
    return false;
  }
};

/** True when a group can be made here, and processes could be put into it. */
const isUsable = (folder: string): boolean => {
  const trial = `${folder}/coequal-probe.${process.pid}`;
  try {
    if (!existsSync(folder)) return false;
    mkdirSync(trial);
    const usable = existsSync(`${trial}/cgroup.procs`);
    rmdirSync(trial);
    return usable;
  } catch {
    // Read-only, or another user's.
    return false;
  }
};

const inGroup = (bases: Bases, name: string): Bases => {
  const within = <T extends string | undefined>(base: T) => (base === undefined ? undefined : `${base}/${name}`);
  return {
    version: bases.version,
    cpu: `${bases.cpu}/${name}`,
    memory: `${bases.memory}/${name}`,
    account: within(bases.account),
    disk: within(bases.disk),
    pressure: within(bases.pressure),
  };
};

const foldersOf = ({ cpu, memory, account, disk, pressure }: Bases): readonly string[] => [
  ...new Set([cpu, memory, account, disk, pressure].filter((folder) => folder !== undefined)),
];

const setSize = async (bases: Bases, { cpus, memoryBytes }: HostSize): Promise<void> => {
  const one = bases.version === 1;
  if (cpus !== undefined) {
    const quotaUs = Math.max(1_000, Math.round(cpus * PERIOD_US));
    if (one) {
      await writeFile(`${bases.cpu}/cpu.cfs_period_us`, String(PERIOD_US));
      await writeFile(`${bases.cpu}/cpu.cfs_quota_us`, String(quotaUs));
    } else await writeFile(`${bases.cpu}/cpu.max`, `${quotaUs} ${PERIOD_US}`);
  }
  if (memoryBytes === undefined) return;
  await writeFile(`${bases.memory}/${one ? 'memory.limit_in_bytes' : 'memory.max'}`, String(Math.round(memoryBytes)));
};

const hostIn = (bases: Bases, log: Log): LabHost => ({
  add: (pid) => {
    for (const folder of foldersOf(bases)) addTo(folder, pid, log);
  },
  cpuMsUsed: async () => {
    if (bases.account === undefined) return 0;
    if (bases.version === 1) return Number(await readFile(`${bases.account}/cpuacct.usage`, 'utf8')) / 1e6;
    return figure(await readFile(`${bases.account}/cpu.stat`, 'utf8'), 'usage_usec') / 1e3;
  },
  memoryBytes: async () => {
    const one = bases.version === 1;
    const used = Number(await readFile(`${bases.memory}/${one ? 'memory.usage_in_bytes' : 'memory.current'}`, 'utf8'));
    const statistics = await readFile(`${bases.memory}/memory.stat`, 'utf8');
    return Math.max(0, used - figure(statistics, one ? 'total_inactive_file' : 'inactive_file'));
  },
  throttleDevice: (device, throttle) => setThrottle(bases, device, throttle),
  clearThrottle: (device) => setThrottle(bases, device, {}),
  pressureFolder:
    bases.pressure !== undefined && existsSync(`${bases.pressure}/cpu.pressure`) ? bases.pressure : undefined,
});

const addTo = (folder: string, pid: number, log: Log): void => {
  try {
    writeFileSync(`${folder}/cgroup.procs`, String(pid));
  } catch (error) {
    if (codeOf(error) === 'ESRCH') return;
    log('warn', 'a process runs outside its host', { folder, pid, reason: reasonOf(error) });
  }
};

/** The number behind a name, in files of the form `name number`. */
const figure = (text: string, name: string): number =>
  Number(
    text
      .split('\n')
      .find((line) => line.startsWith(`${name} `))
      ?.slice(name.length + 1) ?? 0,
  );

const setThrottle = async (bases: Bases, device: string, { bytesPerSecond, iops }: Throttle): Promise<void> => {
  if (bases.disk === undefined) {
    throw fail('FAULT_IMPOSSIBLE', {
      fault: 'slow-disk',
      reason: 'the control groups of this machine cannot throttle a disk (no blkio or io controller)',
      advice: 'Run as root on a machine that has the controller.',
    });
  }
  if (bases.version === 2) {
    const [bytes, operations] = [bytesPerSecond ?? 'max', iops ?? 'max'];
    await writeFile(
      `${bases.disk}/io.max`,
      `${device} rbps=${bytes} wbps=${bytes} riops=${operations} wiops=${operations}`,
    );
    return;
  }
  for (const way of ['read', 'write']) {
    await writeFile(`${bases.disk}/blkio.throttle.${way}_bps_device`, `${device} ${bytesPerSecond ?? 0}`);
    await writeFile(`${bases.disk}/blkio.throttle.${way}_iops_device`, `${device} ${iops ?? 0}`);
  }
};
