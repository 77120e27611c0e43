/** Records of a chain in order, from its segments, a piece at a time: a chain of any length is read in little memory. */
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { longestLine } from '../record.ts';
import { segmentsIn } from './chain.ts';

export type Line = { readonly text: string; readonly file: string; readonly line: number; readonly whole: boolean };

/** Lines of files in the order given. The last line of the last file may have no end; it is then not whole. */
export async function* linesOf(files: readonly string[]): AsyncGenerator<readonly Line[], void, undefined> {
  for (const file of files) yield* linesOfFile(file);
}

/** All lines of a piece together: one at a time would cost more than checking them. */
async function* linesOfFile(file: string): AsyncGenerator<readonly Line[], void, undefined> {
  let rest = '';
  let number = 0;
  const stream = createReadStream(file, { encoding: 'utf8', highWaterMark: 2 ** 20 });
  for await (const chunk of stream) {
    const parts = (rest + String(chunk)).split('\n');
    rest = parts.pop() ?? '';
    const lines: Line[] = [];
    for (const text of parts) {
      number += 1;
      lines.push({ text, file, line: number, whole: true });
    }
    yield lines;
    // A line without an end is no record; the rest of the file is not kept for it.
    if (rest.length > 2 * longestLine) {
      stream.destroy();
      yield [{ text: rest.slice(0, longestLine + 1), file, line: number + 1, whole: true }];
      return;
    }
  }
  if (rest !== '') yield [{ text: rest, file, line: number + 1, whole: false }];
}

/** Paths of a chain's segments in the order of their records. */
export const segmentPaths = async (folder: string): Promise<readonly string[]> =>
  (await segmentsIn(folder)).map((name) => join(folder, name));
