/** The gateway's own programs in front of a real service: what the check refuses, and a restart under real clients. */
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemClock, until } from '@coequal/kernel';
import { issueCertificate, makeAuthority } from '@coequal/trust';
import { type Connection, createConnection } from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { accountStatements } from './instances/schema.ts';
import { gatewayUser, openStand, type Stand } from './instances/testing.ts';
import { gatewayControl } from './operate/adapters/operator.ts';

const program = fileURLToPath(new URL('./main.ts', import.meta.url));
const name = 'gateway-one';

let stand: Stand;
let folder = '';
let port = 0;
let metricsPort = 0;

const freePort = async (): Promise<number> => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
};

beforeAll(async () => {
  stand = await openStand(47);
  folder = mkdtempSync(join(tmpdir(), 'coequal-programs-'));
  [port, metricsPort] = [await freePort(), await freePort()];
  writeFileSync(join(folder, 'authority.pem'), stand.access.authority ?? '');
  const clock = systemClock;
  const authority = await makeAuthority('test', { days: 30, clock });
  const wish = { commonName: name, dnsNames: [], addresses: ['127.0.0.1'], days: 20, usage: 'server' as const };
  const { certificate, key } = await issueCertificate(authority, wish, clock);
  secret('gateway.pem', certificate);
  secret('gateway.key', key);
  secret('other.key', (await issueCertificate(authority, wish, clock)).key);
  secret('password', 'gateway-secret\n');
});
afterAll(async () => {
  await stand?.close();
  rmSync(folder, { recursive: true, force: true });
});

const secret = (file: string, text: string): void => {
  writeFileSync(join(folder, file), text);
  chmodSync(join(folder, file), 0o600);
};

type Change = {
  readonly password?: string;
  readonly user?: string;
  readonly key?: string;
  readonly instancePort?: number;
};

/** An estate for the service that runs, with one gateway on this machine. */
const estate = ({
  password = 'password',
  user = gatewayUser,
  key = 'gateway.key',
  instancePort,
}: Change = {}): string => {
  const { instances } = stand.settings;
  const path = join(folder, 'coequal.yaml');
  const sites = instances.map(
    ({ site, host }) => `  - { name: ${site}, hosts: [{ name: ${site}-h, address: ${host} }] }`,
  );
  const members = instances.map(
    (one) =>
      `      - { name: ${one.name}, host: ${one.site}-h, dataFolder: /data/${one.name}, ports: { client: ${instancePort ?? one.port} } }`,
  );
  const text = `version: 1
name: programs
sites:
${sites.join('\n')}
services:
  - name: bank
    database: bank
    instances:
${members.join('\n')}
    gateway:
      account: { user: ${user}, passwordFile: ${folder}/${password} }
      limits: { recovery: 3s }
gateways:
  - name: ${name}
    host: ${instances[0]?.site}-h
    address: 127.0.0.1
    service: bank
    port: ${port}
    metricsPort: ${metricsPort}
    workers: 2
    proxyToInstances: false
    stateFolder: ${folder}/state
    certificates: { authority: ${folder}/authority.pem, certificate: ${folder}/gateway.pem, key: ${folder}/${key} }
`;
  writeFileSync(path, text);
  return path;
};

const launch = (args: readonly string[]) => {
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  let told = '';
  child.stdout.on('data', (text: Buffer) => {
    out += text;
  });
  child.stderr.on('data', (text: Buffer) => {
    told += text;
  });
  const exited = new Promise<number | null>((resolve) => child.once('close', (code) => resolve(code)));
  return { child, exited, out: () => out, told: () => told };
};

const checked = async (change: Change = {}) => {
  const run = launch(['--config', estate(change), '--check']);
  return { code: await run.exited, out: run.out(), told: run.told() };
};

