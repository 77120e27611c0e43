/** What a host lacks: processors, memory, disk, space, the right time. Figures of node_exporter, and of the control group where the host is one. */
import type { Evidence } from '@coequal/contract';
import type { CauseName } from '../../causes.ts';
import { either, type Finding, factorOf, grade, numberWith, said } from '../../incident/finding.ts';
import type { Entity } from '../../incident/graph.ts';
import { changesAt, linesAt } from '../../incident/occurrences.ts';
import type { Reading, View } from '../../incident/view.ts';

export const hostFindings = (view: View): readonly Finding[] => [
  ...view.graph.hosts.flatMap((host) =>
    [processors, memory, slowDisk, diskSpace].flatMap((look) => look(view, host) ?? []),
  ),
  ...clocks(view),
];

export const detailFinding = (
  { place }: Pick<Entity, 'place'>,
  cause: CauseName,
  strength: number,
  text: string,
  evidence: readonly (Evidence | undefined)[] = [],
): Finding => ({
  witness: 'detail',
  cause,
  place,
  strength,
  text,
  evidence: evidence.filter((each) => each !== undefined),
});

/** What a host that is a control group may use: its quota, or what the estate says of it. */
const allowedProcessors = (view: View, host: Entity): number | undefined => {
  const quota = view.latest(host, 'container_spec_cpu_quota');
  const period = view.latest(host, 'container_spec_cpu_period');
  return quota !== undefined && period !== undefined && quota > 0 && period > 0
    ? quota / period
    : hostOfEstate(view, host)?.cpus;
};

const hostOfEstate = (view: View, { name }: Entity) =>
  view.scene.estate.sites.flatMap(({ hosts }) => hosts).find((host) => host.name === name);

/** Share of the processors that a host may use which is in use. */
const busyOf = (view: View, host: Entity): Reading | undefined => {
  const used = view.read(host, 'container_cpu_usage_seconds_total');
  const allowed = allowedProcessors(view, host);
  if (used !== undefined && allowed !== undefined) {
    return view.readingOf(
      'container_cpu_usage_seconds_total',
      used.labels,
      used.values.map((value) => value / allowed),
    );
  }
  const all = view.read(host, 'node_cpu_seconds_total');
  const idle = view.read(host, 'node_cpu_seconds_total', { mode: 'idle' });
  const waiting = view.read(host, 'node_cpu_seconds_total', { mode: 'iowait' });
  if (all === undefined || idle === undefined) return undefined;
  const busy = all.values.map((value, row) =>
    value > 0 ? 1 - ((idle.values[row] ?? 0) + (waiting?.values[row] ?? 0)) / value : Number.NaN,
  );
  return view.readingOf('node_cpu_seconds_total', idle.labels, busy);
};

const databaseProcess = /mariadbd|mysqld|postgres/;

/** Processor seconds a second of the databases of a host, where processes are told apart. */
const databaseCpu = (view: View, host: Entity): Reading | undefined => {
  const groups = view.signalsOf(host.key).get('namedprocess_namegroup_cpu_seconds_total') ?? [];
  const names = new Set(
    groups.map(({ labels }) => labels['groupname'] ?? '').filter((name) => databaseProcess.test(name)),
  );
  const readings = [...names].flatMap(
    (groupname) => view.read(host, 'namedprocess_namegroup_cpu_seconds_total', { groupname }) ?? [],
  );
  return readings[0];
};

/** What the databases of a host do for its processors, by what they did before: the figure that grew most, or fell least. */
const workRatio = (view: View, host: Entity): number => {
  const ratios = view.graph.instances
    .filter(({ place }) => place.host === host.name)
    .flatMap((instance) => [
      factorOf(view.read(instance, 'mysql_global_status_questions'), 20),
      factorOf(view.read(instance, 'mysql_global_status_innodb_row_ops_total'), 2_000),
      factorOf(view.read(instance, 'mysql_global_status_handlers_total', { handler: 'read_rnd_next' }), 5_000),
      factorOf(view.read(instance, 'mysql_global_status_handlers_total', { handler: 'read_next' }), 5_000),
    ])
    // What is 1 may be too little to count.
    .filter((ratio) => ratio !== 1);
  return ratios.length === 0 ? 1 : Math.max(...ratios);
};

