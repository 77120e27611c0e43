/**
 * /proc/diskstats, /proc/1/mounts and what statfs(2) says of each, with the names, labels and exclusions of node_exporter.
 * Sources: Documentation/admin-guide/iostats.rst; node_exporter's collectors diskstats and filesystem.
 */
import type { Label } from '../sample.ts';
import { type Readings, wordsOf } from './readings.ts';
import type { Named } from './scope.ts';

/** The kernel counts sectors of 512 bytes, whatever the disk has. */
const sectorBytes = 512;
const ms = 1e-3;

/** In the order of the file, from its fourth column. */
const diskColumns: readonly (readonly [name: string, factor: number])[] = [
  ['node_disk_reads_completed_total', 1],
  ['node_disk_reads_merged_total', 1],
  ['node_disk_read_bytes_total', sectorBytes],
  ['node_disk_read_time_seconds_total', ms],
  ['node_disk_writes_completed_total', 1],
  ['node_disk_writes_merged_total', 1],
  ['node_disk_written_bytes_total', sectorBytes],
  ['node_disk_write_time_seconds_total', ms],
  ['node_disk_io_now', 1],
  ['node_disk_io_time_seconds_total', ms],
  ['node_disk_io_time_weighted_seconds_total', ms],
  ['node_disk_discards_completed_total', 1],
  ['node_disk_discards_merged_total', 1],
  ['node_disk_discarded_sectors_total', 1],
  ['node_disk_discard_time_seconds_total', ms],
  ['node_disk_flush_requests_total', 1],
  ['node_disk_flush_requests_time_seconds_total', ms],
];
/** Kernels before 4.18 have no discards, those before 5.5 no flushes. */
const oldestColumns = 11;

/** RAM disks, loops, and partitions, whose disk says the same. */
const ignoredDevice = /^(ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$/;

/** `devices`: those that are told, also loops; undefined: the usual ones. */
export const readDisks = (text: string, out: Readings, devices?: Named): void => {
  for (const [index, line] of out.linesOf('/proc/diskstats', text).entries()) {
    const [, , device, ...values] = wordsOf(line);
    if (device === undefined || !(devices?.has(device) ?? !ignoredDevice.test(device))) continue;
    for (const [position, [name, factor]] of diskColumns.entries()) {
      if (position >= oldestColumns && values[position] === undefined) break;
      out.addText(index, name, [['device', device]], values[position], factor);
    }
  }
};

export type Mount = {
  readonly device: string;
  readonly mountpoint: string;
  readonly fstype: string;
  readonly readonly: boolean;
};

const ignoredMount =
  /^\/(dev|proc|run\/credentials\/.+|sys|var\/lib\/docker\/.+|var\/lib\/containers\/storage\/.+)($|\/)/;
const ignoredType =
  /^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|hugetlbfs|iso9660|mqueue|nsfs|overlay|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|sysfs|tracefs)$/;

/** More mounts than this are those of containers that nobody asks for one by one. */
const mountLimit = 500;

/** The file systems worth a question. Of a place that is mounted over, what was mounted last is what answers. */
export const parseMounts = (text: string, named?: Named): readonly Mount[] => {
  const mounts = new Map<string, Mount>();
  for (const line of text.split('\n')) {
    const [device, mountpoint, fstype, options = ''] = wordsOf(line).map(unescapeMount);
    if (device === undefined || mountpoint === undefined || fstype === undefined) continue;
    if (named?.has(mountpoint) === false || mounts.size >= mountLimit) continue;
    if (named === undefined && (ignoredMount.test(mountpoint) || ignoredType.test(fstype))) continue;
    mounts.set(mountpoint, { device, mountpoint, fstype, readonly: options.split(',').includes('ro') });
  }
  return [...mounts.values()];
};

/** Blanks and backslashes stand as octal numbers. */
const unescapeMount = (text: string): string =>
  text.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));

/** In blocks of `bsize` bytes, as statfs(2) answers. */
export type FilesystemSpace = {
  readonly bsize: number;
  readonly blocks: number;
  readonly bfree: number;
  readonly bavail: number;
  readonly files: number;
  readonly ffree: number;
};

/** `space` is undefined where the file system did not answer in time, or with an error: that is what there is to say of it. */
export const readFilesystem = (mount: Mount, space: FilesystemSpace | undefined, out: Readings): void => {
  const labels: readonly Label[] = [
    ['device', mount.device],
    ['fstype', mount.fstype],
    ['mountpoint', mount.mountpoint],
  ];
  out.add('node_filesystem_device_error', labels, space === undefined ? 1 : 0);
  if (space === undefined) return;
  out.add('node_filesystem_readonly', labels, mount.readonly ? 1 : 0);
  out.add('node_filesystem_size_bytes', labels, space.blocks * space.bsize);
  out.add('node_filesystem_free_bytes', labels, space.bfree * space.bsize);
  out.add('node_filesystem_avail_bytes', labels, space.bavail * space.bsize);
  out.add('node_filesystem_files', labels, space.files);
  out.add('node_filesystem_files_free', labels, space.ffree);
};
