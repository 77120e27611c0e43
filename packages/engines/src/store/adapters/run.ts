/**
 * All embedded stores of a host, each with its front where it has one: what an agent supervises on a real host, and a lab on one
 * machine. They begin together and end together; one that does not come up is a state and holds up nothing else.
 */
import { type Clock, Counters, type Log, prometheusText } from '@coequal/kernel';
import type { Launch } from '../../galera/adapters/process.ts';
import type { StoreSettings } from '../settings.ts';
import type { StoreView } from '../states.ts';
import { type Front, type FrontSettings, frontFamilies, openFront } from './front.ts';
import { type EmbeddedStore, openStore, storeFamilies } from './store.ts';

export type StoresOptions = {
  /** One named `fine` and one named `coarse`, as a rule. `front`: for others than this host. */
  readonly stores: readonly (StoreSettings & { readonly front?: FrontSettings })[];
  readonly launch: Launch;
  readonly clock: Clock;
  readonly log: Log;
  /** `coequal_store_*`, for whoever tells them on. */
  readonly counters?: Counters;
  readonly onState?: (name: string, view: StoreView) => void;
};

export type RunningStores = {
  readonly stores: readonly (EmbeddedStore & { readonly frontPort: number | undefined })[];
  /** Certificates, read now. */
  readonly reload: () => Promise<void>;
  readonly close: () => Promise<void>;
  /** Ends the supervision and the fronts, and leaves the stores to a successor. */
  readonly leave: () => Promise<void>;
};

/** Throws what cannot heal by itself: FOLDER_UNWRITABLE, PORT_BUSY, FILE_UNREADABLE, STORE_CERTIFICATE_INVALID. */
export const runStores = async (options: StoresOptions): Promise<RunningStores> => {
  const counters = options.counters ?? new Counters();
  const families = { store: storeFamilies(counters), front: frontFamilies(counters) };
  const running: { readonly store: EmbeddedStore; readonly front: Front | undefined }[] = [];
  const { clock, log, launch, onState } = options;
  const closeFronts = () => Promise.all(running.map(({ front }) => front?.close()));
  const close = async (): Promise<void> => {
    await closeFronts();
    await Promise.all(running.map(({ store }) => store.close()));
  };
  try {
    for (const { front: frontSettings, ...settings } of options.stores) {
      const told = onState === undefined ? {} : { onState };
      const store = await openStore({ settings, launch, clock, log, families: families.store, ...told });
      const entry = { store, front: undefined };
      running.push(entry);
      if (frontSettings === undefined) continue;
      const target = { address: settings.address, port: settings.port };
      const page = (): string => prometheusText(counters.snapshot());
      const shared = { target, clock, log, families: families.front, store: settings.name, page };
      running[running.length - 1] = { store, front: await openFront({ ...frontSettings, ...shared }) };
    }
  } catch (error) {
    await close();
    throw error;
  }
  return {
    stores: running.map(({ store, front }) => describe(store, front)),
    reload: async () => {
      for (const { front } of running) await front?.reload();
    },
    close,
    leave: async () => {
      await closeFronts();
      await Promise.all(running.map(({ store }) => store.leave()));
    },
  };
};

const describe = (store: EmbeddedStore, front: Front | undefined): RunningStores['stores'][number] => ({
  name: store.name,
  url: store.url,
  view: () => store.view(),
  pid: () => store.pid(),
  untilServing: (deadlineMs) => store.untilServing(deadlineMs),
  close: () => store.close(),
  leave: () => store.leave(),
  frontPort: front?.port,
});
