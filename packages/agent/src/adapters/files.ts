/** Files that an agent is given: read whole, bounded, and refused with words that say what to do. */
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { access, mkdir, open, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { codeOf, fail, reasonOf } from '@coequal/kernel';

/** @throws FILE_MISSING, FILE_UNREADABLE */
export const readText = async (path: string, advice: string): Promise<string> => {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw refusal(path, advice, error);
  }
};

/** @throws FILE_MISSING, FILE_UNREADABLE */
export const mustBeReadable = async (path: string, advice: string): Promise<void> => {
  try {
    await access(path, constants.R_OK);
  } catch (error) {
    throw refusal(path, advice, error);
  }
};

const refusal = (path: string, advice: string, error: unknown): Error =>
  codeOf(error) === 'ENOENT'
    ? fail('FILE_MISSING', { path, advice }, { cause: error })
    : fail('FILE_UNREADABLE', { path, reason: reasonOf(error) }, { cause: error });

/** The token of the webhook; one is made in the state folder where the estate names none. @throws FILE_UNREADABLE, FOLDER_UNWRITABLE */
export const tokenOf = async (path: string, ours: boolean): Promise<string> => {
  if (ours) await makeToken(path);
  const token = (await readText(path, 'Write the token of the webhook into it, or leave `webhook` out.')).trim();
  if (token.length < 16) throw fail('FILE_UNREADABLE', { path, reason: 'a token has 16 characters or more' });
  return token;
};

const makeToken = async (path: string): Promise<void> => {
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await writeFile(path, `${randomBytes(32).toString('hex')}\n`, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return;
    const advice = 'Make it, or give the agent another `stateFolder` in the estate.';
    throw fail('FOLDER_UNWRITABLE', { path: dirname(path), reason: reasonOf(error), advice }, { cause: error });
  }
};

/** Page size of the kernel: the first mapping of this process says it. 4,096 where it does not. */
export const pageBytesOf = async (): Promise<number> => {
  const usual = 4_096;
  try {
    const file = await open('/proc/self/smaps');
    const { buffer, bytesRead } = await file.read(Buffer.alloc(4_096), 0, 4_096, 0);
    await file.close();
    const kilobytes = /^KernelPageSize:\s+(\d+) kB$/m.exec(buffer.toString('latin1', 0, bytesRead))?.[1];
    return kilobytes === undefined ? usual : Number(kilobytes) * 1_024;
  } catch (error) {
    if (codeOf(error) === undefined) throw error;
    return usual;
  }
};
