/** The document of the API (OpenAPI 3.1), made of the routes themselves, so that it cannot say something else. Pure. */
import { problem } from '@coequal/contract';
import { z } from 'zod';
import type { Route } from './route.ts';

type Json = Readonly<Record<string, unknown>>;

export const openApi = (routes: readonly Route[], version: string): Json => {
  const paths: Record<string, Record<string, Json>> = {};
  for (const route of routes) {
    const path = route.path.replaceAll(/:(\w+)/g, '{$1}');
    const operations = paths[path] ?? {};
    paths[path] = operations;
    operations[route.method.toLowerCase()] = operationOf(route);
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Coequal platform',
      version,
      description: 'Incidents of an estate, why they happened, and the signals behind them. On loopback only.',
    },
    paths,
    components: {
      securitySchemes: { agent: { type: 'http', scheme: 'bearer' }, bearer: { type: 'http', scheme: 'bearer' } },
      schemas: { Problem: schemaOf(problem, 'output') },
    },
  };
};

const operationOf = (route: Route): Json => ({
  summary: route.summary,
  operationId: `${route.method.toLowerCase()}${route.path.replaceAll(/[^a-zA-Z0-9]+(.)?/g, (_, next: string | undefined) => (next ?? '').toUpperCase())}`,
  'x-access': typeof route.access === 'string' ? route.access : route.access.action,
  'x-classification': route.classification,
  'x-body-bytes': route.limits.bodyBytes,
  ...securityOf(route.access),
  parameters: [...parametersOf(route.input.params, 'path'), ...parametersOf(route.input.query, 'query')],
  ...(route.input.body.kind === 'none' ? {} : { requestBody: { required: true, content: bodyContent(route) } }),
  responses: {
    [route.output.status]: {
      description: 'Good.',
      ...(route.output.type === '' ? {} : { content: { [route.output.type]: answerContent(route) } }),
    },
    default: {
      description: 'It could not be done.',
      content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
    },
  },
});

const securityOf = (access: Route['access']): Json => {
  if (access === 'anyone') return {};
  return { security: access === 'agent' ? [{}, { agent: [] }] : [{ bearer: [] }] };
};

const bodyContent = ({ input: { body } }: Route): Json =>
  Object.fromEntries(
    body.types.map((type) => [type, body.kind === 'json' ? { schema: schemaOf(body.schema, 'input') } : {}]),
  );

const answerContent = ({ output }: Route): Json => {
  if (output.schema !== undefined) return { schema: schemaOf(output.schema, 'output') };
  return { schema: { type: 'string' } };
};

const parametersOf = (schema: z.ZodType, place: 'path' | 'query'): readonly Json[] => {
  const { properties = {}, required = [] } = schemaOf(schema, 'input') as {
    properties?: Json;
    required?: readonly string[];
  };
  return Object.entries(properties).map(([name, each]) => ({
    name,
    in: place,
    required: place === 'path' || required.includes(name),
    schema: each,
  }));
};

const schemaOf = (schema: z.ZodType, io: 'input' | 'output'): Json => {
  const {
    $schema: _,
    '~standard': __,
    ...rest
  } = z.toJSONSchema(schema, { io, unrepresentable: 'any' }) as Record<string, unknown>;
  return rest;
};