const processors = (view: View, host: Entity): readonly Finding[] => {
  const busy = busyOf(view, host);
  if (busy === undefined || Number.isNaN(busy.now) || Number.isNaN(busy.before)) return [];
  const cause = 'CPU taken by another process';
  const pressure = view.read(host, 'node_pressure_cpu_waiting_seconds_total');
  // A database that does a third of its work for the same time has lost the rest of it to somebody else.
  const work = workRatio(view, host);
  const expected = busy.before * Math.max(0.2, work);
  const database = databaseCpu(view, host);
  const foreign =
    database === undefined || Number.isNaN(database.now) || Number.isNaN(database.before)
      ? busy.now - expected
      : busy.now - busy.before - (database.now - database.before);
  const waiting = pressure === undefined ? 0 : pressure.now - pressure.before * Math.min(1, Math.max(0.2, work));
  // Others on the same machine make this host wait too; then it is not busier itself.
  const strength = either(
    0.85 * grade(foreign, 0.12, 0.4),
    0.6 * grade(waiting, 0.15, 0.5) * grade(foreign, 0.05, 0.2),
  );
  const text = `${numberWith(busy.now, '%')} of the processors are busy (before ${numberWith(busy.before, '%')}), and the database does ${work < 0.8 ? 'less' : 'no more'} than before`;
  if (strength < 0.1)
    return [
      detailFinding(
        host,
        cause,
        0,
        busy.now - busy.before < 0.15
          ? `processors are busy to ${numberWith(busy.now, '%')} (before ${numberWith(busy.before, '%')})`
          : 'the database itself does more',
      ),
    ];
  return [
    detailFinding(host, cause, strength, text, [
      said('processors busy', busy, '%'),
      pressure === undefined ? undefined : said('waiting for processors', pressure, '%'),
    ]),
  ];
};

const memory = (view: View, host: Entity): readonly Finding[] => {
  const stalled = view.read(host, 'node_pressure_memory_waiting_seconds_total');
  const faults =
    view.read(host, 'node_vmstat_pgmajfault') ??
    view.read(host, 'container_memory_failures_total', { failure_type: 'pgmajfault', scope: 'hierarchy' });
  const swapped = view.read(host, 'node_vmstat_pswpout');
  const killed = view.read(host, 'node_vmstat_oom_kill') ?? view.read(host, 'container_oom_events_total');
  const used = memoryUsed(view, host);
  const available = view.ratio(host, 'node_memory_MemAvailable_bytes', 'node_memory_MemTotal_bytes');
  if ([stalled, faults, used, available].every((each) => each === undefined)) return [];
  const rise = (reading: Reading | undefined): number =>
    reading === undefined || Number.isNaN(reading.now)
      ? 0
      : reading.now - (Number.isNaN(reading.before) ? 0 : reading.before);
  const short = Math.max(
    grade(used?.now, 0.6, 0.9) * grade(rise(used), 0.1, 0.25),
    grade(1 - (available?.now ?? 1), 0.85, 0.97) * grade(-rise(available), 0.05, 0.2),
  );
  const strength = either(
    0.85 * grade(rise(stalled), 0.03, 0.25),
    0.6 * grade(rise(faults), 30, 400) * grade(factorOf(faults, 10), 2, 5),
    0.6 * grade(rise(swapped), 50, 1_000),
    0.8 * short,
    killed !== undefined && killed.now > 0 ? 0.8 : 0,
  );
  const level =
    used === undefined || Number.isNaN(used.now)
      ? `${numberWith(available?.now ?? Number.NaN, '%')} of memory is available`
      : `${numberWith(used.now, '%')} of the memory it may use is used`;
  if (strength < 0.1) return [detailFinding(host, 'memory pressure', 0, `${level}, and nothing waits for memory`)];
  return [
    detailFinding(host, 'memory pressure', strength, `${level}, and processes wait for memory`, [
      stalled === undefined ? undefined : said('waiting for memory', stalled, '%'),
      used === undefined ? undefined : said('memory used of what is allowed', used, '%'),
      faults === undefined ? undefined : said('page faults that read a disk', faults, '/s'),
    ]),
  ];
};

/** Share of what a control group may use: of its limit, or of the memory that the estate gives the host. What the cache holds can be taken back. */
const memoryUsed = (view: View, host: Entity): Reading | undefined => {
  const used = view.read(host, 'container_memory_rss') ?? view.read(host, 'container_memory_usage_bytes');
  const limit = view.latest(host, 'container_spec_memory_limit_bytes') ?? hostOfEstate(view, host)?.memoryBytes;
  return used === undefined || limit === undefined || !(limit > 0)
    ? undefined
    : view.readingOf(
        used.name,
        used.labels,
        used.values.map((value) => value / limit),
      );
};

