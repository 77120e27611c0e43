/**
 * The routes behind a socket: limits and shapes are checked before a handler runs, errors become problem details, and streams of events
 * have back-pressure. Only loopback, and only requests that were meant for it: a page in a browser on the same machine is refused.
 */
import { timingSafeEqual } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { isLoopback } from '@coequal/estate';
import { assert, codeOf, fail } from '@coequal/kernel';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { limits } from '../../limits.ts';
import type { Told } from '../../live/stream.ts';
import type { Core } from '../../ports.ts';
import { problemOf } from '../problems.ts';
import { makeRates } from '../rates.ts';
import { checkRoutes, type RawAnswer, type Route } from '../route.ts';

export type ServerOptions = {
  readonly core: Core;
  readonly routes: readonly Route[];
  readonly address: string;
  readonly port: number;
  /** What agents show; undefined: nothing is asked for. */
  readonly agentToken: string | undefined;
  /** What browsers call it, when that is another name than loopback's. */
  readonly origin?: string;
};

export type Server = { readonly port: number; readonly close: () => Promise<void> };

/** @throws PORT_BUSY */
export const startServer = async (options: ServerOptions): Promise<Server> => {
  const { core, routes, address, port } = options;
  assert(isLoopback(address), 'a platform without identity listens on loopback');
  checkRoutes(routes);
  const app = fastify({
    bodyLimit: limits.http.bodyBytes,
    requestTimeout: limits.http.requestMs,
    connectionTimeout: 0,
    keepAliveTimeout: 60_000,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 300 },
    logger: false,
  });
  app.server.maxConnections = limits.http.connections;
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_, body, done) => done(null, body));
  app.setErrorHandler((error, request, reply) => answerError(core, error, request, reply));
  app.setNotFoundHandler((request, reply) =>
    answerError(core, fail('ROUTE_UNKNOWN', { path: pathOf(request) }), request, reply),
  );
  const admit = makeAdmission(options);
  for (const route of routes) addRoute(app, options, route, admit);
  try {
    await app.listen({ host: address, port });
  } catch (error) {
    if (codeOf(error) !== 'EADDRINUSE') throw error;
    throw fail('PORT_BUSY', { port, address, subject: 'the platform' }, { cause: error });
  }
  const bound = app.server.address();
  return {
    port: typeof bound === 'object' && bound !== null ? bound.port : port,
    close: async () => {
      core.stream.close();
      await app.close();
    },
  };
};

type Admit = (route: Route, request: FastifyRequest) => void;

const makeAdmission = ({ core, agentToken, origin }: ServerOptions): Admit => {
  const takes = makeRates(core.clock);
  const refused = core.counters.counter({
    name: 'coequal_platform_requests_refused_total',
    help: 'Requests that were refused before they were looked at, by reason.',
    labels: ['reason'],
  });
  return (route, request) => {
    if (!isForUs(request, origin)) {
      refused.with({ reason: 'foreign-page' }).add();
      throw fail('REQUEST_INVALID', {
        what: 'This was not sent to the platform by name, or comes from a page of another origin.',
      });
    }
    if (route.access === 'agent' && agentToken !== undefined && !shows(request, agentToken)) {
      refused.with({ reason: 'token' }).add();
      throw fail('REQUEST_UNAUTHORISED', {});
    }
    if (takes(route.limits.rate)) return;
    refused.with({ reason: 'rate' }).add();
    throw fail('REQUEST_TOO_MANY', {});
  };
};

/** A page elsewhere that a browser here shows can send requests to loopback; its origin, or the name it used, gives it away. */
const isForUs = ({ headers }: FastifyRequest, own: string | undefined): boolean => {
  if (own !== undefined && headers.host === new URL(own).host)
    return headers.origin === undefined || headers.origin === own;
  const name = hostName(headers.host ?? '');
  if (name !== 'localhost' && !isLoopback(name)) return false;
  const { origin } = headers;
  if (origin === undefined) return true;
  if (!URL.canParse(origin)) return false;
  const from = new URL(origin).hostname.replaceAll(/[[\]]/g, '');
  return from === 'localhost' || isLoopback(from);
};

