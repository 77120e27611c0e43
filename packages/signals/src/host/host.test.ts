/** Texts as kernels write them, with numbers that can be followed. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseMounts, readDisks, readFilesystem } from './disk.ts';
import { procFiles } from './files.ts';
import { chipName, isSensorFile, readLink, readMemoryErrors, readSensor } from './hardware.ts';
import { groupFiles, namedGroup, parseOwnGroup, readGroupFile } from './limits.ts';
import { readKernelName } from './processor.ts';
import { Readings } from './readings.ts';

const files = procFiles(4_096);

/** The points as text, sorted away from nothing: in the order in which they were read. */
const shown = ({ points }: Readings): readonly string[] =>
  points.map(({ name, labels, value }) => `${name}{${labels.map(([label, text]) => `${label}=${text}`)}} ${value}`);

const read = (file: string, text: string): Readings => {
  const out = new Readings();
  files.get(file)?.(text, out);
  return out;
};

describe('a processor', () => {
  test('tells its seconds by mode, and the system its counts', () => {
    const text = [
      'cpu  9 9 9 9 9 9 9 9 9 9',
      'cpu0 100 200 300 400 500 600 700 800 900 1000',
      `intr 12345 ${'0 '.repeat(500)}`,
      'ctxt 7',
      'btime 1700000000',
      'processes 8',
      'procs_running 2',
      'procs_blocked 0',
      'softirq 1 2 3',
      '',
    ].join('\n');
    const out = read('stat', text);
    expect(shown(out)).toEqual([
      'node_cpu_seconds_total{cpu=0,mode=user} 1',
      'node_cpu_seconds_total{cpu=0,mode=nice} 2',
      'node_cpu_seconds_total{cpu=0,mode=system} 3',
      'node_cpu_seconds_total{cpu=0,mode=idle} 4',
      'node_cpu_seconds_total{cpu=0,mode=iowait} 5',
      'node_cpu_seconds_total{cpu=0,mode=irq} 6',
      'node_cpu_seconds_total{cpu=0,mode=softirq} 7',
      'node_cpu_seconds_total{cpu=0,mode=steal} 8',
      'node_cpu_guest_seconds_total{cpu=0,mode=user} 9',
      'node_cpu_guest_seconds_total{cpu=0,mode=nice} 10',
      'node_intr_total{} 12345',
      'node_context_switches_total{} 7',
      'node_boot_time_seconds{} 1700000000',
      'node_forks_total{} 8',
      'node_procs_running{} 2',
      'node_procs_blocked{} 0',
    ]);
    expect(out.problems).toEqual([]);
  });

  test('has load and pressure', () => {
    expect(shown(read('loadavg', '11.47 13.06 10.14 11/777 14083\n'))).toEqual([
      'node_load1{} 11.47',
      'node_load5{} 13.06',
      'node_load15{} 10.14',
    ]);
    const pressure =
      'some avg10=78.12 avg60=76.40 avg300=67.79 total=2000000\nfull avg10=0.00 avg60=0 avg300=0 total=500000\n';
    expect(shown(read('pressure/cpu', pressure))).toEqual(['node_pressure_cpu_waiting_seconds_total{} 2']);
    expect(shown(read('pressure/io', pressure))).toEqual([
      'node_pressure_io_waiting_seconds_total{} 2',
      'node_pressure_io_stalled_seconds_total{} 0.5',
    ]);
  });

  test('belongs to a kernel with a name', () => {
    const out = new Readings();
    const name = {
      sysname: 'Linux',
      release: '6.1',
      version: '#1',
      nodename: 'a',
      domainname: '(none)',
      machine: 'x86_64',
    };
    readKernelName(name, out);
    expect(shown(out)).toEqual([
      'node_uname_info{domainname=(none),machine=x86_64,nodename=a,release=6.1,sysname=Linux,version=#1} 1',
    ]);
  });
});

test('memory is told in bytes, and pages in counts', () => {
  const out = read('meminfo', 'MemTotal:       24 kB\nActive(anon):    2 kB\nHugePages_Total:   3\n');
  expect(shown(out)).toEqual([
    'node_memory_MemTotal_bytes{} 24576',
    'node_memory_Active_anon_bytes{} 2048',
    'node_memory_HugePages_Total{} 3',
  ]);
  const vmstat = read('vmstat', 'nr_free_pages 1\npgpgin 2\npswpout 3\npgmajfault 4\noom_kill 5\nthp_fault_alloc 6\n');
  expect(shown(vmstat)).toEqual([
    'node_vmstat_pgpgin{} 2',
    'node_vmstat_pswpout{} 3',
    'node_vmstat_pgmajfault{} 4',
    'node_vmstat_oom_kill{} 5',
  ]);
});

