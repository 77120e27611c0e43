/**
 * A client over a real socket, made of this package's parts alone: for tests on real servers. It reads answers with the
 * scanner, and afterwards reads what was passed on again, packet by packet, so that both views can be compared.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { ed25519Answer, ed25519Plugin } from '../authentication/ed25519.ts';
import { nativeAnswer, nativePlugin } from '../authentication/native.ts';
import { type Capabilities, CLIENT, intersect, MARIADB, without, withoutUnsupported } from '../capabilities.ts';
import { frame, type Packet, PacketReader } from '../framing.ts';
import {
  encodeChangeUser,
  encodeLogin,
  encodeSslRequest,
  type Greeting,
  parseAuthSwitch,
  parseGreeting,
} from '../handshake.ts';
import { parseErr } from '../packets.ts';
import { isProblem } from '../problem.ts';
import { type ResponseEvent, type ResponseKind, ResponseScanner } from '../response.ts';
import { read } from './bytes.ts';

export type Account = { readonly user: string; readonly password: string };

export type Where = Account & {
  readonly host: string;
  readonly port: number;
  readonly database?: string;
  readonly tls?: boolean;
  /** Flags to do without. */
  readonly without?: { readonly base: number; readonly extended: number };
};

export type Heard = {
  readonly events: readonly ResponseEvent[];
  /** Payloads of the packets that were plain. */
  readonly plain: readonly Buffer[];
  readonly rows: number;
  readonly scanner: ResponseScanner;
};

const wanted: Capabilities = withoutUnsupported({
  base: without({ base: 0xffff_ffff, extended: 0 }, CLIENT.MYSQL | CLIENT.SSL | CLIENT.NO_SCHEMA | CLIENT.ODBC).base,
  extended: MARIADB.PROGRESS | MARIADB.EXTENDED_METADATA | MARIADB.CACHE_METADATA | MARIADB.STMT_BULK_OPERATIONS,
});

export class WireClient {
  readonly greeting: Greeting;
  readonly capabilities: Capabilities;
  readonly #socket: Socket;
  readonly #chunks: AsyncIterator<Buffer>;
  /** What came behind the packet that was read last. */
  #left: Buffer = Buffer.alloc(0);

  private constructor(socket: Socket, chunks: AsyncIterator<Buffer>, greeting: Greeting, capabilities: Capabilities) {
    this.#socket = socket;
    this.#chunks = chunks;
    this.greeting = greeting;
    this.capabilities = capabilities;
  }

  static async open(where: Where): Promise<WireClient> {
    let socket = connect(where.port, where.host);
    await once(socket, 'connect');
    let chunks: AsyncIterator<Buffer> = socket.iterator({ destroyOnReturn: false });
    const first = await onePacket(chunks);
    if (first.payload[0] === 0xff) throw new Error(`ERR ${read(parseErr(first.payload)).number}`);
    const greeting = read(parseGreeting(first.payload));
    const flags = where.without ?? { base: 0, extended: 0 };
    const common = intersect(without(wanted, flags.base, flags.extended), greeting.capabilities);
    const tls = where.tls === true;
    const capabilities = { base: (common.base | (tls ? CLIENT.SSL : 0)) >>> 0, extended: common.extended };
    let sequence = 1;
    if (tls) {
      socket.write(frame(encodeSslRequest({ capabilities, maxPacketBytes: 2 ** 26, collation: 45 }), sequence++));
      const inner = socket;
      socket = connectTls({ socket: inner, rejectUnauthorized: false });
      await once(socket, 'secureConnect');
      chunks = socket.iterator({ destroyOnReturn: false });
    }
    const client = new WireClient(socket, chunks, greeting, capabilities);
    await client.#login(where, sequence);
    return client;
  }

  /** Sends a command and hears its answer to the end. `file` is what is sent when the server asks for a local file. */
  async ask(payload: Buffer, kind: ResponseKind, file: readonly Buffer[] = []): Promise<Heard> {
    const packet = frame(payload, 0);
    this.#socket.write(packet);
    const scanner = new ResponseScanner();
    scanner.start(kind, this.capabilities, Math.floor(payload.length / 0xff_ffff) + 1);
    return this.#hear(scanner, (event) => this.#sendFile(event, file));
  }