const hostName = (host: string): string =>
  host.startsWith('[') ? host.slice(1, host.indexOf(']')) : (host.split(':')[0] ?? '');

const shows = ({ headers }: FastifyRequest, token: string): boolean => {
  const given = Buffer.from(/^Bearer (.+)$/.exec(headers.authorization ?? '')?.[1] ?? '');
  const wanted = Buffer.from(token);
  return given.length === wanted.length && timingSafeEqual(given, wanted);
};

const pathOf = ({ url }: FastifyRequest): string => (url.split('?')[0] ?? '').slice(0, 200);

const addRoute = (app: FastifyInstance, { core }: ServerOptions, route: Route, admit: Admit): void => {
  app.route({
    method: route.method,
    url: route.path,
    bodyLimit: Math.max(1, route.limits.bodyBytes),
    onRequest: async (request) => admit(route, request),
    handler: async (request, reply) => {
      const body = request.body instanceof Uint8Array ? request.body : new Uint8Array();
      const { params, query, headers } = request;
      const remote = request.socket.remoteAddress ?? '';
      await send(reply, await route.run(core, { params, query, body, headers, remote }));
      return reply;
    },
  });
};

const send = async (reply: FastifyReply, answer: RawAnswer): Promise<void> => {
  reply.header('cache-control', 'no-store').header('x-content-type-options', 'nosniff');
  if (answer.kind === 'stream') return stream(reply, answer.subscribe);
  reply.code(answer.status);
  for (const [name, value] of Object.entries(answer.headers ?? {})) reply.header(name, value);
  if (answer.kind === 'empty') await reply.send();
  else await reply.type(answer.type).send(answer.body);
};

const answerError = async (core: Core, error: unknown, request: FastifyRequest, reply: FastifyReply): Promise<void> => {
  const told = translated(error);
  const problem = problemOf(told);
  if (problem.code === 'BUG')
    core.log('error', 'a request ended in a bug', {
      path: pathOf(request),
      reason: error instanceof Error ? error.stack : String(error),
    });
  if (problem.status === 429) reply.header('retry-after', '1');
  await reply.code(problem.status).type('application/problem+json').send(JSON.stringify(problem));
};

/** What the server library itself refuses, in our words. */
const translated = (error: unknown): unknown => {
  const code = codeOf(error) ?? '';
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE')
    return fail('REQUEST_TOO_LARGE', { limit: 'this route takes' }, { cause: error });
  if (code.startsWith('FST_ERR_'))
    return fail('REQUEST_INVALID', { what: 'The request cannot be read.' }, { cause: error });
  return error;
};

/** Comment lines keep connections alive through whatever lies between, and find readers that are gone. */
const aliveMs = 15_000;

/** Server-sent events. The socket's own buffer and a bounded backlog hold what a reader has not taken; then it is let go. */
const stream = async (
  reply: FastifyReply,
  subscribe: Extract<RawAnswer, { kind: 'stream' }>['subscribe'],
): Promise<void> => {
  reply.hijack();
  const { raw } = reply;
  raw.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
  });
  raw.write('retry: 1000\n\n');
  const backlog: string[] = [];
  const flush = (): void => {
    while (backlog.length > 0 && !raw.writableNeedDrain) raw.write(backlog.shift() ?? '');
  };
  raw.on('drain', flush);
  const unsubscribe = subscribe({
    give: (told) => {
      if (raw.destroyed || backlog.length >= limits.http.streamBacklog) return false;
      backlog.push(eventText(told));
      flush();
      return true;
    },
    end: () => endStream(raw),
  });
  if (unsubscribe === undefined) {
    endStream(raw);
    return;
  }
  const alive = setInterval(() => {
    if (!raw.writableNeedDrain) raw.write(': alive\n\n');
  }, aliveMs);
  alive.unref();
  raw.on('close', () => {
    clearInterval(alive);
    unsubscribe();
  });
};

const endStream = (raw: ServerResponse): void => {
  if (!raw.writableEnded) raw.end();
};

const eventText = ({ id, event }: Told): string =>
  `${id === undefined ? '' : `id: ${id}\n`}event: ${event.kind}\ndata: ${JSON.stringify(event)}\n\n`;
