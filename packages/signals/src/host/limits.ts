/**
 * What a control group allows and uses: in a container the host's memory and processors say little. Both
 * versions of control groups; the names are those of cAdvisor, with the group as `id`.
 * Sources: Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/; cAdvisor's metrics.
 */
import type { Label } from '../sample.ts';
import { type Readings, wholeOf, wordsOf } from './readings.ts';

/** Folders of the own control group below /sys/fs/cgroup. */
export type OwnGroup =
  | { readonly version: 2; readonly folder: string }
  | { readonly version: 1; readonly cpu: string; readonly memory: string };

/** /proc/self/cgroup. A host that mixes both has its limits in version 1. Undefined when it is neither. */
export const parseOwnGroup = (text: string): OwnGroup | undefined => {
  const paths = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [, , controllers, path] = /^(\d+):([^:]*):(\/.*)$/.exec(line) ?? [];
    if (controllers === undefined || path === undefined || path.split('/').includes('..')) continue;
    for (const controller of controllers.split(',')) paths.set(controller, path);
  }
  const [cpu, memory, unified] = [paths.get('cpu'), paths.get('memory'), paths.get('')];
  if (cpu !== undefined && memory !== undefined) return { version: 1, cpu: `cpu${cpu}`, memory: `memory${memory}` };
  return unified === undefined ? undefined : { version: 2, folder: unified.slice(1) };
};

/** The files of a group that are read, by its version; a root group lacks most of them. */
export const groupFiles = (group: OwnGroup): readonly string[] =>
  group.version === 2
    ? ['cpu.max', 'cpu.stat', 'memory.max', 'memory.current'].map((name) => join(group.folder, name))
    : [
        ...['cpu.cfs_quota_us', 'cpu.cfs_period_us', 'cpu.stat'].map((name) => join(group.cpu, name)),
        ...['memory.limit_in_bytes', 'memory.usage_in_bytes'].map((name) => join(group.memory, name)),
      ];

const join = (folder: string, name: string): string => `${folder.replace(/\/$/, '')}${folder === '' ? '' : '/'}${name}`;

/** Version 1 writes "no limit" as the largest multiple of a page. */
const unlimitedBytes = 2 ** 62;

/** One file of `groupFiles`. No limit is no point: a number that means infinity would be compared with others. */
export const readGroupFile = (group: OwnGroup, file: string, text: string, out: Readings): void => {
  const [first = '', ...rest] = out.linesOf(`/sys/fs/cgroup/${file}`, text);
  const folder =
    group.version === 2 ? group.folder : file.startsWith('cpu') ? group.cpu.slice(3) : group.memory.slice(6);
  const id: readonly Label[] = [['id', folder.startsWith('/') ? folder : `/${folder}`]];
  const [value, period] = wordsOf(first);
  switch (file.slice(file.lastIndexOf('/') + 1)) {
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
    case 'memory.max':
    case 'memory.limit_in_bytes':
      if (value !== 'max' && (wholeOf(value) ?? 0) < unlimitedBytes)
        out.addText(0, 'container_spec_memory_limit_bytes', id, value);
      break;
    case 'memory.current':
    case 'memory.usage_in_bytes':
      out.addText(0, 'container_memory_usage_bytes', id, value);
      break;
    case 'cpu.stat':
      for (const [index, line] of [first, ...rest].entries()) readCpuStat(index, line, id, out);
      break;
  }
};

const readCpuStat = (index: number, line: string, id: readonly Label[], out: Readings): void => {
  const [key, value] = wordsOf(line);
  if (key === 'usage_usec') out.addText(index, 'container_cpu_usage_seconds_total', id, value, 1e-6);
  if (key === 'nr_periods') out.addText(index, 'container_cpu_cfs_periods_total', id, value);
  if (key === 'nr_throttled') out.addText(index, 'container_cpu_cfs_throttled_periods_total', id, value);
  if (key === 'throttled_usec') out.addText(index, 'container_cpu_cfs_throttled_seconds_total', id, value, 1e-6);
  if (key === 'throttled_time') out.addText(index, 'container_cpu_cfs_throttled_seconds_total', id, value, 1e-9);
};