describe('disks', () => {
  test('are told in bytes and seconds, without partitions and loops', () => {
    const out = new Readings();
    readDisks(
      [
        '   7       0 loop0 1 2 3 4 5 6 7 8 9 10 11',
        '   8       0 sda 1 2 3 4000 5 6 7 8000 9 10000 11000 12 13 14 15000 16 17000',
        '   8       1 sda1 1 2 3 4 5 6 7 8 9 10 11',
        ' 259       0 nvme0n1 1 2 3 4 5 6 7 8 9 10 11',
        '',
      ].join('\n'),
      out,
    );
    const lines = shown(out);
    expect(lines).toHaveLength(17 + 11);
    expect(lines.slice(0, 17).map((line) => line.replace('{device=sda}', ''))).toEqual([
      'node_disk_reads_completed_total 1',
      'node_disk_reads_merged_total 2',
      'node_disk_read_bytes_total 1536',
      'node_disk_read_time_seconds_total 4',
      'node_disk_writes_completed_total 5',
      'node_disk_writes_merged_total 6',
      'node_disk_written_bytes_total 3584',
      'node_disk_write_time_seconds_total 8',
      'node_disk_io_now 9',
      'node_disk_io_time_seconds_total 10',
      'node_disk_io_time_weighted_seconds_total 11',
      'node_disk_discards_completed_total 12',
      'node_disk_discards_merged_total 13',
      'node_disk_discarded_sectors_total 14',
      'node_disk_discard_time_seconds_total 15',
      'node_disk_flush_requests_total 16',
      'node_disk_flush_requests_time_seconds_total 17',
    ]);
  });

  test('carry file systems, of which some are no matter', () => {
    const text = [
      '/dev/vda / ext4 rw,relatime 0 0',
      'proc /proc proc rw 0 0',
      'tmpfs /dev/shm tmpfs rw 0 0',
      'a:/b /mnt/with\\040blank nfs4 ro,soft 0 0',
      '/dev/vda / ext4 rw 0 0',
      'broken',
    ].join('\n');
    const mounts = parseMounts(text);
    expect(mounts).toEqual([
      { device: '/dev/vda', mountpoint: '/', fstype: 'ext4', readonly: false },
      { device: 'a:/b', mountpoint: '/mnt/with blank', fstype: 'nfs4', readonly: true },
    ]);
    const [root, share] = mounts;
    const out = new Readings();
    if (root !== undefined)
      readFilesystem(root, { bsize: 4, blocks: 100, bfree: 50, bavail: 40, files: 9, ffree: 8 }, out);
    if (share !== undefined) readFilesystem(share, undefined, out);
    const short = shown(out).map((line) => line.replace(/\{device=([^,]*).*\}/, '{$1}'));
    expect(short).toEqual([
      'node_filesystem_device_error{/dev/vda} 0',
      'node_filesystem_readonly{/dev/vda} 0',
      'node_filesystem_size_bytes{/dev/vda} 400',
      'node_filesystem_free_bytes{/dev/vda} 200',
      'node_filesystem_avail_bytes{/dev/vda} 160',
      'node_filesystem_files{/dev/vda} 9',
      'node_filesystem_files_free{/dev/vda} 8',
      'node_filesystem_device_error{a:/b} 1',
    ]);
  });
});

