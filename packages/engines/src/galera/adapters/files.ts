/** Files of an instance: state files, logs and the seed copy. */
import { constants } from 'node:fs';
import {
  access,
  chmod,
  chown,
  copyFile,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  statfs,
  writeFile,
} from 'node:fs/promises';
import { codeOf, fail, reasonOf } from '@coequal/kernel';

/** The text of a small file; undefined when it is not there. */
export const readIfThere = async (path: string): Promise<string | undefined> => {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined;
    throw error;
  }
};

export const isThere = async (path: string): Promise<boolean> => {
  try {
    await access(path);
    return true;
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return false;
    throw error;
  }
};

/** Writes whole or not at all: a reader never sees half a file. `owner`: user id that the file is given to. */
export const writeWhole = async (path: string, text: string, mode: number, owner?: number): Promise<void> => {
  const temporary = `${path}.new`;
  await writeFile(temporary, text, { mode });
  await chmod(temporary, mode);
  if (owner !== undefined) await chown(temporary, owner, owner);
  await rename(temporary, path);
};

export const makeFolder = async (path: string, mode: number, owner?: number): Promise<void> => {
  try {
    await mkdir(path, { recursive: true, mode });
    if (owner !== undefined) await chown(path, owner, owner);
    await access(path, constants.W_OK);
  } catch (error) {
    throw fail(
      'FOLDER_UNWRITABLE',
      { path, reason: reasonOf(error), advice: 'Choose a folder you may write, or give yourself the right.' },
      { cause: error },
    );
  }
};

/** The last `bytes` of a file, as text; empty when it is not there. */
export const readTail = async (path: string, bytes: number): Promise<string> => {
  try {
    const file = await open(path, 'r');
    try {
      const { size } = await file.stat();
      const length = Math.min(size, bytes);
      const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, size - length);
      return buffer.toString('utf8', 0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return '';
    throw error;
  }
};

export const sizeOf = async (path: string): Promise<number> => {
  try {
    return (await lstat(path)).size;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return 0;
    throw error;
  }
};

export const isEmptyFolder = async (path: string): Promise<boolean> => {
  try {
    return (await readdir(path)).every((name) => name === 'lost+found');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return true;
    throw error;
  }
};

/** Free bytes on the volume of a folder. */
export const freeBytes = async (path: string): Promise<number> => {
  const { bavail, bsize } = await statfs(path);
  return bavail * bsize;
};

/** Copies a folder of plain files and folders; shares blocks where the file system can. */
export const copyFolder = async (from: string, to: string, owner?: number): Promise<void> => {
  await mkdir(to, { recursive: true, mode: 0o700 });
  if (owner !== undefined) await chown(to, owner, owner);
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, target] = [`${from}/${entry.name}`, `${to}/${entry.name}`];
    if (entry.isDirectory()) await copyFolder(source, target, owner);
    else {
      await copyFile(source, target, constants.COPYFILE_FICLONE);
      if (owner !== undefined) await chown(target, owner, owner);
    }
  }
};

export const remove = (path: string): Promise<void> => rm(path, { recursive: true, force: true });