const slowDisk = (view: View, host: Entity): readonly Finding[] => {
  const devices = new Set(
    (view.signalsOf(host.key).get('node_disk_writes_completed_total') ?? []).map(
      ({ labels }) => labels['device'] ?? '',
    ),
  );
  const instances = view.graph.instances.filter(({ place }) => place.host === host.name);
  const latencies = [
    ...instances.flatMap((instance) => fileLatencies(view, instance)),
    ...[...devices].flatMap((device) =>
      (['write', 'read'] as const).flatMap(
        (way) =>
          view.ratio(host, `node_disk_${way}_time_seconds_total`, `node_disk_${way}s_completed_total`, { device }) ??
          [],
      ),
    ),
  ];
  const slowest = latencies.toSorted((a, b) => slowness(b) - slowness(a))[0];
  const pressure = view.read(host, 'node_pressure_io_waiting_seconds_total');
  const written = view.read(host, 'node_disk_written_bytes_total');
  const read = view.read(host, 'node_disk_read_bytes_total');
  const pending = instances.flatMap((instance) =>
    [
      'innodb_data_pending_fsyncs',
      'innodb_os_log_pending_fsyncs',
      'innodb_os_log_pending_writes',
      'innodb_data_pending_writes',
    ].flatMap((name) => view.read(instance, `mysql_global_status_${name}`) ?? []),
  );
  const syncs = instances.flatMap((instance) => view.read(instance, 'mysql_global_status_innodb_data_fsyncs') ?? []);
  const waits = Math.max(0, ...pending.map(({ now, before }) => (now || 0) - (before || 0)));
  const fewer = Math.max(0, ...syncs.map(({ now, before }) => (before >= 5 ? 1 - now / before : 0)));
  if (slowest === undefined && pressure === undefined && pending.length === 0) return [];
  // A disk that is asked for much more is busy, not slow.
  const more = Math.max(factorOf(written, 2e6), factorOf(read, 5e6));
  const rise = pressure === undefined || Number.isNaN(pressure.now) ? 0 : pressure.now - (pressure.before || 0);
  const strength =
    either(0.9 * slowness(slowest), 0.75 * grade(rise, 0.1, 0.5), 0.6 * grade(waits, 0, 1) * grade(fewer, 0.3, 0.8)) *
    (1 - 0.6 * grade(more, 1.5, 4));
  if (strength < 0.1)
    return [
      detailFinding(
        host,
        'slow disk',
        0,
        slowest === undefined
          ? 'nothing waits for the disk'
          : `the disk answers in ${numberWith(slowest.now, 's')} (before ${numberWith(slowest.before, 's')})`,
      ),
    ];
  const text =
    slowest !== undefined && slowness(slowest) > 0.2
      ? `the disk ${slowest.labels['device'] ?? 'below the database'} takes ${numberWith(slowest.now, 's')} for each access (before ${numberWith(slowest.before, 's')})`
      : 'processes wait for the disk, and it does less than before';
  return [
    detailFinding(host, 'slow disk', strength, text, [
      slowest === undefined ? undefined : said('time of an access', slowest, 's'),
      pressure === undefined ? undefined : said('waiting for the disk', pressure, '%'),
      ...syncs.map((each) => said('syncs to disk', each, '/s')),
    ]),
  ];
};

/** How long the database's own files take, where it tells: also of disks that the host does not show. */
const fileLatencies = (view: View, instance: Entity): readonly Reading[] =>
  ['wait/io/file/innodb/innodb_log_file', 'wait/io/file/innodb/innodb_data_file', 'wait/io/file/sql/binlog'].flatMap(
    (file) =>
      ['write', 'misc'].flatMap(
        (mode) =>
          view.ratio(instance, 'mysql_perf_schema_file_events_seconds_total', 'mysql_perf_schema_file_events_total', {
            event_name: file,
            mode,
          }) ?? [],
      ),
  );

const slowness = (reading: Reading | undefined): number =>
  grade(reading?.now, 0.01, 0.08) * grade(factorOf(reading, 0.002), 2.5, 6);

const fullLines = /no space left|disk is full|disk full|errno: 28|out of disk/i;

