/**
 * A connection to an instance, logged in as the client's own account: TCP, a PROXY header with the client's address, TLS,
 * authentication. Everything before the first OK has one deadline; a hung server accepts connections and says nothing.
 *
 * Nothing here is about continuity: it answers with a link, or with why there is none.
 */
import { connect as connectSocket, isIP, type Socket } from 'node:net';
import {
  checkServerIdentity,
  connect as connectTls,
  createSecureContext,
  type PeerCertificate,
  type SecureContext,
  type TLSSocket,
} from 'node:tls';
import {
  type Attributes,
  CACHING_SHA2,
  type Capabilities,
  CLIENT,
  cachingSha2Answer,
  cachingSha2Plugin,
  clearAnswer,
  clearPlugin,
  type Endpoints,
  ed25519Answer,
  ed25519Plugin,
  encodeLogin,
  encodeProxyV2,
  encodeSslRequest,
  frame,
  type Greeting,
  intersect,
  isProblem,
  nativeAnswer,
  nativeAnswerFromStage1,
  nativePlugin,
  type Packet,
  PacketReader,
  parseAuthMore,
  parseAuthSwitch,
  parseErr,
  parseGreeting,
  rsaAnswer,
  without,
} from '@coequal/mysql-wire';
import type { Credential } from '../../accounts/login.ts';
import type { InstanceTarget } from '../../settings.ts';
import type { Link, LinkListener } from '../model.ts';

export type LinkWish = {
  readonly target: InstanceTarget;
  readonly user: string;
  readonly credential: Credential;
  readonly database: string;
  /** What the client and the gateway have agreed upon. */
  readonly capabilities: Capabilities;
  readonly collation: number;
  readonly attributes: Attributes;
  /** The client's address, told in a PROXY header; undefined: not told. */
  readonly client: Endpoints | undefined;
  readonly tls: InstanceTls | null;
  readonly localAddress: string | undefined;
  readonly deadlineMs: number;
  readonly signal: AbortSignal;
};

export type LinkAnswer =
  | { readonly kind: 'open'; readonly link: Link; readonly greeting: Greeting }
  | { readonly kind: 'refused'; readonly number: number; readonly sqlState: string; readonly message: string }
  | { readonly kind: 'lost'; readonly reason: 'refused' | 'lost' | 'silent' | 'garbage' };

/** TLS towards the instances of one service; sessions are resumed, which spares both sides the costly half of a handshake. */
export type InstanceTls = {
  readonly context: SecureContext;
  readonly sessions: Map<string, Buffer>;
};

export const instanceTls = (authority: string): InstanceTls => ({
  context: createSecureContext({ ca: authority, minVersion: 'TLSv1.2' }),
  sessions: new Map(),
});

/** An answer during log-in is small; certificates come in TLS and not here. */
const loginPacketLimit = 64 * 1024;

export const openLink = (wish: LinkWish): Promise<LinkAnswer> =>
  new Promise((resolve) => {
    const socket = connectSocket({
      host: wish.target.host,
      port: wish.target.port,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: 30_000,
      ...(wish.localAddress === undefined ? {} : { localAddress: wish.localAddress }),
    });
    const login = new Login(wish, socket, resolve);
    login.begin();
  });

