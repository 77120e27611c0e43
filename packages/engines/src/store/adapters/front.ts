/**
 * The front of an embedded store: mutual TLS, which VictoriaMetrics' open version does not have. Whoever has no certificate of the estate's
 * authority gets no further than the handshake. What passes goes on to the loopback address, as it comes and as fast as it is taken:
 * nothing is kept. Certificates are read again when their files change; files that are of no use leave the old ones in use.
 */
import { X509Certificate } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { Agent, type IncomingHttpHeaders, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import { Transform, type TransformCallback } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Clock, type Counters, codeOf, fail, type Log, prometheusContentType, reasonOf } from '@coequal/kernel';
import { type AllowedRequest, judgeRequest, ownPage } from '../paths.ts';

export type FrontSettings = {
  readonly address: string;
  readonly port: number;
  /** PEM files: its own certificate and key, and the authority that clients' certificates are of. */
  readonly certificateFile: string;
  readonly keyFile: string;
  readonly authorityFile: string;
};

export type FrontOptions = FrontSettings & {
  /** Of the store it stands before. */
  readonly store: string;
  readonly target: { readonly address: string; readonly port: number };
  readonly clock: Clock;
  readonly log: Log;
  readonly families: ReturnType<typeof frontFamilies>;
  /** What the supervisor counts, in Prometheus' text format. */
  readonly page: () => string;
};

export type Front = {
  readonly port: number;
  /** Reads the certificates now, and not only when it is their turn. */
  readonly reload: () => Promise<void>;
  readonly close: () => Promise<void>;
};

export const frontLimits = {
  /** At the same time; agents keep one connection each. */
  connections: 1_000,
  requests: 200,
  /** For one request, its answer included. The store itself gives up on a query after 30 s. */
  requestMs: 60_000,
  headersMs: 10_000,
  rereadMs: 30_000,
} as const;

/** Opens it; throws FILE_UNREADABLE, STORE_CERTIFICATE_INVALID or PORT_BUSY. */
export const openFront = async (options: FrontOptions): Promise<Front> => {
  const material = await readMaterial(options);
  const server = createServer({
    ...material.context,
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: 'TLSv1.2',
    handshakeTimeout: frontLimits.headersMs,
    headersTimeout: frontLimits.headersMs,
    requestTimeout: frontLimits.requestMs,
    keepAliveTimeout: 75_000,
  });
  server.maxConnections = frontLimits.connections;
  const gate = new Gate(options);
  server.on('request', (incoming, outgoing) => void gate.handle(incoming, outgoing));
  server.on('tlsClientError', (error) => gate.refusedHandshake(error));
  await listen(server, options);
  gate.expires(material.notAfterMs);
  const ended = new AbortController();
  let last = material.stamp;
  const reload = async (): Promise<void> => {
    const stamp = await stampOf(options);
    if (stamp === last) return;
    const next = await readMaterial(options);
    server.setSecureContext(next.context);
    last = next.stamp;
    gate.expires(next.notAfterMs);
    options.log('info', 'store certificates read again', { store: options.store });
  };
  const rereading = rereadOften(options, reload, ended.signal);
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : options.port,
    reload,
    close: async () => {
      ended.abort();
      await rereading;
      await closed(server);
      gate.close();
    },
  };
};

const rereadOften = async (options: FrontOptions, reload: () => Promise<void>, ended: AbortSignal): Promise<void> => {
  const { clock, log, store } = options;
  while (!ended.aborted) {
    await clock.sleep(frontLimits.rereadMs, ended).catch((error: unknown) => {
      if (!ended.aborted) throw error;
    });
    if (ended.aborted) return;
    await reload().catch((error: unknown) => {
      log('error', 'store certificates not read again', { store, reason: reasonOf(error) });
    });
  }
};

const listen = (server: Server, { address, port, store }: FrontOptions): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', (error) =>
      reject(
        codeOf(error) === 'EADDRINUSE'
          ? fail('PORT_BUSY', { port, address, subject: `the front of the store ${store}` }, { cause: error })
          : error,
      ),
    );
    server.listen({ host: address, port, exclusive: true }, resolve);
  });

const closed = (server: Server): Promise<void> =>
  new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });

type Material = {
  readonly context: { readonly cert: string; readonly key: string; readonly ca: string };
  readonly notAfterMs: number;
  readonly stamp: string;
};

const filesOf = ({ certificateFile, keyFile, authorityFile }: FrontSettings): readonly string[] => [
  certificateFile,
  keyFile,
  authorityFile,
];

const stampOf = async (settings: FrontSettings): Promise<string> => {
  const stats = await Promise.all(filesOf(settings).map((path) => stat(path)));
  return stats.map(({ ino, mtimeMs, size }) => `${ino} ${mtimeMs} ${size}`).join('\n');
};

const readMaterial = async (settings: FrontSettings): Promise<Material> => {
  const read = async (path: string): Promise<string> => {
    try {
      return await readFile(path, 'utf8');
    } catch (error) {
      throw fail('FILE_UNREADABLE', { path, reason: reasonOf(error) }, { cause: error });
    }
  };
  const [cert, key, ca] = [
    await read(settings.certificateFile),
    await read(settings.keyFile),
    await read(settings.authorityFile),
  ];
  try {
    const certificate = new X509Certificate(cert);
    // An authority that cannot be read would refuse everybody, later and without a word.
    new X509Certificate(ca);
    return {
      context: { cert, key, ca },
      notAfterMs: Date.parse(certificate.validTo),
      stamp: await stampOf(settings),
    };
  } catch (error) {
    throw fail(
      'STORE_CERTIFICATE_INVALID',
      { path: settings.certificateFile, reason: reasonOf(error) },
      { cause: error },
    );
  }
};