  async changeUser(account: Account): Promise<Heard> {
    const scramble = this.greeting.scramble;
    const payload = encodeChangeUser(
      {
        user: account.user,
        answer: nativeAnswer(account.password, scramble),
        database: '',
        collation: 45,
        plugin: nativePlugin,
        attributes: new Map([['program_name', 'test']]),
      },
      this.capabilities,
    );
    this.#socket.write(frame(payload, 0));
    const scanner = new ResponseScanner();
    scanner.start('change-user', this.capabilities);
    return this.#hear(scanner, (event) => {
      const { plugin, data } = read(parseAuthSwitch(event.payload));
      this.#socket.write(frame(answerOf(plugin, account.password, data), event.sequence + 1));
    });
  }

  send(payload: Buffer): void {
    this.#socket.write(frame(payload, 0));
  }

  close(): void {
    this.#socket.destroy();
  }

  #sendFile(event: ResponseEvent, file: readonly Buffer[]): void {
    for (const [index, part] of [...file, Buffer.alloc(0)].entries())
      this.#socket.write(frame(part, event.sequence + 1 + index));
  }

  async #hear(scanner: ResponseScanner, goOn: (event: ResponseEvent) => void): Promise<Heard> {
    const events: ResponseEvent[] = [];
    const plain: Buffer[] = [];
    while (!scanner.done) {
      const chunk = this.#left.length > 0 ? this.#left : await nextChunk(this.#chunks);
      const end = scanner.scan(chunk, 0);
      plain.push(scanner.released, chunk.subarray(0, end));
      this.#left = chunk.subarray(scanner.resumeAt);
      if (scanner.problem !== undefined) throw new Error(scanner.problem.reason);
      const { event } = scanner;
      if (event === undefined) continue;
      events.push(event);
      scanner.accept();
      if (event.type === 'local-infile' || event.type === 'auth-switch') goOn(event);
    }
    return { events, plain: packetsIn(Buffer.concat(plain)), rows: scanner.rows, scanner };
  }

  async #login(where: Where, firstSequence: number): Promise<void> {
    const { greeting, capabilities } = this;
    const answer = nativeAnswer(where.password, greeting.scramble);
    const login = {
      capabilities: without(capabilities, where.database === undefined ? CLIENT.CONNECT_WITH_DB : 0),
      maxPacketBytes: 2 ** 26,
      collation: 45,
      user: where.user,
      answer,
      database: where.database ?? '',
      plugin: nativePlugin,
      attributes: new Map([['_client_name', 'test']]),
    };
    this.#socket.write(frame(encodeLogin(login), firstSequence));
    let packet = await onePacket(this.#chunks);
    if (packet.payload[0] === 0xfe) {
      const { plugin, data } = read(parseAuthSwitch(packet.payload));
      this.#socket.write(frame(answerOf(plugin, where.password, data), packet.sequence + 1));
      packet = await onePacket(this.#chunks);
    }
    if (packet.payload[0] !== 0) throw new Error(`ERR ${read(parseErr(packet.payload)).number}`);
  }
}

const answerOf = (plugin: string, password: string, data: Buffer): Buffer => {
  if (plugin === ed25519Plugin) return ed25519Answer(password, data);
  if (plugin === nativePlugin) return nativeAnswer(password, data);
  throw new Error(`the server asks for ${plugin}`);
};

const nextChunk = async (chunks: AsyncIterator<Buffer>): Promise<Buffer> => {
  const next = await chunks.next();
  if (next.done === true) throw new Error('the server hung up');
  return next.value;
};

/** In the handshake both sides wait for each other, so nothing follows a packet. */
const onePacket = async (chunks: AsyncIterator<Buffer>): Promise<Packet> => {
  const reader = new PacketReader(2 ** 16);
  for (;;) {
    reader.push(await nextChunk(chunks));
    const packet = reader.next();
    if (packet !== undefined) return read(packet);
  }
};

const packetsIn = (bytes: Buffer): readonly Buffer[] => {
  const reader = new PacketReader(2 ** 28);
  reader.push(bytes);
  const payloads: Buffer[] = [];
  for (let next = reader.next(); next !== undefined; next = reader.next()) {
    if (isProblem(next)) throw new Error(next.reason);
    payloads.push(next.payload);
  }
  if (reader.rest().length > 0) throw new Error('plain bytes end within a packet');
  return payloads;
};
