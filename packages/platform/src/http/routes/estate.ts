/** The estate as it is now, details of databases, changes, and signals with their courses. */
import {
  type CorrelateAnswer,
  type CorrelateRequest,
  changePage,
  changeQuery,
  correlateAnswer,
  correlateRequest,
  headroomAnswer,
  instanceDetail,
  overview,
  type RangeAnswer,
  type RangeQuery,
  rangeAnswer,
  rangeQuery,
  signalPage,
  signalSearch,
  streamEvent,
  streamQuery,
} from '@coequal/contract';
import { fail } from '@coequal/kernel';
import { z } from 'zod';
import { limits } from '../../limits.ts';
import type { Core } from '../../ports.ts';
import { correlateLive } from '../../views/correlate.ts';
import { correlateStored } from '../../views/correlate-stored.ts';
import { overviewOf } from '../../views/overview.ts';
import { liveRange, searchSignals } from '../../views/signals.ts';
import { storedRange } from '../../views/stored.ts';
import { jsonRoute, noBody, nothing, type Route, streamRoute } from '../route.ts';

const looking = { access: 'person', classification: 'sensitive', limits: { bodyBytes: 0, rate: 'read' } } as const;
const searching = { ...looking, limits: { bodyBytes: limits.http.bodyBytes, rate: 'search' } } as const;
const byName = z.object({ name: z.string().min(1).max(200) });

export const estateRoutes: readonly Route[] = [
  jsonRoute({
    ...looking,
    method: 'GET',
    path: '/api/v1/overview',
    summary: 'Sites, hosts, services, instances and gateways, each with its state and reasons.',
    params: nothing,
    query: nothing,
    body: noBody,
    output: overview,
    handle: ({ places, readings, keeper, intake, clock }) =>
      overviewOf({ places, readings, open: keeper.open, heardMs: (host) => intake.heardMs(host) }, clock.now()),
  }),
  jsonRoute({
    ...looking,
    method: 'GET',
    path: '/api/v1/instances/:name/details',
    summary: 'Sessions, lock waits and statements of a database, the newest reading first.',
    params: byName,
    query: z.object({ limit: z.coerce.number().int().min(1).max(limits.events.details).default(1) }),
    body: noBody,
    output: instanceDetail,
    handle: ({ intake, places }, { params: { name }, query: { limit } }) => {
      if (places.instance(name) === undefined)
        throw fail('THING_UNKNOWN', { kind: 'instance', name: name.slice(0, 100) });
      return { instance: name, details: intake.details(name).slice(-limit).reverse() };
    },
  }),
  jsonRoute({
    ...looking,
    method: 'GET',
    path: '/api/v1/changes',
    summary: 'What was changed, the newest first.',
    params: nothing,
    query: changeQuery,
    body: noBody,
    output: changePage,
    handle: ({ events }, { query }) => {
      const { items, next } = events.changes(query);
      return { items: [...items], next };
    },
  }),
  jsonRoute({
    ...looking,
    method: 'GET',
    path: '/api/v1/headroom',
    summary: 'Whether the remaining sites could carry the peak of the last seven days without each one.',
    params: nothing,
    query: nothing,
    body: noBody,
    output: headroomAnswer,
    handle: ({ headroom }) => ({
      sites: (headroom()?.answers() ?? []).map(({ resources, limiting = null, ...rest }) => ({
        ...{ ...rest, limiting, resources: [...resources] },
      })),
    }),
  }),
  jsonRoute({
    ...searching,
    method: 'GET',
    path: '/api/v1/signals',
    summary: 'Signals of the live window by a part of their name and by labels.',
    params: nothing,
    query: signalSearch,
    body: noBody,
    output: signalPage,
    handle: ({ window }, { query }) => searchSignals(window, query),
  }),
  jsonRoute({
    ...searching,
    method: 'GET',
    path: '/api/v1/signals/range',
    summary: 'The course of signals: of the live window by name, of the store by a PromQL expression.',
    params: nothing,
    query: rangeQuery,
    body: noBody,
    output: rangeAnswer,
    handle: (core, { query }) => range(core, query),
  }),
  jsonRoute({
    ...searching,
    method: 'POST',
    path: '/api/v1/signals/correlate',
    summary: 'Which signals moved like one, with lag and sign, the likest first.',
    params: nothing,
    query: nothing,
    body: correlateRequest,
    output: correlateAnswer,
    handle: (core, { body }) => correlation(core, body),
  }),
  streamRoute({
    ...looking,
    method: 'GET',
    path: '/api/v1/events',
    summary: 'What happens, as server-sent events; `Last-Event-ID` goes on where a reader stopped.',
    query: streamQuery,
    event: streamEvent,
    subscribe: ({ stream }, { signals }, lastId, subscriber) =>
      stream.subscribe(
        {
          ...subscriber,
          signals: signals
            .split(',')
            .filter((name) => name !== '')
            .slice(0, 20),
        },
        lastId,
      ),
  }),
];

/** The live window where that covers the stretch, or there is nothing else. */
const correlation = async (core: Core, request: CorrelateRequest): Promise<CorrelateAnswer> => {
  const { window, store, places, clock } = core;
  if (store === undefined || request.fromMs >= core.liveFromMs()) return correlateLive(window, request);
  return correlateStored({ store, estate: places.estate, clock }, request);
};

const range = async (core: Core, query: RangeQuery): Promise<RangeAnswer> => {
  const { name, query: expression } = query;
  if ((name === undefined) === (expression === undefined))
    throw fail('REQUEST_INVALID', { what: 'Give `name` for signals of the live window, or `query` for the store.' });
  if (name !== undefined) return liveRange(core.window, { ...query, name });
  if (core.store === undefined) throw fail('STORE_FAILED', { reason: 'the estate names no store' });
  return storedRange(core.store, expression ?? '', query);
};
