import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { labelsOf, type Sample } from '../sample.ts';
import { fieldsOf, ProtobufFault, ProtobufWriter } from './protobuf.ts';
import {
  decodeRemoteWrite,
  encodeRemoteWrite,
  encodeWithEnded,
  remoteWriteHeaders,
  remoteWriteLimits,
} from './remote-write.ts';
import { snappyDecode, snappyEncode } from './snappy.ts';

const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text.replaceAll(' ', ''), 'hex'));
const ascii = (bytes: Uint8Array | undefined): string | undefined =>
  bytes === undefined ? undefined : Buffer.from(bytes).toString('latin1');

describe("Snappy's block format", () => {
  test.each([
    ['00', ''],
    ['03 08 616263', 'abc'],
    // A literal whose length stands in one more byte.
    [`3d f0 3c ${'61'.repeat(61)}`, 'a'.repeat(61)],
    // A copy of one byte's offset, of two, and of four; the last two overlap themselves.
    ['07 08 616263 01 03', 'abcabca'],
    ['0b 04 6162 22 0200', 'ababababababa'.slice(0, 11)],
    ['06 00 61 13 01000000', 'aaaaaa'],
  ])('reads %s', (bytes, text) => {
    expect(ascii(snappyDecode(hex(bytes), 1_000))).toBe(text);
  });

  test.each([
    ['nothing at all', ''],
    ['a length without an end', 'ff ff ff ff ff 01'],
    ['a length beyond what is allowed', 'e9 07 00 61'],
    ['a length that its bytes cannot give', 'e7 07 00 61'],
    ['a literal that is cut off', '03 08 6162'],
    ['a copy of what is not there', '05 00 61 01 02'],
    ['a copy of itself', '05 00 61 01 00'],
    ['a copy without its offset', '05 00 61 01'],
    ['more than it said', '01 04 6162'],
    ['less than it said', '03 04 6162'],
  ])('refuses %s', (_, bytes) => {
    expect(snappyDecode(hex(bytes), 1_000)).toBeUndefined();
  });

  test('what is written reads back the same, and repetitions become small', () => {
    const chunk = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.constantFrom(hex('6162636465666768'), new Uint8Array(70_000)),
    );
    fc.assert(
      fc.property(fc.array(chunk, { maxLength: 12 }), (parts) => {
        const input = new Uint8Array(Buffer.concat(parts));
        expect(Buffer.compare(snappyDecode(snappyEncode(input), input.length) ?? hex('00'), input)).toBe(0);
      }),
    );
    expect(snappyEncode(new Uint8Array(60_000)).length).toBeLessThan(3_000);
  });
});

test('fields are read as they were written', () => {
  const writer = new ProtobufWriter();
  writer.int64(1, -1);
  writer.int64(2, 2 ** 53 - 1);
  writer.double(3, -0.5);
  writer.bytes(1_000, new Uint8Array(10_000));
  const fields = [...fieldsOf(writer.take())];
  expect(fields[0]).toEqual({ number: 1, kind: 'varint', bits: 2n ** 64n - 1n });
  expect(fields[1]).toEqual({ number: 2, kind: 'varint', bits: 2n ** 53n - 1n });
  expect(fields[2]).toMatchObject({ number: 3, kind: 'fixed64', double: -0.5 });
  expect(fields[3]).toMatchObject({ number: 1_000, kind: 'bytes' });
  expect(writer.take()).toHaveLength(0);
});

test.each([
  ['a tag cut off', '80'],
  ['a number cut off', '08 80'],
  ['a number of more than 64 bits', `08 ${'ff'.repeat(10)} 01`],
  ['a length beyond the end', '0a 05 61'],
  ['a double cut off', '09 00'],
  ['a float cut off', '0d 00'],
  ['a group, which is no more in use', '0b'],
  ['the field 0', '00 00'],
])('%s is a fault', (_, bytes) => {
  expect(() => [...fieldsOf(hex(bytes))]).toThrow(ProtobufFault);
});

const hexOf = (text: string): string => Buffer.from(text).toString('hex');

/** Spelled out by hand from the protocol's definition. */
const known = [
  '0a 27',
  ...['0a 0e', '0a 08', hexOf('__name__'), '12 02', hexOf('up')],
  ...['0a 06', '0a 01', hexOf('a'), '12 01', hexOf('b')],
  ...['12 0d', '09', '000000000000f03f', '10 80 80 04'],
].join(' ');

test('a request is what the protocol says it is', () => {
  const sample: Sample = { name: 'up', labels: [['a', 'b']], value: 1, timeMs: 65_536 };
  const bytes = snappyDecode(encodeRemoteWrite([sample]), 1_000);
  expect(Buffer.from(bytes ?? []).toString('hex')).toBe(known.replaceAll(' ', ''));
  expect(remoteWriteHeaders['content-encoding']).toBe('snappy');
});

