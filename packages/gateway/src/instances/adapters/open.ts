/** Everything a worker has to do with instances, opened together: who they are, statements on them, outcomes, accounts. */
import { readFile } from 'node:fs/promises';
import { serves } from '@coequal/estate';
import { type Clock, codeOf, fail, type Log, reasonOf } from '@coequal/kernel';
import type { GatewaySettings } from '../../settings.ts';
import type { Directory } from '../directory.ts';
import type { Outcomes } from '../outcomes.ts';
import { type AccountRow, readAccountRows } from './accounts-rows.ts';
import { type Administration, openAdministration } from './administration.ts';
import { openDirectory } from './directory.ts';
import { installSchema } from './install.ts';
import { openOutcomes } from './outcomes.ts';
import type { InstanceAccess } from './sql.ts';
import { readTableBytes } from './table-size.ts';

export type Instances = {
  readonly directory: Directory;
  readonly administration: Administration;
  readonly outcomes: Outcomes;
  readonly accountRows: () => Promise<readonly AccountRow[]>;
  readonly tableBytes: (schema: string, table: string) => Promise<number | undefined>;
  readonly close: () => void;
};

export type InstancesSettings = Pick<
  GatewaySettings,
  'instances' | 'service' | 'instanceTls' | 'account' | 'tls' | 'localAddress' | 'observe'
> & { readonly limits: Pick<GatewaySettings['limits'], 'silenceMs' | 'recoveryMs'> };

/**
 * Reads the gateway's own password and the authority of instances.
 * @throws FILE_MISSING, FILE_UNREADABLE
 */
export const readInstanceAccess = async (
  settings: Pick<GatewaySettings, 'account' | 'tls' | 'instanceTls' | 'localAddress'>,
): Promise<InstanceAccess> => {
  const password = await contentOf(settings.account.passwordFile, 'It holds the password of `gateway.account`.');
  const authority =
    settings.instanceTls && settings.tls !== undefined
      ? await contentOf(settings.tls.authority, 'It is `certificates.authority` of the gateway in the estate.')
      : undefined;
  return {
    user: settings.account.user,
    // Editors end files with a line break; a password has none.
    password: password.replace(/\r?\n$/, ''),
    ...(authority === undefined ? {} : { authority }),
    ...(settings.localAddress === undefined ? {} : { localAddress: settings.localAddress }),
  };
};

const contentOf = async (path: string, advice: string): Promise<string> => {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') throw fail('FILE_MISSING', { path, advice }, { cause: error });
    throw fail('FILE_UNREADABLE', { path, reason: reasonOf(error) }, { cause: error });
  }
};

/**
 * Opens everything. A gateway that only observes writes nothing, and needs no schema.
 * @throws GATEWAY_NO_INSTANCE, GATEWAY_SCHEMA_MISSING
 */
export const openInstances = async (
  settings: InstancesSettings,
  access: InstanceAccess,
  clock: Clock,
  log: Log,
): Promise<Instances> => {
  const directory = await openDirectory(settings, access, clock, log);
  const administration = openAdministration(settings.instances, access, clock);
  const where = { directory, administration, clock };
  const outcomes = openOutcomes({
    ...where,
    log,
    // The group decides who is left within about its silence; an attempt that takes twice that is lost.
    attemptMs: 2 * settings.limits.silenceMs + 1_000,
  });
  const stopWarming = directory.onState((name, _, to) => {
    if (serves(to)) administration.warm(name);
  });
  const close = (): void => {
    stopWarming();
    outcomes.close();
    administration.close();
    directory.close();
  };
  try {
    if (!settings.observe) await installSchema({ ...where, log, tls: settings.instanceTls });
  } catch (error) {
    close();
    throw error;
  }
  for (const { target, state } of directory.views()) if (serves(state)) administration.warm(target.name);
  return {
    directory,
    administration,
    outcomes,
    accountRows: () => readAccountRows(where),
    tableBytes: (schema, table) => readTableBytes(where, schema, table),
    close,
  };
};
