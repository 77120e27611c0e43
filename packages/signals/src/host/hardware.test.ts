/** Hardware that the machines of this project do not have: texts as kernels and programs are documented to write them, and texts that are broken. */
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { systemClock } from '@coequal/kernel';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { HardwareCollector } from './adapters/hardware.ts';
import type { ProgramAnswer } from './adapters/run-program.ts';
import { readTracking } from './chrony.ts';
import { nvmeDevices, readNvme, readSmart, smartDevices } from './disk-programs.ts';
import { isSensorFile, readSensor } from './hardware.ts';
import { type HostReadings, Readings } from './readings.ts';
import { readRaid } from './storage-health.ts';

const shown = ({ points }: Pick<HostReadings, 'points'>): readonly string[] =>
  points.map(({ name, labels, value }) => `${name}{${labels.map((pair) => pair.join('=')).join(',')}} ${value}`);
const read = (work: (out: Readings) => void): Readings => {
  const out = new Readings();
  work(out);
  return out;
};

test('an array that lost a disk and is rebuilt says so', () => {
  const text = `Personalities : [raid1] [raid6] [raid5]
md0 : active raid1 sdb1[2] sda1[0](F) sdc1[3](S)
      248896 blocks super 1.2 [2/1] [_U]
      [=>...................]  recovery =  8.5% (21312/248896) finish=1.0min speed=3552K/sec

md1 : active raid5 sdd1[0] sde1[1] sdf1[2]
      7813735424 blocks super 1.2 level 5, 512k chunk, algorithm 2 [3/3] [UUU]
      bitmap: 0/30 pages [0KB], 65536KB chunk

md2 : inactive sdg1[0](S)
      1024 blocks
unused devices: <none>
`;
  const told = shown(read((out) => readRaid(text, out)));
  expect(told.filter((line) => /state\{.*\} 1$/.test(line))).toEqual([
    'node_md_state{device=md0,state=recovery} 1',
    'node_md_state{device=md1,state=active} 1',
    'node_md_state{device=md2,state=inactive} 1',
  ]);
  expect(told).toEqual(
    expect.arrayContaining([
      'node_md_disks{device=md0,state=active} 1',
      'node_md_disks{device=md0,state=failed} 1',
      'node_md_disks{device=md0,state=spare} 1',
      'node_md_disks_required{device=md0} 2',
      'node_md_blocks{device=md0} 248896',
      'node_md_blocks_synced{device=md0} 21312',
      'node_md_disks{device=md1,state=active} 3',
      'node_md_blocks_synced{device=md1} 7813735424',
    ]),
  );
});

test('a disk that wears out says so, by SMART and by NVMe', () => {
  const ata = JSON.stringify({
    smartctl: { exit_status: 64 },
    device: { name: '/dev/sda', type: 'sat' },
    model_name: 'SSD 860',
    serial_number: 'S3Z',
    firmware_version: 'R1',
    smart_status: { passed: false },
    temperature: { current: 31 },
    power_on_time: { hours: 2 },
    ata_smart_attributes: {
      table: [
        { id: 5, name: 'Reallocated_Sector_Ct', value: 99, worst: 99, thresh: 10, raw: { value: 7 } },
        { name: 'no id' },
        5,
      ],
    },
  });
  expect(shown(read((out) => readSmart(ata, out)))).toEqual([
    'smartctl_device_smartctl_exit_status{device=sda} 64',
    'smartctl_device{device=sda,firmware_version=R1,model_name=SSD 860,serial_number=S3Z} 1',
    'smartctl_device_smart_status{device=sda} 0',
    'smartctl_device_temperature{device=sda,temperature_type=current} 31',
    'smartctl_device_power_on_seconds{device=sda} 7200',
    ...['raw', 'value', 'worst', 'thresh'].map(
      (type, index) =>
        `smartctl_device_attribute{attribute_id=5,attribute_name=Reallocated_Sector_Ct,attribute_value_type=${type},device=sda} ${[7, 99, 99, 10][index]}`,
    ),
  ]);
  const log = JSON.stringify({
    critical_warning: 4,
    temperature: 313.15 + 0,
    avail_spare: 9,
    spare_thresh: 10,
    percent_used: 97,
    media_errors: 2,
  });
  const told = shown(read((out) => readNvme('/dev/nvme0n1', log, out)));
  expect(told).toEqual(
    expect.arrayContaining([
      'nvme_critical_warning_total{device=nvme0n1} 4',
      'nvme_available_spare_ratio{device=nvme0n1} 0.09',
    ]),
  );
  expect(told.at(-1)).toBe('nvme_temperature_celsius{device=nvme0n1} 40');
});

