/**
 * The log of a process that serves: JSON lines on standard output, handed to the kernel by a thread, so that a reader
 * who sleeps (a full pipe) stops nobody. `process.stdout` would wait for such a reader in the event loop.
 */
import { write } from 'node:fs';
import { promisify } from 'node:util';
import { type Clock, codeOf, jsonLog, type Log } from '@coequal/kernel';
import { makeLineWriter } from './line-writer.ts';

const writeDescriptor = promisify(write);

/** What may wait for a reader: some thousands of lines. */
const limit = 2 * 2 ** 20;
const gatherMs = 5;
const busyPauseMs = 10;

export type ProcessLog = { readonly log: Log; readonly flush: () => Promise<void> };

export const makeProcessLog = (descriptor: number, clock: Clock, onDropped: (lines: number) => void): ProcessLog => {
  const put = async (batch: string): Promise<void> => {
    let rest = Buffer.from(batch);
    while (rest.length > 0) {
      const written = await writeSome(descriptor, rest);
      if (written === 0) await clock.sleep(busyPauseMs);
      rest = rest.subarray(written);
    }
  };
  const lines = makeLineWriter({ put, everyMs: gatherMs, limit, onDropped });
  return { log: jsonLog(lines.write, clock), flush: lines.flush };
};

/** 0 when another holder of the pipe has made it non-blocking and it is full. Nobody reads any more: it is taken as read. */
const writeSome = async (descriptor: number, bytes: Buffer): Promise<number> => {
  try {
    return (await writeDescriptor(descriptor, bytes)).bytesWritten;
  } catch (error) {
    if (codeOf(error) === 'EAGAIN') return 0;
    if (codeOf(error) === 'EPIPE') return bytes.length;
    throw error;
  }
};
