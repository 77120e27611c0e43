/** Who may do what, and who could: service accounts, their grants and their end, and reviews of all grants. */
import {
  type AccessReview,
  accessReview,
  accessReviewQuery,
  serviceAccount,
  serviceAccountPage,
  serviceAccountRequest,
  serviceAccountToken,
} from '@coequal/contract';
import { z } from 'zod';
import { dayOf, grantsOfAccounts, type KeptGrant, reviewCsv, reviewOf } from '../../access/review.ts';
import type { ServiceAccounts } from '../../access/service-accounts.ts';
import { limits } from '../../limits.ts';
import type { KeptAccount } from '../../store/port.ts';
import { jsonRoute, noBody, nothing, type Route, textRoute } from '../route.ts';

const reading = {
  access: { action: 'access.read', at: 'all' },
  classification: 'sensitive',
  limits: { bodyBytes: 0, rate: 'read' },
} as const;
const changing = { classification: 'sensitive', limits: { bodyBytes: limits.http.bodyBytes, rate: 'act' } } as const;
const byName = z.object({ name: z.string().min(1).max(200) });

/** @param people grants of people, as they were given and taken */
export const makeAccessRoutes = (accounts: ServiceAccounts, people: () => readonly KeptGrant[]): readonly Route[] => [
  ...reviewRoutes(() => [...grantsOfAccounts(accounts.list()), ...people()]),
  jsonRoute({
    ...reading,
    method: 'GET',
    path: '/api/v1/service-accounts',
    summary: 'Service accounts, those that ended included, the newest first.',
    params: nothing,
    query: nothing,
    body: noBody,
    output: serviceAccountPage,
    handle: () => ({ items: accounts.list().map(shown), next: null }),
  }),
  jsonRoute({
    ...changing,
    access: { action: 'service-account.add', at: 'all' },
    classification: 'secret',
    method: 'POST',
    path: '/api/v1/service-accounts',
    summary: 'Make a service account. Its token is in this answer and nowhere else.',
    params: nothing,
    query: nothing,
    body: serviceAccountRequest,
    output: serviceAccountToken,
    status: 201,
    handle: (_, { body: { name, grants, lifeDays }, asker }) => {
      const { account, token } = accounts.add({ name, grants, lifeMs: lifeDays * 86_400_000, by: asker.name() });
      return { account: shown(account), token };
    },
  }),
  jsonRoute({
    ...changing,
    access: { action: 'service-account.revoke', at: 'all' },
    method: 'DELETE',
    path: '/api/v1/service-accounts/:name',
    summary: 'Revoke a service account at once.',
    params: byName,
    query: nothing,
    body: noBody,
    output: serviceAccount,
    handle: (_, { params: { name }, asker }) => shown(accounts.revoke(name, asker.name())),
  }),
];

const reviewRoutes = (grants: () => readonly KeptGrant[]): readonly Route[] => {
  const review = (nowMs: number, { on, zone }: z.output<typeof accessReviewQuery>): AccessReview =>
    reviewOf(grants(), on === undefined ? { fromMs: nowMs, toMs: nowMs } : dayOf(on, zone));
  return [
    jsonRoute({
      ...reading,
      method: 'GET',
      path: '/api/v1/access-review',
      summary: 'Who can do what now, or who could have done what on a day.',
      params: nothing,
      query: accessReviewQuery,
      body: noBody,
      output: accessReview,
      handle: ({ clock }, { query }) => review(clock.now(), query),
    }),
    textRoute({
      ...reading,
      method: 'GET',
      path: '/api/v1/access-review.csv',
      summary: 'The same as a table.',
      type: 'text/csv; charset=utf-8',
      query: accessReviewQuery,
      handle: ({ clock }, query) => reviewCsv(review(clock.now(), query)),
    }),
  ];
};

const shown = ({ tokenHash: _, grants, ...account }: KeptAccount): z.input<typeof serviceAccount> => ({
  ...account,
  grants: grants.map(({ role, services, sites }) => ({
    ...{ role, services: services === '*' ? services : [...services], sites: sites === '*' ? sites : [...sites] },
  })),
});
