/** All routes of the platform in one table. */

import { openApi } from './openapi.ts';
import type { Route } from './route.ts';
import { alertRoutes } from './routes/alerts.ts';
import { estateRoutes } from './routes/estate.ts';
import { incidentRoutes } from './routes/incidents.ts';
import { makeIngestRoutes } from './routes/ingest.ts';
import { makeOwnRoutes } from './routes/own.ts';
import { planRoutes } from './routes/plans.ts';

export const allRoutes = (version: string): readonly Route[] => {
  const routes: readonly Route[] = [
    ...makeOwnRoutes(() => openApi(routes, version)),
    ...estateRoutes,
    ...incidentRoutes,
    ...planRoutes,
    ...alertRoutes,
    ...makeIngestRoutes(),
  ];
  return routes;
};
