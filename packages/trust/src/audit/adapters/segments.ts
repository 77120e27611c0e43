/** Records of a chain in order, from its segments, a piece at a time: a chain of any length is read in little memory. */
import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf, fail, reasonOf } from '@coequal/kernel';
import { type AuditRecord, longestLine, readRecord } from '../record.ts';
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

/** Records of all chains below a folder, or of a file; lines that are none are left out, and `verify` names them. */
export async function* recordsOf(
  path: string,
): AsyncGenerator<readonly { readonly record: AuditRecord; readonly line: string }[], void, undefined> {
  for (const files of await chainsBelow(path))
    for await (const lines of linesOf(files))
      yield lines.flatMap(({ text }) => {
        const record = readRecord(text)?.record;
        return record === undefined ? [] : [{ record, line: text }];
      });
}

/** Files of each chain: a folder with segments is one; a file alone is one too. @throws AUDIT_INVALID, FILE_MISSING */
export const chainsBelow = async (path: string, depth = 0): Promise<readonly (readonly string[])[]> => {
  let found: Awaited<ReturnType<typeof stat>>;
  try {
    found = await stat(path);
  } catch (error) {
    const advice = 'Name the folder of an audit, or one of its files.';
    if (codeOf(error) === 'ENOENT') throw fail('FILE_MISSING', { path, advice }, { cause: error });
    throw fail('AUDIT_INVALID', { path, reason: reasonOf(error) }, { cause: error });
  }
  if (found.isFile()) return [[path]];
  if ((await segmentsIn(path)).length > 0) return [await segmentPaths(path)];
  if (depth >= 4) return [];
  const below = (await readdir(path, { withFileTypes: true })).filter((entry) => entry.isDirectory());
  const sets: (readonly string[])[] = [];
  for (const { name } of below.sort((a, b) => (a.name < b.name ? -1 : 1)))
    sets.push(...(await chainsBelow(join(path, name), depth + 1)));
  return sets;
};