/** One log-in, from the first packet to its answer. */
class Login {
  readonly #wish: LinkWish;
  readonly #resolve: (answer: LinkAnswer) => void;
  readonly #reader = new PacketReader(loginPacketLimit);
  readonly #timer: NodeJS.Timeout;
  #socket: Socket | TLSSocket;
  #greeting: Greeting | null = null;
  #capabilities: Capabilities = { base: 0, extended: 0 };
  #plugin = '';
  #data: Buffer = Buffer.alloc(0);
  #done = false;
  readonly #onData = (chunk: Buffer): void => this.#take(chunk);
  readonly #onError = (error: Error): void => {
    const refused = 'code' in error && (error.code === 'ECONNREFUSED' || error.code === 'EHOSTUNREACH');
    this.#end({ kind: 'lost', reason: refused ? 'refused' : 'lost' });
  };
  readonly #onClose = (): void => this.#end({ kind: 'lost', reason: 'lost' });
  readonly #onAbort = (): void => this.#end({ kind: 'lost', reason: 'lost' });

  constructor(wish: LinkWish, socket: Socket, resolve: (answer: LinkAnswer) => void) {
    this.#wish = wish;
    this.#socket = socket;
    this.#resolve = resolve;
    this.#timer = setTimeout(() => this.#end({ kind: 'lost', reason: 'silent' }), wish.deadlineMs);
  }

  begin(): void {
    this.#wish.signal.addEventListener('abort', this.#onAbort, { once: true });
    this.#listen();
    if (this.#wish.client === undefined) return;
    this.#socket.write(encodeProxyV2({ kind: 'client', ...this.#wish.client }));
  }

  #listen(): void {
    this.#socket.on('data', this.#onData);
    this.#socket.once('error', this.#onError);
    this.#socket.once('close', this.#onClose);
  }

  #unlisten(): void {
    this.#socket.off('data', this.#onData);
    this.#socket.off('error', this.#onError);
    this.#socket.off('close', this.#onClose);
  }

  #end(answer: LinkAnswer): void {
    if (this.#done) return;
    this.#done = true;
    clearTimeout(this.#timer);
    this.#wish.signal.removeEventListener('abort', this.#onAbort);
    this.#unlisten();
    if (answer.kind !== 'open') {
      // Whatever the socket still has to say is of no interest.
      this.#socket.on('error', () => undefined);
      this.#socket.destroy();
    }
    this.#resolve(answer);
  }

  #take(chunk: Buffer): void {
    this.#reader.push(chunk);
    for (let packet = this.#reader.next(); packet !== undefined && !this.#done; packet = this.#reader.next()) {
      if (isProblem(packet)) this.#garbage();
      else this.#packet(packet);
    }
  }

  #garbage(): void {
    this.#end({ kind: 'lost', reason: 'garbage' });
  }

  #packet(packet: Packet): void {
    const first = packet.payload[0];
    if (first === 0xff) this.#refused(packet.payload);
    else if (this.#greeting === null) this.#greet(packet);
    else if (first === 0x00) this.#open();
    else if (first === 0xfe) this.#switch(packet);
    else if (first === 0x01) this.#more(packet);
    else this.#garbage();
  }

  #refused(payload: Buffer): void {
    const error = parseErr(payload);
    if (isProblem(error)) {
      this.#garbage();
      return;
    }
    // Full, shutting down, cut off: another instance may take the session.
    const elsewhere = error.number === 1040 || error.number === 1047 || error.number === 1053 || error.number === 1152;
    this.#end(elsewhere ? { kind: 'lost', reason: 'refused' } : { kind: 'refused', ...error });
  }

  #greet(packet: Packet): void {
    const greeting = parseGreeting(packet.payload);
    if (isProblem(greeting)) {
      this.#garbage();
      return;
    }
    this.#greeting = greeting;
    this.#capabilities = this.#agreed(greeting);
    this.#plugin = this.#wish.credential.kind === 'native' ? nativePlugin : greeting.plugin;
    this.#data = greeting.scramble;
    if (this.#wish.tls === null) this.#login(packet.sequence + 1);
    else this.#encrypt(this.#wish.tls, greeting, packet.sequence + 1);
  }

  /** As the client has it, and what the gateway needs itself. */
  #agreed(greeting: Greeting): Capabilities {
    const { capabilities, tls, database } = this.#wish;
    const needed =
      CLIENT.PROTOCOL_41 |
      CLIENT.SECURE_CONNECTION |
      CLIENT.PLUGIN_AUTH |
      CLIENT.PLUGIN_AUTH_LENENC_CLIENT_DATA |
      CLIENT.TRANSACTIONS |
      CLIENT.SESSION_TRACK |
      CLIENT.MULTI_RESULTS |
      CLIENT.PS_MULTI_RESULTS |
      CLIENT.CONNECT_ATTRS |
      (tls === null ? 0 : CLIENT.SSL) |
      (database === '' ? 0 : CLIENT.CONNECT_WITH_DB);
    const dropped =
      (tls === null ? CLIENT.SSL : 0) | (database === '' ? CLIENT.CONNECT_WITH_DB : 0) | CLIENT.INTERACTIVE;
    const wanted = { ...without(capabilities, dropped), base: (without(capabilities, dropped).base | needed) >>> 0 };
    return intersect(wanted, {
      base: (greeting.capabilities.base | CLIENT.MYSQL) >>> 0,
      extended: greeting.capabilities.extended,
    });
  }

  #encrypt(tls: InstanceTls, greeting: Greeting, sequence: number): void {
    const { target, collation } = this.#wish;
    if ((greeting.capabilities.base & CLIENT.SSL) === 0) {
      this.#end({
        kind: 'refused',
        number: 2026,
        sqlState: 'HY000',
        message: `The instance ${target.name} does not offer TLS, which the estate asks for.`,
      });
      return;
    }
    const plain = this.#socket;
    plain.write(
      frame(encodeSslRequest({ capabilities: this.#capabilities, maxPacketBytes: maxPacket, collation }), sequence),
    );
    this.#unlisten();
    const session = tls.sessions.get(target.name);
    const secured = connectTls({
      socket: plain,
      secureContext: tls.context,
      ...(isIP(target.host) === 0 ? { servername: target.host } : {}),
      ...(session === undefined ? {} : { session }),
      checkServerIdentity: (_, certificate) => identityProblem(target, certificate),
    });
    this.#socket = secured;
    this.#listen();
    secured.on('session', (made: Buffer) => tls.sessions.set(target.name, made));
    secured.once('secureConnect', () => this.#login(sequence + 1));
  }

  #login(sequence: number): void {
    const { user, database, collation, attributes } = this.#wish;
    const answer = this.#answer(this.#plugin, this.#data);
    if (answer === null) {
      this.#end(noWay(this.#plugin));
      return;
    }
    const login = {
      capabilities: this.#capabilities,
      maxPacketBytes: maxPacket,
      collation,
      user,
      answer,
      database,
      plugin: this.#plugin,
      attributes,
    };
    this.#socket.write(frame(encodeLogin(login), sequence));
  }

  /** Null: this method cannot be answered with what the gateway has. */
  #answer(plugin: string, data: Buffer): Buffer | null {
    const { credential, tls } = this.#wish;
    const { password, stage1 } = { password: null, stage1: null, ...credential };
    switch (plugin) {
      case nativePlugin:
        return stage1 !== null
          ? nativeAnswerFromStage1(stage1, data)
          : password === null
            ? null
            : nativeAnswer(password, data);
      case ed25519Plugin:
        return password === null ? null : ed25519Answer(password, data);
      case cachingSha2Plugin:
        return password === null ? null : cachingSha2Answer(password, data);
      case clearPlugin: {
        const clear = password === null ? null : clearAnswer(password, { encrypted: tls !== null });
        return clear === null || isProblem(clear) ? null : clear;
      }
      default:
        return null;
    }
  }

  #switch(packet: Packet): void {
    const change = parseAuthSwitch(packet.payload);
    if (isProblem(change)) {
      this.#garbage();
      return;
    }
    this.#plugin = change.plugin;
    this.#data = change.data;
    const answer = this.#answer(change.plugin, change.data);
    if (answer === null) this.#end(noWay(change.plugin));
    else this.#socket.write(frame(answer, packet.sequence + 1));
  }

  /** caching_sha2_password has a second half where the server does not know the password yet. */
  #more(packet: Packet): void {
    const data = parseAuthMore(packet.payload);
    const { credential, tls } = this.#wish;
    if (isProblem(data) || this.#plugin !== cachingSha2Plugin || credential.kind !== 'password') {
      this.#garbage();
      return;
    }
    if (data.length === 1 && data[0] === CACHING_SHA2.fastAuthenticationOk) return;
    const next = packet.sequence + 1;
    if (data.length === 1 && data[0] === CACHING_SHA2.fullAuthenticationNeeded) {
      const clear = clearAnswer(credential.password, { encrypted: tls !== null });
      this.#socket.write(frame(isProblem(clear) ? Buffer.of(CACHING_SHA2.requestPublicKey) : clear, next));
      return;
    }
    const hidden = rsaAnswer(credential.password, this.#data, data);
    if (isProblem(hidden)) this.#garbage();
    else this.#socket.write(frame(hidden, next));
  }

  #open(): void {
    const greeting = this.#greeting;
    if (greeting === null) return;
    const socket = this.#socket;
    this.#end({
      kind: 'open',
      link: linkOver(this.#wish.target.name, greeting.connectionId, this.#capabilities, socket),
      greeting,
    });
  }
}

