/** A database as a source, by the collector of its engine. */
import { readFile } from 'node:fs/promises';
import type { Clock, Log } from '@coequal/kernel';
import {
  estateLabels,
  type MariadbCollectorOptions,
  openMariadbCollector,
  openPostgresCollector,
  Relabeler,
} from '@coequal/signals/collecting';
import { sourceDeadlineMs } from '../limits.ts';
import type { DatabaseTarget } from '../settings.ts';
import type { Source } from '../source.ts';
import { readText } from './files.ts';

/** A reading ends within the round; what hangs is told in it. */
const readingMs = 800;

export const databaseSource = async (target: DatabaseTarget, clock: Clock, log: Log): Promise<Source> => {
  const { place, engine } = target;
  const options = {
    ...(await databaseTarget(target)),
    instance: place.instance,
    place,
    clock,
    log,
    deadlineMs: readingMs,
    ...(target.isHere ? { processFolder: '/proc' } : {}),
  };
  const isPostgres = engine === 'postgres';
  const collector = isPostgres
    ? openPostgresCollector({ ...options, ...(target.database === undefined ? {} : { database: target.database }) })
    : openMariadbCollector(options);
  const relabeler = new Relabeler(estateLabels({ job: isPostgres ? 'postgres' : 'mysql', ...place }));
  return {
    collector: engine,
    target: place.instance,
    everyMs: 1_000,
    deadlineMs: sourceDeadlineMs,
    collect: async (timeMs) => {
      const { points, families, detail, changes, problems } = await collector.collect();
      return { samples: relabeler.points(points, timeMs), families, detail, events: changes, problems };
    },
    close: () => collector.close(),
  };
};

/** How its server is reached. The password is read whenever it connects, so that a new one holds. @throws FILE_MISSING, FILE_UNREADABLE */
export const databaseTarget = async ({
  address,
  port,
  account,
  serverName,
}: DatabaseTarget): Promise<
  Pick<MariadbCollectorOptions, 'host' | 'port' | 'user' | 'password' | 'authority' | 'serverName'>
> => ({
  host: address,
  port,
  user: account.user,
  password: async () => (await readFile(account.passwordFile, 'utf8')).replace(/\r?\n$/, ''),
  ...(account.authority === undefined
    ? {}
    : { authority: await readText(account.authority, 'Put the PEM file of the authority there.'), serverName }),
});
