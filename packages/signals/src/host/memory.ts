/**
 * /proc/meminfo and /proc/vmstat, with the names of node_exporter.
 * Sources: proc(5); node_exporter's collectors meminfo and vmstat.
 */
import { noLabels, type Readings, wordsOf } from './readings.ts';

/** `Active(anon):  12 kB` is `node_memory_Active_anon_bytes`; lines without a unit are counts. */
export const readMemory = (text: string, out: Readings): void => {
  for (const [index, line] of out.linesOf('/proc/meminfo', text).entries()) {
    const [key, value, unit] = wordsOf(line);
    if (key === undefined) continue;
    const name = key.replace(/:$/, '').replace(/\((.*)\)/, '_$1');
    if (!/^\w+$/.test(name)) out.problem(index, 'this is no line of a name and a number');
    else if (unit === 'kB') out.addText(index, `node_memory_${name}_bytes`, noLabels, value, 1_024);
    else out.addText(index, `node_memory_${name}`, noLabels, value);
  }
};

const wantedOfVmstat = /^(oom_kill|pgpg|pswp|pg.*fault)/;

/** Paging, swapping, faults, and processes that were killed for memory. */
export const readVmstat = (text: string, out: Readings): void => {
  for (const [index, line] of out.linesOf('/proc/vmstat', text).entries()) {
    // Most of its lines are not wanted.
    if (!wantedOfVmstat.test(line)) continue;
    const [key = '', value] = wordsOf(line);
    if (wantedOfVmstat.test(key)) out.addText(index, `node_vmstat_${key}`, noLabels, value);
  }
};
