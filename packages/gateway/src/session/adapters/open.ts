/**
 * Opens the session side of a worker: accounts read and kept fresh, TLS on both sides, and the sessions themselves. What it
 * needs of the world comes in; secrets stay in here.
 */
import { createHash } from 'node:crypto';
import { BlockList, isIPv6, type Socket } from 'node:net';
import { createSecureContext, type SecureContext } from 'node:tls';
import { reasonOf } from '@coequal/kernel';
import { AccountCatalogue } from '../../accounts/catalogue.ts';
import { openDoor } from '../../accounts/login.ts';
import type { Instances } from '../../instances/adapters/open.ts';
import type { SessionService, WorkerPorts } from '../../operate/ports.ts';
import type { GatewaySettings } from '../../settings.ts';
import type { Gate } from './gate.ts';
import { instanceTls } from './instance-link.ts';
import { openSessions } from './sessions.ts';

/** What files hold, read by the composition root. PEM texts. */
export type SessionSecrets = {
  readonly authority?: string;
  readonly certificate?: string;
  readonly key?: string;
  /** The password of an account in the sealed store, of `user@host` or of `user`. */
  readonly passwordOf: (name: string) => string | undefined;
  /** The password of the gateway's own account: what unknown users look like is drawn with it. */
  readonly ownPassword: string;
};

export type SessionSide = {
  readonly settings: GatewaySettings;
  readonly worker: WorkerPorts;
  readonly instances: Instances;
  readonly secrets: SessionSecrets;
};

/** Accounts are read so often, so that one that was dropped or locked is refused soon also without a failed log-in. */
const accountsEveryMs = 10_000;
const killMs = 3_000;

/** @throws what reading the accounts throws: without them nobody can log in */
export const openSessionSide = async ({
  settings,
  worker,
  instances,
  secrets,
}: SessionSide): Promise<SessionService<Socket>> => {
  const catalogue = new AccountCatalogue(instances.accountRows, worker.clock);
  await catalogue.refresh();
  const closing = new AbortController();
  keepFresh(catalogue, worker, closing.signal);
  const { directory, administration, outcomes, tableBytes } = instances;
  const service = openSessions({
    settings,
    worker,
    directory,
    outcomes,
    tableBytes,
    gate: gateOf(settings, worker, instances, catalogue, secrets),
    instanceTls: settings.instanceTls && secrets.authority !== undefined ? instanceTls(secrets.authority) : null,
    serverTls: serverContext(secrets),
    administer: async (instance, sql) => {
      await administration.run(instance, sql, { deadlineMs: killMs });
    },
  });
  return {
    ...service,
    close: async () => {
      closing.abort();
      await service.close();
    },
  };
};

const serverContext = ({ certificate, key, authority }: SessionSecrets): SecureContext | null =>
  certificate === undefined || key === undefined
    ? null
    : createSecureContext({
        cert: certificate,
        key,
        minVersion: 'TLSv1.2',
        ...(authority === undefined ? {} : { ca: authority }),
      });

const keepFresh = (catalogue: AccountCatalogue, { clock, log }: WorkerPorts, signal: AbortSignal): void => {
  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      await clock.sleep(accountsEveryMs, signal);
      // Without an instance the accounts stay as they were read last; log-ins need an instance anyway.
      await catalogue
        .refresh()
        .catch((error: unknown) => log('warn', 'accounts cannot be read', { reason: reasonOf(error) }));
    }
  };
  run().catch((error: unknown) => {
    if (!signal.aborted) log('error', 'accounts are no longer read', { reason: reasonOf(error) });
  });
};

const gateOf = (
  settings: GatewaySettings,
  worker: WorkerPorts,
  { directory }: Instances,
  catalogue: AccountCatalogue,
  secrets: SessionSecrets,
): Gate => {
  const { limits } = settings;
  const decoyKey = createHash('sha256').update(`decoy ${secrets.ownPassword}`).digest();
  const limitOf = (user: string): number =>
    settings.users.find((rule) => rule.user === user)?.connections ?? limits.connectionsPerUser;
  return {
    worker,
    limits,
    lookUp: (who) =>
      openDoor(who, {
        accounts: catalogue.current(),
        passwordOf: secrets.passwordOf,
        connectionsOf: limitOf,
        instanceTls: settings.instanceTls,
        passwordLifetimeDays: 0,
        now: worker.clock.now(),
        decoyKey,
      }),
    refresh: () =>
      catalogue
        .refresh()
        .catch((error: unknown) => worker.log('warn', 'accounts cannot be read', { reason: reasonOf(error) })),
    // As the server writes it: clients of old take a first digit of 10 for version 1.
    serverVersion: () => `5.5.5-${directory.facts().version.replace(/^5\.5\.5-/, '')}`,
    proxied: proxiedOf(settings.proxyFrom),
  };
};

const proxiedOf = (networks: readonly string[]): ((address: string) => boolean) => {
  if (networks.length === 0) return () => false;
  const list = new BlockList();
  for (const network of networks) {
    const [address = '', bits] = network.split('/');
    const family = isIPv6(address) ? 'ipv6' : 'ipv4';
    list.addSubnet(address, bits === undefined ? (family === 'ipv6' ? 128 : 32) : Number(bits), family);
  }
  return (address) => list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
};
