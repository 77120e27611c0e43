/** The session side of a gateway in the process of a test, in front of a real service. */
import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { Counters, silentLog, systemClock } from '@coequal/kernel';
import { type Connection, type ConnectionOptions, createConnection } from 'mysql2/promise';
import { ConnectionCounter, FailureLimiter } from '../../accounts/limits.ts';
import type { Instances } from '../../instances/adapters/open.ts';
import type { Stand } from '../../instances/testing.ts';
import type { Acknowledgement } from '../../operate/acknowledgements.ts';
import type { GatewayEvent } from '../../operate/events.ts';
import { makeGatewayMetrics } from '../../operate/gateway-metrics.ts';
import type { WorkerPorts } from '../../operate/ports.ts';
import type { GatewaySettings } from '../../settings.ts';
import { openSessionSide } from '../index.ts';

export type Served = {
  readonly port: number;
  readonly events: readonly GatewayEvent[];
  readonly acknowledged: readonly Acknowledgement[];
  readonly client: (options?: ConnectionOptions) => Promise<Connection>;
  readonly close: () => Promise<void>;
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

export const serve = async (stand: Stand, change: Partial<GatewaySettings> = {}): Promise<Served> => {
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
  const instances: Instances = await stand.open({ ...settings, limits: settings.limits });
  const events: GatewayEvent[] = [];
  const acknowledged: Acknowledgement[] = [];
  const worker = workerOf(events, acknowledged);
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
  return {
    port,
    events,
    acknowledged,
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
      for (const client of clients) client.destroy();
      server.close();
      await service.close();
      instances.close();
    },
  };
};

const workerOf = (events: GatewayEvent[], acknowledged: Acknowledgement[]): WorkerPorts => {
  const failures = new FailureLimiter(systemClock, 100);
  const connections = new ConnectionCounter();
  return {
    slot: 1,
    clock: systemClock,
    log: silentLog,
    metrics: makeGatewayMetrics(new Counters()),
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
    replayBytes: 2 ** 30,
  };
};
