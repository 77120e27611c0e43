/**
 * One HTTP request to a store or a webhook, over TLS with certificates of one's own where they are given. Files of certificates and secrets
 * are read again when they change, so that renewing them needs no restart. Every request has a deadline over all of it, the
 * answer's body included, and every answer a bound. Nothing throws for what the store, the way to it or a file does wrong.
 */
import { readFile, stat } from 'node:fs/promises';
import { Agent as PlainAgent, request as plainRequest } from 'node:http';
import { Agent as TlsAgent, request as tlsRequest } from 'node:https';
import { codeOf, reasonOf } from '@coequal/kernel';

/** PEM files. Without an authority those of the system are believed; without a certificate none is shown. */
export type StoreTls = {
  readonly authorityFile?: string;
  readonly certificateFile?: string;
  readonly keyFile?: string;
  /** What the store's certificate must be of, where that is not the host in its URL. */
  readonly serverName?: string;
};

/** What a store of others asks for; the secret is the first line of a file. */
export type StoreCredentials =
  | { readonly kind: 'basic'; readonly user: string; readonly passwordFile: string }
  | { readonly kind: 'bearer'; readonly tokenFile: string };

export type ChannelOptions = {
  readonly url: string;
  readonly deadlineMs: number;
  readonly answerBytes: number;
  readonly tls?: StoreTls;
  readonly credentials?: StoreCredentials;
  /** Ends what is under way. */
  readonly signal?: AbortSignal;
};

export type ChannelRequest = {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
};

export type ChannelAnswer =
  | { readonly ok: true; readonly status: number; readonly text: string }
  | { readonly ok: false; readonly what: string };

/** The most connections to one store; more requests wait. */
const connections = 16;

/** What is thrown in here for a file or an answer, to the entrance of this file and no further. */
class ChannelFault extends Error {}

type Material = {
  readonly stamp: string;
  readonly agent: PlainAgent | TlsAgent;
  readonly authorization: string | undefined;
};

export class Channel {
  readonly #options: ChannelOptions;
  readonly #base: URL | undefined;
  #material: Material | undefined;

  constructor(options: ChannelOptions) {
    this.#options = options;
    this.#base = URL.canParse(options.url) ? new URL(options.url) : undefined;
  }

  async ask(request: ChannelRequest): Promise<ChannelAnswer> {
    const timeout = AbortSignal.timeout(this.#options.deadlineMs);
    const { signal } = this.#options;
    const ends = signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
    try {
      return await this.#exchange(request, ends);
    } catch (error) {
      if (timeout.aborted) return { ok: false, what: `timeout: no whole answer within ${this.#options.deadlineMs} ms` };
      // What sockets, TLS, HTTP and files report has a code; anything else is a bug of ours.
      if (ends.aborted || error instanceof ChannelFault || codeOf(error) !== undefined)
        return { ok: false, what: reasonOf(error) };
      throw error;
    }
  }

  /** Lets connections go that wait for more. */
  close(): void {
    this.#material?.agent.destroy();
    this.#material = undefined;
  }

  async #exchange({ method, path, headers, body }: ChannelRequest, signal: AbortSignal): Promise<ChannelAnswer> {
    const base = this.#base;
    if (base === undefined || !/^https?:$/.test(base.protocol)) throw new ChannelFault('its URL is not one of HTTP');
    const material = await this.#current(base);
    const start = base.protocol === 'https:' ? tlsRequest : plainRequest;
    const bytes = Buffer.from(body ?? '');
    return await new Promise((resolve, reject) => {
      const outgoing = start(
        {
          protocol: base.protocol,
          host: base.hostname.replace(/^\[(.*)\]$/, '$1'),
          port: base.port === '' ? (base.protocol === 'https:' ? 443 : 80) : Number(base.port),
          path: `${base.pathname.replace(/\/+$/, '')}${path}${base.search}` || '/',
          method,
          headers: {
            ...headers,
            'content-length': String(bytes.length),
            ...(material.authorization === undefined ? {} : { authorization: material.authorization }),
          },
          agent: material.agent,
          signal,
        },
        (answer) => {
          const chunks: Buffer[] = [];
          let length = 0;
          answer.on('data', (chunk: Buffer) => {
            length += chunk.length;
            const { answerBytes } = this.#options;
            if (length <= answerBytes) chunks.push(chunk);
            else {
              reject(new ChannelFault(`the answer is larger than ${answerBytes} bytes`));
              outgoing.destroy();
            }
          });
          answer.on('end', () =>
            resolve({ ok: true, status: answer.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') }),
          );
          answer.on('error', reject);
        },
      );
      outgoing.on('error', reject);
      outgoing.end(bytes);
    });
  }

  async #current(base: URL): Promise<Material> {
    const { tls = {}, credentials } = this.#options;
    const secretFile = credentials?.kind === 'basic' ? credentials.passwordFile : credentials?.tokenFile;
    const files = [tls.authorityFile, tls.certificateFile, tls.keyFile, secretFile];
    const stamp = (await Promise.all(files.map(stampOf))).join('\n');
    if (this.#material?.stamp === stamp) return this.#material;
    const [ca, cert, key, secret] = await Promise.all(files.map(textOf));
    const agent =
      base.protocol === 'https:'
        ? new TlsAgent({
            keepAlive: true,
            maxSockets: connections,
            ...(ca === undefined ? {} : { ca }),
            ...(cert === undefined ? {} : { cert }),
            ...(key === undefined ? {} : { key }),
            ...(tls.serverName === undefined ? {} : { servername: tls.serverName }),
          })
        : new PlainAgent({ keepAlive: true, maxSockets: connections });
    // Connections with the old certificate end when their request does.
    this.#material?.agent.destroy();
    this.#material = {
      stamp,
      agent,
      authorization: authorizationOf(credentials, secret?.split('\n')[0]?.trim() ?? ''),
    };
    return this.#material;
  }
}

const authorizationOf = (credentials: StoreCredentials | undefined, secret: string): string | undefined => {
  switch (credentials?.kind) {
    case undefined:
      return undefined;
    case 'basic':
      return `Basic ${Buffer.from(`${credentials.user}:${secret}`).toString('base64')}`;
    case 'bearer':
      return `Bearer ${secret}`;
  }
};

const stampOf = async (path: string | undefined): Promise<string> => {
  if (path === undefined) return '';
  const { ino, mtimeMs, size } = await stat(path).catch(unreadable(path));
  return `${ino} ${mtimeMs} ${size}`;
};

const textOf = async (path: string | undefined): Promise<string | undefined> =>
  path === undefined ? undefined : await readFile(path, 'utf8').catch(unreadable(path));

const unreadable =
  (path: string) =>
  (error: unknown): never => {
    throw new ChannelFault(`the file ${path} cannot be read: ${reasonOf(error)}`, { cause: error });
  };
