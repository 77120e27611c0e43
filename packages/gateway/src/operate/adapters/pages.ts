/**
 * The two pages for machines, on loopback: `/metrics` for Prometheus and `/healthz` for whoever decides where clients go
 * (200 while the gateway takes connections and an instance serves, 503 otherwise).
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type CountersSnapshot, prometheusContentType, prometheusText } from '@coequal/kernel';
import type { Health } from '../status.ts';
import { type Address, type Listener, listening } from './listener.ts';

export type Pages = {
  readonly counters: () => Promise<CountersSnapshot>;
  readonly health: () => Promise<Health>;
};

/** @throws PORT_BUSY */
export const servePages = (name: string, address: Address, pages: Pages): Promise<Listener> => {
  const server = createServer((request, response) => {
    answer(request, response, pages).catch(() => response.destroy());
  });
  server.headersTimeout = 5_000;
  server.requestTimeout = 5_000;
  server.keepAliveTimeout = 30_000;
  server.maxConnections = 64;
  const closed = listening(server, name, address, `the metrics of ${name} (\`metricsPort\`)`);
  return closed.then((listener) => ({
    ...listener,
    close: async () => {
      const closing = listener.close();
      server.closeAllConnections();
      await closing;
    },
  }));
};

const answer = async (request: IncomingMessage, response: ServerResponse, pages: Pages): Promise<void> => {
  const { method, url } = request;
  const path = (url ?? '').split('?')[0];
  if (method !== 'GET' && method !== 'HEAD') return send(response, 405, 'text/plain', 'Only GET.\n');
  switch (path) {
    case '/metrics':
      return send(response, 200, prometheusContentType, prometheusText(await pages.counters()));
    case '/healthz': {
      const health = await pages.health();
      return send(response, health.healthy ? 200 : 503, 'application/json', `${JSON.stringify(health)}\n`);
    }
    default:
      return send(response, 404, 'text/plain', 'There are /metrics and /healthz.\n');
  }
};

const send = (response: ServerResponse, status: number, type: string, body: string): void => {
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
  });
  response.end(response.req.method === 'HEAD' ? '' : body);
};
