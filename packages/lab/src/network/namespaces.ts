/**
 * The namespaces that a lab's daemon lives in, and the users that programs in them run as. Invariant: everything a
 * lab makes (links, rules, mounts) lies inside namespaces that only its own processes hold, so the kernel removes it
 * with the last of them, also after a crash.
 *
 * Site namespaces are kept by a file each in the lab's folder (`network.ts`), not in /run/netns: that folder belongs
 * to the machine, an ordinary user may not write it, and hiding it would hide the machine's other namespaces.
 */
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { codeOf, reasonOf } from '@coequal/kernel';
import { declareOwnMounts } from '../process/mounts.ts';
import { type Programs, runnerFor } from '../process/run.ts';
import { ruleSet } from './rules.ts';

/** The user `nobody`: exists everywhere, owns nothing. */
const NOBODY = 65_534;
const PROBE_DEADLINE_MS = 5_000;

export type FullModeProbe = { readonly possible: true } | { readonly possible: false; readonly reason: string };

/** What starts a program in a network and a mount namespace of its own; an ordinary user becomes root in there. */
export const daemonPrefix = (): readonly string[] => [
  'unshare',
  ...(process.getuid?.() === 0 ? [] : ['--user', '--map-root-user']),
  '--net',
  '--mount',
  '--propagation',
  'private',
  '--',
];

/** Tries what full mode needs, in namespaces that end with the trial. Takes a few hundredths of a second. */
export const probeFullMode = async (
  programs: Programs,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Promise<FullModeProbe> => {
  if (process.platform !== 'linux') return { possible: false, reason: 'namespaces are a feature of Linux' };
  const runner = runnerFor(programs, environment);
  const folder = await mkdtemp(join(tmpdir(), 'coequal-probe-'));
  const place = join(folder, 'site');
  const steps = [
    {
      what: 'network namespaces and links between them',
      argv: ['unshare', `--net=${place}`, '--', runner.tool('ip'), '-batch', '-'],
      input: 'link set lo up\nlink add probe1 type veth peer name probe2\naddr add 10.77.1.1/32 dev lo\n',
    },
    {
      what: 'a packet filter (nft) of their own',
      argv: [runner.tool('nft'), '-f', '-'],
      input: ruleSet(1, [1, 2], [{ site: 1, whole: false, oneWay: false }], [{ interface: 'probe1', percent: 1 }]),
    },
    { what: 'programs that run as an ordinary user inside', argv: ['true'], input: '', ordinary: true },
  ];
  try {
    await writeFile(place, '');
    const results = await Promise.all(
      steps.map(async (step) => {
        const argv = step.ordinary === true ? [...ordinaryUserInside(), ...step.argv] : step.argv;
        const result = await runner.attempt([...daemonPrefix(), ...argv], {
          input: step.input,
          deadlineMs: PROBE_DEADLINE_MS,
        });
        return { what: step.what, ...result };
      }),
    );
    const failed = results.find(({ status }) => status !== 0);
    if (failed === undefined) return { possible: true };
    return { possible: false, reason: `${failed.what} cannot be made (${firstLine(failed.stderr) || failed.status})` };
  } catch (error) {
    return { possible: false, reason: reasonOf(error) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};

/**
 * What the daemon does first inside its namespaces: shared memory of the lab's own, so that what killed processes leave
 * in it ends with the lab (a machine without /dev/shm has nothing to leave). From then on the lab may mount more.
 */
export const insideSetup = async (): Promise<void> => {
  declareOwnMounts();
  if (!existsSync('/dev/shm')) return;
  const { run } = runnerFor({ path: () => undefined, environment: {} });
  await run(['mount', '-t', 'tmpfs', '-o', 'mode=1777,nosuid,nodev', 'coequal', '/dev/shm']);
};

/**
 * The user id that files of the servers must belong to, as seen here; undefined where the servers run as whoever the
 * daemon is (an ordinary user, also one that is root in a namespace: there the files are his own already).
 */
export const serverUserId = (): number | undefined => (mayBecomeNobody() ? NOBODY : undefined);

/**
 * Wraps a program so that it does not run as user 0, which MariaDB's full transfer by rsync refuses to work as. Real
 * root becomes `nobody` and gives up every capability. Who is root only inside a user namespace of one user cannot
 * become another; a nested namespace shows him to the program as `nobody` instead, and his files with him.
 */
export const asOrdinaryUser = (argv: readonly string[]): string[] => {
  if (process.getuid?.() !== 0) return [...argv];
  return [...(mayBecomeNobody() ? becomeNobody : seemNobody), ...argv];
};

const becomeNobody: readonly string[] = [
  'setpriv',
  `--reuid=${NOBODY}`,
  `--regid=${NOBODY}`,
  '--clear-groups',
  '--inh-caps=-all',
  '--bounding-set=-all',
  '--no-new-privs',
  '--',
];
const seemNobody: readonly string[] = ['unshare', '--user', `--map-user=${NOBODY}`, `--map-group=${NOBODY}`, '--'];

/** What `asOrdinaryUser` will use once the daemon is inside its namespaces. */
const ordinaryUserInside = (): readonly string[] => (mayBecomeNobody() ? becomeNobody : seemNobody);

const mayBecomeNobody = (): boolean => process.getuid?.() === 0 && mapsUser(readMap(), NOBODY);

/** True when a user id exists in a namespace with this /proc/PID/uid_map (lines of: first inside, first outside, count). */
export const mapsUser = (map: string, user: number): boolean =>
  map
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .some(([first = 0, , count = 0]) => user >= first && user < first + count);

const readMap = (): string => {
  try {
    return readFileSync('/proc/self/uid_map', 'utf8');
  } catch (error) {
    // Kernels without user namespaces have no map: every user exists.
    if (codeOf(error) === 'ENOENT') return '0 0 4294967295';
    throw error;
  }
};

const firstLine = (text: string): string => text.trim().split('\n')[0] ?? '';
