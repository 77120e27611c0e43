/** Key-encryption keys in a file of one machine, readable by its owner alone; a looser one is refused. */
import { type Clock, fail } from '@coequal/kernel';
import { withFileLock } from '../../adapters/file-lock.ts';
import { readPrivate, type Unreadable } from '../../adapters/private-file.ts';
import { type SecretFileOwner, writeSecretFile } from '../../adapters/secret-file.ts';
import {
  type MasterKeys,
  masterText,
  newestVersion,
  newMasterKeys,
  parseMasterKeys,
  rotated,
  unwrapWith,
  withoutBelow,
  wrapWith,
} from '../master-keys.ts';
import { drawDataKey, type KeyProvider, parseWrapped, wrappedText } from '../provider.ts';

export const fileProvider = (path: string, clock: Clock, owner?: SecretFileOwner): KeyProvider => {
  const wrap = async (plain: Buffer, context: string): Promise<string> => {
    const { version, content } = wrapWith(await read(path), plain, context);
    return wrappedText('file', version, content);
  };
  const unwrap = async (wrapped: string, context: string): Promise<Buffer> => {
    const parsed = parseWrapped(wrapped);
    const keys = await read(path);
    if (parsed?.kind !== 'file') throw refused(path, 'it was wrapped by another provider');
    const plain = unwrapWith(keys, parsed, context);
    if (plain !== undefined) return plain;
    const known = keys.versions.some(({ version }) => version === parsed.version);
    throw refused(
      path,
      known ? 'a wrapped key was changed, or belongs elsewhere' : `it has no version ${parsed.version} of its key`,
    );
  };
  const change = (make: (keys: MasterKeys) => MasterKeys): Promise<MasterKeys> => {
    const lock = { path: `${path}.lock`, what: path, unreadable: unreadable(path) };
    return withFileLock(lock, clock, async () => {
      const keys = make(await read(path));
      await writeSecretFile(path, masterText(keys), owner);
      return keys;
    });
  };
  return {
    kind: 'file',
    wrap,
    unwrap,
    newDataKey: (context) => drawDataKey(wrap, context),
    rewrap: async (wrapped, context) => wrap(await unwrap(wrapped, context), context),
    rotate: async () => newestVersion(await change((keys) => rotated(keys, new Date(clock.now()).toISOString()))),
    retireBelow: async (oldest) => {
      await change((keys) => withoutBelow(keys, oldest));
    },
    status: async () => {
      const keys = await read(path);
      return { newest: newestVersion(keys), oldest: keys.versions[0]?.version ?? 0, place: path };
    },
  };
};

/** A file that is there is never given new keys. @throws KEY_PROVIDER_REFUSED */
export const makeMasterKeys = async (path: string, clock: Clock, owner?: SecretFileOwner): Promise<void> => {
  if ((await readPrivate(path, unreadable(path))) !== undefined) throw refused(path, 'it is there already');
  await writeSecretFile(path, masterText(newMasterKeys(new Date(clock.now()).toISOString())), owner);
};

const read = async (path: string): Promise<MasterKeys> => {
  const text = await readPrivate(path, unreadable(path));
  if (text === undefined) throw refused(path, 'it is not there');
  const keys = parseMasterKeys(text);
  if (keys === undefined) throw refused(path, 'it holds no master keys');
  return keys;
};

const unreadable =
  (path: string): Unreadable =>
  (reason, cause) =>
    refused(path, reason, cause);

const refused = (path: string, reason: string, cause?: unknown) =>
  fail(
    'KEY_PROVIDER_REFUSED',
    { provider: `The file of master keys ${path}`, reason, advice: 'Bring back the file that belongs to the ring.' },
    { cause },
  );
