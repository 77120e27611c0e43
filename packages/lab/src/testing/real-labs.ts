/**
 * For tests with real labs: a state folder of their own (so that they neither see nor touch other labs of this
 * machine) with the shared cache of programs and seeds, and a look at everything that a lab could leave behind.
 */
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cacheFolderOf } from '@coequal/engines';
import { codeOf, systemClock, until } from '@coequal/kernel';
import { type Link, linkOpener, type Via } from '@coequal/proof';
import type { LabHandle } from '../client.ts';
import { removeStaleHosts } from '../hosts/cgroups.ts';
import { findMarked } from '../process/sweep.ts';
import type { LabSnapshot } from '../snapshot.ts';

/** Long enough for a full transfer on a machine that is busy with other things. */
const patienceMs = 60_000;

export type Home = { readonly folder: string; readonly remove: () => Promise<void> };

/** Makes COEQUAL_HOME of this process a new folder whose cache is the machine's. */
export const ownHome = async (): Promise<Home> => {
  const before = process.env['COEQUAL_HOME'];
  const cache = cacheFolderOf(process.env, process.getuid?.() ?? -1);
  const folder = await mkdtemp(join(tmpdir(), 'cq-'));
  // As root the databases run as another user, who must be able to pass.
  await chmod(folder, 0o755);
  await mkdir(cache, { recursive: true });
  await symlink(cache, join(folder, 'cache'));
  process.env['COEQUAL_HOME'] = folder;
  return {
    folder,
    remove: async () => {
      if (before === undefined) delete process.env['COEQUAL_HOME'];
      else process.env['COEQUAL_HOME'] = before;
      await rm(folder, { recursive: true, force: true });
    },
  };
};

/** What there still is of a lab, in words; empty when nothing is. */
export const leftOf = async (name: string, home: Home): Promise<readonly string[]> => {
  const folder = `${home.folder}/state/labs/${name}`;
  const mounts = (await readFile('/proc/mounts', 'utf8')).split('\n').filter((line) => line.includes(folder));
  const folders = (await namesIn(`${home.folder}/state/labs`)).filter((each) => each.startsWith(name));
  const memory = (await namesIn('/dev/shm')).filter((each) => each.startsWith(`coequal-${name}-`));
  const groups = await removeStaleHosts(name);
  return [
    ...findMarked(`${name}:`).map((pid) => `process ${pid}`),
    ...mounts.map((line) => `mount ${line}`),
    ...(await loopsBelow(folder)).map((path) => `loop device of ${path}`),
    ...folders.map((each) => `folder ${each}`),
    ...memory.map((each) => `memory ${each}`),
    ...(groups === 0 ? [] : [`${groups} control groups`]),
  ];
};

const loopsBelow = async (folder: string): Promise<readonly string[]> => {
  const loops = (await namesIn('/sys/block')).filter((name) => name.startsWith('loop'));
  const files = await Promise.all(
    loops.map((name) => readFile(`/sys/block/${name}/loop/backing_file`, 'utf8').catch(() => '')),
  );
  return files.map((path) => path.trim()).filter((path) => path.startsWith(`${folder}/`));
};

const namesIn = async (folder: string): Promise<readonly string[]> =>
  readdir(folder).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  });

/** Waits until the lab looks like this, and answers that look. */
export const untilSeen = (
  lab: LabHandle,
  what: string,
  isSo: (snapshot: LabSnapshot) => boolean,
): Promise<LabSnapshot> => {
  let last = '';
  return until(systemClock, { what, deadlineMs: patienceMs, everyMs: 100, last: () => last }, async () => {
    const seen = await lab.snapshot();
    last = JSON.stringify(
      seen.sites.map(({ name, state, instances, clients }) => ({ name, state, instances, clients })),
    );
    return isSo(seen) ? seen : undefined;
  });
};

/** Every site serves, all agree on how many they are, and every site's clients get acknowledgements again. */
export const untilWhole = async (lab: LabHandle): Promise<LabSnapshot> => {
  const before = await lab.snapshot();
  const acknowledged = ({ sites }: LabSnapshot, name: string): number =>
    sites.find((site) => site.name === name)?.clients?.acknowledged ?? 0;
  return untilSeen(lab, 'A lab that is whole', (seen) => {
    const instances = seen.sites.flatMap((site) => site.instances);
    // A site without a database is a witness, whose vote counts as a member.
    const votes = instances.length + seen.sites.filter((site) => site.instances.length === 0).length;
    return (
      instances.every(({ state, members }) => state === 'serving' && members === votes) &&
      seen.sites.every(({ name, clients }) => clients === null || acknowledged(seen, name) > acknowledged(before, name))
    );
  });
};

/** A way in, as this machine reaches it. */
export type Door = { readonly name: string; readonly site: string; readonly host: string; readonly port: number };

/** The first instance, or the first gateway, of a site. */
export const doorAt = ({ sites }: LabSnapshot, site: string, via: Via): Door => {
  const found = sites.find(({ name }) => name === site);
  const door = via === 'gateway' ? found?.gateways[0] : found?.instances[0];
  if (door === undefined) throw new Error(`no way into ${site}`);
  const { name, host, port } = door;
  return { name, site, host, port };
};

/** A session of the lab's own account, as a person on this machine would open it. */
export const linkAt = async (lab: LabHandle, { name, site, host, port }: Door): Promise<Link> => {
  const { user, password, database, authorityPath } = await lab.snapshot();
  return linkOpener({ connectMs: 10_000, statementMs: 30_000 })({
    ...{ instance: name, site, host, port, user, password, database },
    ...(authorityPath === null ? {} : { authority: await readFile(authorityPath, 'utf8') }),
  });
};

/** At a site's instance. */
export const sessionAt = async (lab: LabHandle, site: string): Promise<Link> =>
  linkAt(lab, doorAt(await lab.snapshot(), site, 'direct'));
