/**
 * The part `mariadb` of `bench signals`: what it costs to watch a MariaDB server once a second, our collector and mysqld_exporter beside
 * each other on the same plain server, in turn. Processor time of the watcher, and of the database above what it takes by itself.
 * The exporter is asked for what we ask for, and by default once in 15 or 60 s by those who use it.
 */
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { connectSql, findCompanion, socketPath } from '@coequal/engines';
import { until } from '@coequal/kernel';
import { collectorAccount, openMariadbCollector } from '@coequal/signals';
import { placesOf } from '../places.ts';
import { freePorts } from '../process/ports.ts';
import { startBeside } from './beside.ts';
import { figureOf, tenth } from './figures.ts';
import { type Servers, withPlain, withServers } from './servers.ts';
import { type BenchTools, counting } from './tools.ts';

const readings = 10;
const everyMs = 1_000;
/** One that has just begun is compiled while it runs; a watcher runs for weeks. */
const readingsBefore = 200;
/** A hundredth of a core, once a second. */
const barMs = 10;
/** Of /proc/PID/stat: hundredths of a second on every Linux that Node runs on. */
const msPerTick = 10;
export const watcherAccount = { user: 'watcher', host: '%', password: 'watching' };
const collectors = [
  ...['info_schema.processlist', 'info_schema.innodb_metrics', 'info_schema.tables', 'perf_schema.eventsstatements'],
  ...['perf_schema.eventsstatementssum', 'perf_schema.file_events', 'perf_schema.tableiowaits', 'binlog_size'],
];

type Cost = { readonly watcherMs: number; readonly databaseMs: number };

export const measureMariadb = (runs: number, tools: BenchTools): Promise<void> =>
  withServers(tools, (servers) =>
    withPlain(servers, tools, async ({ pid }) => {
      await openWatcherAccount(servers);
      const { instance } = servers.optionsOf(0);
      const collector = openMariadbCollector({
        ...{
          host: instance.at.address,
          port: instance.ports.client,
          user: watcherAccount.user,
          password: watcherAccount.password,
        },
        ...{ authority: servers.authority.certificate, serverName: instance.name, instance: instance.name },
        ...{ place: { instance: instance.name }, clock: tools.clock, processFolder: '/proc' },
      });
      const exporter = await startExporter(servers, tools);
      const [ours, theirs]: [Cost[], Cost[]] = [[], []];
      let points = 0;
      try {
        for (const _ of counting(readingsBefore)) await collector.collect();
        for (const run of counting(runs)) {
          const idleMs = await costOf(
            tools,
            () => [0, ticksOf(pid)],
            async () => undefined,
          );
          const own = await costOf(
            tools,
            () => [ownMs(), ticksOf(pid)],
            async () => {
              const found = await collector.collect();
              points = Math.max(points, found.points.length);
            },
          );
          const other = await costOf(tools, () => [ticksOf(exporter.pid), ticksOf(pid)], exporter.scrape);
          const above = ({ watcherMs, databaseMs }: Cost): Cost => ({
            watcherMs,
            databaseMs: databaseMs - idleMs.databaseMs,
          });
          ours.push(above(own));
          theirs.push(above(other));
          tools.progress(
            `signals: mariadb, run ${run} of ${runs}: ${words(ours.at(-1))}; mysqld_exporter ${words(theirs.at(-1))}`,
          );
        }
      } finally {
        await collector.close();
        await exporter.stop();
      }
      const peer = (values: readonly number[]) => ({
        name: 'mysqld_exporter, one scrape',
        values,
        inTurn: true as const,
      });
      const detail = { readings_per_run: readings, points_at_most: points };
      tools.figure(
        figureOf({
          ...{ name: 'signals/mariadb/reading', unit: 'ms', bar: barMs, detail },
          values: ours.map(({ watcherMs }) => watcherMs),
          peer: peer(theirs.map(({ watcherMs }) => watcherMs)),
        }),
      );
      tools.figure(
        figureOf({
          ...{ name: 'signals/mariadb/database', unit: 'ms', bar: barMs, detail },
          values: ours.map(({ databaseMs }) => databaseMs),
          peer: peer(theirs.map(({ databaseMs }) => databaseMs)),
        }),
      );
    }),
  );

const words = (cost: Cost | undefined): string =>
  `${tenth(cost?.watcherMs ?? 0)} ms, in the database ${tenth(cost?.databaseMs ?? 0)} ms`;

/** For one of `readings`, a second apart. */
const costOf = async (
  { clock, signal }: BenchTools,
  spentMs: () => readonly [watcher: number, database: number],
  once: () => Promise<void>,
): Promise<Cost> => {
  const before = spentMs();
  for (const _ of counting(readings)) {
    const began = clock.monotonic();
    await once();
    await clock.sleep(Math.max(0, everyMs - (clock.monotonic() - began)), signal);
  }
  const after = spentMs();
  return { watcherMs: (after[0] - before[0]) / readings, databaseMs: (after[1] - before[1]) / readings };
};

const ownMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
};

/** Processor time of a process and all its threads, milliseconds. */
const ticksOf = (pid: number): number => {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * msPerTick;
};

/** On the plain instance. */
export const openWatcherAccount = async ({ administrator, optionsOf }: Servers): Promise<void> => {
  const sql = await connectSql({ socketPath: socketPath(optionsOf(0).places.runFolder), ...administrator }, 5_000);
  try {
    for (const text of collectorAccount('mariadb', watcherAccount)) await sql.query(text);
  } finally {
    sql.close();
  }
};

const startExporter = async (servers: Servers, { clock, progress, signal }: BenchTools) => {
  const cacheFolder = placesOf(process.env, process.getuid?.() ?? -1).cache;
  const found = await findCompanion('mysqld-exporter', {
    cacheFolder,
    environment: process.env,
    clock,
    progress,
    signal,
  });
  const { instance, places } = servers.optionsOf(0);
  const options = `${servers.folder}/exporter.cnf`;
  const lines = [
    ...[
      '[client]',
      `user=${watcherAccount.user}`,
      `password=${watcherAccount.password}`,
      `host=${instance.at.address}`,
    ],
    ...[`port=${instance.ports.client}`, `ssl-ca=${places.certificates?.authority ?? ''}`, ''],
  ];
  await writeFile(options, lines.join('\n'), { mode: 0o600 });
  const [port = 0] = await freePorts('127.0.0.1', 1);
  const flags = [`--config.my-cnf=${options}`, `--web.listen-address=127.0.0.1:${port}`];
  const environment = { ...process.env, ...found.environment };
  const argv = [found.files[0], ...flags, ...collectors.map((name) => `--collect.${name}`)];
  const beside = startBeside(argv, { environment, folder: servers.folder, clock });
  const scrape = async (): Promise<void> => {
    const answer = await fetch(`http://127.0.0.1:${port}/metrics`, { signal: AbortSignal.timeout(10_000) });
    await answer.arrayBuffer();
  };
  await until(
    clock,
    { what: 'mysqld_exporter to answer', deadlineMs: 30_000, signal, last: beside.words },
    async () => {
      try {
        await scrape();
        return true;
      } catch (error) {
        // It does not listen yet.
        if (error instanceof TypeError) return false;
        throw error;
      }
    },
  );
  return { pid: beside.pid, scrape, stop: beside.stop };
};
