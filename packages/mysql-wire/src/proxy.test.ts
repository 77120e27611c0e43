/** PROXY headers: the examples of the specification, round trips, and broken ones; and the addresses in them. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { addressBytes, addressText } from './address.ts';
import { isProblem } from './problem.ts';
import { encodeProxyV1, encodeProxyV2, type ProxyHeader, parseProxyHeader } from './proxy.ts';
import { bytesOf, hex, problemIn } from './testing/bytes.ts';

const four: ProxyHeader = {
  kind: 'client',
  source: '192.168.0.1',
  sourcePort: 56_324,
  destination: '192.168.0.11',
  destinationPort: 3_306,
};

const six: ProxyHeader = { ...four, source: '2001:db8::1', destination: '::1' };
const signature = '0d 0a 0d 0a 00 0d 0a 51 55 49 54 0a';

describe('version 1', () => {
  test.each([
    [four, 'PROXY TCP4 192.168.0.1 192.168.0.11 56324 3306\r\n'],
    [six, 'PROXY TCP6 2001:db8::1 ::1 56324 3306\r\n'],
    [{ kind: 'local' } as const, 'PROXY UNKNOWN\r\n'],
  ])('%j', (header, text) => {
    expect(encodeProxyV1(header).toString()).toBe(text);
    expect(parseProxyHeader(Buffer.from(`${text}more`))).toEqual({
      state: 'found',
      header,
      length: text.length,
      version: 1,
    });
  });

  test('an unknown client may be described at any length that fits', () => {
    const text = `PROXY UNKNOWN ${'f'.repeat(80)}\r\n`;
    expect(parseProxyHeader(Buffer.from(text))).toMatchObject({ state: 'found', header: { kind: 'local' } });
  });

  test.each([
    'PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n',
    'PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n',
    'PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n',
    'PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n',
    'PROXY TCP4 1.2.3.256 5.6.7.8 1 2\r\n',
    'PROXY TCP4 ::1 ::1 1 2\r\n',
    'PROXY TCP6 1.2.3.4 ::1 1 2\r\n',
    'PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n',
    'PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n',
    'PROXY \r\n',
  ])('%j is malformed', (text) => {
    expect(problemIn(parseProxyHeader(Buffer.from(text)))).toBe('malformed');
  });

  test('a line without an end is waited for up to its limit', () => {
    expect(parseProxyHeader(Buffer.from('PROXY TCP4 1.2.3.4 '))).toEqual({ state: 'incomplete' });
    expect(problemIn(parseProxyHeader(Buffer.from(`PROXY UNKNOWN ${'x'.repeat(200)}`)))).toBe('too-large');
  });
});

describe('version 2', () => {
  test('of a client over IPv4, byte by byte', () => {
    const bytes = hex(`${signature} 21 11 00 0c c0 a8 00 01 c0 a8 00 0b dc 04 0c ea`);
    expect(encodeProxyV2(four)).toEqual(bytes);
    expect(parseProxyHeader(bytes)).toEqual({ state: 'found', header: four, length: 28, version: 2 });
  });

  test('of a client over IPv6', () => {
    const bytes = encodeProxyV2(six);
    expect(bytes).toHaveLength(52);
    expect(parseProxyHeader(bytes)).toEqual({ state: 'found', header: six, length: 52, version: 2 });
  });

  test('of the proxy itself, whatever else it says', () => {
    const found = { state: 'found', header: { kind: 'local' }, version: 2 };
    expect(parseProxyHeader(encodeProxyV2({ kind: 'local' }))).toEqual({ ...found, length: 16 });
    expect(parseProxyHeader(hex(`${signature} 20 11 00 0c c0 a8 00 01 c0 a8 00 0b dc 04 0c ea`))).toEqual({
      ...found,
      length: 28,
    });
    expect(parseProxyHeader(hex(`${signature} 21 31 00 02 61 62`))).toEqual({ ...found, length: 18 });
    expect(parseProxyHeader(hex(`${signature} 21 00 00 00`))).toEqual({ ...found, length: 16 });
  });

  test('extensions behind the addresses are passed over', () => {
    const bytes = hex(`${signature} 21 11 00 11 c0 a8 00 01 c0 a8 00 0b dc 04 0c ea 04 00 02 61 62 ff`);
    expect(parseProxyHeader(bytes)).toEqual({ state: 'found', header: four, length: 33, version: 2 });
  });

  test.each([
    ['another version', `${signature} 31 11 00 0c`, 'unsupported'],
    ['another command', `${signature} 22 11 00 0c`, 'unsupported'],
    ['extensions without end', `${signature} 21 11 ff ff`, 'too-large'],
    ['no room for its addresses', `${signature} 21 11 00 04 01 02 03 04`, 'malformed'],
  ])('%s is a problem', (_, text, expected) => {
    expect(problemIn(parseProxyHeader(hex(text)))).toBe(expected);
  });
});

describe('both versions', () => {
  const address = fc.oneof(fc.ipV4(), fc.ipV6());
  const header = fc.record({
    kind: fc.constant('client' as const),
    source: address,
    sourcePort: fc.nat(0xffff),
    destination: address,
    destinationPort: fc.nat(0xffff),
  });

  test('come back as they were written, in one family', () => {
    fc.assert(
      fc.property(header, (given) => {
        const expected = { sourcePort: given.sourcePort, destinationPort: given.destinationPort };
        const first = parseProxyHeader(encodeProxyV1(given));
        const second = parseProxyHeader(encodeProxyV2(given));
        if (isProblem(first) || isProblem(second) || first.state !== 'found' || second.state !== 'found')
          throw new Error('not found');
        expect(first.header).toEqual(second.header);
        expect(first.header).toMatchObject(expected);
        if (first.header.kind !== 'client') throw new Error('no client');
        const families = [first.header.source, first.header.destination].map((each) => addressBytes(each)?.length);
        expect(families[0]).toBe(families[1]);
      }),
    );
  });

  test('need all of their bytes, however they come', () => {
    for (const bytes of [encodeProxyV1(six), encodeProxyV2(six)]) {
      for (let length = 0; length < bytes.length; length += 1) {
        expect(parseProxyHeader(bytes.subarray(0, length))).toEqual({ state: 'incomplete' });
      }
    }
  });

  test('an IPv4 address in the clothes of IPv6 is an IPv4 address', () => {
    const mapped: ProxyHeader = { ...four, source: '::ffff:192.168.0.1', destination: '::ffff:c0a8:b' };
    expect(encodeProxyV1(mapped)).toEqual(encodeProxyV1(four));
    expect(encodeProxyV2(mapped)).toEqual(encodeProxyV2(four));
    expect(encodeProxyV1({ ...four, destination: '::1' }).toString()).toBe(
      'PROXY TCP6 ::ffff:c0a8:1 ::1 56324 3306\r\n',
    );
  });

  test('a client without an IP address is unknown', () => {
    expect(encodeProxyV1({ ...four, source: '/run/mysqld.sock' }).toString()).toBe('PROXY UNKNOWN\r\n');
    expect(parseProxyHeader(encodeProxyV2({ ...four, source: '' }))).toMatchObject({ header: { kind: 'local' } });
  });

  test('what is no header is absent, at the first byte that differs', () => {
    expect(parseProxyHeader(Buffer.of(0x20))).toEqual({ state: 'absent' });
    expect(parseProxyHeader(Buffer.from('PROXZ'))).toEqual({ state: 'absent' });
    expect(parseProxyHeader(Buffer.alloc(0))).toEqual({ state: 'incomplete' });
  });

  test('nothing throws, whatever comes', () => {
    fc.assert(
      fc.property(
        bytesOf({ max: 80 }),
        fc.constantFrom('', 'PROXY ', 'PROXY TCP4 ', '\r\n\r\n\0\r\nQUIT\n'),
        (bytes, start) => {
          parseProxyHeader(Buffer.concat([Buffer.from(start, 'latin1'), bytes]));
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe('addresses', () => {
  test.each([
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['::ffff:10.0.0.1', '::ffff:a00:1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['10:0:0:0:0:0:0:100', '10::100'],
    ['127.0.0.1', '127.0.0.1'],
  ])('%s is written %s', (text, expected) => {
    const bytes = addressBytes(text);
    expect(bytes === undefined ? undefined : addressText(bytes)).toBe(expected);
  });

  test('bytes come back from text', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          bytesOf({ min: 16, max: 16 }),
          bytesOf({ min: 4, max: 4 }),
          fc.array(fc.constantFrom(0, 0, 0, 1), { minLength: 16, maxLength: 16 }).map((list) => Buffer.from(list)),
        ),
        (bytes) => {
          expect(addressBytes(addressText(bytes))).toEqual(bytes);
        },
      ),
    );
  });

  test('what is no address is none', () => {
    for (const text of ['', 'db-1', '1.2.3', '1:2', '1.2.3.4.5', ':::']) expect(addressBytes(text)).toBeUndefined();
  });
});
