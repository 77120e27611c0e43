/** Files that the platform reads: estate, tokens, rule files, knowledge. A secret is read where it is needed and told to nobody. */
import { readFile, stat } from 'node:fs/promises';
import { codeOf, fail, reasonOf } from '@coequal/kernel';

export const readText = async (path: string, limitBytes: number, advice: string): Promise<string> => {
  try {
    const { size } = await stat(path);
    if (size > limitBytes) throw fail('FILE_UNREADABLE', { path, reason: `it has more than ${limitBytes} bytes` });
    return await readFile(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') throw fail('FILE_MISSING', { path, advice }, { cause: error });
    if (codeOf(error) === 'FILE_UNREADABLE') throw error;
    throw fail('FILE_UNREADABLE', { path, reason: reasonOf(error) }, { cause: error });
  }
};

const secretBytes = 4_096;

/** The first line, without what surrounds it. */
export const readSecret = async (path: string): Promise<string> => {
  const text = await readText(path, secretBytes, 'Write the secret into it, on one line.');
  const secret = text.split('\n')[0]?.trim() ?? '';
  if (secret === '') throw fail('FILE_UNREADABLE', { path, reason: 'its first line is empty' });
  return secret;
};
