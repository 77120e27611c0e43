/** What the platform says of itself: health, metrics, and the document of its API. */
import { classified, platformHealth } from '@coequal/contract';
import { prometheusContentType, prometheusText } from '@coequal/kernel';
import { z } from 'zod';
import { jsonRoute, noBody, nothing, type Route, textRoute } from '../route.ts';

const looking = { access: 'anyone', classification: 'public', limits: { bodyBytes: 0, rate: 'read' } } as const;
const asking = { access: { action: 'platform.read', at: 'some' }, classification: 'sensitive' } as const;

/** @param document the document, made of all routes when it is asked for */
export const makeOwnRoutes = (document: () => Readonly<Record<string, unknown>>): readonly Route[] => [
  jsonRoute({
    ...looking,
    ...asking,
    method: 'GET',
    path: '/api/v1/health',
    summary: 'How the platform itself is.',
    params: nothing,
    query: nothing,
    body: noBody,
    output: platformHealth,
    handle: ({ health }) => health(),
  }),
  textRoute({
    ...looking,
    method: 'GET',
    path: '/-/healthy',
    summary: 'Whether the process lives.',
    query: nothing,
    type: 'text/plain; charset=utf-8',
    handle: () => 'Healthy.\n',
  }),
  textRoute({
    ...looking,
    method: 'GET',
    path: '/healthz',
    summary: 'The same.',
    query: nothing,
    type: 'text/plain; charset=utf-8',
    handle: () => 'Healthy.\n',
  }),
  textRoute({
    ...looking,
    method: 'GET',
    path: '/metrics',
    summary: 'Its own metrics, in Prometheus’ text format.',
    query: nothing,
    type: prometheusContentType,
    handle: ({ counters }) => prometheusText(counters.snapshot()),
  }),
  jsonRoute({
    ...looking,
    method: 'GET',
    path: '/api/openapi.json',
    summary: 'This document.',
    params: nothing,
    query: nothing,
    body: noBody,
    output: classified('public', z.record(z.string(), z.unknown())),
    handle: () => ({ ...document() }),
  }),
];
