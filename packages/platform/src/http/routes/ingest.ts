/** Where others tell: samples by remote write and OTLP, reports of agents, changes. */
import { createHash } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { agentReport, type ChangeEvent, changeEvent, changeNotice, classified } from '@coequal/contract';
import { codeOf, fail, reasonOf } from '@coequal/kernel';
import {
  DeltaTotals,
  decodeOtlp,
  decodeRemoteWrite,
  labelOfWrite,
  otlpBytesLimit,
  type Sample,
} from '@coequal/signals';
import { z } from 'zod';
import { limits } from '../../limits.ts';
import type { Core } from '../../ports.ts';
import { bytesRoute, jsonRoute, nothing, type Route } from '../route.ts';

const agent = { access: 'agent', classification: 'sensitive' } as const;
const smallBody = { bodyBytes: limits.http.bodyBytes, rate: 'act' } as const;

export const makeIngestRoutes = (): readonly Route[] => {
  const totals = new DeltaTotals();
  return [
    bytesRoute({
      ...agent,
      method: 'POST',
      path: '/api/v1/write',
      summary: 'Take samples in (Prometheus remote write 1.0).',
      limits: { bodyBytes: limits.ingest.writeBytes, rate: 'ingest' },
      types: ['application/x-protobuf'],
      status: 204,
      handle: async (core, body) => {
        const taken = core.intake.write(body, core.clock.now());
        if (!taken.ok) throw fail('REQUEST_INVALID', { what: `${capital(taken.what)}.` });
        if (isAgents(labelOfWrite(taken, 'host'), labelOfWrite(taken, 'job'))) return;
        const read = core.store === undefined ? undefined : decodeRemoteWrite(body);
        if (read?.ok === true) await forward(core, read.samples);
      },
    }),
    bytesRoute({
      ...agent,
      method: 'POST',
      path: '/v1/metrics',
      summary: 'Take metrics in (OTLP over HTTP, protobuf or JSON, also compressed with gzip).',
      limits: { bodyBytes: limits.ingest.otlpBytes, rate: 'ingest' },
      types: ['application/x-protobuf', 'application/json'],
      status: 200,
      handle: async (core, body, headers) => {
        const encoding = String(headers['content-type'] ?? '').startsWith('application/json') ? 'json' : 'protobuf';
        const read = decodeOtlp(unpacked(body, headers['content-encoding']), encoding);
        if (!read.ok) throw fail('REQUEST_INVALID', { what: `${capital(read.what)}.` });
        const added = totals.add(read.deltas);
        const samples = [...read.samples, ...added.samples];
        core.intake.samples(samples, read.left + added.refused, core.clock.now());
        await forward(core, samples);
      },
    }),
    jsonRoute({
      ...agent,
      method: 'POST',
      path: '/api/v1/agent',
      summary: 'Take the report of an agent: details of its databases, and events.',
      limits: { bodyBytes: limits.ingest.reportBytes, rate: 'ingest' },
      params: nothing,
      query: nothing,
      body: agentReport,
      output: classified('sensitive', z.object({ taken: z.number() })),
      handle: (core, { body }) =>
        written(() => {
          core.intake.report(body, core.clock.now());
          return { taken: body.events.length };
        }),
    }),
    jsonRoute({
      ...agent,
      method: 'POST',
      path: '/api/v1/changes',
      summary: 'Tell of a change: a deployment, a backup, a job.',
      limits: smallBody,
      params: nothing,
      query: nothing,
      body: changeNotice,
      output: changeEvent,
      status: 201,
      handle: ({ intake, places, clock }, { body }) =>
        written(() => {
          const atMs = body.atMs ?? clock.now();
          const { change, text, by, source } = body;
          const place = places.complete(body.place);
          const told = { kind: 'change', atMs, place, change, text, source } as const;
          const event: ChangeEvent = {
            ...told,
            id: body.id ?? `notice-${createHash('sha256').update(JSON.stringify(told)).digest('hex').slice(0, 32)}`,
            ...(by === undefined ? {} : { by }),
          };
          intake.events([event], clock.now());
          return event;
        }),
    }),
  ];
};

/** Agents send to the store themselves, and label everything so; what others send is passed on. */
const isAgents = (host: string, job: string): boolean => host !== '' && job !== '';

/** A sender that hears no may send again later: nothing is lost as long as somebody keeps it. */
const forward = async ({ store }: Core, samples: readonly Sample[]): Promise<void> => {
  if (store === undefined || samples.length === 0 || (await store.forward(samples))) return;
  throw fail('STORAGE_FAILED', { reason: 'there is no room for samples that wait for the store' });
};

const unpacked = (body: Uint8Array, encoding: unknown): Uint8Array => {
  if (encoding === undefined || encoding === 'identity') return body;
  if (encoding !== 'gzip') throw fail('REQUEST_INVALID', { what: 'The body may be plain or compressed with gzip.' });
  try {
    return gunzipSync(body, { maxOutputLength: otlpBytesLimit });
  } catch (error) {
    if (codeOf(error) === undefined) throw error;
    throw fail('REQUEST_INVALID', { what: `The body cannot be unpacked: ${reasonOf(error)}.` }, { cause: error });
  }
};

/** What could not be written is said, so that whoever told it tells it again. */
const written = <T>(work: () => T): T => {
  try {
    return work();
  } catch (error) {
    if (codeOf(error) !== 'ERR_SQLITE_ERROR') throw error;
    throw fail('STORAGE_FAILED', { reason: reasonOf(error) }, { cause: error });
  }
};

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
