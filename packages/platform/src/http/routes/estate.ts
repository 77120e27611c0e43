/** The estate as it is now, details of databases, changes, and signals with their courses. */
import {
  type CorrelateAnswer,
  type CorrelateRequest,
  changeEvent,
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
  type StreamEvent,
  signalPage,
  signalSearch,
  streamEvent,
  streamQuery,
} from '@coequal/contract';
import { fail } from '@coequal/kernel';
import { z } from 'zod';
import { type Asker, scopesOf } from '../../access/audience.ts';
import type { Reach } from '../../access/decide.ts';
import { limits } from '../../limits.ts';
import type { Core } from '../../ports.ts';
import { correlateLive } from '../../views/correlate.ts';
import { correlateStored } from '../../views/correlate-stored.ts';
import { overviewOf } from '../../views/overview.ts';
import { liveRange, type SeesLabels, searchSignals } from '../../views/signals.ts';
import { storedRange } from '../../views/stored.ts';
import { jsonRoute, type Named, noBody, nothing, type Route, streamRoute } from '../route.ts';

const looking = {
  access: { action: 'estate.read', at: 'some' },
  classification: 'sensitive',
  limits: { bodyBytes: 0, rate: 'read' },
} as const;
const searching = {
  ...looking,
  access: { action: 'signal.read', at: 'some' },
  limits: { bodyBytes: limits.http.bodyBytes, rate: 'search' },
} as const;
const byId = z.object({ id: z.string().min(1).max(200) });
const byName = z.object({ name: z.string().min(1).max(200) });

const ofInstance = ({ places }: Core, { params }: Named): Reach => {
  const found = places.instance(byName.safeParse(params).data?.name ?? '');
  return found === undefined ? { reach: 'all' } : { reach: 'any', places: scopesOf(places, found) };
};

const ofChange = ({ places, events }: Core, { params }: Named): Reach => {
  const found = events.change(byId.safeParse(params).data?.id ?? '');
  return found === undefined ? { reach: 'all' } : { reach: 'any', places: scopesOf(places, found.place) };
};

/** An expression may ask for anything of the store, so only whoever sees all of it may send one. */
const ofRange = (_: Core, { query }: Named): Reach =>
  typeof query === 'object' && query !== null && 'query' in query ? { reach: 'all' } : { reach: 'some' };

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
    handle: ({ places, readings, keeper, intake, clock }, { asker: { sees } }) => {
      const open = keeper.open.filter(({ place, places: touched }) => [place, ...touched].some(sees));
      return overviewOf({ places, readings, open, sees, heardMs: (host) => intake.heardMs(host) }, clock.now());
    },
  }),
  jsonRoute({
    ...looking,
    access: { action: 'estate.read', at: ofInstance },
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
    access: { action: 'change.read', at: 'some' },
    method: 'GET',
    path: '/api/v1/changes',
    summary: 'What was changed, the newest first.',
    params: nothing,
    query: changeQuery,
    body: noBody,
    output: changePage,
    handle: ({ events }, { query, asker }) => {
      const { items, next } = events.changes(query);
      return { items: items.filter(({ place }) => asker.sees(place)), next };
    },
  }),
  jsonRoute({
    ...looking,
    access: { action: 'literal.reveal', at: ofChange },
    limits: { bodyBytes: 0, rate: 'act' },
    shows: 'values',
    method: 'POST',
    path: '/api/v1/changes/:id/reveal',
    summary: 'The change with the values that its text holds. Who saw it, and why, is recorded.',
    params: byId,
    query: nothing,
    body: noBody,
    output: changeEvent,
    handle: ({ events }, { params: { id } }) => {
      const found = events.change(id);
      if (found === undefined) throw fail('THING_UNKNOWN', { kind: 'change', name: id.slice(0, 100) });
      return found;
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
    handle: ({ headroom }, { asker }) => ({
      sites: (headroom()?.answers() ?? [])
        .filter(({ service, without }) => asker.sees({ service, site: without }))
        .map(({ resources, limiting = null, ...rest }) => ({
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
    handle: (core, { query, asker }) => searchSignals(core.window, query, seesLabels(core, asker)),
  }),
  jsonRoute({
    ...searching,
    access: { action: 'signal.read', at: ofRange },
    method: 'GET',
    path: '/api/v1/signals/range',
    summary: 'The course of signals: of the live window by name, of the store by a PromQL expression.',
    params: nothing,
    query: rangeQuery,
    body: noBody,
    output: rangeAnswer,
    handle: (core, { query, asker }) => range(core, query, asker),
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
    handle: (core, { body, asker }) => correlation(core, body, seesLabels(core, asker)),
  }),
  streamRoute({
    ...looking,
    method: 'GET',
    path: '/api/v1/events',
    summary: 'What happens, as server-sent events; `Last-Event-ID` goes on where a reader stopped.',
    query: streamQuery,
    event: streamEvent,
    subscribe: (core, { signals }, lastId, subscriber, asker) =>
      core.stream.subscribe(
        {
          ...subscriber,
          give: (told) => {
            const event = seenOf(core, asker, told.event);
            return event === undefined || subscriber.give({ ...told, event });
          },
          signals: signals
            .split(',')
            .filter((name) => name !== '')
            .slice(0, 20),
        },
        lastId,
      ),
  }),
];

const seesLabels = ({ places }: Core, asker: Asker): SeesLabels =>
  asker.seesAll ? () => true : (labels) => asker.sees(places.ofLabels(Object.fromEntries(labels)));

/** What of an event a reader may see. */
const seenOf = (core: Core, asker: Asker, event: StreamEvent): StreamEvent | undefined => {
  if (asker.seesAll) return event;
  switch (event.kind) {
    case 'missed':
      return event;
    case 'event':
      return asker.sees(event.event.place) ? event : undefined;
    case 'plan-run':
      return asker.sees(event.run.plan.place) ? event : undefined;
    case 'incident': {
      const found = core.keeper.get(event.incident.id);
      return [event.incident.place, ...(found?.places ?? [])].some(asker.sees) ? event : undefined;
    }
    case 'samples':
      return { ...event, samples: event.samples.filter(({ labels }) => asker.sees(core.places.ofLabels(labels))) };
  }
};

/** The live window where that covers the stretch, or there is nothing else. */
const correlation = async (core: Core, request: CorrelateRequest, sees: SeesLabels): Promise<CorrelateAnswer> => {
  const { window, store, places, clock } = core;
  if (store === undefined || request.fromMs >= core.liveFromMs()) return correlateLive(window, request, sees);
  return correlateStored({ store, estate: places.estate, clock, sees }, request);
};

const range = async (core: Core, query: RangeQuery, asker: Asker): Promise<RangeAnswer> => {
  const { name, query: expression } = query;
  if ((name === undefined) === (expression === undefined))
    throw fail('REQUEST_INVALID', { what: 'Give `name` for signals of the live window, or `query` for the store.' });
  if (name !== undefined) return liveRange(core.window, { ...query, name }, seesLabels(core, asker));
  if (core.store === undefined) throw fail('STORE_FAILED', { reason: 'the estate names no store' });
  return storedRange(core.store, expression ?? '', query);
};
