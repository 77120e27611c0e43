/**
 * The log of the agent: JSON lines on a descriptor, written by a thread of Node's and one after the other, so that a reader who sleeps
 * (a full pipe) holds up no round. What it does not take beyond the bound is dropped.
 */
import { write } from 'node:fs';
import { promisify } from 'node:util';
import { type Clock, codeOf, jsonLog, type Log } from '@coequal/kernel';

const writeTo = promisify(write);
const limit = 2 ** 20;
const busyPauseMs = 20;

export type ProcessLog = { readonly log: Log; readonly flush: () => Promise<void> };

export const makeProcessLog = (descriptor: number, clock: Clock): ProcessLog => {
  let waiting = '';
  let writing: Promise<void> | undefined;
  const put = async (): Promise<void> => {
    while (waiting !== '') {
      let rest = Buffer.from(waiting);
      waiting = '';
      while (rest.length > 0) {
        const written = await writeSome(descriptor, rest);
        if (written === 0) await clock.sleep(busyPauseMs);
        rest = rest.subarray(written);
      }
    }
  };
  const start = (): Promise<void> => {
    writing ??= put().finally(() => {
      writing = undefined;
    });
    return writing;
  };
  const line = (text: string): void => {
    if (waiting.length + text.length > limit) return;
    waiting += text;
    // The disk under the log is full or broken: there is nobody to tell.
    start().catch(() => undefined);
  };
  return { log: jsonLog(line, clock), flush: () => start().catch(() => undefined) };
};

/** 0: it is full. Nobody reads any more: it counts as read. */
const writeSome = async (descriptor: number, bytes: Buffer): Promise<number> => {
  try {
    return (await writeTo(descriptor, bytes)).bytesWritten;
  } catch (error) {
    if (codeOf(error) === 'EAGAIN') return 0;
    if (codeOf(error) === 'EPIPE') return bytes.length;
    throw error;
  }
};
