/**
 * What a control group allows and uses: in a container the host's memory and processors say little, and where several hosts share a
 * machine the group is all there is of one. Both versions of control groups; the names are those of cAdvisor, with the group as `id`.
 * Sources: Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/; Documentation/accounting/psi.rst; cAdvisor's metrics.
 */
import type { Label } from '../sample.ts';
import { noLabels, type Readings, wholeOf, wordsOf } from './readings.ts';

const controllers = ['cpu', 'cpuacct', 'memory', 'pids'] as const;
type Controller = (typeof controllers)[number];

/** Folders of one control group below /sys/fs/cgroup, without a slash at either end. */
export type OwnGroup =
  | { readonly version: 2; readonly folder: string }
  | {
      readonly version: 1;
      /** By controller; those that are not mounted are missing. */
      readonly folders: ReadonlyMap<Controller, string>;
      /** Where version 2 is mounted beside version 1 it has the pressure. */
      readonly unified: string;
    };

/** /proc/self/cgroup. A host that mixes both has its limits in version 1. Undefined when it is neither. */
export const parseOwnGroup = (text: string): OwnGroup | undefined => {
  const paths = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [, , names, path] = /^(\d+):([^:]*):(\/.*)$/.exec(line) ?? [];
    if (names === undefined || path === undefined || path.split('/').includes('..')) continue;
    for (const name of names.split(',')) paths.set(name, path);
  }
  const unified = paths.get('');
  if (paths.has('cpu') && paths.has('memory')) {
    const folders = controllers.flatMap((name) => {
      const path = paths.get(name);
      return path === undefined ? [] : [[name, trimmed(`${name}${path}`)] as const];
    });
    return { version: 1, folders: new Map(folders), unified: trimmed(`unified${unified ?? '/'}`) };
  }
  return unified === undefined ? undefined : { version: 2, folder: trimmed(unified) };
};

/** A group that was named, instead of the own one: below the own one, or else below the root of each controller. */
export const namedGroup = (own: OwnGroup, name: string, isThere: (folder: string) => boolean): OwnGroup => {
  const choose = (root: string, folder: string): string => {
    const below = trimmed(`${folder}${name}`);
    return isThere(below) ? below : trimmed(`${root}${name}`);
  };
  if (own.version === 2) return { version: 2, folder: choose('', own.folder === '' ? '' : `/${own.folder}`) };
  const folders = [...own.folders].map(([controller, folder]) => [controller, choose(controller, folder)] as const);
  return { version: 1, folders: new Map(folders), unified: choose('unified', own.unified) };
};

const trimmed = (folder: string): string => folder.replaceAll(/^\/+|\/+$/g, '');

/** The files of a group that are read, by its version; a root group lacks most of them. */
export const groupFiles = (group: OwnGroup): readonly string[] => {
  const pressures = ['cpu.pressure', 'memory.pressure', 'io.pressure'];
  if (group.version === 2)
    return ['cpu.max', 'cpu.stat', 'memory.max', 'memory.current', 'memory.stat', 'memory.events', 'pids.current']
      .concat(pressures)
      .map((name) => join(group.folder, name));
  const files: Readonly<Record<Controller, readonly string[]>> = {
    cpu: ['cpu.cfs_quota_us', 'cpu.cfs_period_us', 'cpu.stat'],
    cpuacct: ['cpuacct.usage'],
    memory: ['memory.limit_in_bytes', 'memory.usage_in_bytes', 'memory.stat', 'memory.oom_control'],
    pids: ['pids.current'],
  };
  return [
    ...[...group.folders].flatMap(([controller, folder]) => files[controller].map((name) => join(folder, name))),
    ...pressures.map((name) => join(group.unified, name)),
  ];
};

const join = (folder: string, name: string): string => `${folder}${folder === '' ? '' : '/'}${name}`;

/** Version 1 writes "no limit" as the largest multiple of a page. */
const unlimitedBytes = 2 ** 62;

/** The path of the group, which is the folder without the controller that it begins with in version 1. */
const idOf = (group: OwnGroup, file: string): readonly Label[] => {
  const folder = file.slice(0, Math.max(0, file.lastIndexOf('/')));
  const path = group.version === 2 ? folder : folder.replace(/^[^/]+\/?/, '');
  return [['id', `/${path}`]];
};

