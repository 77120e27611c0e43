/**
 * OTLP metrics in protobuf. Broken bytes are a `ProtobufFault`, which `otlp.ts` words. The body's size bounds everything here:
 * each part that is made had at least two bytes of it.
 */
import {
  type Attribute,
  noValueFlag,
  type OtlpHistogram,
  type OtlpMetric,
  type OtlpNumber,
  type OtlpResource,
  type OtlpSummary,
  temporalityOf,
} from './otlp-model.ts';
import { type Field, fieldsOf, ProtobufFault } from './protobuf.ts';

export const readOtlpProtobuf = (bytes: Uint8Array): readonly OtlpResource[] =>
  messagesOf(bytes, 1).map((resource) => ({
    attributes: messagesOf(resource, 1).flatMap((one) => attributesOf(one, 1)),
    metrics: messagesOf(resource, 2).flatMap((scope) => messagesOf(scope, 2).map(readMetric)),
  }));

/** The messages of one field, in their order. */
const messagesOf = (bytes: Uint8Array, number: number): readonly Uint8Array[] => {
  const found: Uint8Array[] = [];
  for (const field of fieldsOf(bytes)) if (field.number === number) found.push(bytesOf(field));
  return found;
};

const bytesOf = (field: Field): Uint8Array => {
  if (field.kind !== 'bytes') throw new ProtobufFault('a number stands where a message or a text is expected');
  return field.bytes;
};

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

const textIn = (bytes: Uint8Array, number: number): string => {
  const last = messagesOf(bytes, number).at(-1);
  return last === undefined ? '' : decoder.decode(last);
};

const readMetric = (bytes: Uint8Array): OtlpMetric => {
  const head = { name: textIn(bytes, 1), unit: textIn(bytes, 3) };
  for (const field of fieldsOf(bytes)) {
    switch (field.number) {
      case 5:
        return { ...head, kind: 'gauge', points: messagesOf(bytesOf(field), 1).map(readNumber) };
      case 7:
        return { ...head, kind: 'sum', ...sumOf(bytesOf(field)) };
      case 9: {
        const data = bytesOf(field);
        return {
          ...head,
          kind: 'histogram',
          points: messagesOf(data, 1).map(readHistogram),
          temporality: temporalityIn(data),
        };
      }
      case 11:
        return { ...head, kind: 'summary', points: messagesOf(bytesOf(field), 1).map(readSummary) };
    }
  }
  return { ...head, kind: 'unknown' };
};

const sumOf = (bytes: Uint8Array) => ({
  points: messagesOf(bytes, 1).map(readNumber),
  temporality: temporalityIn(bytes),
  monotonic: varintIn(bytes, 3) === 1,
});

const varintIn = (bytes: Uint8Array, number: number): number => {
  let value = 0;
  for (const field of fieldsOf(bytes))
    if (field.number === number && field.kind === 'varint') value = Number(BigInt.asIntN(64, field.bits));
  return value;
};

const temporalityIn = (bytes: Uint8Array) => temporalityOf(varintIn(bytes, 2));

/** Nanoseconds since 1970. */
const millisecondsOf = (bits: bigint): number => Number(bits / 1_000_000n);

const readNumber = (bytes: Uint8Array): OtlpNumber => {
  let [timeMs, value, flags]: [number, number | undefined, number] = [0, undefined, 0];
  for (const field of fieldsOf(bytes)) {
    if (field.kind === 'varint' && field.number === 8) flags = Number(field.bits & 0xffn);
    if (field.kind !== 'fixed64') continue;
    if (field.number === 3) timeMs = millisecondsOf(field.bits);
    if (field.number === 4) value = field.double;
    if (field.number === 6) value = Number(BigInt.asIntN(64, field.bits));
  }
  return { attributes: attributesOf(bytes, 7), timeMs, value: (flags & noValueFlag) === 0 ? value : undefined };
};

const readHistogram = (bytes: Uint8Array): OtlpHistogram => {
  let [timeMs, count, sum]: [number, number, number | undefined] = [0, 0, undefined];
  const bucketCounts: number[] = [];
  const bounds: number[] = [];
  for (const field of fieldsOf(bytes)) {
    if (field.number === 6) for (const { bits } of packed(field)) bucketCounts.push(Number(bits));
    if (field.number === 7) for (const { double } of packed(field)) bounds.push(double);
    if (field.kind !== 'fixed64') continue;
    if (field.number === 3) timeMs = millisecondsOf(field.bits);
    if (field.number === 4) count = Number(field.bits);
    if (field.number === 5) sum = field.double;
  }
  return { attributes: attributesOf(bytes, 9), timeMs, count, sum, bucketCounts, bounds };
};

/** Numbers of 64 bits, one after the other in one field, or one a field. */
const packed = (field: Field): readonly { readonly bits: bigint; readonly double: number }[] => {
  if (field.kind === 'fixed64') return [field];
  const bytes = bytesOf(field);
  if (bytes.length % 8 !== 0) throw new ProtobufFault('a list of numbers is cut off');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length / 8 }, (_, index) => ({
    bits: view.getBigUint64(index * 8, true),
    double: view.getFloat64(index * 8, true),
  }));
};

const readSummary = (bytes: Uint8Array): OtlpSummary => {
  let [timeMs, count, sum] = [0, 0, 0];
  for (const field of fieldsOf(bytes)) {
    if (field.kind !== 'fixed64') continue;
    if (field.number === 3) timeMs = millisecondsOf(field.bits);
    if (field.number === 4) count = Number(field.bits);
    if (field.number === 5) sum = field.double;
  }
  const quantiles = messagesOf(bytes, 6).map((one) => ({ quantile: doubleIn(one, 1), value: doubleIn(one, 2) }));
  return { attributes: attributesOf(bytes, 7), timeMs, count, sum, quantiles };
};

const doubleIn = (bytes: Uint8Array, number: number): number => {
  let value = 0;
  for (const field of fieldsOf(bytes)) if (field.number === number && field.kind === 'fixed64') value = field.double;
  return value;
};

const attributesOf = (bytes: Uint8Array, number: number): readonly Attribute[] =>
  messagesOf(bytes, number).map((one) => [textIn(one, 1), anyValueOf(messagesOf(one, 2).at(-1))]);

/** Texts, switches and numbers; lists and maps are no label's value and become the empty text. */
const anyValueOf = (bytes: Uint8Array | undefined): string => {
  if (bytes === undefined) return '';
  for (const field of fieldsOf(bytes)) {
    if (field.number === 1) return decoder.decode(bytesOf(field));
    if (field.number === 2 && field.kind === 'varint') return String(field.bits !== 0n);
    if (field.number === 3 && field.kind === 'varint') return String(BigInt.asIntN(64, field.bits));
    if (field.number === 4 && field.kind === 'fixed64') return String(field.double);
  }
  return '';
};
