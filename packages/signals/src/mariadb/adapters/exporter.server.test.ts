/** Beside the real mysqld_exporter on one server: the same series, and values between two readings of ours. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { cacheFolderOf, findCompanion, startService } from '@coequal/engines';
import { openGround } from '@coequal/engines/testing';
import { systemClock, until } from '@coequal/kernel';
import { expect, test } from 'vitest';
import { parseExposition } from '../../exposition/parse.ts';
import { labelValue, type Point, seriesKey } from '../../sample.ts';
import { collectorAccount } from '../grants.ts';
import { openMariadbCollector } from './collector.ts';

/** Those of the exporter's collectors that we follow, beside those that it runs by itself. */
const collectors = [
  ...['info_schema.processlist', 'info_schema.innodb_metrics', 'info_schema.tables', 'perf_schema.eventsstatements'],
  ...['perf_schema.eventsstatementssum', 'perf_schema.file_events', 'perf_schema.tableiowaits', 'binlog_size'],
];
const followed =
  /^mysql_(up$|version_info|transaction_isolation|galera_|global_status_|global_variables_|info_schema_(processlist|innodb_metrics|table)_|perf_schema_(events_statements|file_events|table_io_waits)_|binlog_)/;

/** Why a series of theirs is none of ours; undefined: it must be. */
const leftOut = ({ name, labels, value }: Point): string | undefined => {
  const of = (label: string): string => labelValue(labels, label);
  if (
    /^mysql_info_schema_table_/.test(name) &&
    /^(mysql|sys|performance_schema|information_schema)$/.test(of('schema'))
  )
    return "the server's own tables: a hundred that nobody fills";
  if (/^mysql_perf_schema_(file_events|table_io_waits)_/.test(name) && value === 0)
    return 'counts nothing: nine of ten instruments are off, and would be series of zeros';
  if (/^mysql_info_schema_processlist_/.test(name)) return 'who is connected depends on the moment';
  if (/^mysql_perf_schema_events_statements_(?!sum)/.test(name))
    return 'which statements are the first 50 depends on the moment';
  // `seq_no`, `pos`: positions of the binary log, which are no settings and not read with them.
  if (/^mysql_global_variables_(gtid_(binlog|slave|current)_pos|gtid_binlog_state|timestamp)$/.test(name))
    return 'a position';
  return undefined;
};
/** What we tell and they do not. */
const added = /^mysql_info_schema_innodb_trx_|^mysql_global_(status|variables)_(?!.)/;
/** What moves by being asked for, or by itself and both ways. */
const moving =
  /^mysql_global_status_(memory_used|max_used|threads_|open_|innodb_(mem|num_open|buffer_pool_bytes|checkpoint_age|history|ibuf|undo|master)|created_tmp_tables|ssl_|wsrep_(apply|commit|evs|flow|local_(recv|send)|cert_deps|causal|protocol|gcache|thread)|uptime|acl_|tc_log|binlog_snapshot|last_query_cost|buffer_pool_pages|buffer_pool_dirty|table_open_cache_active|opened_|performance_schema_)|^mysql_info_schema_innodb_metrics_(buffer_(pool|buffer_pool_bytes)|os_os_pending|transaction|file_system)|^mysql_galera_evs|^mysql_perf_schema_events_statements_sum/;

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port was given');
  return address.port;
};

const scrape = async (port: number): Promise<Uint8Array | undefined> => {
  try {
    const answer = await fetch(`http://127.0.0.1:${port}/metrics`, { signal: AbortSignal.timeout(20_000) });
    return new Uint8Array(await answer.arrayBuffer());
  } catch (error) {
    // It does not listen yet.
    if (error instanceof TypeError) return undefined;
    throw error;
  }
};