describe('the check', () => {
  test('says what the gateway would do', async () => {
    expect(await checked()).toEqual({
      code: 0,
      told: '',
      out: expect.stringMatching(
        /^gateway-one can start on 127\.0\.0\.1, port \d+: 3 of 3 instances of bank answer \(.*\)\.\n$/,
      ),
    });
  });

  const refused = (code: string, words = '') => ({
    code: 2,
    out: '',
    told: expect.stringMatching(new RegExp(`^coequal: [^\\n]*${words}[^\\n]*\\[${code}\\]\\n$`)),
  });

  test('refuses a password that others may read', async () => {
    writeFileSync(join(folder, 'open'), 'gateway-secret');
    chmodSync(join(folder, 'open'), 0o644);
    expect(await checked({ password: 'open' })).toEqual(refused('SECRET_FILE_EXPOSED', 'chmod 600'));
  });

  test('refuses a password that is not there, and one that is wrong', async () => {
    expect(await checked({ password: 'nowhere' })).toEqual(refused('FILE_MISSING'));
    secret('wrong', 'something else');
    expect(await checked({ password: 'wrong' })).toEqual(refused('GATEWAY_NO_INSTANCE', 'refuse'));
  });

  test('refuses a key that does not belong to the certificate', async () => {
    expect(await checked({ key: 'other.key' })).toEqual(refused('GATEWAY_FILE_INVALID', 'gateway.pem'));
  });

  test('refuses an account without its rights, with the statements to run', async () => {
    await stand.administer(0, "CREATE USER poor@'%' IDENTIFIED BY 'gateway-secret'");
    expect(await checked({ user: 'poor' })).toEqual(refused('GATEWAY_SCHEMA_MISSING', 'GRANT '));
    expect(accountStatements('poor', '%', true).length).toBeGreaterThan(1);
  });

  test('refuses when no instance answers', async () => {
    expect(await checked({ instancePort: await freePort() })).toEqual(refused('GATEWAY_NO_INSTANCE', 'is gone'));
  });

  test('refuses a wrong estate with line and column', async () => {
    const path = estate();
    writeFileSync(path, 'version: 1\nnane: x\n');
    const run = launch(['--config', path]);
    expect([await run.exited, run.told()]).toEqual([2, expect.stringMatching(/coequal\.yaml:2:1: .*\[?/)]);
    expect(run.told()).toContain('[ESTATE_INVALID]');
  });
});

describe('a gateway', () => {
  let run: ReturnType<typeof launch>;
  const control = () => gatewayControl({ name, stateFolder: join(folder, 'state') }, systemClock, 'tester');
  const client = (tls = false): Promise<Connection> =>
    createConnection({
      host: '127.0.0.1',
      port,
      user: 'app',
      password: 'app',
      database: 'bank',
      ...(tls ? { ssl: { rejectUnauthorized: false } } : {}),
    });

  beforeAll(async () => {
    run = launch(['--config', estate()]);
    await until(systemClock, { what: 'the start', deadlineMs: 60_000, last: () => run.told() + run.out() }, () => {
      if (run.child.exitCode !== null) throw new Error(`it ended: ${run.told()}${run.out()}`);
      return run.out().includes('"listening"');
    });
  });
  afterAll(async () => {
    if (isRunning(run.child)) run.child.kill('SIGKILL');
    await run.exited;
  });

  test('keeps its place: a second one is refused, a check is not', async () => {
    const second = launch(['--config', estate()]);
    expect([await second.exited, second.told()]).toEqual([2, expect.stringContaining('[GATEWAY_ALREADY_RUNNING]')]);
    expect(await checked()).toMatchObject({ code: 0, out: expect.stringContaining('runs already') });
  });

  test('is restarted under clients that write: none sees an error, every write is there once', async () => {
    const clients = await Promise.all(Array.from({ length: 8 }, () => client()));
    const tls = await client(true);
    const tlsEnded = new Promise<void>((resolve) => tls.on('error', () => resolve()));
    await clients[0]?.query('CREATE TABLE moves (id INT PRIMARY KEY, n INT NOT NULL) ENGINE=InnoDB');
    for (const index of clients.keys()) await clients[index]?.query('INSERT INTO moves VALUES (?, 0)', [index]);
    let stopped = false;
    let written = 0;
    const writing = clients.map(async (each, index) => {
      await each.query('SET @mine = ?', [index]);
      while (!stopped) {
        await each.execute('UPDATE moves SET n = n + 1 WHERE id = @mine');
        written += 1;
      }
    });
    const before = (await control().status()).workers.map(({ pid }) => pid);
    const result = await control().restart();
    const at = written;
    await until(systemClock, { what: 'writes after the restart', deadlineMs: 30_000 }, () => written > at + 20);
    stopped = true;
    await Promise.all(writing);
    expect(result).toMatchObject({ handedOver: 8, closed: 1, cut: 0 });
    await tlsEnded;
    const status = await control().status();
    expect(status.workers.map(({ pid }) => pid).filter((pid) => before.includes(pid))).toEqual([]);
    const [rows] = await stand.administer(0, 'SELECT SUM(n) AS n FROM bank.moves');
    expect(Number(rows?.['n'])).toBe(written);
    const entries = [];
    for await (const entry of control().journal()) entries.push(`${entry.key} ${entry.sequence}`);
    expect(new Set(entries).size).toBe(entries.length);
    expect(entries.length).toBeGreaterThanOrEqual(written);
    for (const each of clients) each.destroy();
  });

  test('shows sessions by the number that clients were shown, and ends one', async () => {
    const one = await client();
    const ended = new Promise<void>((resolve) => one.on('error', () => resolve()));
    await one.query('BEGIN');
    const found = (await control().sessions()).find(({ id }) => id === one.threadId);
    expect(found).toMatchObject({ user: 'app', database: 'bank', inTransaction: true, tls: false });
    await control().kill(one.threadId, 'connection');
    await ended;
    await expect(control().kill(one.threadId, 'connection')).rejects.toMatchObject({ code: 'GATEWAY_SESSION_UNKNOWN' });
  });

  test('ends with good manners: a transaction comes to its end first', async () => {
    const one = await client();
    await one.query('BEGIN');
    await one.query('INSERT INTO moves VALUES (100, 1)');
    run.child.kill('SIGTERM');
    await until(systemClock, { what: 'the end of the port', deadlineMs: 30_000 }, () =>
      run.out().includes('listening-ended'),
    );
    await expect(client()).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await one.query('COMMIT');
    expect(await run.exited).toBe(0);
    expect(run.told()).toBe('');
    const [row] = await stand.administer(0, 'SELECT n FROM bank.moves WHERE id = 100');
    expect(row).toMatchObject({ n: 1 });
    expect(run.out()).not.toContain('"level":"error"');
  });
});

const isRunning = (child: ChildProcess): boolean => child.exitCode === null && child.signalCode === null;
