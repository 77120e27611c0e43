/**
 * Which files of /proc a host is read from, and who reads each. The table that the adapter follows: it needs to know nothing
 * of what stands in them.
 */
import { readDisks } from './disk.ts';
import { readMemory, readVmstat } from './memory.ts';
import { readInterfaces, readProtocols, readProtocols6, readSockets } from './network.ts';
import { readLoad, readPressure, readStat } from './processor.ts';
import { noLabels, type Readings, wordsOf } from './readings.ts';
import { type HostScope, namedIn, wholeMachine } from './scope.ts';

type FileReader = (text: string, out: Readings) => void;

/** `pageBytes`: of memory, 4,096 on x86, up to 65,536 elsewhere. */
export const procFiles = (pageBytes: number, scope: HostScope = wholeMachine): ReadonlyMap<string, FileReader> => {
  const [devices, interfaces] = [namedIn(scope.devices), namedIn(scope.interfaces)];
  return new Map<string, FileReader>([
    ...(scope.wholeMachine ? machineFiles : []),
    ['diskstats', (text, out) => readDisks(text, out, devices)],
    ['net/dev', (text, out) => readInterfaces(text, out, interfaces)],
    ['net/sockstat', (text, out) => readSockets('/proc/net/sockstat', text, pageBytes, out)],
    ['net/sockstat6', (text, out) => readSockets('/proc/net/sockstat6', text, pageBytes, out)],
    ['net/netstat', (text, out) => readProtocols('/proc/net/netstat', text, out)],
    ['net/snmp', (text, out) => readProtocols('/proc/net/snmp', text, out)],
    ['net/snmp6', readProtocols6],
  ]);
};

/** Files that tell of the whole machine, whatever of it is the host. */
const machineFiles: readonly (readonly [string, FileReader])[] = [
  ['stat', readStat],
  ['loadavg', readLoad],
  ['pressure/cpu', (text, out) => readPressure('cpu', text, out)],
  ['pressure/memory', (text, out) => readPressure('memory', text, out)],
  ['pressure/io', (text, out) => readPressure('io', text, out)],
  ['meminfo', readMemory],
  ['vmstat', readVmstat],
  ['sys/fs/file-nr', (text, out) => readFileHandles(text, out)],
];

/** Allocated, free (always 0), maximum. */
const readFileHandles = (text: string, out: Readings): void => {
  const [line = ''] = out.linesOf('/proc/sys/fs/file-nr', text);
  const [allocated, , maximum] = wordsOf(line);
  out.addText(0, 'node_filefd_allocated', noLabels, allocated);
  out.addText(0, 'node_filefd_maximum', noLabels, maximum);
};
