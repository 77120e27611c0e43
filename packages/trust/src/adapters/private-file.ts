/**
 * Reads files that hold secrets. A file that others may read or change is refused, not read: what it protects may be
 * known already. Who may read it is asked of the file that was opened, so that it cannot be exchanged in between.
 */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { type CoequalError, codeOf, fail } from '@coequal/kernel';

/** Larger files are none of ours. */
const limitBytes = 64 * 2 ** 20;

/** What is wrong with a file, as the error of whoever reads it. */
export type Unreadable = (reason: string, cause?: unknown) => CoequalError;

/** Undefined: the file is not there. @throws what `unreadable` makes, SECRET_FILE_EXPOSED */
export const readPrivate = async (path: string, unreadable: Unreadable): Promise<string | undefined> => {
  let file: Awaited<ReturnType<typeof open>>;
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw unreadable(codeOf(error) ?? 'it cannot be opened', error);
  }
  try {
    const { mode, uid, size } = await file.stat();
    if ((mode & 0o170000) !== 0o100000) throw unreadable('it is no file');
    const exposed = (mode & 0o077) !== 0 || (uid !== 0 && uid !== process.getuid?.() && process.getuid?.() !== 0);
    if (exposed) throw fail('SECRET_FILE_EXPOSED', { path, mode: (mode & 0o777).toString(8).padStart(4, '0') });
    if (size > limitBytes) throw unreadable('it is too large to be one');
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
};