/** What goes on to the store, and what comes back; nothing else of either side's headers. */
const passedIn = [
  'content-type',
  'content-encoding',
  'content-length',
  'accept',
  'accept-encoding',
  'x-prometheus-remote-write-version',
];
const passedOut = ['content-type', 'content-encoding', 'content-length', 'retry-after'];

const pick = (headers: IncomingHttpHeaders, names: readonly string[]): Record<string, string> =>
  Object.fromEntries(
    names.flatMap((name) => {
      const value = headers[name];
      return typeof value === 'string' ? [[name, value]] : [];
    }),
  );

class BodyTooLong extends Error {}

/** Lets `limit` bytes pass, and no more. */
const atMost = (limit: number): Transform => {
  let seen = 0;
  return new Transform({
    transform: (chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback) => {
      seen += chunk.length;
      if (seen > limit) done(new BodyTooLong(`the body has more than ${limit} bytes`));
      else done(null, chunk);
    },
  });
};

class Gate {
  readonly #options: FrontOptions;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: frontLimits.requests });
  #open = 0;

  constructor(options: FrontOptions) {
    this.#options = options;
  }

  expires(notAfterMs: number): void {
    this.#options.families.expires.with({ store: this.#options.store }).set(notAfterMs / 1_000);
  }

  refusedHandshake(error: Error): void {
    const { store, log, families } = this.#options;
    families.handshakes.with({ store }).add();
    log('warn', 'store front refused a handshake', { store, reason: reasonOf(error).slice(0, 200) });
  }

  close(): void {
    this.#agent.destroy();
  }

  async handle(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const verdict = judgeRequest(incoming.method ?? '', incoming.url ?? '');
    if (!verdict.ok) {
      const headers = verdict.allow === undefined ? {} : { allow: verdict.allow };
      this.#answer(outgoing, 'other', verdict.status, 'this is not there', headers);
      return;
    }
    const { name, bodyBytes } = verdict.request;
    if (name === ownPage) {
      this.#count(name, 200);
      outgoing.writeHead(200, { 'content-type': prometheusContentType }).end(this.#options.page());
      return;
    }
    if (Number(incoming.headers['content-length'] ?? 0) > bodyBytes) {
      this.#answer(outgoing, name, 413, `the body has more than ${bodyBytes} bytes`);
      return;
    }
    if (this.#open >= frontLimits.requests) {
      this.#answer(outgoing, name, 503, 'too much at the same time', { 'retry-after': '1' });
      return;
    }
    this.#open += 1;
    try {
      await this.#forward(incoming, outgoing, verdict.request);
    } finally {
      this.#open -= 1;
    }
  }

  async #forward(
    incoming: IncomingMessage,
    outgoing: ServerResponse,
    { name, bodyBytes }: AllowedRequest,
  ): Promise<void> {
    const { target, log, store } = this.#options;
    const gone = new AbortController();
    outgoing.once('close', () => gone.abort());
    const signal = AbortSignal.any([gone.signal, AbortSignal.timeout(frontLimits.requestMs)]);
    try {
      const upstream = request({
        host: target.address,
        port: target.port,
        method: incoming.method,
        path: incoming.url,
        headers: pick(incoming.headers, passedIn),
        agent: this.#agent,
        signal,
      });
      const answered = new Promise<IncomingMessage>((resolve, reject) => {
        upstream.once('response', resolve);
        upstream.once('error', reject);
      });
      // The store may answer, and refuse, before it has read all.
      const [answer] = await Promise.all([answered, pipeline(incoming, atMost(bodyBytes), upstream)]);
      const status = answer.statusCode ?? 502;
      outgoing.writeHead(status, pick(answer.headers, passedOut));
      await pipeline(answer, outgoing);
      this.#count(name, status);
    } catch (error) {
      if (error instanceof BodyTooLong) this.#answer(outgoing, name, 413, error.message);
      else if (gone.signal.aborted) this.#count(name, 499);
      else {
        log('warn', 'store front could not pass a request on', { store, path: name, reason: reasonOf(error) });
        this.#answer(outgoing, name, 503, 'the store does not answer', { 'retry-after': '1' });
      }
    }
  }

  #answer(
    outgoing: ServerResponse,
    path: string,
    status: number,
    text: string,
    headers: Readonly<Record<string, string>> = {},
  ): void {
    this.#count(path, status);
    // Half an answer cannot be taken back: the client sees it end.
    if (outgoing.headersSent) outgoing.destroy();
    // What is left of the request is not read: the connection ends with this answer.
    else outgoing.writeHead(status, { ...headers, 'content-type': 'text/plain', connection: 'close' }).end(`${text}\n`);
  }

  #count(path: string, status: number): void {
    this.#options.families.requests.with({ store: this.#options.store, path, status: String(status) }).add();
  }
}

/** Several stores of a process share them; a registry makes each once. */
export const frontFamilies = (counters: Counters) => ({
  requests: counters.counter({
    name: 'coequal_store_front_requests_total',
    help: 'requests at the front of the embedded store',
    labels: ['store', 'path', 'status'],
  }),
  handshakes: counters.counter({
    name: 'coequal_store_front_refused_handshakes_total',
    help: 'connections without a certificate that the front of the embedded store accepts',
    labels: ['store'],
  }),
  expires: counters.gauge({
    name: 'coequal_store_front_certificate_expiry_seconds',
    help: 'when the certificate of the front ends, seconds since 1970',
    labels: ['store'],
  }),
});
