/** The option file: every promise is a setting in it, and secrets in the clear are refused a place on disk. */
import { describe, expect, it } from 'vitest';
import { clusterAddress, formatConfiguration, groupAddress } from './configuration.ts';
import { presets, safetySettings } from './presets.ts';
import { sampleConfiguration } from './sample.ts';

describe('formatConfiguration', () => {
  it('is the same for the same input', () => {
    expect(formatConfiguration(sampleConfiguration())).toBe(formatConfiguration(sampleConfiguration()));
  });

  it.each(Object.values(presets))('holds every setting of preset $name', (preset) => {
    const text = formatConfiguration(sampleConfiguration({ preset: preset.name }));
    for (const { name, value } of safetySettings) expect(text).toContain(`${name}=${value}`);
    for (const { name, value } of preset.provider) expect(text).toContain(`${name}=${value}`);
  });

  it('protects the group channel, transfers and clients unless TLS is off', () => {
    const on = formatConfiguration(sampleConfiguration({ tls: true }));
    expect(on).toContain('gmcast.listen_addr=ssl://');
    expect(on).toContain('require_secure_transport=ON');
    expect(on).toContain('ssl-mode=VERIFY_CA');
    const off = formatConfiguration(sampleConfiguration({ tls: false }));
    expect(off).not.toContain('ssl_key');
    expect(off).toContain('gmcast.listen_addr=tcp://');
  });

  it('encrypts tables, redo log, binary log and temporary files where the service says so', () => {
    const text = formatConfiguration(sampleConfiguration({ encrypted: true, cacheFolder: '/dev/shm/bank' }));
    for (const line of [
      'innodb_encrypt_tables=FORCE',
      'innodb_encrypt_log=ON',
      'encrypt_binlog=ON',
      'encrypt_tmp_files=ON',
    ]) {
      expect(text).toContain(line);
    }
  });

  it('refuses an encrypted service whose Galera cache lies in the clear', () => {
    const unsafe = sampleConfiguration({ encrypted: true });
    expect(() => formatConfiguration(unsafe)).toThrow(/Galera cache/);
    const pretender = sampleConfiguration({ encrypted: true, cacheFolder: '/dev/shm-not' });
    expect(() => formatConfiguration(pretender)).toThrow(/Galera cache/);
  });

  it('gives every instance numbers of its own, so that no two hand out the same one when membership changes', () => {
    const base = sampleConfiguration();
    const offsets = base.members.map((instance) => {
      const text = formatConfiguration({ ...base, instance });
      expect(text).toContain('wsrep_auto_increment_control=OFF');
      expect(text).toContain(`auto_increment_increment=${base.members.length}`);
      return /auto_increment_offset=(\d+)/.exec(text)?.[1];
    });
    expect(offsets).toEqual(['1', '2', '3']);
  });

  it('refuses large write sets where the estate does, and only there', () => {
    const base = sampleConfiguration();
    expect(formatConfiguration(base)).not.toContain('wsrep_max_ws_size');
    const gateway = {
      account: { user: 'gateway', passwordFile: '/p' },
      profile: 'real-time',
      users: [],
      guards: [],
      limits: {
        connections: 10,
        connectionsPerUser: 10,
        transactionBytes: 1,
        replayBytes: 1,
        idleMs: 0,
        statementMs: 0,
        slowClientMs: 1,
        handshakeMs: 1,
        recoveryMs: 1,
        silenceMs: 1,
        failuresPerMinute: 1,
      },
    } as const;
    const withRule = (rule: 'refuse' | 'fragment'): string =>
      formatConfiguration({
        ...base,
        service: { ...base.service, gateway: { ...gateway, largeWrites: { aboveBytes: 1_048_576, rule } } },
      });
    expect(withRule('refuse')).toContain('wsrep_max_ws_size=1048576');
    expect(withRule('fragment')).not.toContain('wsrep_max_ws_size');
  });

  it('gives every setting a reason', () => {
    const all = [...safetySettings, ...Object.values(presets).flatMap(({ provider }) => provider)];
    for (const { name, reason } of all) expect(reason.length, name).toBeGreaterThan(20);
  });
});

describe('addresses', () => {
  it('puts IPv6 in brackets', () => {
    expect(groupAddress('2001:db8::1', 4567)).toBe('[2001:db8::1]:4567');
    expect(groupAddress('10.77.1.1', 4567)).toBe('10.77.1.1:4567');
  });

  it('names every member and arbitrator', () => {
    const { members, arbitrators } = sampleConfiguration();
    expect(clusterAddress(members, arbitrators).split(',')).toHaveLength(members.length + arbitrators.length);
  });
});
