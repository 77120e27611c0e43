/**
 * One other end that is spoken to over HTTP again and again: connections are kept, every exchange has a deadline over all of it
 * (connecting and body included) and every answer a bound. It answers in words for what the other end or the way to it does
 * wrong, and rejects for nothing but bugs. Certificates are files that may be renewed while it runs. Redirects are not followed: credentials
 * would go where nobody meant them to.
 */
import { X509Certificate } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import type { IncomingMessage, Agent as PlainAgent, RequestOptions } from 'node:http';
import { Agent as SecureAgent, request as secureRequest } from 'node:https';
import { createSecureContext } from 'node:tls';
import { createGunzip, createInflate } from 'node:zlib';
import { type Clock, codeOf, reasonOf } from '@coequal/kernel';

/** Imported, the module would load everything that it can name, a browser's `WebSocket` too: ten megabytes that an agent has no use for. */
const { Agent: Plain, request: plainRequest } = process.getBuiltinModule('node:http');

/** PEM files; certificate and key, both or neither, are shown to the other end. */
export type PeerFiles = {
  readonly authority?: string | undefined;
  readonly certificate?: string | undefined;
  readonly key?: string | undefined;
};

export type PeerOptions = {
  /** With the scheme; paths of exchanges are put behind it. */
  readonly url: string;
  readonly clock: Clock;
  readonly files?: PeerFiles;
  /** A file with a bearer token, or with the password of `user`; read anew when it changes. */
  readonly tokenFile?: string | undefined;
  readonly user?: string | undefined;
  readonly passwordFile?: string | undefined;
};

