/** The collector on folders that look like a host, and on this host. */
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { systemClock } from '@coequal/kernel';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { labelValue } from '../../sample.ts';
import type { FilesystemSpace } from '../disk.ts';
import { HostCollector } from './collector.ts';

let root = '';
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'coequal-host-'));
});
afterEach(() => rm(root, { recursive: true }));

const put = async (path: string, text: string): Promise<void> => {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), text);
};

const space: FilesystemSpace = { bsize: 1, blocks: 10, bfree: 5, bavail: 4, files: 3, ffree: 2 };
const collector = (askFilesystem: (mountpoint: string) => Promise<FilesystemSpace>, filesystemDeadlineMs = 5_000) =>
  new HostCollector({ clock: systemClock, root, pageBytes: 4_096, filesystemDeadlineMs, askFilesystem });

test('reads what is there and leaves out what is not', async () => {
  await put('/proc/loadavg', '1 2 3 4/5 6\n');
  await put('/proc/self/cgroup', '0::/\n');
  await put('/sys/fs/cgroup/memory.max', '1024\n');
  await put('/sys/class/net/eth0/carrier', '1\n');
  await put('/sys/class/hwmon/hwmon0/temp1_input', '1000\n');
  await put('/sys/devices/platform/coretemp.0/x', '');
  await put('/sys/bus/platform/x', '');
  await symlink('../../../devices/platform/coretemp.0', join(root, '/sys/class/hwmon/hwmon0/device'));
  await symlink('../../../bus/platform', join(root, '/sys/devices/platform/coretemp.0/subsystem'));
  await put('/sys/devices/system/edac/mc/mc1/ce_count', '9\n');
  const { points, problems } = await collector(async () => space).collect();
  expect(problems).toEqual([]);
  const values = new Map(points.map(({ name, value }) => [name, value]));
  expect(values.get('node_load5')).toBe(2);
  expect(values.get('container_spec_memory_limit_bytes')).toBe(1_024);
  expect(values.get('node_network_carrier')).toBe(1);
  expect(values.get('node_hwmon_temp_celsius')).toBe(1);
  expect(values.get('node_edac_correctable_errors_total')).toBe(9);
  expect(values.has('node_memory_MemTotal_bytes')).toBe(false);
  const sensor = points.find(({ name }) => name === 'node_hwmon_temp_celsius');
  expect(labelValue(sensor?.labels ?? [], 'chip')).toBe('platform_coretemp_0');
});

test('a mount that never answers is told, is not asked again, and holds nobody up', async () => {
  await put('/proc/1/mounts', 'a:/dead /dead nfs4 rw 0 0\n/dev/a /one ext4 rw 0 0\n/dev/b /two ext4 rw 0 0\n');
  const asked: string[] = [];
  const host = collector((mountpoint) => {
    asked.push(mountpoint);
    return mountpoint === '/dead' ? new Promise(() => {}) : Promise.resolve(space);
  }, 60);
  for (let round = 0; round < 2; round += 1) {
    const { points } = await host.collect();
    const errors = points.filter(({ name }) => name === 'node_filesystem_device_error');
    expect(errors.map(({ labels, value }) => [labelValue(labels, 'mountpoint'), value])).toEqual([
      ['/dead', 1],
      ['/one', 0],
      ['/two', 0],
    ]);
  }
  expect(asked).toEqual(['/dead', '/one', '/two', '/one', '/two']);
});

test('mounts that could not be asked are not called broken', async () => {
  await put('/proc/1/mounts', 'a:/1 /1 nfs4 rw 0 0\na:/2 /2 nfs4 rw 0 0\n/dev/a /3 ext4 rw 0 0\n');
  const { points, problems } = await collector(() => new Promise(() => {}), 30).collect();
  const told = points.filter(({ name }) => name === 'node_filesystem_device_error');
  expect(told.map(({ labels }) => labelValue(labels, 'mountpoint'))).toEqual(['/1', '/2']);
  expect(problems).toEqual([
    expect.objectContaining({ what: expect.stringContaining('1 file systems were not asked') }),
  ]);
});

test('mounts that refuse are told as such', async () => {
  await put('/proc/1/mounts', '/dev/a /one ext4 rw 0 0\n');
  const refused = Object.assign(new Error('stale'), { code: 'ESTALE' });
  const { points } = await collector(() => Promise.reject(refused)).collect();
  expect(points.find(({ name }) => name === 'node_filesystem_device_error')?.value).toBe(1);
});

test.skipIf(process.platform !== 'linux')('reads this host without a problem', async () => {
  const host = new HostCollector({ clock: systemClock, root: '', pageBytes: 4_096, filesystemDeadlineMs: 5_000 });
  const { points, problems } = await host.collect();
  expect(problems).toEqual([]);
  const names = new Set(points.map(({ name }) => name));
  for (const name of ['node_cpu_seconds_total', 'node_load1', 'node_memory_MemAvailable_bytes', 'node_time_seconds'])
    expect(names).toContain(name);
  const keys = points.map(({ name, labels }) => JSON.stringify([name, labels]));
  expect(new Set(keys).size).toBe(keys.length);
});

test('a host that is part of a machine is told without what belongs to the others', async () => {
  await put('/proc/loadavg', '1 2 3 4/5 6\n');
  await put('/proc/stat', 'cpu0 1 2 3 4 5 6 7 8 9 10\n');
  await put('/proc/meminfo', 'MemTotal: 1 kB\n');
  await put('/proc/pressure/cpu', 'some avg10=0 total=9000000\n');
  await put('/proc/diskstats', '7 1 loop1 1 2 3 4 5 6 7 8 9 10 11\n8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n');
  await put(
    '/proc/net/dev',
    'a\nb\n  eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n    lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n',
  );
  await put('/sys/class/net/eth0/mtu', '1500\n');
  await put('/sys/class/net/lo/mtu', '65536\n');
  await put('/proc/1/mounts', '/dev/a / ext4 rw 0 0\n');
  await put('/proc/self/mounts', '/dev/a / ext4 rw 0 0\n/dev/loop1 /data ext4 rw 0 0\n');
  await put('/proc/self/cgroup', '0::/\n');
  await put('/sys/fs/cgroup/north/cpu.pressure', 'some avg10=0 total=2000000\n');
  const host = new HostCollector({
    clock: systemClock,
    root,
    pageBytes: 4_096,
    filesystemDeadlineMs: 5_000,
    askFilesystem: async () => space,
    scope: { wholeMachine: false, cgroup: '/north', devices: ['loop1'], mounts: ['/data'], interfaces: ['eth0'] },
  });
  const { points } = await host.collect();
  const told = new Set(points.map(({ name }) => name));
  for (const name of ['node_load1', 'node_cpu_seconds_total', 'node_memory_MemTotal_bytes'])
    expect(told).not.toContain(name);
  const of = (name: string, label: string): readonly string[] =>
    points.filter((point) => point.name === name).map(({ labels, value }) => `${labelValue(labels, label)} ${value}`);
  expect(of('node_disk_reads_completed_total', 'device')).toEqual(['loop1 1']);
  expect(of('node_network_mtu_bytes', 'device')).toEqual(['eth0 1500']);
  expect(of('node_network_receive_bytes_total', 'device')).toEqual(['eth0 1']);
  expect(of('node_filesystem_size_bytes', 'mountpoint')).toEqual(['/data 10']);
  // That of its group, not that of the machine.
  expect(of('node_pressure_cpu_waiting_seconds_total', 'device')).toEqual([' 2']);
});