const diskSpace = (view: View, host: Entity): readonly Finding[] => {
  const mounts = (view.signalsOf(host.key).get('node_filesystem_avail_bytes') ?? []).map(({ labels }) => labels);
  const lines = linesAt(view, host.place, fullLines);
  const full = mounts.flatMap(({ mountpoint = '', device = '' }) => {
    const left = view.ratio(host, 'node_filesystem_avail_bytes', 'node_filesystem_size_bytes', { mountpoint, device });
    if (left === undefined || Number.isNaN(left.now)) return [];
    const fell = Number.isNaN(left.before) ? 0.5 : grade(left.before - left.now, 0, 0.02);
    return [{ mountpoint, left, strength: grade(0.03 - left.now, 0, 0.02) * fell }];
  });
  const fullest = full.toSorted((a, b) => b.strength - a.strength)[0];
  const strength = either(0.95 * (fullest?.strength ?? 0), lines.length > 0 ? 0.85 : 0);
  if (strength < 0.1)
    return fullest === undefined
      ? []
      : [detailFinding(host, 'disk full', 0, `${numberWith(fullest.left.now, '%')} of ${fullest.mountpoint} is free`)];
  const text =
    fullest !== undefined && fullest.strength > 0
      ? `${fullest.mountpoint} has ${numberWith(fullest.left.now, '%')} of its space left (before ${numberWith(fullest.left.before, '%')})`
      : 'the database says that its disk is full';
  return [
    detailFinding(host, 'disk full', strength, text, [
      fullest === undefined ? undefined : said(`space left of ${fullest.mountpoint}`, fullest.left, '%'),
      ...lines.slice(0, 2).map(({ template }) => ({ text: `log: ${template}` })),
    ]),
  ];
};

/** Differences below this are those of any two clocks. */
const tolerable = 0.1;

/** Who differs from everybody else? Each host measures the others; the wrong clock is the one on every pair that differs. */
const clocks = (view: View): readonly Finding[] => {
  const pairs = view.graph.hosts.flatMap((host) =>
    (view.signalsOf(host.key).get('coequal_clock_offset_seconds') ?? []).flatMap(({ labels }) => {
      const peer = hostOf(view, labels['peer'] ?? '');
      const reading = view.read(host, 'coequal_clock_offset_seconds', { peer: labels['peer'] ?? '' });
      const now = reading?.now ?? Number.NaN;
      // Half of the way there and back is how wrong the answer may be.
      const trip = view.read(host, 'coequal_clock_round_trip_seconds', { peer: labels['peer'] ?? '' })?.now ?? 0;
      return reading === undefined || Number.isNaN(now)
        ? []
        : [
            {
              a: host.name,
              b: peer ?? '',
              reading,
              off: Math.max(0, Math.abs(now) - (Number.isNaN(trip) ? 0 : trip) / 2),
            },
          ];
    }),
  );
  return view.graph.hosts.flatMap((host) => {
    const own = pairs.filter(({ a, b }) => a === host.name || b === host.name);
    // A database on the host that has another time than its agent needs nobody else to be wrong.
    const inside = own.filter(({ a, b }) => a === b);
    const outside = own.filter(({ a, b }) => a !== b);
    const partners = new Set(outside.flatMap(({ a, b }) => [a, b])).size - 1;
    const least = outside.length === 0 ? 0 : Math.min(...outside.map(({ off }) => off));
    const source = view.read(host, 'node_timex_offset_seconds');
    const told = changesAt(view, host.place, ['clock']);
    const strength = either(
      0.95 * grade(Math.max(0, ...inside.map(({ off }) => off)), tolerable, 0.5),
      (partners >= 2 ? 0.95 : 0.6) * grade(least, tolerable, 0.5),
      0.7 * grade(Math.abs(source?.now ?? 0), tolerable, 1),
      told.length > 0 ? 0.9 : 0,
    );
    const furthest = own.toSorted((x, y) => y.off - x.off)[0];
    if (strength < 0.1)
      return furthest === undefined
        ? []
        : [
            detailFinding(
              host,
              'clock offset',
              0,
              `its clock agrees with another within ${numberWith(Math.min(...own.map(({ off }) => off)), 's')}`,
            ),
          ];
    const text =
      furthest === undefined
        ? (told[0]?.text ?? 'its time service says that it is off')
        : `its clock differs from the others by ${numberWith(furthest.off, 's')}`;
    return [
      detailFinding(host, 'clock offset', strength, text, [
        furthest === undefined ? undefined : said('offset between clocks', furthest.reading, 's'),
      ]),
    ];
  });
};

/** A peer is a host, or a database whose time was asked for. */
const hostOf = (view: View, name: string): string | undefined =>
  view.owners.hosts.has(name) ? name : view.graph.entities.get(`instance:${name}`)?.place.host;
