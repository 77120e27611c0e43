/** All routes of the platform in one table. */

import type { ServiceAccounts } from '../access/service-accounts.ts';
import type { Runs } from '../plans/runs.ts';
import type { Backup } from '../store/adapters/backup.ts';
import { openApi } from './openapi.ts';
import type { Route } from './route.ts';
import { makeAccessRoutes } from './routes/access.ts';
import { alertRoutes } from './routes/alerts.ts';
import { estateRoutes } from './routes/estate.ts';
import { incidentRoutes } from './routes/incidents.ts';
import { makeIngestRoutes } from './routes/ingest.ts';
import { makeOwnRoutes } from './routes/own.ts';
import { makePlanRunRoutes, planRoutes } from './routes/plans.ts';
import { makeStoreRoutes } from './routes/store.ts';

export type RouteParts = {
  readonly version: string;
  readonly accounts: ServiceAccounts;
  readonly takeBackup: () => Promise<Backup>;
  /** Undefined: a platform that is only measured carries nothing out. */
  readonly runs?: Runs;
};

export const allRoutes = ({ version, accounts, takeBackup, runs }: RouteParts): readonly Route[] => {
  const routes: readonly Route[] = [
    ...makeOwnRoutes(() => openApi(routes, version)),
    ...estateRoutes,
    ...incidentRoutes,
    ...planRoutes,
    ...(runs === undefined ? [] : makePlanRunRoutes(runs)),
    ...alertRoutes,
    ...makeIngestRoutes(),
    ...makeAccessRoutes(accounts),
    ...makeStoreRoutes(takeBackup),
  ];
  return routes;
};
