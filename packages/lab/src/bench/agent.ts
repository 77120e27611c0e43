/**
 * `bench agent`: what an agent costs the host it watches. The real program on a state folder of its own collects about 1,000 signals a second (this host,
 * a MariaDB server or none, and an exporter of ours for the rest), and sends them to a store and a platform of ours in this process, which take
 * everything. Processor time and memory are the kernel's figures of that one process, over a minute after it has settled.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fail, until } from '@coequal/kernel';
import { decodeRemoteWrite, type Sample, writeExposition } from '@coequal/signals';
import { figureOf, tenth } from './figures.ts';
import { withPlain, withServers } from './servers.ts';
import { openWatcherAccount, watcherAccount } from './signals-mariadb.ts';
import { type Bench, type BenchTools, counting } from './tools.ts';

const defaultRuns = 1;
const signals = 1_000;
const settleSeconds = 10;
const measuredSeconds = 60;
const cpuBarPercent = 2;
const memoryBarMb = 100;
const patienceMs = 60_000;
/** By then every source that there is has told something. */
const bodiesBefore = 8;
/** The kernel counts processor time in hundredths of a second. */
const ticksPerSecond = 100;

/** What the agent's host gives depends on the host; the exporter fills up. */
type Ends = {
  readonly url: string;
  exporterSeries: number;
  bodies: number;
  lastSamples: number;
  /** The sender's word on its database; undefined where it watches none. */
  databaseUp: number | undefined;
  readonly close: () => Promise<void>;
};

const parts = ['host', 'mariadb'] as const;

type Measured = { readonly cpuPercent: number; readonly memoryMb: number; readonly detail: Record<string, number> };

export const benchAgent: Bench = async (options, tools) => {
  for (const part of options.parts ?? parts) {
    if (part === 'host') await repeat('host', options.runs, tools, () => measure(tools, () => ''));
    else if (part === 'mariadb') await withMariadb(options.runs, tools);
    else throw fail('COMMAND_USAGE', { problem: `The bench agent has no part ${part}.`, help: parts.join(', ') });
  }
};

const withMariadb = (runs: number | undefined, tools: BenchTools): Promise<void> =>
  withServers(tools, (servers) =>
    withPlain(servers, tools, async () => {
      await openWatcherAccount(servers);
      const { instance } = servers.optionsOf(0);
      await repeat('mariadb', runs, tools, () =>
        measure(tools, (folder) => {
          const files = { password: join(folder, 'watcher.password'), authority: join(folder, 'authority.pem') };
          writeFileSync(files.password, watcherAccount.password, { mode: 0o600 });
          writeFileSync(files.authority, servers.authority.certificate);
          return `    databases:
      - engine: mariadb
        instance: ledger-1
        address: ${instance.at.address}
        port: ${instance.ports.client}
        account: { user: ${watcherAccount.user}, passwordFile: ${files.password}, authority: ${files.authority} }
`;
        }),
      );
    }),
  );

const repeat = async (
  part: string,
  runs: number | undefined,
  tools: BenchTools,
  once: () => Promise<Measured>,
): Promise<void> => {
  const all: Measured[] = [];
  for (const run of counting(runs ?? defaultRuns)) {
    const measured = await once();
    all.push(measured);
    const { cpuPercent, memoryMb } = measured;
    tools.progress(`agent: ${part}, run ${run}: ${tenth(cpuPercent)} % of a core, ${tenth(memoryMb)} MB`);
  }
  const detail = all.at(-1)?.detail ?? {};
  const cpu = all.map(({ cpuPercent }) => cpuPercent);
  const memory = all.map(({ memoryMb }) => memoryMb);
  tools.figure(figureOf({ name: `agent/${part}/processor`, unit: '%', values: cpu, bar: cpuBarPercent, detail }));
  tools.figure(figureOf({ name: `agent/${part}/memory`, unit: 'MB', values: memory, bar: memoryBarMb, detail: {} }));
};

