/**
 * /proc/stat, /proc/loadavg, /proc/pressure and the kernel's name, with the names and labels of node_exporter.
 * Sources: proc(5); Documentation/accounting/psi.rst; node_exporter's collectors cpu, stat, loadavg, pressure, uname.
 */
import type { Label } from '../sample.ts';
import { noLabels, type Readings, wordsOf } from './readings.ts';

/** Ticks a second in /proc/stat: USER_HZ, which is 100 on every Linux that is built for servers. */
const userHz = 100;
const modes = ['user', 'nice', 'system', 'idle', 'iowait', 'irq', 'softirq', 'steal'] as const;

const counters: ReadonlyMap<string, string> = new Map([
  ['intr', 'node_intr_total'],
  ['ctxt', 'node_context_switches_total'],
  ['btime', 'node_boot_time_seconds'],
  ['processes', 'node_forks_total'],
  ['procs_running', 'node_procs_running'],
  ['procs_blocked', 'node_procs_blocked'],
]);

/** /proc/stat: seconds of each processor by mode; interrupts, switches, forks, processes. */
export const readStat = (text: string, out: Readings): void => {
  for (const [index, line] of out.linesOf('/proc/stat', text).entries()) {
    // The line of interrupts has a number for each of hundreds of sources; its second word is their sum.
    const [key = '', ...values] = wordsOf(line.startsWith('intr') ? line.slice(0, 40) : line);
    const cpu = /^cpu(\d+)$/.exec(key)?.[1];
    if (cpu !== undefined) readCpu(index, cpu, values, out);
    const name = counters.get(key);
    if (name !== undefined) out.addText(index, name, noLabels, values[0]);
  }
};

const readCpu = (index: number, cpu: string, values: readonly string[], out: Readings): void => {
  for (const [position, mode] of modes.entries()) {
    const labels: readonly Label[] = [
      ['cpu', cpu],
      ['mode', mode],
    ];
    out.addText(index, 'node_cpu_seconds_total', labels, values[position], 1 / userHz);
  }
  for (const [position, mode] of [[8, 'user'] as const, [9, 'nice'] as const]) {
    const labels: readonly Label[] = [
      ['cpu', cpu],
      ['mode', mode],
    ];
    // Kernels before 2.6.33 do not tell the time of guests.
    if (values[position] !== undefined)
      out.addText(index, 'node_cpu_guest_seconds_total', labels, values[position], 1 / userHz);
  }
};

export const readLoad = (text: string, out: Readings): void => {
  const [line = ''] = out.linesOf('/proc/loadavg', text);
  const words = wordsOf(line);
  for (const [position, name] of ['node_load1', 'node_load5', 'node_load15'].entries())
    out.addText(0, name, noLabels, words[position]);
};

export type PressureKind = 'cpu' | 'memory' | 'io';

/** /proc/pressure/*: time in which some, or all, had to wait. Of processors there is no `full` for a whole system. */
export const readPressure = (kind: PressureKind, text: string, out: Readings): void => {
  for (const [index, line] of out.linesOf(`/proc/pressure/${kind}`, text).entries()) {
    const [share, total] = /^(some|full) .*\btotal=(\S+)/.exec(line)?.slice(1) ?? [];
    if (share === 'some') out.addText(index, `node_pressure_${kind}_waiting_seconds_total`, noLabels, total, 1e-6);
    if (share === 'full' && kind !== 'cpu')
      out.addText(index, `node_pressure_${kind}_stalled_seconds_total`, noLabels, total, 1e-6);
  }
};

/** What uname(2) answers. */
export type KernelName = {
  readonly sysname: string;
  readonly release: string;
  readonly version: string;
  readonly nodename: string;
  readonly domainname: string;
  readonly machine: string;
};

export const readKernelName = (name: KernelName, out: Readings): void =>
  out.add('node_uname_info', Object.entries(name), 1);
