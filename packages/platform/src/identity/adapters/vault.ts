/** What identity seals, with a key ring: that of the estate, or one in the state folder that is made at the first start. */
import { join } from 'node:path';
import { type Clock, codeOf, fail } from '@coequal/kernel';
import { ensureKey, makeRing, openRing } from '@coequal/trust';
import type { SealedPlace, Vault } from '../ports.ts';

const purpose = 'identity';

/** @param ring undefined: a ring of its own below `folder` */
export const openVault = async (folder: string, ring: string | undefined, clock: Clock): Promise<Vault> => {
  const path = ring ?? join(folder, 'identity.ring');
  const ports = { clock };
  if (ring === undefined) await makeOwn(path, ports);
  await ensureKey(path, { purpose }, ports);
  const opened = await openRing(path, ports);
  const context = ({ table, row }: SealedPlace) => ({ table, row, column: 'sealed', version: 1 });
  return {
    seal: (plain, place) => opened.seal(Buffer.from(plain), { purpose }, context(place)),
    open: async (sealed, place) => {
      const plain = await opened.open(sealed, context(place));
      if (plain !== undefined) return plain.toString('utf8');
      const advice = 'Restore the database of the platform together with its key ring.';
      throw fail('SEALED_STORE_UNREADABLE', { path: place.table, reason: 'a row was changed or moved', advice });
    },
  };
};

const makeOwn = async (path: string, ports: { readonly clock: Clock }): Promise<void> => {
  try {
    await openRing(path, ports);
  } catch (error) {
    if (codeOf(error) !== 'KEY_RING_UNREADABLE' || !/not there/.test(String(error))) throw error;
    await makeRing(path, { kind: 'file', path: 'identity.keys' }, ports);
  }
};
