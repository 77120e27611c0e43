/**
 * The sealed store on disk: one file with the sealed text, and one with its key, both for their owner alone. Written
 * whole or not at all, by one at a time. A store that is there is never given a new key, and a key or store that
 * others may read or change is refused.
 */
import { constants } from 'node:fs';
import { open, readFile, rm } from 'node:fs/promises';
import { type Clock, codeOf, fail, until } from '@coequal/kernel';
import {
  newSealingKey,
  type Opened,
  openSecrets,
  parseSealingKey,
  type SealingKey,
  type Secrets,
  sealSecrets,
} from '../sealed.ts';
import { type SecretFileOwner, writeSecretFile } from './secret-file.ts';

export type SealedStorePaths = { readonly file: string; readonly keyFile: string };

/** Larger files are none of ours. */
const limitBytes = 64 * 2 ** 20;
const busyDeadlineMs = 5_000;

/** Throws SEALED_STORE_UNREADABLE, SEALED_STORE_WRONG_KEY, SEALED_STORE_TAMPERED, SECRET_FILE_EXPOSED. */
export const readSealedStore = async (paths: SealedStorePaths): Promise<Opened> => {
  const key = await readKey(paths.keyFile);
  if (key === undefined) throw unreadable(paths.keyFile, 'its key is not there', absent);
  const opened = await readStore(paths, key);
  if (opened === undefined) throw unreadable(paths.file, 'it is not there', absent);
  return opened;
};

const absent = 'Name the files that hold it, or make them with `coequal gateway credential set`.';

/**
 * Gives the store what `change` makes of its secrets. The first time both files are made. `owner` hands them to
 * another user (root only).
 */
export const changeSealedStore = async (
  paths: SealedStorePaths,
  change: (secrets: Secrets) => Secrets,
  options: { readonly clock: Clock; readonly owner?: SecretFileOwner },
): Promise<void> => {
  await withLock(`${paths.file}.lock`, options.clock, async () => {
    const kept = await readKey(paths.keyFile);
    const key = kept ?? (await makeKey(paths, options.owner));
    const before = await readStore(paths, key);
    const secrets = change(before?.secrets ?? new Map());
    await writeSecretFile(paths.file, sealSecrets(secrets, key, (before?.revision ?? 0) + 1), options.owner);
  });
};

const makeKey = async (paths: SealedStorePaths, owner: SecretFileOwner | undefined): Promise<SealingKey> => {
  if ((await readPrivate(paths.file)) !== undefined) {
    const advice = `Put its key back to ${paths.keyFile}, or remove ${paths.file} and store all passwords anew.`;
    throw unreadable(paths.file, `its key ${paths.keyFile} is not there`, advice);
  }
  const text = newSealingKey();
  await writeSecretFile(paths.keyFile, text, owner);
  const key = parseSealingKey(text);
  if (key === undefined) throw new Error('Bug: a new key cannot be read');
  return key;
};

/** Undefined: the file is not there. */
const readKey = async (path: string): Promise<SealingKey | undefined> => {
  const text = await readPrivate(path);
  if (text === undefined) return undefined;
  const key = parseSealingKey(text);
  if (key === undefined) throw unreadable(path, 'it holds no key of a sealed store', absent);
  return key;
};

const readStore = async (paths: SealedStorePaths, key: SealingKey): Promise<Opened | undefined> => {
  const text = await readPrivate(paths.file);
  if (text === undefined) return undefined;
  const opened = openSecrets(text, key);
  switch (opened) {
    case 'not-sealed':
      throw unreadable(paths.file, 'it is no sealed store', absent);
    case 'other-key':
      throw fail('SEALED_STORE_WRONG_KEY', { path: paths.file, keyPath: paths.keyFile });
    case 'tampered':
      throw fail('SEALED_STORE_TAMPERED', { path: paths.file });
    default:
      return opened;
  }
};

/** Who may read it is asked of the file that was opened, so that it cannot be exchanged in between. */
const readPrivate = async (path: string): Promise<string | undefined> => {
  let file: Awaited<ReturnType<typeof open>>;
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw unreadable(path, codeOf(error) ?? 'it cannot be opened', 'Let this user read it.', error);
  }
  try {
    const { mode, uid, size } = await file.stat();
    if ((mode & 0o170000) !== 0o100000) throw unreadable(path, 'it is no file', absent);
    const exposed = (mode & 0o077) !== 0 || (uid !== 0 && uid !== process.getuid?.() && process.getuid?.() !== 0);
    if (exposed) throw fail('SECRET_FILE_EXPOSED', { path, mode: (mode & 0o777).toString(8).padStart(4, '0') });
    if (size > limitBytes) throw unreadable(path, 'it is too large to be one', absent);
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
};

const unreadable = (path: string, reason: string, advice: string, cause?: unknown) =>
  fail('SEALED_STORE_UNREADABLE', { path, reason, advice }, { cause });

/** One writer at a time. A lock of a process that is gone is taken over. */
const withLock = async (path: string, clock: Clock, run: () => Promise<void>): Promise<void> => {
  const wait = {
    what: 'The end of another change of the sealed store',
    deadlineMs: busyDeadlineMs,
    everyMs: 50,
    advice: `If no other command is changing it, remove ${path}.`,
  };
  await until(clock, wait, () => takeLock(path));
  try {
    await run();
  } finally {
    await rm(path, { force: true });
  }
};

const takeLock = async (path: string): Promise<boolean> => {
  try {
    const file = await open(path, 'wx', 0o600);
    await file.writeFile(String(process.pid));
    await file.close();
    return true;
  } catch (error) {
    if (codeOf(error) !== 'EEXIST')
      throw unreadable(path, codeOf(error) ?? 'it cannot be made', 'Let this user write in its folder.', error);
    if (await isLeft(path)) await rm(path, { force: true });
    return false;
  }
};

const isLeft = async (path: string): Promise<boolean> => {
  try {
    const pid = Number(await readFile(path, 'utf8'));
    // Nothing is in it yet: whoever made it is about to write.
    if (!Number.isSafeInteger(pid) || pid <= 0) return false;
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return codeOf(error) === 'ESRCH';
  }
};