test('only devices become arguments of a program', () => {
  const scan = JSON.stringify({
    devices: [
      { name: '/dev/sda', type: 'sat' },
      { name: '/dev/bus/0', type: 'megaraid,1' },
      { name: '--all', type: 'sat' },
      { name: '/dev/sdb', type: 'sat; rm' },
      null,
    ],
  });
  const out = new Readings();
  expect(smartDevices(scan, out).map(({ name }) => name)).toEqual(['/dev/sda', '/dev/bus/0']);
  expect(nvmeDevices('{"Devices":[{"DevicePath":"/dev/nvme0n1"},{"DevicePath":"/etc/passwd"}]}', out)).toEqual([
    '/dev/nvme0n1',
  ]);
  expect(smartDevices('no JSON', out)).toEqual([]);
  expect(out.problems).toEqual([{ file: 'smartctl --scan', line: 1, what: 'what it says is not JSON' }]);
});

test('the clock tells its source, its offset and whether it has one', () => {
  const line =
    'C0A80001,192.168.0.1,3,1700000000.123456789,-0.000012345,0.000001000,0.000020000,-12.345,0.001,0.050,0.001234567,0.000123456,64.2,Normal\n';
  const told = shown(read((out) => readTracking(line, out)));
  expect(told).toEqual(
    expect.arrayContaining([
      'chrony_tracking_stratum{} 3',
      'node_timex_offset_seconds{} -0.000012345',
      'node_timex_sync_status{} 1',
      'chrony_tracking_info{tracking_address=192.168.0.1,tracking_refid=C0A80001} 1',
    ]),
  );
  expect(shown(read((out) => readTracking(line.replace('Normal', 'Not synchronised'), out)))).toContain(
    'node_timex_sync_status{} 0',
  );
  expect(read((out) => readTracking('506 Cannot talk to daemon', out)).problems).toHaveLength(1);
});

test('voltages, currents and powers are told in their units', () => {
  const out = new Readings();
  for (const [file, text] of [
    ['in0_input', '12050'],
    ['curr1_input', '1500'],
    ['power1_input', '45000000'],
    ['power1_average', '44000000'],
  ] as const) {
    expect(isSensorFile(file)).toBe(true);
    readSensor({ thing: 'chip', file, text }, out);
  }
  expect(shown(out)).toEqual([
    'node_hwmon_in_volts{chip=chip,sensor=in0} 12.05',
    'node_hwmon_curr_amps{chip=chip,sensor=curr1} 1.5',
    'node_hwmon_power_watt{chip=chip,sensor=power1} 45',
    'node_hwmon_power_average_watt{chip=chip,sensor=power1} 44',
  ]);
});

