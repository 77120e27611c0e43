/**
 * The stores of an estate that a host runs, as settings. Pure. A store that others than its host could reach without a certificate is
 * refused: its data say what a bank does, second by second.
 */
import { type Estate, hostNamed, loopbackOf, type MetricStore } from '@coequal/estate';
import { fail } from '@coequal/kernel';
import type { StoreSettings } from './settings.ts';

export type OwnStore = Omit<StoreSettings, 'program'> & {
  readonly front?: {
    readonly address: string;
    readonly port: number;
    readonly certificateFile: string;
    readonly keyFile: string;
    readonly authorityFile: string;
  };
};

type Own = Extract<MetricStore, { readonly kind: 'own' }>;

const usualMemoryBytes = 512 * 2 ** 20;
const usualFreeBytes = 2 ** 30;
const dayMs = 86_400_000;

/**
 * @param wanted name of a store, or of the host whose stores are meant; may be left out where all are of one host
 * @throws STORE_UNKNOWN, STORE_NOT_NAMED, STORE_WITHOUT_TLS
 */
export const ownStores = (estate: Estate, wanted: string | undefined): readonly OwnStore[] => {
  const own = estate.stores.filter((store) => store.kind === 'own');
  const known = own.map(({ name }) => name).join(', ') || 'none';
  const hosts = new Set(own.map(({ host }) => host));
  if (wanted === undefined && hosts.size > 1) throw fail('STORE_NOT_NAMED', { estate: estate.name, known });
  const found = own.filter(({ name, host }) => wanted === undefined || name === wanted || host === wanted);
  if (found.length === 0) throw fail('STORE_UNKNOWN', { name: wanted ?? '', estate: estate.name, known });
  return found.map((store) => settingsOf(estate, store));
};

const settingsOf = (estate: Estate, store: Own): OwnStore => {
  const { name, folder, port, localPort, retentionMs, memoryBytes, freeDiskBytes, tls } = store;
  const address = hostNamed(estate, store.host)?.at.address ?? '';
  const shared = {
    name,
    folder,
    retentionDays: Math.ceil(retentionMs / dayMs),
    memoryBytes: memoryBytes ?? usualMemoryBytes,
    leaveFreeBytes: freeDiskBytes ?? usualFreeBytes,
  };
  if (tls?.certificate !== undefined && tls.key !== undefined) {
    const files = { certificateFile: tls.certificate, keyFile: tls.key, authorityFile: tls.authority };
    return { ...shared, address: loopbackOf(address), port: localPort, front: { address, port, ...files } };
  }
  // On loopback nobody else is there.
  if (address !== '' && address === loopbackOf(address)) return { ...shared, address, port };
  throw fail('STORE_WITHOUT_TLS', { store: name, address });
};
