/** Which instances are meant to be down, in a file that is replaced as a whole: it outlives the agent and the machine. */
import { readFile } from 'node:fs/promises';
import { codeOf, fail, reasonOf } from '@coequal/kernel';
import { writeSecretFile } from '@coequal/trust';
import { z } from 'zod';
import type { Holds } from '../ports.ts';

const shape = z.array(z.string().max(64)).max(1_000);

/** @throws FILE_UNREADABLE */
export const openHolds = async (path: string): Promise<Holds> => {
  const held = new Set(await read(path));
  let last: Promise<void> = Promise.resolve();
  return {
    has: (instance) => held.has(instance),
    set: (instance, on) => {
      if (on) held.add(instance);
      else held.delete(instance);
      const next = last.then(() => writeSecretFile(path, `${JSON.stringify([...held])}\n`));
      last = next.catch(() => undefined);
      return next;
    },
  };
};

const read = async (path: string): Promise<readonly string[]> => {
  try {
    return shape.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw fail('FILE_UNREADABLE', { path, reason: reasonOf(error) }, { cause: error });
  }
};
