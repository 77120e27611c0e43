/** The session side of a gateway in the process of a test, in front of a real service. */
import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { Counters, systemClock } from '@coequal/kernel';
import { type Connection, type ConnectionOptions, createConnection } from 'mysql2/promise';
import { ConnectionCounter, FailureLimiter } from '../../accounts/limits.ts';
import type { Instances } from '../../instances/adapters/open.ts';
import type { Directory, LeaveListener } from '../../instances/directory.ts';
import type { Stand } from '../../instances/testing.ts';
import type { Acknowledgement } from '../../operate/acknowledgements.ts';
import type { GatewayEvent } from '../../operate/events.ts';
import { makeGatewayMetrics } from '../../operate/gateway-metrics.ts';
import type { SessionService, WorkerPorts } from '../../operate/ports.ts';
import type { GatewaySettings, InstanceTarget } from '../../settings.ts';
import { openSessionSide } from '../index.ts';
import { RawClient, type RawOptions } from './raw-client.ts';
import { openWires, type Wires } from './wires.ts';

export type Served = {
  readonly port: number;
  readonly events: readonly GatewayEvent[];
  readonly acknowledged: readonly Acknowledgement[];
  /** What the session side has logged: surprises only. */
  readonly logged: readonly string[];
  readonly counters: Counters;
  readonly client: (options?: ConnectionOptions) => Promise<Connection>;
  readonly raw: (options?: Partial<RawOptions>) => Promise<RawClient>;
  readonly service: SessionService<Socket>;
  readonly close: () => Promise<void>;
};

/** A gateway that reaches its instances over wires that can fail; its own account reaches them directly. */
export type Wired = Served & {
  readonly wires: Wires;
  /** New connections go to this instance while it serves. */
  readonly prefer: (instance: string | null) => void;
  /** What the directory says of an instance that is silent, or drained (`gentle`). */
  readonly leave: (instance: string, reason: string, gentle?: boolean) => void;
};

const limits: GatewaySettings['limits'] = {
  connections: 1_000,
  connectionsPerUser: 1_000,
  transactionBytes: 64 * 2 ** 20,
  replayBytes: 2 ** 30,
  idleMs: 0,
  statementMs: 0,
  slowClientMs: 60_000,
  handshakeMs: 10_000,
  recoveryMs: 30_000,
  silenceMs: 700,
  failuresPerMinute: 100,
};

export const serve = (stand: Stand, change: Partial<GatewaySettings> = {}): Promise<Served> =>
  serveThrough(stand, change, (directory) => directory);

export const serveWired = async (
  stand: Stand,
  {
    limits: limitChange,
    ...change
  }: Partial<Omit<GatewaySettings, 'limits'>> & {
    readonly limits?: Partial<GatewaySettings['limits']>;
  } = {},
): Promise<Wired> => {
  // A wire has to read what passes.
  for (const index of stand.settings.instances.keys())
    await stand.administer(index, 'SET GLOBAL require_secure_transport=OFF');
  const wires = await openWires(stand.settings.instances);
  const listeners = new Set<LeaveListener>();
  let preferred: string | null = null;
  const wired = (target: InstanceTarget | undefined): InstanceTarget | undefined =>
    target === undefined ? undefined : wires.targets.find(({ name }) => name === target.name);
  const around = (directory: Directory): Directory => ({
    ...directory,
    choose: (avoid = new Set()) => {
      const first = preferred;
      const others = stand.settings.instances.filter(({ name }) => name !== first).map(({ name }) => name);
      const found = first === null ? undefined : directory.choose(new Set(others));
      const asked = found?.name === first && first !== null && !avoid.has(first) ? found : directory.choose(avoid);
      return wired(asked);
    },
    untilServing: async (deadlineMs, signal, avoid) => wired(await directory.untilServing(deadlineMs, signal, avoid)),
    onLeave: (listener) => {
      listeners.add(listener);
      const stop = directory.onLeave(listener);
      return () => {
        listeners.delete(listener);
        stop();
      };
    },
  });
  const settings = { ...change, instanceTls: false, limits: { ...limits, ...limitChange } };
  const served = await serveThrough(stand, settings, around);
  return {
    ...served,
    wires,
    prefer: (instance) => {
      preferred = instance;
    },
    leave: (instance, reason, gentle = false) => {
      for (const listener of listeners) listener(instance, reason, gentle);
    },
    close: async () => {
      await served.close();
      await wires.close();
    },
  };
};

