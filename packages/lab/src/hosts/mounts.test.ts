import { describe, expect, test } from 'vitest';
import { type GroupMount, ownPath, parseGroupMounts, upwards } from './mounts.ts';

const version1 = `
24 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
35 30 0:31 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
36 30 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
37 30 0:33 /docker/ab /sys/fs/cgroup/blkio ro,nosuid master:3 - cgroup cgroup rw,blkio
38 30 0:34 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd
39 30 0:35 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
`;
const groups = '9:name=systemd:/\n5:blkio:/docker/ab/job\n4:memory:/a/b\n1:cpu,cpuacct:/\n0::/init.scope\n';

const mountOf = (controller: string): GroupMount => {
  const found = parseGroupMounts(version1).find(({ controllers }) => controllers.includes(controller));
  if (found === undefined) throw new Error(`no mount of ${controller}`);
  return found;
};

test('mounts of control groups are found among others, with their controllers', () => {
  expect(parseGroupMounts(version1).map(({ version, controllers }) => [version, controllers])).toEqual([
    [1, ['cpu', 'cpuacct']],
    [1, ['memory']],
    [1, ['blkio']],
    [1, ['name=systemd']],
    [2, []],
  ]);
});

test('spaces in a mount’s path are understood', () => {
  const [mount] = parseGroupMounts('1 2 0:1 / /a\\040b rw - cgroup2 none rw');
  expect(mount?.folder).toBe('/a b');
});

describe('the path of this process below a mount', () => {
  test('is empty at the top', () => {
    expect(ownPath(mountOf('cpu'), groups)).toBe('');
  });

  test('is its group elsewhere', () => {
    expect(ownPath(mountOf('memory'), groups)).toBe('/a/b');
  });

  test('leaves out what the mount itself starts at', () => {
    expect(ownPath(mountOf('blkio'), groups)).toBe('/job');
  });

  test('is the top where its group is not in what is mounted', () => {
    expect(ownPath({ ...mountOf('blkio'), root: '/other' }, groups)).toBe('');
  });

  test('is found for version 2 by its empty name', () => {
    const second = parseGroupMounts(version1).find(({ version }) => version === 2);
    expect(second === undefined ? '' : ownPath(second, groups)).toBe('/init.scope');
  });
});

test('groups upwards start with the nearest and end with the mount', () => {
  expect(upwards(mountOf('memory'), '/a/b')).toEqual([
    '/sys/fs/cgroup/memory/a/b',
    '/sys/fs/cgroup/memory/a',
    '/sys/fs/cgroup/memory',
  ]);
});
