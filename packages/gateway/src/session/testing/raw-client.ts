/**
 * A client made of packets: for what drivers do not do (cursors, long data, commands sent without waiting, half packets), and
 * for comparing every byte that can be told apart with a direct connection.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import {
  type Capabilities,
  CLIENT,
  type Column,
  encodeCommand,
  encodeExecute,
  encodeLogin,
  frame,
  hasBase,
  intersect,
  isProblem,
  MARIADB,
  nativeAnswer,
  nativePlugin,
  type Packet,
  PacketReader,
  type Parameter,
  parseBinaryRow,
  parseColumn,
  parseErr,
  parseGreeting,
  parseOk,
  parsePrepareOk,
  parseTextRow,
  type ResponseKind,
  ResponseScanner,
  STATUS,
  type WireProblem,
} from '@coequal/mysql-wire';

export type RawOptions = {
  readonly host?: string;
  readonly port: number;
  readonly user?: string;
  readonly password?: string;
  readonly database?: string;
  /** Flags of CLIENT to do without, and to ask for. */
  readonly without?: number;
  readonly also?: number;
};

/** One result of an answer, as a client can tell it. */
export type Result =
  | {
      readonly ok: {
        readonly affected: number;
        readonly insertId: number;
        readonly warnings: number;
        readonly info: string;
      };
      readonly status: readonly string[];
    }
  | { readonly error: { readonly number: number; readonly state: string; readonly message: string } }
  | {
      readonly columns: readonly string[];
      readonly rows: readonly (readonly (string | null)[])[];
      readonly warnings: number;
      readonly status: readonly string[];
    };

export type PreparedHere = { readonly id: number; readonly parameters: number; readonly columns: number };

const wanted =
  CLIENT.FOUND_ROWS |
  CLIENT.LONG_FLAG |
  CLIENT.CONNECT_WITH_DB |
  CLIENT.LOCAL_FILES |
  CLIENT.PROTOCOL_41 |
  CLIENT.TRANSACTIONS |
  CLIENT.SECURE_CONNECTION |
  CLIENT.MULTI_STATEMENTS |
  CLIENT.MULTI_RESULTS |
  CLIENT.PS_MULTI_RESULTS |
  CLIENT.PLUGIN_AUTH |
  CLIENT.PLUGIN_AUTH_LENENC_CLIENT_DATA |
  CLIENT.DEPRECATE_EOF;

const must = <T>(value: T | WireProblem): T => {
  if (isProblem(value)) throw new Error(`the answer makes no sense: ${value.reason}`);
  return value;
};