const maxPacket = 2 ** 30;

const noWay = (plugin: string): LinkAnswer => ({
  kind: 'refused',
  number: 1251,
  sqlState: '08004',
  message: `The gateway cannot log in to the instance by ${plugin}: store the account's password with \`coequal gateway credential set\`.`,
});

/** By the instance's name or by the address it was reached at: certificates carry one or the other. */
const identityProblem = (target: InstanceTarget, certificate: PeerCertificate): Error | undefined =>
  checkServerIdentity(target.name, certificate) === undefined
    ? undefined
    : checkServerIdentity(target.host, certificate);

const nobody: LinkListener = { chunk: () => undefined, lost: () => undefined, drained: () => undefined };
const quitPacket = Buffer.of(1, 0, 0, 0, 1);

const linkOver = (instance: string, threadId: number, capabilities: Capabilities, socket: Socket | TLSSocket): Link => {
  let listener: LinkListener = nobody;
  let lost = false;
  const end = (): void => {
    if (lost) return;
    lost = true;
    listener.lost('lost');
  };
  socket.on('data', (chunk: Buffer) => listener.chunk(chunk));
  // The close that follows tells it all.
  socket.on('error', () => undefined);
  socket.once('end', end);
  socket.once('close', end);
  socket.on('drain', () => listener.drained());
  return {
    instance,
    threadId,
    capabilities,
    write: (bytes) => socket.write(bytes),
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    destroy: () => {
      lost = true;
      listener = nobody;
      socket.destroy();
    },
    quit: () => {
      lost = true;
      listener = nobody;
      socket.end(quitPacket);
    },
    closed: (tell) => {
      if (socket.closed) tell();
      else socket.once('close', tell);
    },
    listen: (next) => {
      listener = next;
      if (lost) queueMicrotask(() => next.lost('lost'));
    },
  };
};
