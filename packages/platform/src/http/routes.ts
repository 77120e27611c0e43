/** All routes of the platform in one table. */

import type { Runs } from '../plans/runs.ts';
import { openApi } from './openapi.ts';
import type { Route } from './route.ts';
import { alertRoutes } from './routes/alerts.ts';
import { estateRoutes } from './routes/estate.ts';
import { incidentRoutes } from './routes/incidents.ts';
import { makeIngestRoutes } from './routes/ingest.ts';
import { makeOwnRoutes } from './routes/own.ts';
import { makePlanRunRoutes, planRoutes } from './routes/plans.ts';

/** @param runs undefined: a platform that is only measured carries nothing out */
export const allRoutes = (version: string, runs?: Runs): readonly Route[] => {
  const routes: readonly Route[] = [
    ...makeOwnRoutes(() => openApi(routes, version)),
    ...estateRoutes,
    ...incidentRoutes,
    ...planRoutes,
    ...(runs === undefined ? [] : makePlanRunRoutes(runs)),
    ...alertRoutes,
    ...makeIngestRoutes(),
  ];
  return routes;
};