test('paths, bonds, zones and disks are found where the kernel shows them', async () => {
  const root = await mkdtemp(join(tmpdir(), 'coequal-hardware-'));
  const put = async (path: string, text: string): Promise<void> => {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  };
  try {
    await put('/sys/block/dm-0/dm/uuid', 'mpath-3600\n');
    await put('/sys/block/dm-0/dm/name', 'data1\n');
    await put('/sys/block/dm-0/size', '2048\n');
    await put('/sys/block/dm-1/dm/uuid', 'LVM-x\n');
    await put('/sys/block/sda/device/state', 'running\n');
    await put('/sys/block/sdb/device/state', 'offline\n');
    await put('/sys/block/sda/dev', '8:0\n');
    await put('/sys/block/loop0/dev', '7:0\n');
    await put('/run/udev/data/b8:0', 'E:ID_MODEL=Disk\nE:ID_SERIAL_SHORT=S1\nX:other\n');
    await mkdir(join(root, '/sys/block/dm-0/slaves'));
    for (const disk of ['sda', 'sdb']) await symlink(`../../${disk}`, join(root, `/sys/block/dm-0/slaves/${disk}`));
    await put('/sys/class/net/bonding_masters', 'bond0\n');
    await put('/sys/class/net/bond0/bonding/slaves', 'eth0 eth1\n');
    await put('/sys/class/net/eth0/bonding_slave/mii_status', 'up\n');
    await put('/sys/class/net/eth1/bonding_slave/mii_status', 'down\n');
    await put('/sys/class/thermal/thermal_zone0/type', 'x86_pkg_temp\n');
    await put('/sys/class/thermal/thermal_zone0/temp', '55500\n');
    const told = shown(new HardwareCollector({ clock: systemClock, root }).collect());
    expect(told).toEqual(
      expect.arrayContaining([
        'node_bonding_slaves{master=bond0} 2',
        'node_bonding_active{master=bond0} 1',
        'node_thermal_zone_temp{type=x86_pkg_temp,zone=0} 55.5',
        'node_dmmultipath_device_paths{device=data1} 2',
        'node_dmmultipath_device_paths_failed{device=data1} 1',
        'node_dmmultipath_device_size_bytes{device=data1} 1048576',
        'node_dmmultipath_path_state{device=data1,path=sdb,state=offline} 1',
        'node_disk_info{device=sda,major=8,minor=0,model=Disk,serial=S1} 1',
      ]),
    );
    expect(told.join('\n')).not.toMatch(/dm-1|loop0/);
  } finally {
    await rm(root, { recursive: true });
  }
});

test('programs are asked beside the readings, and only as often as is due', async () => {
  const asked: string[] = [];
  const answers: Readonly<Record<string, ProgramAnswer>> = {
    'smartctl --json --scan': { kind: 'said', text: '{"devices":[{"name":"/dev/sda","type":"sat"}]}' },
    'smartctl --json --all --nocheck=standby --device=sat /dev/sda': {
      kind: 'said',
      text: '{"device":{"name":"/dev/sda"},"smart_status":{"passed":true}}',
    },
    'chronyc -c tracking': { kind: 'failed', what: 'it took too long' },
  };
  const hardware = new HardwareCollector({
    clock: systemClock,
    root: '',
    run: async (program, args) => {
      const line = [program, ...args].join(' ');
      asked.push(line);
      return answers[line] ?? { kind: 'missing' };
    },
  });
  hardware.collect();
  await hardware.settled();
  const { points, problems } = hardware.collect();
  expect(points.some(({ name, value }) => name === 'smartctl_device_smart_status' && value === 1)).toBe(true);
  expect(problems).toContainEqual({ file: 'chronyc', line: 1, what: 'it took too long' });
  expect(asked.sort()).toEqual([...Object.keys(answers), 'nvme list --output-format=json'].sort());
});

test('no text whatever throws, or gives a value that is no number', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.json(),
    fc.constantFrom('md0 : active', '[2/', '{"device":{"name":1}}'),
  );
  fc.assert(
    fc.property(text, (content) => {
      const out = new Readings();
      readRaid(content, out);
      readTracking(content, out);
      readSmart(content, out);
      readNvme('/dev/nvme0n1', content, out);
      smartDevices(content, out);
      nvmeDevices(content, out);
      expect(out.points.every(({ value }) => Number.isFinite(value))).toBe(true);
    }),
  );
});