test('series, names and values are those of mysqld_exporter', async () => {
  const cacheFolder = cacheFolderOf(process.env, process.getuid?.() ?? 0);
  const progress = (): void => undefined;
  const found = await findCompanion('mysqld-exporter', {
    cacheFolder,
    environment: process.env,
    clock: systemClock,
    progress,
  });
  const ground = await openGround(64, {}, 1);
  const stop: (() => Promise<unknown>)[] = [];
  try {
    await startService(ground.drivers, ground.how);
    const administer = async (text: string): Promise<void> => {
      await ground.drivers[0]?.administer(text);
    };
    const account = { user: 'watcher', host: '%', password: 'watching' };
    for (const text of collectorAccount('mariadb', account)) await administer(text);
    await administer('CREATE TABLE bank.t (id INT PRIMARY KEY, v VARCHAR(20))');
    await administer("INSERT INTO bank.t VALUES (1, 'a'), (2, 'b')");
    await administer('SELECT COUNT(*) FROM bank.t');
    const { instance } = ground.options(0);
    const authority = `${ground.runFolder(0)}/authority.pem`;
    const { user, password } = account;
    const options = `${ground.folder}/exporter.cnf`;
    const server = { user, password, host: instance.at.address, port: instance.ports.client, 'ssl-ca': authority };
    const lines = Object.entries(server).map(([name, value]) => `${name}=${value}`);
    writeFileSync(options, ['[client]', ...lines, ''].join('\n'), { mode: 0o600 });
    const port = await freePort();
    const flags = [`--config.my-cnf=${options}`, `--web.listen-address=127.0.0.1:${port}`];
    const exporter = spawn(found.files[0], [...flags, ...collectors.map((name) => `--collect.${name}`)], {
      env: { ...process.env, ...found.environment },
      cwd: ground.folder,
      stdio: 'ignore',
    });
    stop.push(async () => {
      exporter.kill();
      if (exporter.exitCode === null && exporter.signalCode === null) await once(exporter, 'exit');
    });
    await until(systemClock, { what: 'mysqld_exporter to answer', deadlineMs: 30_000 }, () => scrape(port));
    /** Everything once: what comes seldom is spread over readings. */
    const collectAll = async (): Promise<ReadonlyMap<string, Point>> => {
      const collector = openMariadbCollector({
        ...{ host: instance.at.address, port: instance.ports.client, user, password, deadlineMs: 10_000 },
        ...{ authority: readFileSync(authority, 'utf8'), serverName: instance.name, clock: systemClock },
        ...{ instance: instance.name, place: { service: 'bank', instance: instance.name } },
      });
      const points = new Map<string, Point>();
      for (let reading = 0; reading < 6; reading += 1) {
        const readings = await collector.collect();
        expect(readings.problems).toEqual([]);
        for (const one of readings.points) points.set(seriesKey(one.name, one.labels), one);
      }
      await collector.close();
      return points;
    };
    const before = await collectAll();
    const text = await scrape(port);
    const after = await collectAll();
    if (text === undefined) throw new Error('mysqld_exporter answers no more');
    const theirs = parseExposition(text, { timeMs: 0, format: 'prometheus' });
    expect(theirs.problems).toEqual([]);
    const wanted = theirs.samples.filter((one) => followed.test(one.name) && leftOut(one) === undefined);
    const missing = wanted.filter(({ name, labels }) => !before.has(seriesKey(name, labels)));
    expect(missing.map(({ name, labels }) => seriesKey(name, labels))).toEqual([]);
    const known = new Set(theirs.samples.map(({ name, labels }) => seriesKey(name, labels)));
    const beyond = [...before].filter(
      ([key, one]) => followed.test(one.name) && !known.has(key) && !added.test(one.name) && leftOut(one) === undefined,
    );
    expect(beyond.map(([key]) => key)).toEqual([]);
    // Labels of what depends on the moment: the same names on both sides.
    for (const name of new Set(theirs.samples.map((one) => one.name))) {
      if (!/^mysql_(info_schema_processlist|perf_schema_events_statements)_/.test(name)) continue;
      const labelsOf = (points: readonly Point[]): string =>
        String(points.find((one) => one.name === name)?.labels.map(([label]) => label));
      expect([name, labelsOf([...before.values()])]).toEqual([name, labelsOf(theirs.samples)]);
    }
    const known2 = theirs.samples.find(({ labels }) => labelValue(labels, 'state') === 'wsrep_applier_idle');
    expect(before.has(seriesKey(known2?.name ?? '', known2?.labels ?? []))).toBe(true);
    let compared = 0;
    for (const { name, labels, value } of wanted) {
      if (moving.test(name)) continue;
      const key = seriesKey(name, labels);
      const [low = Number.NaN, high = Number.NaN] = [before.get(key)?.value, after.get(key)?.value];
      const slack = Math.abs(value) * 1e-9;
      compared += 1;
      expect([key, low, value, high, value >= low - slack && value <= high + slack]).toEqual([
        key,
        low,
        value,
        high,
        true,
      ]);
    }
    expect(compared).toBeGreaterThan(600);
  } finally {
    for (const one of stop) await one();
    await ground.close();
  }
}, 120_000);
