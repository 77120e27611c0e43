/**
 * The acknowledgement journal on disk: appended in batches of about ten milliseconds, so that a killed process loses its
 * last batch at most and no client waits for a disk. It is not flushed to the platter: it is there for disasters of the
 * database, not for a host that loses power, whose clients get no acknowledgement any more either.
 *
 * A disk that takes nothing costs lines, one event and a counter; the gateway goes on.
 */
import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { codeOf } from '@coequal/kernel';
import { type Acknowledgement, type JournalEntry, journalLine, parseJournalLine } from '../acknowledgements.ts';
import type { GatewayEvent } from '../events.ts';
import {
  inOrder,
  journalFolder,
  parseSegment,
  type SegmentLimits,
  segmentName,
  segmentsToRemove,
} from '../segments.ts';
import { makeLineWriter } from './line-writer.ts';

export type Journal = {
  readonly write: (entry: Acknowledgement) => void;
  /** Writes what waits, and closes the file. */
  readonly close: () => Promise<void>;
};

export type JournalOptions = {
  readonly stateFolder: string;
  readonly pid: number;
  readonly now: () => number;
  readonly event: (event: GatewayEvent) => void;
  readonly onDropped: (lines: number) => void;
  readonly segmentBytes?: number;
};

const gatherMs = 10;
const limit = 4 * 2 ** 20;
const usualSegmentBytes = 16 * 2 ** 20;

/** Some seven million transactions. */
export const usualSegmentLimits: SegmentLimits = { bytes: 2 ** 30, files: 512 };

export const openJournal = async (options: JournalOptions): Promise<Journal> => {
  const folder = join(options.stateFolder, journalFolder);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const file = makeRotatingFile(folder, options);
  const lines = makeLineWriter({
    put: file.append,
    everyMs: gatherMs,
    limit,
    onTrouble: (error) => options.event({ event: 'journal-trouble', reason: codeOf(error) ?? 'unknown', dropped: 0 }),
    onWell: (dropped) => options.event({ event: 'journal-well', dropped }),
    onDropped: options.onDropped,
  });
  return {
    write: (entry) => lines.write(journalLine(options.now(), entry)),
    close: async () => {
      await lines.flush();
      await file.close();
    },
  };
};

/** A file is begun with the first batch, so that a worker without transactions leaves none. */
const makeRotatingFile = (folder: string, { pid, now, segmentBytes = usualSegmentBytes }: JournalOptions) => {
  let current: { readonly handle: FileHandle; bytes: number } | undefined;
  let index = 0;
  const close = async (): Promise<void> => {
    const closing = current;
    current = undefined;
    await closing?.handle.close();
  };
  const begin = async (batch: string) => {
    // Named after its first line, which may have waited for the disk: reading goes by these names.
    const beganAt = Number(/"at":(\d+)/.exec(batch)?.[1] ?? now());
    const handle = await open(join(folder, segmentName(beganAt, pid, index)), 'ax', 0o600);
    index += 1;
    return { handle, bytes: 0 };
  };
  return {
    append: async (batch: string): Promise<void> => {
      if (current !== undefined && current.bytes >= segmentBytes) await close();
      current ??= await begin(batch);
      // Writes at the end of the file, and all of it or an error.
      await current.handle.appendFile(batch);
      current.bytes += batch.length;
    },
    close,
  };
};

/** Removes the oldest files beyond the limits. @param living processes that may still be writing */
export const pruneJournal = async (
  stateFolder: string,
  living: ReadonlySet<number>,
  limits: SegmentLimits = usualSegmentLimits,
): Promise<readonly string[]> => {
  const folder = join(stateFolder, journalFolder);
  const segments = await Promise.all(
    (await namesIn(folder)).map(async (name) => ({ name, bytes: await sizeOf(join(folder, name)) })),
  );
  const removed = segmentsToRemove(segments, living, limits);
  for (const name of removed) await rm(join(folder, name), { force: true });
  return removed;
};

const namesIn = async (folder: string): Promise<readonly string[]> => {
  try {
    return await readdir(folder);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  }
};

const sizeOf = async (path: string): Promise<number> => {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return 0;
    throw error;
  }
};

/**
 * Every acknowledgement that is there, in the order of time (each worker's own order is kept). Torn lines are left out.
 * Files are open only while their stretch of time is being read.
 */
export async function* readJournal(stateFolder: string): AsyncGenerator<JournalEntry, void, undefined> {
  const folder = join(stateFolder, journalFolder);
  const waiting = inOrder(
    (await namesIn(folder)).flatMap((name) => {
      const parsed = parseSegment(name);
      return parsed === undefined ? [] : [parsed];
    }),
  ).slice();
  const reading: Reading[] = [];
  for (;;) {
    const first = earliest(reading);
    const next = waiting[0];
    if (next !== undefined && (first === undefined || next.beganAt <= first.entry.at)) {
      waiting.shift();
      const begun = await beginReading(join(folder, next.name));
      if (begun !== undefined) reading.push(begun);
      continue;
    }
    if (first === undefined) return;
    yield first.entry;
    if (!(await first.advance())) reading.splice(reading.indexOf(first), 1);
  }
}

type Reading = { entry: JournalEntry; readonly advance: () => Promise<boolean> };

const earliest = (reading: readonly Reading[]): Reading | undefined =>
  reading.reduce<Reading | undefined>(
    (best, each) => (best === undefined || each.entry.at < best.entry.at ? each : best),
    undefined,
  );

const beginReading = async (path: string): Promise<Reading | undefined> => {
  const entries = entriesOf(path);
  const first = await entries.next();
  if (first.done === true) return undefined;
  const reading: Reading = {
    entry: first.value,
    advance: async () => {
      const next = await entries.next();
      if (next.done === true) return false;
      reading.entry = next.value;
      return true;
    },
  };
  return reading;
};

async function* entriesOf(path: string): AsyncGenerator<JournalEntry, void, undefined> {
  const input = createReadStream(path, 'utf8');
  try {
    for await (const line of createInterface({ input })) {
      const entry = parseJournalLine(line);
      if (entry !== undefined) yield entry;
    }
  } catch (error) {
    // Its time had come while others were read.
    if (codeOf(error) !== 'ENOENT') throw error;
  }
}
