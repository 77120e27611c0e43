/** All routes of the platform in one table. */

import { grantsOfPeople } from '../access/review.ts';
import type { ServiceAccounts } from '../access/service-accounts.ts';
import type { PageFiles } from '../identity/adapters/page.ts';
import type { Identity } from '../identity/identity.ts';
import type { Runs } from '../plans/runs.ts';
import type { Backup } from '../store/adapters/backup.ts';
import { openApi } from './openapi.ts';
import type { Route } from './route.ts';
import { makeAccessRoutes } from './routes/access.ts';
import { alertRoutes } from './routes/alerts.ts';
import { estateRoutes } from './routes/estate.ts';
import { makeIdentityRoutes } from './routes/identity.ts';
import { makePageRoutes } from './routes/identity-page.ts';
import { makePeopleRoutes } from './routes/identity-people.ts';
import { incidentRoutes } from './routes/incidents.ts';
import { makeIngestRoutes } from './routes/ingest.ts';
import { makeOwnRoutes } from './routes/own.ts';
import { makePlanRunRoutes, planRoutes } from './routes/plans.ts';
import { makeStoreRoutes } from './routes/store.ts';

export type People = { readonly identity: Identity; readonly page: PageFiles };

export type RouteParts = {
  readonly version: string;
  readonly accounts: ServiceAccounts;
  readonly takeBackup: () => Promise<Backup>;
  /** Undefined: a platform that is only measured has none. */
  readonly people?: People;
  /** Undefined: it carries nothing out. */
  readonly runs?: Runs;
};

export const allRoutes = ({ version, accounts, takeBackup, people, runs }: RouteParts): readonly Route[] => {
  const routes: readonly Route[] = [
    ...makeOwnRoutes(() => openApi(routes, version)),
    ...estateRoutes,
    ...incidentRoutes,
    ...planRoutes,
    ...(runs === undefined ? [] : makePlanRunRoutes(runs)),
    ...alertRoutes,
    ...makeIngestRoutes(),
    ...(people === undefined
      ? []
      : [...makeIdentityRoutes(people.identity), ...makePeopleRoutes(people.identity), ...makePageRoutes(people.page)]),
    ...makeAccessRoutes(accounts, () => grantsOfPeople(people?.identity.given() ?? { people: [], grants: [] })),
    ...makeStoreRoutes(takeBackup),
  ];
  return routes;
};
