/**
 * The routes behind a socket: the guard lets in, limits and shapes are checked before a handler runs, errors become problem details, and
 * streams of events have back-pressure and end with their reader's session. Only loopback, and only requests that were meant for it.
 */
import type { ServerResponse } from 'node:http';
import { isLoopback } from '@coequal/estate';
import { assert, codeOf, fail } from '@coequal/kernel';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { limits } from '../../limits.ts';
import type { Told } from '../../live/stream.ts';
import type { OnceStore } from '../../store/port.ts';
import { type Admitted, type Guard, type GuardOptions, makeGuard } from '../guard.ts';
import { doOnce, onceKeyOf } from '../once.ts';
import { problemOf } from '../problems.ts';
import { checkRoutes, type RawAnswer, type RawRequest, type Route } from '../route.ts';

export type ServerOptions = GuardOptions & {
  readonly routes: readonly Route[];
  readonly once: OnceStore;
  readonly address: string;
  readonly port: number;
};

export type Server = { readonly port: number; readonly close: () => Promise<void> };

/** @throws PORT_BUSY */
export const startServer = async (options: ServerOptions): Promise<Server> => {
  const { core, routes, address, port } = options;
  assert(isLoopback(address), 'a platform without a public name listens on loopback');
  checkRoutes(routes);
  const app = fastify({
    bodyLimit: limits.http.bodyBytes,
    requestTimeout: limits.http.requestMs,
    connectionTimeout: 0,
    keepAliveTimeout: 60_000,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 300 },
    frameworkErrors: (error, request, reply) => void answerError(options, error, request, reply),
    logger: false,
  });
  app.server.maxConnections = limits.http.connections;
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_, body, done) => done(null, body));
  app.setErrorHandler((error, request, reply) => answerError(options, error, request, reply));
  app.setNotFoundHandler((request, reply) =>
    answerError(options, fail('ROUTE_UNKNOWN', { path: pathOf(request) }), request, reply),
  );
  const guard = makeGuard(options);
  for (const route of routes) addRoute(app, options, route, guard);
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

const remoteOf = ({ socket }: FastifyRequest): string => socket.remoteAddress ?? '';

const pathOf = ({ url }: FastifyRequest): string => (url.split('?')[0] ?? '').slice(0, 200);

const addRoute = (app: FastifyInstance, options: ServerOptions, route: Route, guard: Guard): void => {
  const admitted = new WeakMap<FastifyRequest, Admitted>();
  app.route({
    method: route.method,
    url: route.path,
    bodyLimit: Math.max(1, route.limits.bodyBytes),
    // Before anything of the body is read.
    onRequest: async (request) => {
      const { method, params, query, headers } = request;
      admitted.set(
        request,
        await guard(route, { method, path: pathOf(request), params, query, headers, remote: remoteOf(request) }),
      );
    },
    handler: async (request, reply) => {
      const by = admitted.get(request);
      assert(by !== undefined, 'whoever gets here was admitted');
      const answer = await answered(options, route, request, reply, by);
      await send(reply, answer, by);
      return reply;
    },
    // A request whose body was refused has an end too.
    onError: async (request, _, error) => admitted.get(request)?.ended(translated(error)),
  });
};

const answered = async (
  { core, once }: ServerOptions,
  route: Route,
  request: FastifyRequest,
  reply: FastifyReply,
  { asker, ended }: Admitted,
): Promise<RawAnswer> => {
  const body = request.body instanceof Uint8Array ? request.body : new Uint8Array();
  const { params, query, headers } = request;
  const raw: RawRequest = { params, query, body, headers, asker, remote: remoteOf(request) };
  const run = async (): Promise<RawAnswer> => {
    const answer = await route.run(core, raw);
    await ended();
    return answer;
  };
  const key = route.method === 'GET' ? undefined : onceKeyOf(headers);
  if (key === undefined || asker.subject === undefined || typeof route.access === 'string') return run();
  if (route.classification === 'secret')
    throw fail('REQUEST_INVALID', { what: 'What this answers is not kept, so it takes no idempotency key.' });
  const what = { subject: asker.subject.id, request: `${route.method} ${request.url}`, key, body };
  const { answer, again } = await doOnce(once, what, core.clock.now(), run);
  if (again) {
    reply.header('idempotency-replayed', 'true');
    await ended();
  }
  return answer;
};

const send = async (reply: FastifyReply, answer: RawAnswer, { still }: Admitted): Promise<void> => {
  reply.header('cache-control', 'no-store').header('x-content-type-options', 'nosniff');
  if (answer.kind === 'stream') return stream(reply, answer.subscribe, still);
  reply.code(answer.status);
  for (const [name, value] of Object.entries(answer.headers ?? {})) reply.header(name, value);
  if (answer.kind === 'empty') await reply.send();
  else await reply.type(answer.type).send(answer.body);
};

const answerError = async (
  { core }: Pick<ServerOptions, 'core'>,
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> => {
  const told = translated(error);
  const problem = problemOf(told);
  if (problem.code === 'BUG')
    core.log('error', 'a request ended in a bug', {
      path: pathOf(request),
      reason: error instanceof Error ? error.stack : String(error),
    });
  if (problem.status === 429) reply.header('retry-after', '1');
  if (problem.status === 401) reply.header('www-authenticate', 'Bearer');
  reply.header('cache-control', 'no-store').header('x-content-type-options', 'nosniff');
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
  still: () => boolean,
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
      if (raw.destroyed || backlog.length >= limits.http.streamBacklog || !still()) return false;
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
  const check = setInterval(() => {
    if (!still()) endStream(raw);
  }, limits.http.streamCheckMs);
  for (const timer of [alive, check]) timer.unref();
  raw.on('close', () => {
    clearInterval(alive);
    clearInterval(check);
    unsubscribe();
  });
};

const endStream = (raw: ServerResponse): void => {
  if (!raw.writableEnded) raw.end();
};

const eventText = ({ id, event }: Told): string =>
  `${id === undefined ? '' : `id: ${id}\n`}event: ${event.kind}\ndata: ${JSON.stringify(event)}\n\n`;
