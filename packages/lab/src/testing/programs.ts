/** The programs of the tests in this package: the same that a lab would find. */
import { cacheFolderOf, findPrograms, labPrograms, type Programs } from '@coequal/engines';
import { systemClock } from '@coequal/kernel';

const service = { stateTransfer: 'rsync', tls: false, arbitrators: [] } as const;

export const testPrograms = (): Promise<Programs> =>
  findPrograms(labPrograms({ services: [service] }), {
    cacheFolder: cacheFolderOf(process.env, process.getuid?.() ?? -1),
    environment: process.env,
    clock: systemClock,
    progress: () => undefined,
  });
