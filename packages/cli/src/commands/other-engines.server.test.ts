/**
 * An engine that nobody here runs, from its exporter to the terminal: two real Redis servers with the distribution's exporter, a real agent and
 * a real platform. One server is killed; there is one incident, at that instance, and it is seen in the overview and by `coequal top`.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { incidentPage, type Overview, overview } from '@coequal/contract';
import { cacheFolderOf, type FoundCompanion, findCompanion } from '@coequal/engines';
import { assert, systemClock, until } from '@coequal/kernel';
import { afterAll, beforeAll, expect, test } from 'vitest';

const program = fileURLToPath(new URL('../main.ts', import.meta.url));
const names = ['cache-1', 'cache-2'] as const;
const children: ChildProcess[] = [];
let folder = '';
let url = '';
/** Of somebody who may look; made at the machine, before the platform runs. */
let token = '';
let redis: FoundCompanion;
const ports: Record<string, { readonly engine: number; readonly exporter: number }> = {};

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  assert(address !== null && typeof address === 'object', 'a listening server has a port');
  return address.port;
};

const run = (argv: readonly string[], environment: Readonly<Record<string, string>> = {}): ChildProcess => {
  const child = spawn(argv[0] ?? '', argv.slice(1), {
    cwd: folder,
    stdio: 'ignore',
    env: { ...process.env, ...environment },
  });
  children.push(child);
  return child;
};

const end = async (child: ChildProcess, signal: NodeJS.Signals): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill(signal);
  await once(child, 'exit');
};

const startRedis = (name: string): ChildProcess =>
  run(
    [redis.files[1] ?? '', '--port', String(ports[name]?.engine), '--bind', '127.0.0.1', '--save', ''],
    redis.environment,
  );

const waitFor = <T>(what: string, probe: () => Promise<T | undefined | false>): Promise<T> =>
  until(systemClock, { what, deadlineMs: 90_000, everyMs: 100 }, probe);

const asked = async (path: string): Promise<unknown> => {
  try {
    return await (await fetch(`${url}${path}`, { headers: { authorization: `Bearer ${token}` } })).json();
  } catch (error) {
    // It does not listen yet.
    if (error instanceof TypeError) return undefined;
    throw error;
  }
};

const overviewWhere = (what: string, holds: (found: Overview) => boolean): Promise<Overview> =>
  waitFor(what, async () => {
    const answer = overview.safeParse(await asked('/api/v1/overview'));
    return answer.success && holds(answer.data) && answer.data;
  });

const top = async (): Promise<{ readonly code: number | null; readonly text: string }> => {
  const child = spawn(process.execPath, [program, 'top', '--once', '--platform', url], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, COEQUAL_TOKEN_FILE: join(folder, 'looker.token') },
  });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString('utf8');
  });
  const [code] = await once(child, 'close');
  return { code: typeof code === 'number' ? code : null, text };
};

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'coequal-other-'));
  redis = await findCompanion('redis', {
    cacheFolder: cacheFolderOf(process.env, process.getuid?.() ?? 0),
    environment: process.env,
    clock: systemClock,
    progress: () => undefined,
  });
  for (const name of names) ports[name] = { engine: await freePort(), exporter: await freePort() };
  const [platform, agent] = [await freePort(), await freePort()];
  url = `http://127.0.0.1:${platform}`;
  const instances = names.map(
    (name) =>
      `      - { name: ${name}, host: north-1, scrape: { url: "http://127.0.0.1:${ports[name]?.exporter}/metrics" } }`,
  );
  writeFileSync(
    join(folder, 'coequal.yaml'),
    `version: 1
name: try
sites: [{ name: north, hosts: [{ name: north-1, address: 127.0.0.1 }] }]
services:
  - name: cache
    engine: external
    product: redis
    signals:
      up: redis_up
      connections: redis_connected_clients
      mostConnections: redis_config_maxclients
      work: redis_commands_processed_total
      errors: redis_rejected_connections_total
      latencySum: redis_commands_duration_seconds_total
      latencyCount: redis_commands_total
    instances:
${instances.join('\n')}
agents: [{ host: north-1, port: ${agent}, stateFolder: ${folder}/agent }]
platforms: [{ name: watch, host: north-1, port: ${platform}, stateFolder: ${folder}/platform }]
`,
  );
  for (const name of names) {
    startRedis(name);
    const { engine, exporter } = ports[name] ?? { engine: 0, exporter: 0 };
    run([redis.files[0], `-redis.addr=redis://127.0.0.1:${engine}`, `-web.listen-address=127.0.0.1:${exporter}`]);
  }
  const config = join(folder, 'coequal.yaml');
  const added = run([
    ...[process.execPath, program, 'service-account', 'add', 'looker', '--role', 'viewer', '--at-machine'],
    ...['--config', config, '--write', join(folder, 'looker.token')],
  ]);
  await once(added, 'exit');
  token = readFileSync(join(folder, 'looker.token'), 'utf8').trim();
  for (const of of ['platform', 'agent']) run([process.execPath, program, of, '--config', config]);
});

afterAll(async () => {
  // The agent and the platform first: nobody misses what ends.
  for (const child of children.reverse()) await end(child, 'SIGTERM');
  rmSync(folder, { recursive: true, force: true });
});

test('the engine is watched by its exporter, and when it is killed there is one incident where it was', async () => {
  const well = await overviewWhere('both to serve', ({ services }) => services[0]?.serving === 2);
  expect(well.services).toMatchObject([
    { name: 'cache', engine: 'redis', architecture: 'watched only', state: 'serving', level: 'fine', instances: 2 },
  ]);
  await overviewWhere('figures of both', ({ instances }) =>
    instances.every(({ sessions, queriesPerSecond }) => (sessions ?? 0) > 0 && (queriesPerSecond ?? 0) > 0),
  );
  const second = children[2];
  assert(second !== undefined, 'the second server was started third');
  await end(second, 'SIGKILL');
  const [incident] = await waitFor('an incident', async () => {
    const { items } = incidentPage.parse(await asked('/api/v1/incidents?limit=10'));
    return items.length > 0 && items;
  });
  expect(incident).toMatchObject({
    title: 'cache-2 does not answer',
    state: 'open',
    place: { site: 'north', host: 'north-1', service: 'cache', instance: 'cache-2' },
  });
  const ill = await overviewWhere('the overview to say so', ({ services }) => services[0]?.state === 'degraded');
  expect(ill.instances).toMatchObject([
    { name: 'cache-1', state: 'serving', level: 'fine' },
    { name: 'cache-2', state: 'no answer', level: 'act' },
  ]);
  const seen = await top();
  expect(seen.code).toBe(1);
  expect(seen.text).toMatch(/cache-2 .*no answer/);
  expect(seen.text).toContain('cache-2 does not answer');

  const exporter = children[1];
  assert(exporter !== undefined, 'the first exporter was started second');
  await end(exporter, 'SIGKILL');
  await overviewWhere('what is silent to be unknown', ({ instances }) => instances[0]?.state === 'exporter silent');
  startRedis('cache-2');
  await overviewWhere('it to serve again', ({ instances }) => instances[1]?.state === 'serving');
  // The fault of one engine is one incident, and what is said of the exporter belongs to it: they share a service.
  expect(incidentPage.parse(await asked('/api/v1/incidents?limit=10')).items).toHaveLength(1);
});
