import { describe, expect, test } from 'vitest';
import { mapsUser } from './namespaces.ts';
import { openPlainNetwork } from './network.ts';

describe('the users that exist in a namespace', () => {
  test('are all of them on the machine itself', () => {
    expect(mapsUser('         0          0 4294967295\n', 65_534)).toBe(true);
  });

  test('are one in the namespace of an ordinary user', () => {
    expect(mapsUser('         0       1000          1\n', 65_534)).toBe(false);
    expect(mapsUser('         0       1000          1\n', 0)).toBe(true);
  });

  test('are a range in a container', () => {
    expect(mapsUser('0 100000 65536\n', 65_534)).toBe(true);
    expect(mapsUser('0 100000 1000\n1000 200000 70000', 65_534)).toBe(true);
  });
});

describe('plain mode', () => {
  test('gives every site addresses of its own on the loopback', async () => {
    const network = await openPlainNetwork({ sites: ['north', 'south'] });
    expect(network.address('north', 1)).toBe('127.77.1.1');
    expect(network.address('south', 2)).toBe('127.77.2.2');
    expect(network.enter('south', ['true'])).toEqual(['true']);
    expect(network.clientAddress('south')).toBeUndefined();
  });

  test('refuses what it cannot do, and says so beforehand', async () => {
    const network = await openPlainNetwork({ sites: ['north', 'south'] });
    await expect(network.cut('north')).rejects.toMatchObject({
      code: 'FAULT_IMPOSSIBLE',
      details: { fault: 'partition' },
    });
    await expect(network.setLatency('north', 5)).rejects.toMatchObject({ details: { fault: 'latency' } });
    expect(network.limits.join(' ')).toMatch(/partition, latency and loss cannot be made/);
  });

  test('names the sites there are when another is asked for', async () => {
    const network = await openPlainNetwork({ sites: ['north', 'south'] });
    expect(() => network.address('east', 1)).toThrow(/no site east/);
  });
});
