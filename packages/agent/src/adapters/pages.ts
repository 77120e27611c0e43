/**
 * What an agent shows and takes over HTTP. On loopback: `/metrics`, `/-/healthy`, `/time`, and `POST /api/v1/changes` for whoever shows the
 * token. On the address of the host, if the estate says so: `/time` alone. Everything is bounded: connections, bodies, time.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { codeOf, fail, reasonOf } from '@coequal/kernel';
import { contentTypeOf } from '@coequal/signals/collecting';
import { noticeBytes } from '../limits.ts';
import type { Listen } from '../settings.ts';

/** Not imported, for the reason that stands at `HttpPeer`. */
const { createServer } = process.getBuiltinModule('node:http');

export type Pages = {
  readonly metrics: () => string;
  readonly health: () => { readonly healthy: boolean; readonly text: string };
  readonly nowMs: () => number;
  /** Undefined: it was taken. */
  readonly change: (text: string) => Promise<string | undefined>;
  readonly token: string;
};

export type PageServer = { readonly port: number; readonly close: () => Promise<void> };

type Answer = { readonly status: number; readonly type: string; readonly body: string };

const text = (status: number, body: string): Answer => ({ status, type: 'text/plain; charset=utf-8', body });
const json = (status: number, value: unknown): Answer => ({
  status,
  type: 'application/json',
  body: `${JSON.stringify(value)}\n`,
});

/** @throws PORT_BUSY, PERMISSION_MISSING, AGENT_NOT_STARTED */
export const servePages = (name: string, listen: Listen, pages: Pages): Promise<PageServer> =>
  serve(name, listen, 'port', (request) => answerPages(request, pages));

/** @throws PORT_BUSY, PERMISSION_MISSING, AGENT_NOT_STARTED */
export const serveTime = (name: string, listen: Listen, nowMs: () => number): Promise<PageServer> =>
  serve(name, listen, 'timePort', async ({ method, url }) =>
    method === 'GET' && url === '/time' ? timeAnswer(nowMs()) : text(404, 'There is /time.\n'),
  );

const answerPages = async (request: IncomingMessage, pages: Pages): Promise<Answer> => {
  const path = (request.url ?? '').split('?')[0];
  if (path === '/api/v1/changes') return takeChange(request, pages);
  if (request.method !== 'GET' && request.method !== 'HEAD') return text(405, 'Only GET.\n');
  switch (path) {
    case '/metrics':
      return { status: 200, type: contentTypeOf('prometheus'), body: pages.metrics() };
    case '/-/healthy': {
      const { healthy, text: words } = pages.health();
      return text(healthy ? 200 : 503, `${words}\n`);
    }
    case '/time':
      return timeAnswer(pages.nowMs());
    default:
      return text(404, 'There are /metrics, /-/healthy, /time and POST /api/v1/changes.\n');
  }
};

const timeAnswer = (nowMs: number): Answer => json(200, { nowMs });

const takeChange = async (request: IncomingMessage, { token, change }: Pages): Promise<Answer> => {
  if (request.method !== 'POST') return text(405, 'Only POST.\n');
  if (!isToken(request.headers.authorization ?? '', token))
    return text(401, 'Show the token of the agent: `Authorization: Bearer …`.\n');
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of request) {
    if (!(chunk instanceof Uint8Array)) continue;
    length += chunk.length;
    if (length > noticeBytes) return text(413, `At most ${noticeBytes} bytes.\n`);
    chunks.push(chunk);
  }
  const wrong = await change(Buffer.concat(chunks).toString('utf8'));
  return wrong === undefined ? json(202, { taken: true }) : json(400, { taken: false, what: wrong });
};

/** In the same time whatever is shown. */
const isToken = (header: string, token: string): boolean => {
  const digest = (value: string): Buffer => createHash('sha256').update(value).digest();
  return timingSafeEqual(digest(header), digest(`Bearer ${token}`));
};

const serve = async (
  name: string,
  { host, port }: Listen,
  key: string,
  answer: (request: IncomingMessage) => Promise<Answer>,
): Promise<PageServer> => {
  const server = createServer((request, response) => {
    answer(request).then(
      (found) => send(request, response, found),
      () => response.destroy(),
    );
  });
  server.headersTimeout = 5_000;
  server.requestTimeout = 5_000;
  server.keepAliveTimeout = 30_000;
  server.maxConnections = 64;
  await listening(server, name, { host, port }, key);
  const bound = server.address();
  return {
    port: typeof bound === 'object' && bound !== null ? bound.port : port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
};

const send = (request: IncomingMessage, response: ServerResponse, { status, type, body }: Answer): void => {
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    // What was not read to its end would be taken for the next request.
    ...(request.complete ? {} : { connection: 'close' }),
  });
  response.end(request.method === 'HEAD' ? '' : body);
};

const listening = async (server: Server, name: string, { host, port }: Listen, key: string): Promise<void> => {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host, port }, () => resolve());
    });
  } catch (error) {
    const subject = `the agent ${name} (\`${key}\`)`;
    if (codeOf(error) === 'EADDRINUSE') throw fail('PORT_BUSY', { port, address: host, subject }, { cause: error });
    if (codeOf(error) === 'EACCES')
      throw fail('PERMISSION_MISSING', {
        what: `port ${port} on ${host} may not be opened`,
        advice: 'Choose a port above 1023.',
      });
    const reason = `it cannot listen on ${host}, port ${port}: ${reasonOf(error)}`;
    const advice = "Check that the address in the estate is one of this machine's.";
    throw fail('AGENT_NOT_STARTED', { name, reason, advice }, { cause: error });
  }
  // Running out of descriptors costs a connection; the port stays open.
  server.on('error', () => undefined);
};
