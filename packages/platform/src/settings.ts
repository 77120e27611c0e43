/** From the estate to what one platform works with: where it listens, where its state lies, which stores it asks. Pure. */
import { type Estate, hostNamed, type MetricStore, type Platform } from '@coequal/estate';
import { fail } from '@coequal/kernel';

export type PlatformSettings = {
  readonly estate: Estate;
  readonly platform: Platform;
  readonly site: string | undefined;
  /** The store it asks, and the one that recording rules write to. */
  readonly store: MetricStore | undefined;
  readonly coarseStore: MetricStore | undefined;
};

/**
 * @param name the platform; may be left out where the estate has only one
 * @throws PLATFORM_UNKNOWN, PLATFORM_NOT_NAMED
 */
export const platformSettings = (estate: Estate, name: string | undefined): PlatformSettings => {
  const platform = chosen(estate, name);
  const site = hostNamed(estate, platform.host)?.site.name;
  return {
    ...{ estate, platform, site },
    store: storeOf(estate, platform.store, 'fine', site),
    coarseStore: storeOf(estate, platform.coarseStore, 'coarse', site),
  };
};

const chosen = (estate: Estate, name: string | undefined): Platform => {
  const [first, ...others] = estate.platforms;
  const known = estate.platforms.map((one) => one.name).join(', ') || 'none';
  if (name === undefined) {
    if (first !== undefined && others.length === 0) return first;
    throw fail('PLATFORM_NOT_NAMED', { estate: estate.name, count: estate.platforms.length, known });
  }
  const found = estate.platforms.find((one) => one.name === name);
  if (found === undefined) throw fail('PLATFORM_UNKNOWN', { name, estate: estate.name, known });
  return found;
};

/** The named one; else that of the own site; else the first of its class. */
const storeOf = (
  estate: Estate,
  name: string | undefined,
  kind: MetricStore['class'],
  site: string | undefined,
): MetricStore | undefined => {
  if (name !== undefined) return estate.stores.find((one) => one.name === name);
  const all = estate.stores.filter((one) => one.class === kind);
  return all.find((one) => one.kind === 'own' && hostNamed(estate, one.host)?.site.name === site) ?? all[0];
};

/** Where a store is reached. An own one with TLS is reached through its front, without it on its port. */
export const storeUrl = (estate: Estate, store: MetricStore): string | undefined => {
  if (store.kind === 'foreign') return store.url;
  if (store.kind !== 'own') return undefined;
  const address = hostNamed(estate, store.host)?.at.address ?? '127.0.0.1';
  const shown = address.includes(':') ? `[${address}]` : address;
  return `${store.tls === undefined ? 'http' : 'https'}://${shown}:${store.port}`;
};