/** One file of `groupFiles`. No limit is no point: a number that means infinity would be compared with others. */
export const readGroupFile = (group: OwnGroup, file: string, text: string, out: Readings): void => {
  const lines = out.linesOf(`/sys/fs/cgroup/${file}`, text);
  const id = idOf(group, file);
  const [value, period] = wordsOf(lines[0] ?? '');
  const name = file.slice(file.lastIndexOf('/') + 1);
  switch (name) {
    case 'cpu.max':
      if (value !== 'max') out.addText(0, 'container_spec_cpu_quota', id, value);
      out.addText(0, 'container_spec_cpu_period', id, period);
      break;
    case 'cpu.cfs_quota_us':
      if (value !== '-1') out.addText(0, 'container_spec_cpu_quota', id, value);
      break;
    case 'cpu.cfs_period_us':
      out.addText(0, 'container_spec_cpu_period', id, value);
      break;
    case 'cpuacct.usage':
      out.addText(0, 'container_cpu_usage_seconds_total', id, value, 1e-9);
      break;
    case 'memory.max':
    case 'memory.limit_in_bytes':
      if (value !== 'max' && (wholeOf(value) ?? 0) < unlimitedBytes)
        out.addText(0, 'container_spec_memory_limit_bytes', id, value);
      break;
    case 'memory.current':
    case 'memory.usage_in_bytes':
      out.addText(0, 'container_memory_usage_bytes', id, value);
      break;
    case 'pids.current':
      out.addText(0, 'container_threads', id, value);
      break;
    case 'cpu.stat':
      readKeys(lines, cpuKeys, id, out);
      break;
    case 'memory.stat':
      readKeys(lines, group.version === 2 ? memoryKeys : oldMemoryKeys, id, out);
      break;
    case 'memory.events':
    case 'memory.oom_control':
      readKeys(lines, eventKeys, id, out);
      break;
    default:
      readGroupPressure(name, lines, id, out);
  }
};

type Keys = ReadonlyMap<string, readonly [name: string, factor: number, more?: readonly Label[]]>;

const cpuKeys: Keys = new Map([
  ['usage_usec', ['container_cpu_usage_seconds_total', 1e-6]],
  ['nr_periods', ['container_cpu_cfs_periods_total', 1]],
  ['nr_throttled', ['container_cpu_cfs_throttled_periods_total', 1]],
  ['throttled_usec', ['container_cpu_cfs_throttled_seconds_total', 1e-6]],
  ['throttled_time', ['container_cpu_cfs_throttled_seconds_total', 1e-9]],
]);
const majorFaults: readonly Label[] = [
  ['failure_type', 'pgmajfault'],
  ['scope', 'hierarchy'],
];
const memoryKeys: Keys = new Map([
  ['anon', ['container_memory_rss', 1]],
  ['file', ['container_memory_cache', 1]],
  ['inactive_file', ['container_memory_total_inactive_file_bytes', 1]],
  ['pgmajfault', ['container_memory_failures_total', 1, majorFaults]],
]);
/** Version 1 tells of the group alone, and with `total_` of it and what is below it. */
const oldMemoryKeys: Keys = new Map([
  ['total_rss', ['container_memory_rss', 1]],
  ['total_cache', ['container_memory_cache', 1]],
  ['total_inactive_file', ['container_memory_total_inactive_file_bytes', 1]],
  ['total_pgmajfault', ['container_memory_failures_total', 1, majorFaults]],
]);
const eventKeys: Keys = new Map([['oom_kill', ['container_oom_events_total', 1]]]);

const readKeys = (lines: readonly string[], keys: Keys, id: readonly Label[], out: Readings): void => {
  for (const [index, line] of lines.entries()) {
    const [key = '', value] = wordsOf(line);
    const known = keys.get(key);
    if (known === undefined) continue;
    const [name, factor, more = noLabels] = known;
    out.addText(index, name, [...id, ...more], value, factor);
  }
};

const readGroupPressure = (file: string, lines: readonly string[], id: readonly Label[], out: Readings): void => {
  const kind = /^(cpu|memory|io)\.pressure$/.exec(file)?.[1];
  if (kind === undefined) return;
  for (const [index, line] of lines.entries()) {
    const [share, total] = /^(some|full) .*\btotal=(\S+)/.exec(line)?.slice(1) ?? [];
    if (share === undefined) continue;
    const what = share === 'some' ? 'waiting' : 'stalled';
    out.addText(index, `container_pressure_${kind}_${what}_seconds_total`, id, total, 1e-6);
  }
};