describe('the network', () => {
  test('tells of each interface, also where a number touches the name', () => {
    const text = [
      'Inter-|   Receive                           |  Transmit',
      ' face |bytes    packets errs drop fifo frame compressed multicast|bytes packets errs drop fifo colls carrier compressed',
      '  eth0:1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16',
      '',
    ].join('\n');
    const out = read('net/dev', text);
    expect(out.points.map(({ value }) => value)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);
    expect(out.points[5]).toMatchObject({ name: 'node_network_receive_frame_total', labels: [['device', 'eth0']] });
    expect(out.points[14]).toMatchObject({ name: 'node_network_transmit_carrier_total' });
    expect(out.problems).toEqual([]);
  });

  test('tells of sockets and protocols', () => {
    expect(shown(read('net/sockstat', 'sockets: used 29\nTCP: inuse 16 mem 2\n'))).toEqual([
      'node_sockstat_sockets_used{} 29',
      'node_sockstat_TCP_inuse{} 16',
      'node_sockstat_TCP_mem{} 2',
      'node_sockstat_TCP_mem_bytes{} 8192',
    ]);
    expect(shown(read('net/sockstat6', 'TCP6: inuse 1\n'))).toEqual(['node_sockstat_TCP6_inuse{} 1']);
    const snmp = read('net/snmp', 'Tcp: RtoMin MaxConn RetransSegs InErrs\nTcp: 200 -1 7 2\nUdp: NoPorts\nUdp: 3\n');
    expect(shown(snmp)).toEqual([
      'node_netstat_Tcp_RetransSegs{} 7',
      'node_netstat_Tcp_InErrs{} 2',
      'node_netstat_Udp_NoPorts{} 3',
    ]);
    expect(shown(read('net/netstat', 'TcpExt: ListenDrops TW\nTcpExt: 5 6\n'))).toEqual([
      'node_netstat_TcpExt_ListenDrops{} 5',
    ]);
    expect(
      shown(read('net/snmp6', 'Ip6InOctets  4\nUdp6NoPorts 1\nUdpLite6InErrors 5\nIcmp6InMsgs 2\nIp6InDelivers 3\n')),
    ).toEqual([
      'node_netstat_Ip6_InOctets{} 4',
      'node_netstat_Udp6_NoPorts{} 1',
      'node_netstat_UdpLite6_InErrors{} 5',
      'node_netstat_Icmp6_InMsgs{} 2',
    ]);
    expect(shown(read('sys/fs/file-nr', '1184\t0\t9223372036854775807\n'))).toEqual([
      'node_filefd_allocated{} 1184',
      'node_filefd_maximum{} 9223372036854776000',
    ]);
  });
});

describe('a control group', () => {
  const readAll = (own: string, texts: Readonly<Record<string, string>>): readonly string[] => {
    const group = parseOwnGroup(own);
    const out = new Readings();
    if (group === undefined) return [];
    for (const file of groupFiles(group)) if (texts[file] !== undefined) readGroupFile(group, file, texts[file], out);
    return shown(out);
  };

  test('of version 2 says what it may and does use', () => {
    const texts = {
      'a/b/cpu.max': '200000 100000\n',
      'a/b/cpu.stat': 'usage_usec 3000000\nnr_periods 9\nnr_throttled 4\nthrottled_usec 500000\n',
      'a/b/memory.max': 'max\n',
      'a/b/memory.current': '4096\n',
    };
    expect(readAll('0::/a/b\n', texts)).toEqual([
      'container_spec_cpu_quota{id=/a/b} 200000',
      'container_spec_cpu_period{id=/a/b} 100000',
      'container_cpu_usage_seconds_total{id=/a/b} 3',
      'container_cpu_cfs_periods_total{id=/a/b} 9',
      'container_cpu_cfs_throttled_periods_total{id=/a/b} 4',
      'container_cpu_cfs_throttled_seconds_total{id=/a/b} 0.5',
      'container_memory_usage_bytes{id=/a/b} 4096',
    ]);
  });

  test('of version 1 does too, and no limit is no number', () => {
    const texts = {
      'cpu/cpu.cfs_quota_us': '-1\n',
      'cpu/cpu.cfs_period_us': '100000\n',
      'memory/x/memory.limit_in_bytes': '9223372036854771712\n',
      'memory/x/memory.usage_in_bytes': '5\n',
    };
    expect(readAll('3:cpu,cpuacct:/\n2:memory:/x\n0::/\n', texts)).toEqual([
      'container_spec_cpu_period{id=/} 100000',
      'container_memory_usage_bytes{id=/x} 5',
    ]);
    const limited = { 'memory/x/memory.limit_in_bytes': '1073741824\n' };
    expect(readAll('3:cpu:/\n2:memory:/x\n', limited)).toEqual(['container_spec_memory_limit_bytes{id=/x} 1073741824']);
  });

  test('tells its memory, tasks, kills and pressure', () => {
    const pressure = 'some avg10=0.00 avg60=0.00 avg300=0.00 total=2000000\nfull avg10=0.00 total=1000000\n';
    const texts = {
      'a/memory.stat': 'anon 10\nfile 20\nkernel 5\ninactive_file 7\npgmajfault 3\n',
      'a/memory.events': 'low 0\noom 1\noom_kill 2\n',
      'a/pids.current': '9\n',
      'a/cpu.pressure': pressure,
    };
    expect(readAll('0::/a\n', texts)).toEqual([
      'container_memory_rss{id=/a} 10',
      'container_memory_cache{id=/a} 20',
      'container_memory_total_inactive_file_bytes{id=/a} 7',
      'container_memory_failures_total{failure_type=pgmajfault,id=/a,scope=hierarchy} 3',
      'container_oom_events_total{id=/a} 2',
      'container_threads{id=/a} 9',
      'container_pressure_cpu_waiting_seconds_total{id=/a} 2',
      'container_pressure_cpu_stalled_seconds_total{id=/a} 1',
    ]);
    const older = {
      'cpuacct/a/cpuacct.usage': '3000000000\n',
      'memory/a/memory.stat': 'rss 1\ntotal_rss 2\n',
      'unified/a/io.pressure': pressure,
    };
    expect(readAll('3:cpu:/a\n2:memory:/a\n1:cpuacct:/a\n0::/a\n', older)).toEqual([
      'container_cpu_usage_seconds_total{id=/a} 3',
      'container_memory_rss{id=/a} 2',
      'container_pressure_io_waiting_seconds_total{id=/a} 2',
      'container_pressure_io_stalled_seconds_total{id=/a} 1',
    ]);
  });

  test('that was named is looked for below the own one, and else below the root', () => {
    const own = parseOwnGroup('3:cpu:/own\n2:memory:/own\n0::/\n');
    if (own === undefined) throw new Error('no group');
    const files = groupFiles(namedGroup(own, '/north', (folder) => folder === 'memory/own/north'));
    expect(files).toContain('memory/own/north/memory.stat');
    expect(files).toContain('cpu/north/cpu.stat');
    expect(files).toContain('unified/north/cpu.pressure');
  });

  test('whose path leads elsewhere is not followed', () => {
    expect(parseOwnGroup('0::/../../etc\n')).toBeUndefined();
    expect(parseOwnGroup('nonsense')).toBeUndefined();
  });
});