const request = (
  ...series: readonly (readonly (readonly [string | Uint8Array, string | Uint8Array])[])[]
): Uint8Array => {
  const [whole, one, part] = [new ProtobufWriter(), new ProtobufWriter(), new ProtobufWriter()];
  const raw = (text: string | Uint8Array): Uint8Array => (typeof text === 'string' ? Buffer.from(text) : text);
  for (const labels of series) {
    for (const [name, value] of labels) {
      part.bytes(1, raw(name));
      part.bytes(2, raw(value));
      one.bytes(1, part.take());
    }
    part.double(1, 7);
    part.int64(2, -5);
    one.bytes(2, part.take());
    // An exemplar, and a field of a version to come.
    one.bytes(3, hex('0801'));
    one.int64(99, 1);
    whole.bytes(1, one.take());
  }
  whole.bytes(3, hex(''));
  return snappyEncode(whole.take());
};

test('series with labels that are none are left out and counted', () => {
  const body = request(
    [['__name__', 'a']],
    [['b', 'no name']],
    [
      ['__name__', 'a'],
      ['b', '1'],
      ['b', '2'],
    ],
    [
      ['__name__', 'a'],
      ['b', hex('ff')],
    ],
    [
      ['__name__', 'a'],
      ['', 'x'],
    ],
    [['__name__', 'a'], ...Array.from({ length: 200 }, (_, index) => [`l${index}`, 'x'] as const)],
  );
  expect(decodeRemoteWrite(body)).toEqual({
    ok: true,
    samples: [{ name: 'a', labels: [], value: 7, timeMs: -5 }],
    left: 5,
  });
});

test.each([
  ['no Snappy', hex('ff'), "Snappy's block format"],
  ['too large', hex('80 80 80 80 0f 00 61'), `more than ${remoteWriteLimits.bytes} bytes`],
  ['a series that is a number', snappyEncode(hex('08 01')), 'a series is no message'],
  ['a label that is a number', snappyEncode(hex('0a 02 08 01')), 'a label or a sample is no message'],
  ['a series that is cut off', snappyEncode(hex('0a 05 0a')), 'a field is cut off'],
])('a body with %s is refused in a sentence', (_, body, what) => {
  expect(decodeRemoteWrite(body)).toEqual({ ok: false, what: expect.stringContaining(what) });
});

test('a body that would become millions of samples or series is refused', () => {
  const repeated = (bytes: string): Uint8Array => new Uint8Array(Buffer.alloc(2_400_000, hex(bytes)));
  const one = new ProtobufWriter();
  one.bytes(1, repeated('1200'));
  for (const body of [repeated('0a00'), one.take()])
    expect(decodeRemoteWrite(snappyEncode(body))).toMatchObject({
      ok: false,
      what: expect.stringContaining('more than 1000000'),
    });
});

test('what is sent arrives the same, NaN and infinities included', () => {
  const text = fc.string({ unit: 'binary', maxLength: 8 });
  const sample: fc.Arbitrary<Sample> = fc.record({
    name: text.filter((name) => name !== ''),
    labels: fc
      .array(
        fc.tuple(
          text.filter((name) => name !== '' && name !== '__name__'),
          text,
        ),
        { maxLength: 4 },
      )
      .map((pairs) => labelsOf([...new Map(pairs)]) ?? []),
    value: fc.double(),
    timeMs: fc.integer({ min: -(2 ** 52), max: 2 ** 52 }),
  });
  const sorted = (samples: readonly Sample[]) =>
    samples.map((one) => JSON.stringify([one, String(one.value), Object.is(one.value, -0)])).sort();
  fc.assert(
    fc.property(fc.array(sample, { maxLength: 20 }), (samples) => {
      const result = decodeRemoteWrite(encodeRemoteWrite(samples));
      expect(result).toMatchObject({ ok: true, left: 0 });
      if (result.ok) expect(sorted(result.samples)).toEqual(sorted(samples));
    }),
  );
});

test('no bytes whatever throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), fc.boolean(), (bytes, packed) => {
      expect(typeof decodeRemoteWrite(packed ? snappyEncode(bytes) : bytes).ok).toBe('boolean');
    }),
    { numRuns: 1_000 },
  );
});

test('a series that ends is the stale marker of Prometheus, and reads as NaN', () => {
  const ended = { name: 'a', labels: [], value: 1, timeMs: 5 };
  const body = encodeWithEnded([], [ended]);
  expect(Buffer.from(snappyDecode(body, 1_000) ?? []).toString('hex')).toContain('020000000000f07f');
  expect(decodeRemoteWrite(body)).toEqual({ ok: true, samples: [{ ...ended, value: Number.NaN }], left: 0 });
});
