/**
 * Who the agent is to platforms: a key that never leaves the host, a certificate for it, and the authority that both sides believe. All in one
 * file that is replaced as a whole, so that key and certificate always belong together; or in three files of the bank's, which the bank renews.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fail, reasonOf } from '@coequal/kernel';
import { readPrivate, writeSecretFile } from '@coequal/trust';
import { z } from 'zod';
import type { ActSettings } from '../settings.ts';

const identity = z.object({ certificate: z.string(), key: z.string(), authority: z.string() });

export type Identity = z.infer<typeof identity>;

export type IdentityStore = {
  /** Read anew for each line. @throws AGENT_NOT_ENROLLED, SECRET_FILE_EXPOSED */
  readonly read: () => Promise<Identity>;
  /** Undefined: the bank renews. */
  readonly replace: ((next: Identity) => Promise<void>) | undefined;
};

export const identityFile = (stateFolder: string): string => join(stateFolder, 'identity.json');

export const openIdentity = ({ name, stateFolder, acts }: ActSettings): IdentityStore => {
  const { certificate, key, authority } = acts;
  const none = (reason: string, cause?: unknown) => fail('AGENT_NOT_ENROLLED', { name, reason }, { cause });
  if (certificate !== undefined && key !== undefined && authority !== undefined)
    return { read: () => readBanks({ certificate, key, authority }, none), replace: undefined };
  const path = identityFile(stateFolder);
  return {
    read: async () => {
      const text = await readPrivate(path, none);
      if (text === undefined) throw none(`there is no ${path}`);
      try {
        return identity.parse(JSON.parse(text));
      } catch (error) {
        throw none(`${path} cannot be read`, error);
      }
    },
    replace: (next) => writeSecretFile(path, `${JSON.stringify(next)}\n`),
  };
};

type None = (reason: string, cause?: unknown) => Error;

const readBanks = async (paths: Identity, none: None): Promise<Identity> => {
  try {
    const key = await readPrivate(paths.key, none as Parameters<typeof readPrivate>[1]);
    if (key === undefined) throw none(`there is no ${paths.key}`);
    return {
      key,
      certificate: await readFile(paths.certificate, 'utf8'),
      authority: await readFile(paths.authority, 'utf8'),
    };
  } catch (error) {
    throw none(reasonOf(error), error);
  }
};