/** @param more what the agent has in the estate beside its exporter, as lines; made when its folder is there */
const measure = async (tools: BenchTools, more: (folder: string) => string): Promise<Measured> => {
  const { clock, signal } = tools;
  const folder = mkdtempSync(join(tmpdir(), 'coequal-bench-agent-'));
  const ends = await openEnds();
  const port = await freePort();
  const lines = more(folder);
  writeFileSync(join(folder, 'coequal.yaml'), estateText(folder, ends.url, port) + lines);
  const child = startAgent(folder);
  const database = lines !== '';
  try {
    const wait = (what: string, probe: () => boolean): Promise<boolean> =>
      until(clock, { what, deadlineMs: patienceMs, signal }, () => child.exitCode === null && probe());
    await wait('the agent to send', () => ends.bodies >= bodiesBefore && (!database || ends.databaseUp === 1));
    ends.exporterSeries = Math.max(0, signals - ends.lastSamples);
    tools.progress(
      `agent: ${ends.lastSamples} signals of this host and its own, ${ends.exporterSeries} of an exporter`,
    );
    await clock.sleep(settleSeconds * 1_000, signal);
    const before = { ticks: await ticksOf(child), ms: clock.monotonic(), bodies: ends.bodies };
    await clock.sleep(measuredSeconds * 1_000, signal);
    const seconds = (clock.monotonic() - before.ms) / 1_000;
    const cpuSeconds = ((await ticksOf(child)) - before.ticks) / ticksPerSecond;
    return {
      cpuPercent: (cpuSeconds / seconds) * 100,
      memoryMb: await residentMbOf(child),
      detail: { signals: ends.lastSamples, seconds: tenth(seconds), bodies_sent: ends.bodies - before.bodies },
    };
  } finally {
    if (child.exitCode === null) {
      child.kill('SIGTERM');
      await once(child, 'exit');
    }
    await ends.close();
    rmSync(folder, { recursive: true, force: true });
  }
};

/** As anybody starts it: its bounds on memory are its own. */
const startAgent = (folder: string): ChildProcess =>
  spawn(
    process.execPath,
    [fileURLToPath(import.meta.resolve('@coequal/agent/main')), '--config', join(folder, 'coequal.yaml')],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );

/** A store, a platform and an exporter in one server. */
const openEnds = async (): Promise<Ends> => {
  const state: Omit<Ends, 'url' | 'close'> = { exporterSeries: 0, bodies: 0, lastSamples: 0, databaseUp: undefined };
  const server: Server = createServer((request, response) => {
    if (request.url === '/metrics') {
      response.setHeader('content-type', 'text/plain; version=0.0.4');
      response.end(exporterText(state.exporterSeries));
      return;
    }
    const chunks: Uint8Array[] = [];
    request.on('data', (chunk: Uint8Array) => chunks.push(chunk));
    request.on('end', () => {
      if (request.url === '/store/api/v1/write') {
        const decoded = decodeRemoteWrite(Buffer.concat(chunks));
        state.bodies += 1;
        state.lastSamples = decoded.ok ? decoded.samples.length : 0;
        const up = decoded.ok ? decoded.samples.find(({ name }) => name === 'mysql_up') : undefined;
        state.databaseUp = up?.value;
      }
      response.writeHead(204).end();
    });
  });
  const port = await listen(server);
  return Object.assign(state, {
    url: `http://127.0.0.1:${port}`,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  });
};

/** As databases tell them: names shared by many, a label, values that change. */
const exporterText = (series: number): string => {
  const value = process.uptime() * 1_000;
  const samples = counting(series).map(
    (index): Sample => ({
      name: `mysql_global_status_variable_${index % 300}_total`,
      labels: [['kind', `kind-${Math.floor(index / 300)}`]],
      value: Math.round(value * index),
      timeMs: 0,
    }),
  );
  return writeExposition(samples, { format: 'prometheus', withTimes: false });
};

const estateText = (folder: string, url: string, port: number): string => {
  const sites = ['north', 'south', 'west'];
  return `version: 1
name: bench
sites:
${sites.map((site, index) => `  - { name: ${site}, hosts: [{ name: ${site}-1, address: 10.0.0.${index + 1} }] }`).join('\n')}
services:
  - name: bank
    database: bank
    instances:
${sites.map((site) => `      - { name: bank-${site}, host: ${site}-1, dataFolder: /nowhere/${site} }`).join('\n')}
agents:
  - host: north-1
    port: ${port}
    stateFolder: ${folder}/state
    scrapes: [{ job: database, url: "${url}/metrics", every: 1s }]
    sendTo: { store: "${url}/store", platforms: ["${url}/platform"] }
`;
};

const listen = async (server: Server): Promise<number> => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
};

const freePort = async (): Promise<number> => {
  const server = createServer();
  const port = await listen(server);
  server.close();
  await once(server, 'close');
  return port;
};

/** User and system time of the process and of children it has waited for: fields 14 and 15 of proc(5), its own alone. */
const ticksOf = async (child: ChildProcess): Promise<number> => {
  const text = await readFile(`/proc/${child.pid}/stat`, 'utf8');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return Number(fields[11]) + Number(fields[12]);
};

const residentMbOf = async (child: ChildProcess): Promise<number> => {
  const text = await readFile(`/proc/${child.pid}/status`, 'utf8');
  return (Number(/^VmRSS:\s+(\d+) kB$/m.exec(text)?.[1] ?? 0) * 1_024) / 1e6;
};