export type Exchange = {
  readonly method: 'GET' | 'POST';
  /** Behind the peer's own path: `/api/v1/write`; the empty text for the address itself. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  readonly deadlineMs: number;
  readonly answerBytes: number;
  readonly signal?: AbortSignal;
};

export type PeerAnswer =
  | { readonly ok: true; readonly status: number; readonly contentType: string; readonly body: Uint8Array }
  | { readonly ok: false; readonly what: string };

/** Files are looked at again after this time. */
const filesEveryMs = 30_000;
/** One is enough for what goes in turn; a second one for what must not wait behind it. */
const connections = 2;

type Ready = { readonly agent: PlainAgent | SecureAgent; readonly headers: Readonly<Record<string, string>> };

export class HttpPeer {
  readonly #options: PeerOptions;
  readonly #secure: boolean;
  #ready: Ready | undefined;
  #lookedMs = -Infinity;
  #stamp = '';

  constructor(options: PeerOptions) {
    this.#options = options;
    this.#secure = options.url.startsWith('https:');
  }

  /** Never rejects for what the other end does. */
  async exchange(exchange: Exchange): Promise<PeerAnswer> {
    let ready: Ready;
    try {
      ready = await this.#prepare();
    } catch (error) {
      if (codeOf(error) === undefined) throw error;
      return { ok: false, what: reasonOf(error) };
    }
    const deadline = AbortSignal.timeout(exchange.deadlineMs);
    const signal = exchange.signal === undefined ? deadline : AbortSignal.any([deadline, exchange.signal]);
    try {
      return await this.#ask(exchange, ready, signal);
    } catch (error) {
      if (deadline.aborted) return { ok: false, what: `no answer within ${exchange.deadlineMs} ms` };
      if (error instanceof Error) return { ok: false, what: reasonOf(error) };
      throw error;
    }
  }

  /** Whether its files can be used, without asking the other end; in words what is wrong with them. */
  async check(): Promise<string | undefined> {
    try {
      const { authority, certificate, key } = this.#options.files ?? {};
      const text = (path: string | undefined) => (path === undefined ? undefined : readFile(path));
      const [ca, cert, own] = await Promise.all([text(authority), text(certificate), text(key)]);
      if (ca !== undefined) new X509Certificate(ca);
      createSecureContext({
        ...(ca === undefined ? {} : { ca }),
        ...(cert === undefined ? {} : { cert }),
        ...(own === undefined ? {} : { key: own }),
      });
      return undefined;
    } catch (error) {
      return reasonOf(error);
    }
  }

  close(): void {
    this.#ready?.agent.destroy();
    this.#ready = undefined;
  }

  async #prepare(): Promise<Ready> {
    const { clock } = this.#options;
    if (this.#ready !== undefined && clock.monotonic() - this.#lookedMs < filesEveryMs) return this.#ready;
    this.#lookedMs = clock.monotonic();
    const stamp = await this.#stampOfFiles();
    if (this.#ready !== undefined && stamp === this.#stamp) return this.#ready;
    this.#ready?.agent.destroy();
    this.#stamp = stamp;
    this.#ready = { agent: await this.#makeAgent(), headers: await this.#makeHeaders() };
    return this.#ready;
  }

  async #stampOfFiles(): Promise<string> {
    const { files = {}, tokenFile, passwordFile } = this.#options;
    const paths = [files.authority, files.certificate, files.key, tokenFile, passwordFile];
    const stamps = await Promise.all(
      paths.map(async (path) => {
        if (path === undefined) return '';
        const { mtimeMs, size } = await stat(path);
        return `${mtimeMs}:${size}`;
      }),
    );
    return stamps.join(' ');
  }

  async #makeAgent(): Promise<PlainAgent | SecureAgent> {
    const common = { keepAlive: true, maxSockets: connections, maxFreeSockets: connections };
    if (!this.#secure) return new Plain(common);
    const { authority, certificate, key } = this.#options.files ?? {};
    return new SecureAgent({
      ...common,
      minVersion: 'TLSv1.2',
      ...(authority === undefined ? {} : { ca: await readFile(authority) }),
      ...(certificate === undefined ? {} : { cert: await readFile(certificate) }),
      ...(key === undefined ? {} : { key: await readFile(key) }),
    });
  }

  async #makeHeaders(): Promise<Readonly<Record<string, string>>> {
    const { tokenFile, user, passwordFile } = this.#options;
    const secret = async (path: string): Promise<string> => (await readFile(path, 'utf8')).trim();
    if (tokenFile !== undefined) return { authorization: `Bearer ${await secret(tokenFile)}` };
    if (user === undefined || passwordFile === undefined) return {};
    return { authorization: `Basic ${Buffer.from(`${user}:${await secret(passwordFile)}`).toString('base64')}` };
  }

  #ask(exchange: Exchange, { agent, headers }: Ready, signal: AbortSignal): Promise<PeerAnswer> {
    const { method, path, body, answerBytes } = exchange;
    const url = path === '' ? this.#options.url : `${this.#options.url.replace(/\/+$/, '')}${path}`;
    const options: RequestOptions = {
      method,
      agent,
      signal,
      headers: {
        ...(method === 'GET' ? { 'accept-encoding': 'gzip' } : {}),
        ...(body === undefined ? {} : { 'content-length': body.length }),
        ...headers,
        ...exchange.headers,
      },
    };
    return new Promise((resolve, reject) => {
      const request = (this.#secure ? secureRequest : plainRequest)(url, options, (response) => {
        readAnswer(response, answerBytes).then(resolve, reject);
      });
      request.once('error', reject);
      request.end(body);
    });
  }
}

const readAnswer = async (response: IncomingMessage, limit: number): Promise<PeerAnswer> => {
  const { statusCode = 0, headers } = response;
  const encoding = (headers['content-encoding'] ?? 'identity').toLowerCase();
  const stream =
    encoding === 'gzip'
      ? response.pipe(createGunzip())
      : encoding === 'deflate'
        ? response.pipe(createInflate())
        : response;
  if (stream === response && encoding !== 'identity') {
    response.destroy();
    return { ok: false, what: `the answer is encoded as ${encoding}, which was not asked for` };
  }
  // A connection that breaks must also end what unpacks.
  if (stream !== response) response.once('error', (error) => stream.destroy(error));
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of stream) {
    if (!(chunk instanceof Uint8Array)) continue;
    length += chunk.length;
    if (length > limit) {
      response.destroy();
      return { ok: false, what: `the answer is larger than ${limit} bytes` };
    }
    chunks.push(chunk);
  }
  const body = Buffer.concat(chunks);
  return { ok: true, status: statusCode, contentType: headers['content-type'] ?? '', body };
};
