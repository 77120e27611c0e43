/** All routes of the platform in one table. */

import type { ServiceAccounts } from '../access/service-accounts.ts';
import { openApi } from './openapi.ts';
import type { Route } from './route.ts';
import { makeAccessRoutes } from './routes/access.ts';
import { alertRoutes } from './routes/alerts.ts';
import { estateRoutes } from './routes/estate.ts';
import { incidentRoutes } from './routes/incidents.ts';
import { makeIngestRoutes } from './routes/ingest.ts';
import { makeOwnRoutes } from './routes/own.ts';

export const allRoutes = (version: string, accounts: ServiceAccounts): readonly Route[] => {
  const routes: readonly Route[] = [
    ...makeOwnRoutes(() => openApi(routes, version)),
    ...estateRoutes,
    ...incidentRoutes,
    ...alertRoutes,
    ...makeIngestRoutes(),
    ...makeAccessRoutes(accounts),
  ];
  return routes;
};
