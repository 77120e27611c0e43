/** Frames: written by hand, split anywhere, larger than one, and broken. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { frame, headerBytes, type Packet, PacketReader, PacketWriter } from './framing.ts';
import { isProblem, type WireProblem } from './problem.ts';
import { frameLimit } from './protocol.ts';
import { bytesOf, cut, cuts, hex } from './testing/bytes.ts';

/** Pushes chunks and takes all packets, until the first problem. */
const readAll = (reader: PacketReader, chunks: readonly Buffer[]): { packets: Packet[]; problem?: WireProblem } => {
  const packets: Packet[] = [];
  for (const chunk of chunks) {
    reader.push(chunk);
    for (let next = reader.next(); next !== undefined; next = reader.next()) {
      if (isProblem(next)) return { packets, problem: next };
      packets.push(next);
    }
  }
  return { packets };
};

const parts = ({ payload, raw, firstSequence, sequence }: Packet) => ({ payload, raw, firstSequence, sequence });

describe('frames', () => {
  test('have the length in three bytes and the number in one', () => {
    expect(frame(Buffer.from('abc'), 5)).toEqual(hex('03 00 00 05 61 62 63'));
    expect(frame(Buffer.alloc(0), 0)).toEqual(hex('00 00 00 00'));
  });

  test.each([
    [frameLimit - 1, [frameLimit - 1]],
    [frameLimit, [frameLimit, 0]],
    [frameLimit + 1, [frameLimit, 1]],
    [frameLimit * 2, [frameLimit, frameLimit, 0]],
    [frameLimit * 2 + 5, [frameLimit, frameLimit, 5]],
  ])('a payload of %i bytes has frames of %j, and comes back whole', (length, lengths) => {
    const payload = Buffer.alloc(length, 0xa5);
    payload[length - 1] = 0x5a;
    const bytes = frame(payload, 254);
    let at = 0;
    for (const [index, each] of lengths.entries()) {
      expect([bytes.readUIntLE(at, 3), bytes[at + 3]]).toEqual([each, (254 + index) & 0xff]);
      at += headerBytes + each;
    }
    expect(at).toBe(bytes.length);
    for (const chunks of [[bytes], cut(bytes, [1_000_003, 1, 2, 3])]) {
      const { packets } = readAll(new PacketReader(length), chunks);
      expect(packets).toHaveLength(1);
      // Not by toEqual: it is slow on megabytes.
      expect(packets[0]?.payload.equals(payload)).toBe(true);
      expect(packets[0]?.raw.equals(bytes)).toBe(true);
      expect(packets[0]).toMatchObject({ firstSequence: 254, sequence: (254 + lengths.length - 1) & 0xff });
    }
  });

  test('a writer numbers its packets on', () => {
    const writer = new PacketWriter(255);
    writer.begin().text('a').end();
    writer.begin().text('bc').end();
    expect(writer.take()).toEqual(hex('01 00 00 ff 61 02 00 00 00 62 63'));
    expect(writer.sequence).toBe(1);
  });
});

