/**
 * Writes secrets (keys, passwords) to disk: readable by their owner alone from the first byte on, and whole or
 * not at all. The content is written beside the target under a new name, flushed, and renamed over it.
 */
import { randomBytes } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fail, reasonOf } from '@coequal/kernel';

export type SecretFileOwner = { readonly uid: number; readonly gid: number };

/** Mode 0600, atomically. `owner` hands it to another user (root only). Throws FOLDER_UNWRITABLE. */
export const writeSecretFile = async (
  path: string,
  content: string | Uint8Array,
  owner?: SecretFileOwner,
): Promise<void> => {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.part`;
  try {
    await writeFlushed(temporary, content, owner);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    const advice = 'Check that the folder exists and that you may write there.';
    throw fail('FOLDER_UNWRITABLE', { path: dirname(path), reason: reasonOf(error), advice }, { cause: error });
  }
};

const writeFlushed = async (path: string, content: string | Uint8Array, owner?: SecretFileOwner): Promise<void> => {
  // 'wx': a file that is already there, or a link laid there by someone else, is never written through.
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(content);
    if (owner !== undefined) await file.chown(owner.uid, owner.gid);
    await file.sync();
  } finally {
    await file.close();
  }
};
