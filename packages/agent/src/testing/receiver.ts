/** The other ends of an agent, for tests: a platform of ours that takes what is sent, or refuses it, and an exporter that tells a text. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { gzipSync } from 'node:zlib';
import { type AgentReport, agentReport } from '@coequal/contract';
import { decodeRemoteWrite, type Sample } from '@coequal/signals';

export type Receiver = {
  readonly url: string;
  /** Everything that was taken. */
  readonly samples: Sample[];
  readonly reports: AgentReport[];
  /** What is answered from now on; 204 takes. */
  answer: number;
  readonly close: () => Promise<void>;
};

export const openReceiver = async (): Promise<Receiver> => {
  const samples: Sample[] = [];
  const reports: AgentReport[] = [];
  const state = { answer: 204 };
  const server = createServer((request, response) => {
    bodyOf(request).then((body) => {
      if (state.answer === 204 && request.url === '/api/v1/write') {
        const decoded = decodeRemoteWrite(body);
        if (!decoded.ok) throw new Error(decoded.what);
        samples.push(...decoded.samples);
      }
      if (state.answer === 204 && request.url === '/api/v1/agent')
        reports.push(agentReport.parse(JSON.parse(body.toString('utf8'))));
      response.writeHead(state.answer).end();
    }, response.destroy);
  });
  const url = await listen(server);
  return {
    url,
    samples,
    reports,
    get answer() {
      return state.answer;
    },
    set answer(value) {
      state.answer = value;
    },
    close: () => close(server),
  };
};

export type Exporter = {
  readonly url: string;
  text: string;
  status: number;
  hangs: boolean;
  readonly close: () => Promise<void>;
};

/** Answers compressed where that is asked for. */
export const openExporter = async (text: string): Promise<Exporter> => {
  const state = { text, status: 200, hangs: false };
  const server = createServer((request, response) => {
    if (state.hangs) return;
    const plain = Buffer.from(state.text);
    const packs = request.headers['accept-encoding'] === 'gzip';
    response.writeHead(state.status, {
      'content-type': 'text/plain; version=0.0.4',
      ...(packs ? { 'content-encoding': 'gzip' } : {}),
    });
    response.end(packs ? gzipSync(plain) : plain);
  });
  const url = await listen(server);
  return Object.assign(state, { url, close: () => close(server) });
};

const bodyOf = async (request: IncomingMessage): Promise<Buffer> => {
  const chunks: Uint8Array[] = [];
  for await (const chunk of request) if (chunk instanceof Uint8Array) chunks.push(chunk);
  return Buffer.concat(chunks);
};

const listen = async (server: Server): Promise<string> => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port was given');
  return `http://127.0.0.1:${address.port}`;
};

const close = async (server: Server): Promise<void> => {
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
};
