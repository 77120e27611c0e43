/** The end of a file, for the last words of a program; empty when there is none. */
import { open } from 'node:fs/promises';
import { codeOf } from '@coequal/kernel';

export const readTail = async (path: string, bytes: number): Promise<string> => {
  try {
    const file = await open(path, 'r');
    try {
      const { size } = await file.stat();
      const length = Math.min(size, bytes);
      const { buffer } = await file.read(Buffer.alloc(length), 0, length, size - length);
      return buffer.toString('utf8');
    } finally {
      await file.close();
    }
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return '';
    throw error;
  }
};