export class RawClient {
  readonly socket: Socket;
  capabilities: Capabilities = { base: 0, extended: 0 };
  /** The connection id that the greeting showed. */
  shownId = 0;
  #chunks: Buffer[] = [];
  #arrived: (() => void) | null = null;
  #ended = false;
  /** Bytes that belong to no answer yet. */
  #left: Buffer = Buffer.alloc(0);

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk);
      this.#arrived?.();
    });
    socket.on('error', () => undefined);
    for (const event of ['end', 'close'])
      socket.once(event, () => {
        this.#ended = true;
        this.#arrived?.();
      });
  }

  static async open(options: RawOptions): Promise<RawClient> {
    const socket = connect({ host: options.host ?? '127.0.0.1', port: options.port, noDelay: true });
    const client = new RawClient(socket);
    await once(socket, 'connect');
    await client.#login(options);
    return client;
  }

  async #login({ user = 'app', password = 'app', database = 'bank', without = 0, also = 0 }: RawOptions) {
    const first = await this.packet();
    if (first.payload[0] === 0xff) throw new Error(`refused: ${must(parseErr(first.payload)).message}`);
    const greeting = must(parseGreeting(first.payload));
    this.shownId = greeting.connectionId;
    this.capabilities = intersect(
      { base: ((wanted | also) & ~without) >>> 0, extended: MARIADB.STMT_BULK_OPERATIONS },
      greeting.capabilities,
    );
    const login = {
      capabilities: this.capabilities,
      maxPacketBytes: 2 ** 30,
      collation: 45,
      user,
      answer: nativeAnswer(password, greeting.scramble),
      database,
      plugin: nativePlugin,
      attributes: new Map<string, string>(),
    };
    this.socket.write(frame(encodeLogin(login), first.sequence + 1));
    const answer = await this.packet();
    if (answer.payload[0] !== 0x00) throw new Error(`refused: ${must(parseErr(answer.payload)).message}`);
  }

  /** The server has closed the connection. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Resolves when the server closes. What comes until then is thrown away. */
  async gone(): Promise<void> {
    while (!this.#ended) {
      await this.#arrival();
      this.#chunks = [];
    }
  }

  async #arrival(): Promise<void> {
    if (this.#chunks.length === 0 && !this.#ended)
      await new Promise<void>((resolve) => {
        this.#arrived = resolve;
      });
    this.#arrived = null;
  }

  async #more(): Promise<void> {
    await this.#arrival();
    const got = this.#chunks.splice(0);
    if (got.length === 0) throw new Error('the connection was closed');
    this.#left = Buffer.concat([this.#left, ...got]);
  }

  /** One packet, whatever it is. */
  async packet(): Promise<Packet> {
    for (;;) {
      const reader = new PacketReader(2 ** 31);
      reader.push(this.#left);
      const packet = reader.next();
      if (packet !== undefined) {
        const whole = must(packet);
        this.#left = this.#left.subarray(whole.raw.length);
        return whole;
      }
      await this.#more();
    }
  }

  write(bytes: Buffer): void {
    this.socket.write(bytes);
  }

  /** The bytes of one answer. */
  async answer(kind: ResponseKind, file?: readonly Buffer[]): Promise<Buffer> {
    const scanner = new ResponseScanner();
    scanner.start(kind, this.capabilities, -1);
    const parts: Buffer[] = [];
    for (;;) {
      const chunk = this.#left;
      const end = scanner.scan(chunk, 0);
      parts.push(scanner.released, chunk.subarray(0, end));
      this.#left = chunk.subarray(scanner.resumeAt);
      if (scanner.problem !== undefined) throw new Error(`the answer makes no sense: ${scanner.problem.reason}`);
      const { event } = scanner;
      if (event !== undefined) {
        scanner.accept();
        if (event.type === 'local-infile')
          for (const [index, part] of [...(file ?? []), Buffer.alloc(0)].entries())
            this.socket.write(frame(part, event.sequence + 1 + index));
        else parts.push(event.raw);
      }
      if (scanner.done) return Buffer.concat(parts);
      if (this.#left.length === 0 || event === undefined) await this.#more();
    }
  }

  /** Sends text and reads the answer. */
  async query(sql: string | Buffer, file?: readonly Buffer[]): Promise<readonly Result[]> {
    this.write(frame(encodeCommand.query(sql), 0));
    return readResults(await this.answer('query', file), this.capabilities, false);
  }

  /** The bytes of the answer to a text. */
  async bytes(sql: string): Promise<Buffer> {
    this.write(frame(encodeCommand.query(sql), 0));
    return this.answer('query');
  }

  async simple(payload: Buffer): Promise<readonly Result[]> {
    this.write(frame(payload, 0));
    return readResults(await this.answer('simple'), this.capabilities, false);
  }

  async prepare(sql: string): Promise<PreparedHere> {
    this.write(frame(encodeCommand.prepare(sql), 0));
    const bytes = await this.answer('prepare');
    const told = must(parsePrepareOk(packetsIn(bytes)[0] ?? Buffer.alloc(0)));
    return { id: told.statement, parameters: told.parameters, columns: told.columns };
  }

  async execute(id: number, parameters: readonly Parameter[] = [], cursor = 0): Promise<readonly Result[]> {
    this.write(frame(encodeExecute({ statement: id, parameters, cursor }), 0));
    return this.executed();
  }

  async executed(): Promise<readonly Result[]> {
    return readResults(await this.answer('execute'), this.capabilities, true);
  }

  /** Rows of a cursor; the columns are those of the statement. */
  async fetch(id: number, rows: number, columns: readonly Pick<Column, 'type' | 'flags'>[]): Promise<Fetched> {
    this.write(frame(encodeCommand.fetch(id, rows), 0));
    const packets = packetsIn(await this.answer('fetch'));
    const end = packets.at(-1) ?? Buffer.alloc(0);
    if (end[0] === 0xff) {
      const { number, sqlState, message } = must(parseErr(end));
      return { error: { number, state: sqlState, message } };
    }
    const status = hasBase(this.capabilities, CLIENT.DEPRECATE_EOF)
      ? must(parseOk(end, this.capabilities)).status
      : end.readUInt16LE(3);
    return {
      rows: packets.slice(0, -1).map((row) => must(parseBinaryRow(row, columns)).map(textOf)),
      last: (status & STATUS.LAST_ROW_SENT) !== 0,
    };
  }

  close(): void {
    this.socket.destroy();
  }
}

export type Fetched =
  | { readonly rows: readonly (readonly (string | null)[])[]; readonly last: boolean }
  | { readonly error: { readonly number: number; readonly state: string; readonly message: string } };

const packetsIn = (bytes: Buffer): readonly Buffer[] => {
  const reader = new PacketReader(2 ** 31);
  reader.push(bytes);
  const packets: Buffer[] = [];
  for (let packet = reader.next(); packet !== undefined; packet = reader.next()) packets.push(must(packet).payload);
  return packets;
};

const textOf = (value: unknown): string | null =>
  value === null ? null : Buffer.isBuffer(value) ? value.toString('utf8') : String(value);

const told: readonly (readonly [keyof typeof STATUS, number])[] = [
  ['IN_TRANS', STATUS.IN_TRANS],
  ['AUTOCOMMIT', STATUS.AUTOCOMMIT],
  ['CURSOR_EXISTS', STATUS.CURSOR_EXISTS],
  ['LAST_ROW_SENT', STATUS.LAST_ROW_SENT],
  ['NO_BACKSLASH_ESCAPES', STATUS.NO_BACKSLASH_ESCAPES],
  ['ANSI_QUOTES', STATUS.ANSI_QUOTES],
];

const statusOf = (status: number): readonly string[] =>
  told.filter(([, bit]) => (status & bit) !== 0).map(([name]) => name);

/** All results of one answer. */
export const readResults = (bytes: Buffer, capabilities: Capabilities, binary: boolean): readonly Result[] => {
  const packets = [...packetsIn(bytes)];
  const results: Result[] = [];
  while (packets.length > 0) results.push(readOne(packets, capabilities, binary));
  return results;
};

const readOne = (packets: Buffer[], capabilities: Capabilities, binary: boolean): Result => {
  const first = packets.shift() ?? Buffer.alloc(0);
  if (first[0] === 0xff) {
    const { number, sqlState, message } = must(parseErr(first));
    return { error: { number, state: sqlState, message } };
  }
  if (first[0] === 0x00 || (first[0] === 0xfe && first.length < 9)) {
    if (first[0] === 0xfe) return ended(first, capabilities);
    const ok = must(parseOk(first, capabilities));
    return {
      ok: {
        affected: Number(ok.affectedRows),
        insertId: Number(ok.lastInsertId),
        warnings: ok.warnings,
        info: ok.info.toString('utf8'),
      },
      status: statusOf(ok.status),
    };
  }
  const columns = packets.splice(0, first[0] ?? 0).map((one) => must(parseColumn(one, capabilities)));
  const deprecated = hasBase(capabilities, CLIENT.DEPRECATE_EOF);
  const between = deprecated ? undefined : packets.shift();
  const rows: (readonly (string | null)[])[] = [];
  const names = columns.map(({ name }) => name);
  for (let row = packets.shift(); row !== undefined; row = packets.shift()) {
    if (row[0] === 0xff) {
      const { number, sqlState, message } = must(parseErr(row));
      return { error: { number, state: sqlState, message } };
    }
    if (row[0] === 0xfe && row.length < 0xffffff && (deprecated || row.length < 9)) {
      const end = ended(row, capabilities);
      return {
        columns: names,
        rows,
        warnings: 'ok' in end ? end.ok.warnings : 0,
        status: 'ok' in end ? end.status : [],
      };
    }
    rows.push(
      binary
        ? must(parseBinaryRow(row, columns)).map(textOf)
        : must(parseTextRow(row, columns.length)).map((value) => value?.toString('utf8') ?? null),
    );
  }
  // A cursor was opened: its rows come when they are asked for.
  return { columns: names, rows, warnings: 0, status: statusOf(between?.readUInt16LE(3) ?? 0) };
};

const ended = (packet: Buffer, capabilities: Capabilities): Result => {
  if (!hasBase(capabilities, CLIENT.DEPRECATE_EOF))
    return {
      ok: { affected: 0, insertId: 0, warnings: packet.readUInt16LE(1), info: '' },
      status: statusOf(packet.readUInt16LE(3)),
    };
  const ok = must(parseOk(packet, capabilities));
  return { ok: { affected: 0, insertId: 0, warnings: ok.warnings, info: '' }, status: statusOf(ok.status) };
};
