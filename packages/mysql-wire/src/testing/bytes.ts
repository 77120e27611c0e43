/** Small helpers of this package's tests: bytes from hexadecimal text, values that have to be there, cutting into chunks. */
import fc from 'fast-check';
import { isProblem, type WireProblem } from '../problem.ts';

/** Bytes from hexadecimal text; spaces and line ends are for the reader. */
export const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s+/g, ''), 'hex');

/** The value, which must be no problem. */
export const read = <Value>(value: Value | WireProblem): Value => {
  if (isProblem(value)) throw new Error(`${value.problem}: ${value.reason}`);
  return value;
};

/** The kind of problem, or undefined. */
export const problemIn = (value: unknown): string | undefined => (isProblem(value) ? value.problem : undefined);

export const bytesOf = (limits: { readonly min?: number; readonly max: number }): fc.Arbitrary<Buffer> =>
  fc.uint8Array({ minLength: limits.min ?? 0, maxLength: limits.max }).map((bytes) => Buffer.from(bytes));

/** Without zeros, so that it survives where a zero ends a text. */
export const shortText: fc.Arbitrary<string> = fc
  .string({ maxLength: 40, unit: 'grapheme' })
  .map((text) => text.replaceAll('\0', ''));

/** Cuts bytes into chunks of the given lengths, over and over. Each chunk is a copy, as sockets give them. */
export const cut = (bytes: Buffer, lengths: readonly number[]): readonly Buffer[] => {
  const chunks: Buffer[] = [];
  for (let at = 0, index = 0; at < bytes.length; index += 1) {
    const length = Math.max(1, lengths[index % lengths.length] ?? 1);
    chunks.push(Buffer.from(bytes.subarray(at, at + length)));
    at += length;
  }
  return chunks;
};

/** Ways to cut: many tiny chunks, a few larger ones, and mixtures. */
export const cuts: fc.Arbitrary<readonly number[]> = fc.array(
  fc.oneof(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 300 })),
  { minLength: 1, maxLength: 12 },
);