test('hardware is told where it shows itself', () => {
  const out = new Readings();
  readLink({ thing: 'eth0', file: 'operstate', text: 'up\n' }, out);
  readLink({ thing: 'eth0', file: 'speed', text: '1000\n' }, out);
  readLink({ thing: 'eth1', file: 'speed', text: '-1\n' }, out);
  readMemoryErrors({ thing: 'mc0', file: 'ce_count', text: '3\n' }, out);
  readMemoryErrors({ thing: 'mc0', file: 'ue_count', text: '1\n' }, out);
  readSensor({ thing: 'platform_coretemp_0', file: 'temp1_input', text: '45500\n' }, out);
  readSensor({ thing: 'platform_coretemp_0', file: 'fan1_input', text: '1200\n' }, out);
  readSensor({ thing: 'platform_coretemp_0', file: 'temp2_input', text: '' }, out);
  expect(shown(out)).toEqual([
    'node_network_up{device=eth0} 1',
    'node_network_speed_bytes{device=eth0} 125000000',
    'node_edac_correctable_errors_total{controller=0} 3',
    'node_edac_uncorrectable_errors_total{controller=0} 1',
    'node_hwmon_temp_celsius{chip=platform_coretemp_0,sensor=temp1} 45.5',
    'node_hwmon_fan_rpm{chip=platform_coretemp_0,sensor=fan1} 1200',
  ]);
  expect([isSensorFile('temp1_input'), isSensorFile('temp1_label')]).toEqual([true, false]);
  expect(chipName('platform', 'coretemp.0')).toBe('platform_coretemp_0');
});

test('a number that is none is a problem with its file and line, and the rest is kept', () => {
  const out = read('meminfo', 'MemTotal: 1 kB\nMemFree: x\u001b kB\nBuffers: 2 kB\n');
  expect(out.points).toHaveLength(2);
  expect(out.problems).toEqual([
    { file: '/proc/meminfo', line: 2, what: '"x?" is not the number for node_memory_MemFree_bytes' },
  ]);
  expect(read('net/snmp', 'Tcp: A\nUdp: 1\n').problems).toEqual([
    { file: '/proc/net/snmp', line: 2, what: expect.stringContaining('the line of names') },
  ]);
});

test('no text whatever throws, gives a value that is no number, or more problems than are read', () => {
  const words = fc.constantFrom(
    'cpu0',
    'sda',
    'eth0:',
    'TCP:',
    'some',
    'total=1',
    '1',
    '-1',
    'x',
    ':',
    '\n',
    ' ',
    'kB',
  );
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(words, { maxLength: 60 }).map((list) => list.join(' ')),
  );
  fc.assert(
    fc.property(fc.constantFrom(...files.keys()), text, (file, content) => {
      const out = read(file, content);
      expect(out.points.every(({ value }) => Number.isFinite(value))).toBe(true);
      expect(out.problems.length).toBeLessThanOrEqual(50);
    }),
    { numRuns: 500 },
  );
});
