/** Drivers for the instances of the host, from the estate, the programs of the system, and what lies in each instance's run folder. */
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { cacheFolderOf, findPrograms, galeraDriver, type Launch, labPrograms, type Programs } from '@coequal/engines';
import { type Estate, placedArbitrators, placedInstances } from '@coequal/estate';
import { type Clock, fail, type Log } from '@coequal/kernel';
import { readPrivate } from '@coequal/trust';
import type { InstanceHands } from '../ports.ts';
import type { ActSettings } from '../settings.ts';
import { instanceHands } from './instance.ts';
import { userOf } from './users.ts';

export type OpenOptions = {
  readonly estate: Estate;
  readonly settings: ActSettings;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly log: Log;
};

export type OpenedInstance = { readonly hands: InstanceHands; readonly close: () => void };

/** @throws FILE_MISSING, SECRET_FILE_EXPOSED, PERMISSION_MISSING, PROGRAM_MISSING */
export const openInstances = async (options: OpenOptions): Promise<readonly OpenedInstance[]> => {
  const { estate, settings, environment, clock, log } = options;
  const { acts, instances } = settings;
  const { account } = acts;
  if (account === undefined || instances.length === 0) return [];
  const password = await passwordOf(account.passwordFile);
  const programs = await findPrograms(labPrograms(estate), {
    cacheFolder: cacheFolderOf(environment, process.getuid?.() ?? -1),
    progress: () => undefined,
    ...{ environment, clock },
  });
  const user = await launchAs(acts.user, programs);
  const current = { user: account.user, password };
  return instances.map(({ service, instance }) => {
    const runFolder = `${acts.runFolder}/${instance.name}`;
    const server = need(programs, 'mariadbd');
    const driver = galeraDriver({
      ...{ estate, service, instance, server, clock, log },
      members: placedInstances(estate, service),
      arbitrators: placedArbitrators(estate, service),
      places: {
        ...{ runFolder, baseFolder: dirname(dirname(server)) },
        galeraLibrary: programs.galeraLibrary,
        pluginFolder: programs.pluginFolder,
        shareFolder: programs.shareFolder,
      },
      // The option file is there and is not written here: what belongs into it only is not asked for.
      transferAccount: current,
      account: () => current,
      launch: user.launch,
      ...(user.owner === undefined ? {} : { owner: user.owner }),
    });
    return { hands: instanceHands(driver, runFolder), close: driver.close };
  });
};

const passwordOf = async (path: string): Promise<string> => {
  const text = await readPrivate(path, (reason, cause) => fail('FILE_UNREADABLE', { path, reason }, { cause }));
  if (text === undefined)
    throw fail('FILE_MISSING', { path, advice: 'Write the password of the administrative account into it.' });
  return text.trim();
};

type LaunchAs = { readonly launch: Launch; readonly owner: number | undefined };

const launchAs = async (user: string, programs: Programs): Promise<LaunchAs> => {
  const environment = { ...programs.environment, LANG: 'C.UTF-8' };
  const { uid, gid } = userOf(user, await readFile('/etc/passwd', 'utf8'));
  if (uid === process.getuid?.()) return { launch: { wrap: (argv) => argv, environment }, owner: undefined };
  if (process.getuid?.() !== 0)
    throw fail('PERMISSION_MISSING', {
      what: `instances run as ${user}, and only root can start them as somebody else`,
      advice: 'Run the agent as root, or as that user.',
    });
  const wrap = (argv: readonly string[]) => ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', ...argv];
  return { launch: { wrap, environment }, owner: uid };
};

const need = (programs: Programs, name: Parameters<Programs['path']>[0]): string => {
  const path = programs.path(name);
  if (path === undefined) throw fail('PROGRAM_MISSING', { programs: name, advice: 'Install the database server.' });
  return path;
};
