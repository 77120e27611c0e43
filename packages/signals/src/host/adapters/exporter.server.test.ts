/** Beside the real node_exporter on this host: the same series, and counters between two readings of ours. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cacheFolderOf, findCompanion } from '@coequal/engines';
import { systemClock, until } from '@coequal/kernel';
import { expect, test } from 'vitest';
import { parseExposition } from '../../exposition/parse.ts';
import { type Point, seriesKey } from '../../sample.ts';
import { HostCollector } from './collector.ts';

/** What the collectors that we follow say beyond what we do, and what depends on the minute. */
const beyond = [
  /^node_disk_(info|filesystem_info|device_mapper_info|ata_)/,
  /^node_network_(info|address_assign_type|device_id|dormant|flags|iface_|link_mode|name_assign_type|net_dev_group)/,
  /^node_network_(protocol_type|transmit_queue_length|carrier_(up|down)_changes_total|receive_nohandler_total)/,
];
/** What node_exporter tells since a version that the distribution may not have yet. */
const newer = /^node_netstat_TcpExt_TCPOFOQueue$/;
const followed =
  /^node_(cpu_seconds|cpu_guest|load|memory_|vmstat_|disk_|filesystem_|network_|sockstat_|netstat_|pressure_|filefd_|procs_|intr_|context_|forks_|boot_|uname_)/;
/** What stands still while two readings are made. */
const still =
  /^node_(boot_time_seconds|memory_MemTotal_bytes|filesystem_(size_bytes|files|readonly|device_error)|network_(mtu_bytes|up|carrier)|filefd_maximum|uname_info)$/;

/** Debian leaves out more by default than node_exporter itself does. */
const usualChoice: readonly string[] = [
  '--collector.netdev.device-exclude=^$',
  '--collector.filesystem.mount-points-exclude=^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)',
];

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
    const answer = await fetch(`http://127.0.0.1:${port}/metrics`, { signal: AbortSignal.timeout(10_000) });
    return new Uint8Array(await answer.arrayBuffer());
  } catch (error) {
    // It does not listen yet.
    if (error instanceof TypeError) return undefined;
    throw error;
  }
};

const byKey = (points: readonly Point[]): ReadonlyMap<string, number> =>
  new Map(points.map(({ name, labels, value }) => [seriesKey(name, labels), value]));

test('series, names and values are those of node_exporter', async () => {
  const cacheFolder = cacheFolderOf(process.env, process.getuid?.() ?? 0);
  const progress = (): void => undefined;
  const options = { cacheFolder, environment: process.env, clock: systemClock, progress };
  const { files, environment } = await findCompanion('node-exporter', options);
  const folder = await mkdtemp(join(tmpdir(), 'coequal-exporter-'));
  const port = await freePort();
  const exporter = spawn(files[0], [`--web.listen-address=127.0.0.1:${port}`, ...usualChoice], {
    env: { ...process.env, ...environment },
    cwd: folder,
    stdio: 'ignore',
  });
  try {
    await until(systemClock, { what: 'node_exporter to answer', deadlineMs: 30_000 }, () => scrape(port));
    const host = new HostCollector({ clock: systemClock, root: '', pageBytes: 4_096, filesystemDeadlineMs: 10_000 });
    const before = await host.collect();
    const text = await scrape(port);
    const after = await host.collect();
    if (text === undefined) throw new Error('node_exporter answers no more');
    const theirs = parseExposition(text, { timeMs: 0, format: 'prometheus' });
    expect(theirs.problems).toEqual([]);
    const [first, last] = [byKey(before.points), byKey(after.points)];
    const wanted = theirs.samples.filter(
      ({ name, value }) =>
        // Of an interface without a speed they say -125,000 bytes a second, and we nothing.
        followed.test(name) &&
        !beyond.some((one) => one.test(name)) &&
        !(name === 'node_network_speed_bytes' && value < 0),
    );
    const missing = wanted.filter(({ name, labels }) => !first.has(seriesKey(name, labels)));
    expect(missing.map(({ name, labels }) => seriesKey(name, labels))).toEqual([]);
    const known = byKey(theirs.samples);
    // Interfaces and mounts come and go with labs that others run: what stood the whole time counts.
    const ours = [...first.keys()].filter((key) => last.has(key) && followed.test(key) && !newer.test(key));
    expect(ours.filter((key) => !known.has(key))).toEqual([]);
    const types = new Map(theirs.families.map(({ name, type }) => [name, type]));
    let compared = 0;
    for (const { name, labels, value } of wanted) {
      const key = seriesKey(name, labels);
      const [low = Number.NaN, high = Number.NaN] = [first.get(key), last.get(key)];
      if (types.get(name) !== 'counter' && !still.test(name)) continue;
      compared += 1;
      // Sums of hundredths and millionths of seconds differ in the last digit.
      const slack = Math.abs(value) * 1e-9;
      // The kernel takes back time that a processor idled or waited when it knows better.
      const takenBack = /^node_cpu_seconds_total/.test(key) && /idle|iowait/.test(key) ? 1 : 0;
      expect([key, value >= low - slack - takenBack && value <= high + slack + takenBack]).toEqual([key, true]);
    }
    expect(compared).toBeGreaterThan(50);
  } finally {
    exporter.kill();
    if (exporter.exitCode === null && exporter.signalCode === null) await once(exporter, 'exit');
    await rm(folder, { recursive: true });
  }
}, 300_000);
