/** A real server behind the gateway sees the real client: in its host grants and in its audit. */
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { systemClock, until } from '@coequal/kernel';
import { encodeProxyV1, encodeProxyV2 } from '@coequal/mysql-wire';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openStand, type Stand } from '../../instances/testing.ts';
import { type Served, serve } from '../testing/served.ts';

let stand: Stand;
let direct: Served;
let behind: Served;
const elsewhere = '127.9.9.9';

/** A connection of a client that stands at another address of this machine. */
const from = (address: string, port: number) =>
  connect({ host: '127.0.0.1', port, localAddress: address, noDelay: true });

const errorOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => (error instanceof Error && 'errno' in error ? error.errno : error),
  );

const auditLog = (): string => readFileSync(`${stand.ground.dataFolder(0)}/audit.log`, 'utf8');

beforeAll(async () => {
  stand = await openStand(46);
  for (const index of [0, 1, 2]) {
    await stand.administer(index, "SET GLOBAL proxy_protocol_networks='127.0.0.0/8'");
  }
  await stand.administer(0, "INSTALL SONAME 'server_audit'");
  await stand.administer(0, "SET GLOBAL server_audit_file_path='audit.log'");
  await stand.administer(0, "SET GLOBAL server_audit_events='CONNECT'");
  await stand.administer(0, 'SET GLOBAL server_audit_logging=ON');
  await stand.administer(0, `CREATE USER only@'${elsewhere}' IDENTIFIED BY 'only'`);
  await stand.administer(0, `GRANT ALL ON bank.* TO only@'${elsewhere}'`);
  direct = await serve(stand, { proxyToInstances: true });
  behind = await serve(stand, { proxyToInstances: true, proxyFrom: ['127.0.0.0/8'] });
}, 120_000);
afterAll(async () => {
  await direct?.close();
  await behind?.close();
  await stand?.close();
});

describe('a server behind the gateway', () => {
  it('matches its accounts against the address of the client, not of the gateway', async () => {
    const client = await direct.client({ user: 'only', password: 'only', stream: from(elsewhere, direct.port) });
    const [rows] = await client.query('SELECT USER() AS who, CURRENT_USER() AS account');
    expect(rows).toEqual([{ who: `only@${elsewhere}`, account: `only@${elsewhere}` }]);
    expect(await errorOf(direct.client({ user: 'only', password: 'only' }))).toBe(1045);
  });

  it('writes the address of the client into its audit', async () => {
    await direct.client({ user: 'only', password: 'only', stream: from(elsewhere, direct.port) });
    const wait = { what: 'the line of the audit', deadlineMs: 30_000, everyMs: 50 };
    expect(await until(systemClock, wait, () => new RegExp(`only,${elsewhere}.*CONNECT`).test(auditLog()))).toBe(true);
  });
});

describe('a gateway behind a load balancer', () => {
  const told = {
    kind: 'client',
    source: elsewhere,
    sourcePort: 4_711,
    destination: '127.0.0.1',
    destinationPort: 3_306,
  } as const;

  it.each([
    ['version 1', encodeProxyV1(told)],
    ['version 2', encodeProxyV2(told)],
  ])('believes its PROXY header of %s', async (_, header) => {
    const stream = from('127.0.0.1', behind.port);
    stream.write(header);
    const client = await behind.client({ user: 'only', password: 'only', stream });
    const [rows] = await client.query('SELECT USER() AS who');
    expect(rows).toEqual([{ who: `only@${elsewhere}` }]);
  });

  it('drops who comes without one', async () => {
    const socket = from('127.0.0.1', behind.port);
    socket.on('error', () => undefined);
    let received = 0;
    socket.on('data', (chunk) => {
      received += chunk.length;
    });
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.write('this is no header\r\n');
    await closed;
    expect(received).toBe(0);
    expect(behind.events.some((event) => event.event === 'protocol-broken')).toBe(true);
  });
});
