/**
 * Software RAID, multipath devices, bonds, disks and thermal zones: texts of /proc and /sys in, points with the names of node_exporter out (collectors
 * mdadm, dmmultipath, bonding, diskstats, thermal_zone). Hosts that have none give none. Pure.
 */
import type { ThingFile } from './hardware.ts';
import { type Readings, wordsOf } from './readings.ts';

const activities = ['resync', 'recovery', 'reshape', 'check'] as const;
type RaidState = 'active' | 'inactive' | (typeof activities)[number];
const raidStates: readonly RaidState[] = ['active', 'inactive', 'recovery', 'resync', 'check', 'reshape'];

/** /proc/mdstat: an array is a line with its members, a line with its size, and perhaps one with what is being done to it. */
export const readRaid = (text: string, out: Readings): void => {
  const lines = out.linesOf('/proc/mdstat', text);
  for (const [index, line] of lines.entries()) {
    const [, device, activity, members = ''] = /^(md\S*)\s*:\s*(active|inactive)\b(.*)$/.exec(line) ?? [];
    if (device === undefined) continue;
    const size = lines[index + 1] ?? '';
    const progress = lines.slice(index + 1, index + 4).find((each) => activities.some((name) => each.includes(name)));
    const doing = activities.find((name) => new RegExp(`\\b${name}\\b`).test(progress ?? ''));
    const state: RaidState = activity === 'inactive' ? 'inactive' : (doing ?? 'active');
    for (const each of raidStates)
      out.add(
        'node_md_state',
        [
          ['device', device],
          ['state', each],
        ],
        each === state ? 1 : 0,
      );
    const disks = members.split(' ').filter((word) => /\[\d+\]/.test(word));
    const failed = disks.filter((word) => word.includes('(F)')).length;
    const spare = disks.filter((word) => word.includes('(S)')).length;
    const [, required, active] = /\[(\d+)\/(\d+)\]/.exec(size) ?? [];
    const disksBy = (name: string, value: number): void =>
      out.add(
        'node_md_disks',
        [
          ['device', device],
          ['state', name],
        ],
        value,
      );
    disksBy('active', active === undefined ? disks.length - failed - spare : Number(active));
    disksBy('failed', failed);
    disksBy('spare', spare);
    out.add(
      'node_md_disks_required',
      [['device', device]],
      required === undefined ? disks.length - failed - spare : Number(required),
    );
    const blocks = /^\s*(\d+) blocks\b/.exec(size)?.[1];
    if (blocks === undefined) continue;
    out.addText(index + 1, 'node_md_blocks', [['device', device]], blocks);
    const synced = /\((\d+)\/\d+\)/.exec(progress ?? '')?.[1] ?? blocks;
    out.addText(index + 1, 'node_md_blocks_synced', [['device', device]], synced);
  }
};

/** A bond's files in /sys/class/net/BOND/bonding: `slaves` names its links; of these `mii_status` says how they are. */
export const readBond = (
  bond: string,
  links: readonly { readonly name: string; readonly status: string }[],
  out: Readings,
): void => {
  out.add('node_bonding_slaves', [['master', bond]], links.length);
  out.add('node_bonding_active', [['master', bond]], links.filter(({ status }) => status.trim() === 'up').length);
};

/** The states of a path that the kernel's SCSI layer knows. */
const pathStates = ['running', 'offline', 'blocked', 'transport-offline', 'created', 'cancel', 'deleted', 'quiesce'];

export type MultipathDevice = {
  /** `dm-0`, and the name it was given. */
  readonly device: string;
  readonly name: string;
  readonly suspended: boolean;
  readonly sectors: string;
  readonly paths: readonly { readonly disk: string; readonly state: string }[];
};

export const readMultipath = (map: MultipathDevice, out: Readings): void => {
  const own = [
    ['device', map.name],
    ['sysfs_name', map.device],
  ] as const;
  out.linesOf(`/sys/block/${map.device}/size`, map.sectors);
  out.add('node_dmmultipath_device_info', [...own, ['uuid', '']], 1);
  out.add('node_dmmultipath_device_active', [['device', map.name]], map.suspended ? 0 : 1);
  out.addText(0, 'node_dmmultipath_device_size_bytes', [['device', map.name]], map.sectors.trim(), 512);
  const active = map.paths.filter(({ state }) => state === 'running').length;
  out.add('node_dmmultipath_device_paths', [['device', map.name]], map.paths.length);
  out.add('node_dmmultipath_device_paths_active', [['device', map.name]], active);
  out.add('node_dmmultipath_device_paths_failed', [['device', map.name]], map.paths.length - active);
  for (const { disk, state } of map.paths)
    for (const each of pathStates)
      out.add(
        'node_dmmultipath_path_state',
        [
          ['device', map.name],
          ['path', disk],
          ['state', each],
        ],
        each === state ? 1 : 0,
      );
};

/** Of a file in /run/udev/data: what udev found out about a disk. */
export const readDiskInfo = (
  device: string,
  numbers: { readonly major: string; readonly minor: string },
  text: string,
  out: Readings,
): void => {
  const known = new Map<string, string>();
  for (const line of out.linesOf('/run/udev/data', text)) {
    const [, key, value] = /^E:([A-Z_]+)=(.*)$/.exec(line) ?? [];
    if (key !== undefined && value !== undefined) known.set(key, value);
  }
  const of = (...keys: readonly string[]): string =>
    keys.map((key) => known.get(key) ?? '').find((found) => found !== '') ?? '';
  out.add(
    'node_disk_info',
    [
      ['device', device],
      ['major', numbers.major],
      ['minor', numbers.minor],
      ['path', of('ID_PATH')],
      ['wwn', of('ID_WWN')],
      ['model', of('ID_MODEL')],
      ['serial', of('SCSI_IDENT_SERIAL', 'ID_SERIAL_SHORT')],
      ['revision', of('ID_REVISION')],
      ['rotational', ''],
    ],
    1,
  );
  const rate = known.get('ID_ATA_ROTATION_RATE_RPM');
  if (rate !== undefined) out.addText(0, 'node_disk_ata_rotation_rate_rpm', [['device', device]], rate);
};

/** A zone of /sys/class/thermal: its `type` and `temp`, in thousandths of a degree. */
export const readThermalZone = ({ thing, text }: ThingFile, type: string, out: Readings): void => {
  const [line = ''] = out.linesOf(`/sys/class/thermal/${thing}/temp`, text);
  const zone = thing.replace(/^thermal_zone/, '');
  const [word] = wordsOf(line);
  out.addText(
    0,
    'node_thermal_zone_temp',
    [
      ['type', type.trim()],
      ['zone', zone],
    ],
    word,
    1e-3,
  );
};