describe('a reader of packets', () => {
  const packetsOf = fc.array(fc.tuple(bytesOf({ max: 300 }), fc.nat(255)), { maxLength: 20 });

  test('gives the same packets however they are cut', () => {
    fc.assert(
      fc.property(packetsOf, cuts, (given, lengths) => {
        const framed = given.map(([payload, sequence]) => ({ payload, sequence, raw: frame(payload, sequence) }));
        const reader = new PacketReader(300);
        const { packets, problem } = readAll(reader, cut(Buffer.concat(framed.map(({ raw }) => raw)), lengths));
        expect(problem).toBeUndefined();
        expect(packets.map(parts)).toEqual(
          framed.map(({ payload, sequence, raw }) => ({ payload, raw, firstSequence: sequence, sequence })),
        );
        expect(reader.bufferedBytes).toBe(0);
      }),
    );
  });

  test('gives them too when chunks are pushed before any is taken', () => {
    fc.assert(
      fc.property(packetsOf, cuts, (given, lengths) => {
        const bytes = Buffer.concat(given.map(([payload, sequence]) => frame(payload, sequence)));
        const reader = new PacketReader(300);
        for (const chunk of cut(bytes, lengths)) reader.push(chunk);
        expect(reader.bufferedBytes).toBe(bytes.length);
        const { packets } = readAll(reader, [Buffer.alloc(0)]);
        expect(packets.map(({ payload }) => payload)).toEqual(given.map(([payload]) => payload));
      }),
    );
  });

  test('keeps them in order however pushing and taking alternate', () => {
    fc.assert(
      fc.property(packetsOf, cuts, fc.array(fc.nat(3)), (given, lengths, taken) => {
        const reader = new PacketReader(300);
        const payloads: Buffer[] = [];
        const take = (most: number): void => {
          for (let left = most; left > 0; left -= 1) {
            const packet = reader.next();
            if (packet !== undefined && 'payload' in packet) payloads.push(packet.payload);
          }
        };
        const bytes = Buffer.concat(given.map(([payload, sequence]) => frame(payload, sequence)));
        for (const [index, chunk] of cut(bytes, lengths).entries()) {
          reader.push(chunk);
          take(taken[index % Math.max(1, taken.length)] ?? 0);
        }
        take(given.length + 1);
        expect(payloads).toEqual(given.map(([payload]) => payload));
      }),
    );
  });

  test('does not copy what lies whole in a chunk', () => {
    const chunk = Buffer.concat([frame(Buffer.from('one'), 0), frame(Buffer.from('two'), 0)]);
    const { packets } = readAll(new PacketReader(100), [chunk]);
    expect(packets.map(({ payload }) => payload.buffer === chunk.buffer)).toEqual([true, true]);
    expect(packets.map(({ raw }) => raw.buffer === chunk.buffer)).toEqual([true, true]);
  });

  test('refuses a packet above its limit at the header, before the payload comes', () => {
    const reader = new PacketReader(1_000);
    const { packets, problem } = readAll(reader, [frame(Buffer.alloc(1_000), 0), hex('e9 03 00 00')]);
    expect(packets).toHaveLength(1);
    expect(problem?.problem).toBe('too-large');
    expect(reader.push(Buffer.alloc(10))?.problem).toBe('too-large');
    expect(reader.next()).toEqual(problem);
    expect(reader.bufferedBytes).toBe(0);
  });

  test('adds the frames of a packet up for its limit', () => {
    const reader = new PacketReader(frameLimit + 10);
    const { problem } = readAll(reader, [hex('ff ff ff 00'), Buffer.alloc(frameLimit), hex('0b 00 00 01')]);
    expect(problem?.problem).toBe('too-large');
  });

  test('refuses frames of one packet that are not numbered one after the other', () => {
    const reader = new PacketReader(frameLimit * 2);
    const { problem } = readAll(reader, [hex('ff ff ff 00'), Buffer.alloc(frameLimit), hex('01 00 00 02 00')]);
    expect(problem?.problem).toBe('out-of-order');
  });

  test('holds what has come, not what was announced', () => {
    const reader = new PacketReader(frameLimit);
    const { packets } = readAll(reader, [hex('fe ff ff 00'), Buffer.alloc(100), Buffer.alloc(50)]);
    expect(packets).toEqual([]);
    expect(reader.bufferedBytes).toBe(154);
  });

  test('hands out what came behind the last packet', () => {
    const reader = new PacketReader(100);
    const { packets } = readAll(reader, [Buffer.concat([frame(Buffer.from('hello'), 1), hex('16 03')])]);
    expect(packets).toHaveLength(1);
    expect(reader.rest()).toEqual(hex('16 03'));
    expect(reader.bufferedBytes).toBe(0);
    expect(readAll(reader, [frame(Buffer.from('again'), 2)]).packets).toHaveLength(1);
  });

  test('never throws and never holds more than its limit, whatever comes', () => {
    fc.assert(
      fc.property(bytesOf({ max: 500 }), cuts, (bytes, lengths) => {
        const reader = new PacketReader(64);
        for (const chunk of cut(bytes, lengths)) {
          readAll(reader, [chunk]);
          expect(reader.bufferedBytes).toBeLessThanOrEqual(64 + headerBytes);
        }
      }),
      { numRuns: 500 },
    );
  });
});
