/**
 * Frames of the outbox on disk: length, CRC-32 and body, one after the other. A process that is killed leaves a frame that is cut
 * off, a disk that lies leaves one whose sum is wrong; both end what can be read of their file, and nothing before them. Pure.
 */
import { crc32 } from 'node:zlib';

/** Length and sum, 32 bits each, little endian. */
export const frameHeadBytes = 8;

export const frameOf = (body: Uint8Array): Uint8Array => {
  const frame = new Uint8Array(frameHeadBytes + body.length);
  const view = new DataView(frame.buffer);
  view.setUint32(0, body.length, true);
  view.setUint32(4, crc32(body), true);
  frame.set(body, frameHeadBytes);
  return frame;
};

/** The body of the frame at `from` and where the next one begins; undefined when there is none, or none that is whole. */
export const frameAt = (
  bytes: Uint8Array,
  from: number,
): { readonly body: Uint8Array; readonly end: number } | undefined => {
  const start = from + frameHeadBytes;
  if (start > bytes.length) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = start + view.getUint32(from, true);
  // A file that was made longer and not yet written is full of zeros: no body is empty.
  if (end > bytes.length || end === start) return undefined;
  const body = bytes.subarray(start, end);
  return crc32(body) === view.getUint32(from + 4, true) ? { body, end } : undefined;
};

/** How many whole frames stand from `from` on, and where they end. */
export const scanFrames = (bytes: Uint8Array, from: number): { readonly frames: number; readonly end: number } => {
  let [frames, end] = [0, from];
  for (let frame = frameAt(bytes, end); frame !== undefined; frame = frameAt(bytes, end)) {
    frames += 1;
    end = frame.end;
  }
  return { frames, end };
};
