/**
 * What a lab has on this machine besides its own daemon: its folder, the processes with its mark, control groups,
 * loop devices and memory. Invariants: only what carries this lab's name or mark is touched; data of a lab that was
 * started to keep it, and has served, is removed by nothing but `discard`.
 *
 * Which data is worth keeping is told by a file in the folder that the daemon writes when the lab first serves. A
 * first start that failed half-way has none, so what it left is never taken for data.
 */
import { randomBytes } from 'node:crypto';
import { access, link, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { type Clock, codeOf, fail, until } from '@coequal/kernel';
import { type LabDefinition, markOf } from './definition.ts';
import { removeStaleHosts } from './hosts/cgroups.ts';
import { definitionPath, keptMark } from './places.ts';
import { endMarked, startIn } from './process/sweep.ts';

/** What of a lab's folder outlives it when its data is kept. */
const kept = new Set(['sites', 'secrets.json', 'keys', 'lab.json', 'lab.log', 'kept']);
/** A lab that keeps its data is asked to end in order first: the engine then need not recover. */
const graceMs = 10_000;
const releaseDeadlineMs = 10_000;
const yieldDeadlineMs = 20_000;
const removal = { recursive: true, force: true, maxRetries: 10, retryDelay: 100 } as const;

/** Whether the folder holds the data of a lab that has served and is to be kept. */
export const holdsKeptData = (folder: string): Promise<boolean> => isThere(keptMark(folder));

/** Ends what a lab of this name left running, and removes its folder; what is kept stays, unless it is discarded. */
export const clearAway = async (name: string, folder: string, clock: Clock, discard: boolean): Promise<void> => {
  const definition = await readDefinition(folder);
  const keeps = !discard && (await holdsKeptData(folder));
  if (definition !== undefined) {
    await endMarked(markOf(definition), { graceMs: keeps ? graceMs : 0 });
    await removeStaleHosts(name);
    for (const path of definition.estate.services[0]?.encryption?.safePaths ?? []) await rm(path, removal);
  }
  if (!(await isThere(folder))) return;
  await untilReleased(folder, clock);
  if (!keeps) {
    await rm(folder, removal);
    return;
  }
  for (const entry of await readdir(folder)) if (!kept.has(entry)) await rm(`${folder}/${entry}`, removal);
};

/** The kernel frees the loop devices of a lab a moment after its last process; an image must not be mounted twice. */
const untilReleased = (folder: string, clock: Clock): Promise<unknown> =>
  until(
    clock,
    {
      what: `The release of the volumes below ${folder}`,
      deadlineMs: releaseDeadlineMs,
      everyMs: 20,
      advice: 'Try again in a moment; `losetup -a` names the loop devices.',
    },
    async () => !(await backingFiles()).some((path) => path.startsWith(`${folder}/`)),
  );

const backingFiles = async (): Promise<readonly string[]> => {
  const devices = await readdir('/sys/block').catch(nothingWhen('ENOENT', 'EACCES'));
  const loops = (devices ?? []).filter((name) => name.startsWith('loop'));
  const files = await Promise.all(
    // A device without a file has no such entry, and one that goes away loses it while it is read.
    loops.map((name) =>
      readFile(`/sys/block/${name}/loop/backing_file`, 'utf8').catch(
        nothingWhen('ENOENT', 'ENXIO', 'ENODEV', 'EACCES'),
      ),
    ),
  );
  return files.flatMap((path) => path?.trim() ?? []);
};

export const readDefinition = async (folder: string): Promise<LabDefinition | undefined> => {
  try {
    return JSON.parse(await readFile(definitionPath(folder), 'utf8')) as LabDefinition;
  } catch (error) {
    // Torn by a crash while it was written: there is nothing it could have started yet.
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR' || error instanceof SyntaxError) return undefined;
    throw error;
  }
};

/**
 * Reserves the name while a lab starts, so that two commands do not start the same one; resolves with what gives it
 * back. A reservation of a process that is gone counts for nothing. @throws LAB_ALREADY_RUNNING
 */
export const reserve = async (name: string, folder: string): Promise<() => Promise<void>> => {
  const path = reservationOf(folder);
  await mkdir(path.slice(0, path.lastIndexOf('/')), { recursive: true, mode: 0o755 });
  const own = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`;
  await writeFile(own, `${process.pid} ${await startOf(process.pid)}\n`, { mode: 0o600 });
  try {
    // A link is made whole or not at all, so that nobody sees a reservation without a name in it.
    while (!(await linked(own, path))) {
      const holder = await holderOf(path);
      if (holder !== undefined) throw fail('LAB_ALREADY_RUNNING', { name, pid: `${holder}, which is starting it` });
      await dropLeft(path, `${own}.left`);
    }
  } finally {
    await rm(own, { force: true });
  }
  return () => rm(path, { force: true });
};

const linked = async (from: string, to: string): Promise<boolean> => {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
};

/** Takes away what a process that is gone has left. Another may have done so, and reserved, in between: then it is put back. */
const dropLeft = async (path: string, aside: string): Promise<void> => {
  try {
    await rename(path, aside);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return;
    throw error;
  }
  if ((await holderOf(aside)) !== undefined) await linked(aside, path);
  await rm(aside, { force: true });
};

/** Asks a command that is just starting this lab to give up, as Ctrl-C would, and waits until it has. */
export const stopStarting = async (folder: string, clock: Clock): Promise<void> => {
  const path = reservationOf(folder);
  const holder = await holderOf(path);
  if (holder === undefined || holder === process.pid) return;
  try {
    process.kill(holder, 'SIGTERM');
  } catch (error) {
    if (codeOf(error) !== 'ESRCH') throw error;
  }
  const what = `The end of process ${holder}, which was starting the lab`;
  await until(clock, { what, deadlineMs: yieldDeadlineMs, everyMs: 20 }, async () => (await holderOf(path)) !== holder);
};

const reservationOf = (folder: string): string => `${folder}.starting`;

/** The living process that holds a reservation; a process id that was given to another since does not count. */
const holderOf = async (path: string): Promise<number | undefined> => {
  const text = await readFile(path, 'utf8').catch(nothingWhen('ENOENT', 'ENOTDIR'));
  const [pid = 0, start = 0] = (text ?? '').trim().split(' ').map(Number);
  return pid > 0 && start > 0 && (await startOf(pid)) === start ? pid : undefined;
};

/** When a process started, in the kernel's ticks since boot; 0 when it is gone. */
const startOf = async (pid: number): Promise<number> =>
  Number(startIn((await readFile(`/proc/${pid}/stat`, 'utf8').catch(nothingWhen('ENOENT', 'ESRCH'))) ?? ''));

const nothingWhen =
  (...codes: readonly string[]) =>
  (error: unknown): undefined => {
    if (codes.includes(codeOf(error) ?? '')) return undefined;
    throw error;
  };

export const isThere = async (path: string): Promise<boolean> => {
  try {
    await access(path);
    return true;
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return false;
    throw error;
  }
};
