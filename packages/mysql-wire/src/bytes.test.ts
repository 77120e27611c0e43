/** Reading and writing the protocol's data types. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ByteReader, ByteWriter } from './bytes.ts';
import { bytesOf, hex, shortText } from './testing/bytes.ts';

describe('length-encoded integers', () => {
  test.each([
    ['00', 0n],
    ['fa', 250n],
    ['fc fb 00', 251n],
    ['fc ff ff', 65_535n],
    ['fd 00 00 01', 65_536n],
    ['fd ff ff ff', 16_777_215n],
    ['fe 00 00 00 01 00 00 00 00', 16_777_216n],
    ['fe ff ff ff ff ff ff ff ff', 18_446_744_073_709_551_615n],
  ])('%s', (text, value) => {
    expect(new ByteWriter().lenencInt(value).take()).toEqual(hex(text));
    const reader = new ByteReader(hex(text));
    expect(reader.lenencBigint()).toBe(value);
    expect(reader.failed).toBe(false);
    expect(reader.remaining).toBe(0);
  });

  test.each(['', 'fb', 'ff', 'fc 00', 'fd 00 00', 'fe 00 00 00 00 00 00 00', 'fe ff ff ff ff ff ff ff ff'])(
    '"%s" is no length',
    (text) => {
      const reader = new ByteReader(hex(text));
      expect(reader.lenencInt()).toBe(0);
      expect(reader.failed).toBe(true);
      expect(reader.remaining).toBe(0);
    },
  );

  test('what is written is read', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (value) => {
        expect(new ByteReader(new ByteWriter(1).lenencInt(value).take()).lenencInt()).toBe(value);
      }),
    );
  });
});

describe('a reader', () => {
  test('reads back what a writer wrote, with views and not copies', () => {
    fc.assert(
      fc.property(
        bytesOf({ max: 600 }),
        shortText,
        fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
        (bytes, text, number) => {
          const written = new ByteWriter(1)
            .lenencBytes(bytes)
            .nulText(text)
            .uint64(number)
            .uint8(7)
            .uint16(0xbeef)
            .uint24(0xabcdef)
            .uint32(0xdeadbeef)
            .lenencText(text)
            .zeros(3)
            .take();
          const reader = new ByteReader(written);
          const view = reader.lenencBytes();
          expect(view).toEqual(bytes);
          expect(view.buffer === written.buffer).toBe(true);
          expect(reader.nulText()).toBe(text);
          expect(reader.uint64()).toBe(number);
          expect([reader.uint8(), reader.uint16(), reader.uint24(), reader.uint32()]).toEqual([
            7, 0xbeef, 0xabcdef, 0xdeadbeef,
          ]);
          expect(reader.lenencText()).toBe(text);
          reader.skip(3);
          expect(reader.remaining).toBe(0);
          expect(reader.failed).toBe(false);
        },
      ),
    );
  });

  test('fails for ever after a field that is not there, and answers with nothing', () => {
    const reader = new ByteReader(hex('01 02 03'));
    expect(reader.uint32()).toBe(0);
    expect(reader.failed).toBe(true);
    expect(reader.uint8()).toBe(0);
    expect(reader.uint64()).toBe(0n);
    expect(reader.lenencBigint()).toBe(0n);
    expect(reader.rest()).toHaveLength(0);
    expect(reader.nulText()).toBe('');
    expect(reader.nulOrRestText()).toBe('');
    expect(reader.fixed(0)).toHaveLength(0);
    expect(reader.position).toBe(0);
  });

  test('a text without its zero fails, unless it may end with the packet', () => {
    expect(new ByteReader(hex('61 62')).nulBytes()).toHaveLength(0);
    expect(new ByteReader(hex('61 62')).nulOrRestText()).toBe('ab');
    expect(new ByteReader(hex('61 00 62')).nulOrRestText()).toBe('a');
  });

  test('a null is no empty text', () => {
    const reader = new ByteReader(hex('fb 00 01 41'));
    expect([reader.nullableBytes(), reader.nullableBytes(), reader.nullableBytes()]).toEqual([
      null,
      Buffer.alloc(0),
      Buffer.from('A'),
    ]);
  });

  test('never throws, whatever it reads', () => {
    const steps = [
      'uint8',
      'uint16',
      'uint24',
      'uint32',
      'uint64',
      'lenencInt',
      'lenencBigint',
      'lenencBytes',
      'nullableBytes',
      'nulBytes',
      'nulOrRestText',
      'rest',
    ] as const;
    fc.assert(
      fc.property(bytesOf({ max: 40 }), fc.array(fc.constantFrom(...steps)), (bytes, names) => {
        const reader = new ByteReader(bytes);
        for (const name of names) reader[name]();
        expect(reader.position).toBeLessThanOrEqual(bytes.length);
      }),
    );
  });
});

describe('a writer', () => {
  test('ends a text at a zero inside it, so that no field can be smuggled in', () => {
    expect(new ByteWriter().nulText('root\0admin').take()).toEqual(Buffer.from('root\0'));
  });

  test('begins anew after its bytes were taken', () => {
    const writer = new ByteWriter().text('one');
    const one = writer.take();
    const two = writer.text('two').take();
    expect([one.toString(), two.toString()]).toEqual(['one', 'two']);
    expect(writer.length).toBe(0);
  });

  test('makes room in the middle', () => {
    const writer = new ByteWriter(4).text('abcd');
    writer.insert(2, 2);
    writer.setUint8(2, 0x58);
    writer.setUint8(3, 0x59);
    expect(writer.take().toString()).toBe('abXYcd');
  });
});