const serveThrough = async (
  stand: Stand,
  change: Partial<GatewaySettings>,
  around: (directory: Directory) => Directory,
): Promise<Served> => {
  const settings: GatewaySettings = {
    name: 'gateway',
    site: 'here',
    preset: 'default',
    database: 'bank',
    listen: { host: '127.0.0.1', port: 0 },
    metrics: { host: '127.0.0.1', port: 0 },
    stateFolder: '/nowhere',
    workers: 1,
    proxyToInstances: false,
    proxyFrom: [],
    profile: 'real-time',
    users: [],
    guards: [],
    ...stand.settings,
    limits,
    ...change,
  };
  // The gateway's own account asks for TLS whatever sessions do.
  const opened: Instances = await stand.open({ ...settings, instanceTls: true, limits: settings.limits });
  const instances: Instances = { ...opened, directory: around(opened.directory) };
  const events: GatewayEvent[] = [];
  const acknowledged: Acknowledgement[] = [];
  const logged: string[] = [];
  const counters = new Counters();
  const worker = workerOf(events, acknowledged, counters, logged, settings);
  const runFolder = stand.ground.runFolder(0);
  const service = await openSessionSide({
    settings,
    worker,
    instances,
    secrets: {
      authority: readFileSync(`${runFolder}/authority.pem`, 'utf8'),
      certificate: readFileSync(`${runFolder}/certificate.pem`, 'utf8'),
      key: readFileSync(`${runFolder}/key.pem`, 'utf8'),
      passwordOf: () => undefined,
      ownPassword: 'own',
    },
  });
  const server = createServer((socket) => service.accept(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const clients: Connection[] = [];
  const raws: RawClient[] = [];
  return {
    port,
    events,
    acknowledged,
    logged,
    counters,
    service,
    raw: async (options = {}) => {
      const client = await RawClient.open({ port, ...options });
      raws.push(client);
      return client;
    },
    client: async (options = {}) => {
      const connection = await createConnection({
        host: '127.0.0.1',
        port,
        user: 'app',
        password: 'app',
        database: 'bank',
        supportBigNumbers: true,
        ...options,
      });
      connection.on('error', () => undefined);
      clients.push(connection);
      return connection;
    },
    close: async () => {
      for (const client of [...clients]) client.destroy();
      for (const client of raws) client.close();
      server.close();
      await service.close();
      instances.close();
    },
  };
};

const workerOf = (
  events: GatewayEvent[],
  acknowledged: Acknowledgement[],
  counters: Counters,
  logged: string[],
  settings: GatewaySettings,
): WorkerPorts => {
  const failures = new FailureLimiter(systemClock, 100);
  const connections = new ConnectionCounter();
  return {
    slot: 1,
    clock: systemClock,
    log: (level, message, fields) => logged.push(`${level}: ${message} ${JSON.stringify(fields ?? {})}`),
    metrics: makeGatewayMetrics(counters),
    event: (event) => events.push(event),
    acknowledge: (entry) => acknowledged.push(entry),
    killElsewhere: async () => 'unknown',
    admit: async (user, limit) => connections.admit(user, limit),
    rejoin: (user) => connections.rejoin(user),
    leave: (user) => connections.leave(user),
    failures: {
      blocked: (address) => failures.blocked(address),
      note: (address) => failures.note(address),
    },
    replayBytes: settings.limits.replayBytes,
  };
};
