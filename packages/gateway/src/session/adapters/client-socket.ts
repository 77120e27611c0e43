/**
 * The socket of a client until it has logged in: an optional PROXY header, the greeting, TLS, and then packets that are
 * asked for one at a time. Whoever logs it in (`gate.ts`) waits for packets; whoever serves it afterwards takes the
 * socket over with `release`.
 */
import type { Socket } from 'node:net';
import { type SecureContext, TLSSocket } from 'node:tls';
import { isProblem, type Packet, PacketReader, parseProxyHeader } from '@coequal/mysql-wire';

/** What is sent before logging in is small; attributes of a connection are the largest part. */
const loginPacketLimit = 256 * 1024;
const proxyHeaderLimit = 4 * 1024;

/** Why a client's connection ended before it was logged in. */
export class ClientGone extends Error {
  readonly how: 'closed' | 'broken' | 'deadline';
  constructor(how: 'closed' | 'broken' | 'deadline', message: string) {
    super(message);
    this.how = how;
  }
}

export class ClientSocket {
  socket: Socket | TLSSocket;
  encrypted = false;
  #reader = new PacketReader(loginPacketLimit);
  #waiting: PromiseWithResolvers<Packet> | null = null;
  #failure: ClientGone | null = null;
  #beginning: Buffer | null = null;
  #proxied: PromiseWithResolvers<Buffer> | null = null;
  readonly #timer: NodeJS.Timeout;
  readonly #onData = (chunk: Buffer): void => this.#take(chunk);
  readonly #onError = (error: Error): void => this.#fail(new ClientGone('closed', error.message));
  readonly #onClose = (): void => this.#fail(new ClientGone('closed', 'the client has closed the connection'));

  constructor(socket: Socket, deadlineMs: number) {
    this.socket = socket;
    this.#timer = setTimeout(
      () => this.#fail(new ClientGone('deadline', `not logged in within ${deadlineMs} ms`)),
      deadlineMs,
    );
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 30_000);
    this.#listen();
  }

  #listen(): void {
    this.socket.on('data', this.#onData);
    this.socket.once('error', this.#onError);
    this.socket.once('close', this.#onClose);
    this.socket.once('end', this.#onClose);
  }

  #unlisten(): void {
    this.socket.off('data', this.#onData);
    this.socket.off('error', this.#onError);
    this.socket.off('close', this.#onClose);
    this.socket.off('end', this.#onClose);
  }

  #fail(failure: ClientGone): void {
    this.#failure ??= failure;
    this.#waiting?.reject(this.#failure);
    this.#waiting = null;
    this.#proxied?.reject(this.#failure);
    this.#proxied = null;
  }

  #take(chunk: Buffer): void {
    if (this.#proxied !== null) {
      this.#beginning = this.#beginning === null ? chunk : Buffer.concat([this.#beginning, chunk]);
      this.#readProxyHeader(this.#proxied);
      return;
    }
    this.#reader.push(chunk);
    this.#serve();
  }

  #serve(): void {
    if (this.#waiting === null) return;
    const packet = this.#reader.next();
    if (packet === undefined) return;
    if (isProblem(packet)) {
      this.#fail(new ClientGone('broken', packet.reason));
      return;
    }
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting.resolve(packet);
  }

  /** The next packet. Rejects ClientGone. */
  next(): Promise<Packet> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    this.#waiting = Promise.withResolvers<Packet>();
    const { promise } = this.#waiting;
    this.#serve();
    return promise;
  }

  /** The client's address as the header says it; undefined: the header names nobody. Rejects ClientGone without a header. */
  async proxyHeader(): Promise<{ readonly address: string; readonly port: number } | undefined> {
    if (this.#failure !== null) throw this.#failure;
    this.#proxied = Promise.withResolvers<Buffer>();
    const bytes = await this.#proxied.promise;
    const parsed = parseProxyHeader(bytes);
    if (isProblem(parsed) || parsed.state !== 'found') throw new ClientGone('broken', 'there is no PROXY header');
    const rest = bytes.subarray(parsed.length);
    if (rest.length > 0) this.#reader.push(rest);
    return parsed.header.kind === 'client'
      ? { address: parsed.header.source, port: parsed.header.sourcePort }
      : undefined;
  }

  #readProxyHeader(waiting: PromiseWithResolvers<Buffer>): void {
    const bytes = this.#beginning ?? Buffer.alloc(0);
    const parsed = parseProxyHeader(bytes);
    if (isProblem(parsed) || parsed.state === 'absent' || bytes.length > proxyHeaderLimit) {
      this.#fail(new ClientGone('broken', 'its connection does not begin with a PROXY header'));
      return;
    }
    if (parsed.state === 'incomplete') return;
    this.#proxied = null;
    waiting.resolve(bytes);
  }

  write(bytes: Buffer): void {
    this.socket.write(bytes);
  }

  /**
   * Goes on encrypted. Clients do not wait between their request and the first bytes of TLS, so both may come in one read: what
   * came behind the request is given to TLS, where nothing but TLS is believed.
   */
  async encrypt(context: SecureContext): Promise<void> {
    const early = this.#reader.rest();
    this.#unlisten();
    this.socket.pause();
    if (early.length > 0) this.socket.unshift(early);
    const secured = new TLSSocket(this.socket, { isServer: true, secureContext: context });
    this.socket = secured;
    this.#reader = new PacketReader(loginPacketLimit);
    this.#listen();
    const done = Promise.withResolvers<void>();
    secured.once('secure', () => done.resolve());
    secured.once('error', (error) => done.reject(new ClientGone('broken', error.message)));
    secured.once('close', () => done.reject(new ClientGone('closed', 'the client has closed the connection')));
    await Promise.race([done.promise, this.#failed()]);
    this.encrypted = true;
  }

  /** Rejects when the connection fails or the deadline passes meanwhile. */
  #failed(): Promise<never> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    this.#waiting = Promise.withResolvers<Packet>();
    return this.#waiting.promise.then(
      () => {
        throw new ClientGone('broken', 'a packet came before TLS was agreed');
      },
      (error: unknown) => {
        throw error;
      },
    );
  }

  get failure(): ClientGone | null {
    return this.#failure;
  }

  /**
   * Ends the waiting; the socket goes on to whoever serves it, with what was read and not used. Until then nothing is read, and
   * a connection that breaks is found out by whoever reads on.
   */
  release(): Buffer {
    clearTimeout(this.#timer);
    this.#unlisten();
    this.socket.pause();
    this.socket.on('error', () => undefined);
    this.#waiting = null;
    return this.#reader.rest();
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#unlisten();
    this.socket.on('error', () => undefined);
    this.socket.end();
    // A client that does not read would keep it for ever.
    this.socket.destroySoon();
  }
}
