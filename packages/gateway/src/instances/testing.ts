/** A real service of three instances for tests of the gateway, with its account, an application's, and clients of both. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { startService } from '@coequal/engines';
import { type Ground, openGround } from '@coequal/engines/testing';
import { silentLog, systemClock } from '@coequal/kernel';
import { type Connection, createConnection } from 'mysql2/promise';
import { type Instances, type InstancesSettings, openInstances } from './adapters/open.ts';
import type { InstanceAccess } from './adapters/sql.ts';
import { accountStatements } from './schema.ts';

export type Stand = {
  readonly ground: Ground;
  readonly settings: InstancesSettings;
  readonly access: InstanceAccess;
  /** Statements of an administrator, over the local socket of an instance. */
  readonly administer: (index: number, text: string) => Promise<readonly Readonly<Record<string, unknown>>[]>;
  readonly open: (change?: Partial<InstancesSettings>, access?: Partial<InstanceAccess>) => Promise<Instances>;
  /** A connection of an application that has rights on its own schema alone. */
  readonly client: (index: number) => Promise<Client>;
  readonly signal: (index: number, name: 'SIGSTOP' | 'SIGCONT') => void;
  readonly close: () => Promise<void>;
};

/** Statements with their rows, or the number of the error they were refused with. */
export type Answered = { readonly errno: number; readonly rows: readonly Readonly<Record<string, unknown>>[] };
export type Client = {
  readonly ask: (text: string, values?: readonly (string | number | Buffer)[]) => Promise<Answered>;
  readonly threadId: number;
  readonly destroy: () => void;
};

export const gatewayUser = 'coequal_gateway';
const password = 'gateway-secret';

export const openStand = async (network: number): Promise<Stand> => {
  const ground = await openGround(network);
  try {
    await startService(ground.drivers, ground.how);
    const stand = standOn(ground);
    for (const text of accountStatements(gatewayUser, '%', true))
      await stand.administer(0, text.replace('…', password));
    await stand.administer(0, "CREATE USER app@'%' IDENTIFIED BY 'app'");
    await stand.administer(0, "GRANT ALL ON bank.* TO app@'%'");
    return stand;
  } catch (error) {
    await ground.close();
    throw error;
  }
};

const standOn = (ground: Ground): Stand => {
  const driver = (index: number) => {
    const found = ground.drivers[index];
    if (found === undefined) throw new Error(`no driver ${index}`);
    return found;
  };
  const authority = readFileSync(`${ground.runFolder(0)}/authority.pem`, 'utf8');
  const targets = ground.drivers.map((_, index) => {
    const { instance } = ground.options(index);
    return {
      name: instance.name,
      site: instance.site.name,
      host: instance.at.address,
      port: instance.ports.client,
      rttMs: index,
    };
  });
  const access: InstanceAccess = { user: gatewayUser, password, authority };
  const settings: InstancesSettings = {
    instances: targets,
    service: 'bank',
    instanceTls: true,
    account: { user: gatewayUser, passwordFile: '/nowhere' },
    observe: false,
    limits: { silenceMs: 700, recoveryMs: 30_000 },
  };
  return {
    ground,
    settings,
    access,
    administer: (index, text) => driver(index).administer(text),
    open: (change = {}, other = {}) =>
      openInstances({ ...settings, ...change }, { ...access, ...other }, systemClock, silentLog),
    client: async (index) => {
      const target = targets[index];
      if (target === undefined) throw new Error(`no instance ${index}`);
      return clientOver(
        await createConnection({
          host: target.host,
          port: target.port,
          user: 'app',
          password: 'app',
          database: 'bank',
          ssl: { ca: authority },
          supportBigNumbers: true,
          bigNumberStrings: true,
        }),
      );
    },
    signal: (index, name) => {
      const pid = driver(index).process()?.pid;
      if (pid === undefined) throw new Error(`no process ${index}`);
      process.kill(pid, name);
    },
    close: () => ground.close(),
  };
};

const clientOver = (connection: Connection): Client => {
  connection.on('error', () => undefined);
  return {
    ask: async (text, values) => {
      try {
        const [answer] =
          values === undefined ? await connection.query(text) : await connection.execute(text, [...values]);
        const parts: readonly unknown[] = Array.isArray(answer) ? answer.flat() : [];
        return { errno: 0, rows: parts.filter(isRow) };
      } catch (error) {
        return { errno: error instanceof Error && 'errno' in error ? Number(error.errno) : -1, rows: [] };
      }
    },
    threadId: connection.threadId,
    destroy: () => connection.destroy(),
  };
};

const isRow = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !('affectedRows' in value);

/** As gateways make them: the time, then chance. */
export const newSession = (nowMs: number): Buffer => {
  const session = randomBytes(24);
  session.writeBigUInt64BE(BigInt(Math.trunc(nowMs)));
  return session;
};
