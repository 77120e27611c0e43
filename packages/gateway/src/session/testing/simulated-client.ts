/**
 * An ordinary client: asks one thing after the other, some of it before the answers have come, and writes down what it was told. It never
 * tries anything again, and never looks into the database.
 */
import {
  type Capabilities,
  encodeCommand,
  frame,
  isProblem,
  lastPrepared,
  type Packet,
  PacketReader,
  STATUS,
} from '@coequal/mysql-wire';
import { type Asked, askedBy, executePayload, type Operation } from './operations.ts';
import { type ReplyKind, type Result, readReply } from './replies.ts';

export type Exchange = {
  readonly operation: Operation | { readonly do: 'prepare' };
  /** What it writes is marked with this; files with several lines add a number to each. */
  readonly tag: string;
  results: readonly Result[] | null;
  /** Some of the answer has arrived. */
  begun: boolean;
};

type Unit = {
  readonly exchange: Exchange | null;
  readonly packets: readonly Buffer[];
  /** Null: it has no answer. */
  readonly answer: ReplyKind | null;
  /** Nothing else is under way with it. */
  readonly alone: boolean;
  /** What comes next depends on the answer. */
  readonly follow: ((results: readonly Result[]) => readonly Unit[]) | null;
};

type Outstanding = {
  readonly unit: Unit;
  readonly reader: Generator<undefined, readonly Result[], Packet>;
};

export type ClientOptions = {
  readonly name: string;
  readonly operations: readonly Operation[];
  readonly capabilities: Capabilities;
  /** Requests that it sends before it waits. */
  readonly depth: number;
  /** Executes what it has just prepared without waiting for its number. */
  readonly direct: boolean;
  /** Says good-bye at the end. */
  readonly quits: boolean;
};

export class SimulatedClient {
  readonly name: string;
  readonly capabilities: Capabilities;
  readonly exchanges: Exchange[] = [];
  /** What is wrong with what it got. */
  readonly complaints: string[] = [];
  /** On the way to the gateway. */
  sending: Buffer = Buffer.alloc(0);
  /** The gateway has closed the connection. */
  closed = false;
  /** It has gone away without a word. */
  left = false;
  paused = false;
  owesDrain = false;
  readonly #options: ClientOptions;
  readonly #waiting: Unit[] = [];
  readonly #operations: Operation[];
  readonly #outstanding: Outstanding[] = [];
  readonly #reader = new PacketReader(2 ** 24);
  readonly #statements = new Map<string, { id: number; typed: boolean }>();
  #made = 0;
  #quit = false;

  constructor(options: ClientOptions) {
    this.#options = options;
    this.name = options.name;
    this.capabilities = options.capabilities;
    this.#operations = [...options.operations];
  }

  get done(): boolean {
    return this.closed || this.left || (this.#isThrough && this.#outstanding.length === 0 && this.sending.length === 0);
  }

  get #isThrough(): boolean {
    return this.#operations.length === 0 && this.#waiting.length === 0 && (this.#quit || !this.#options.quits);
  }

  get answered(): number {
    return this.exchanges.length - this.#outstanding.length;
  }

  get unanswered(): number {
    return this.#outstanding.length;
  }

  /** In the middle of an answer. */
  get midAnswer(): boolean {
    return this.#reader.bufferedBytes > 0;
  }

  get canAsk(): boolean {
    if (this.closed || this.left || this.#isThrough) return false;
    if (this.#waiting.length === 0) this.#next();
    const [unit] = this.#waiting;
    if (unit === undefined) return false;
    if (this.#outstanding.some(({ unit: { alone } }) => alone)) return false;
    return this.#outstanding.length < (unit.alone ? 1 : this.#options.depth);
  }

  ask(): void {
    const unit = this.#waiting.shift();
    if (unit === undefined) return;
    this.sending = Buffer.concat([this.sending, ...unit.packets]);
    if (unit.exchange !== null) this.exchanges.push(unit.exchange);
    if (unit.answer === null) return;
    const reader = readReply({
      kind: unit.answer,
      capabilities: this.capabilities,
      file: (sequence) => this.#sendFile(unit, sequence),
    });
    reader.next();
    this.#outstanding.push({ unit, reader });
  }

  receive(bytes: Buffer): void {
    if (this.closed) this.complaints.push('the gateway writes behind the end');
    // What comes behind something wrong has no meaning.
    if (this.complaints.length > 0) return;
    this.#reader.push(Buffer.from(bytes));
    for (
      let packet = this.#reader.next();
      packet !== undefined && this.complaints.length === 0;
      packet = this.#reader.next()
    ) {
      if (isProblem(packet)) {
        this.complaints.push(`no packets: ${packet.reason}`);
        return;
      }
      this.#take(packet);
    }
  }

  #take(packet: Packet): void {
    const [head] = this.#outstanding;
    if (head === undefined) {
      this.complaints.push(`an answer that nobody has asked for: ${packet.raw.toString('hex').slice(0, 80)}`);
      return;
    }
    const { exchange } = head.unit;
    if (exchange !== null) exchange.begun = true;
    try {
      const step = head.reader.next(packet);
      if (step.done === true) this.#answered(step.value);
    } catch (error) {
      this.complaints.push(`${JSON.stringify(exchange?.operation)}: ${error instanceof Error ? error.message : ''}`);
    }
  }

  #answered(results: readonly Result[]): void {
    const head = this.#outstanding.shift();
    if (head === undefined) return;
    const { exchange, follow } = head.unit;
    if (exchange !== null) exchange.results = results;
    if (follow !== null) this.#waiting.unshift(...follow(results));
  }

  /** Lines of the file, each with a tag of its own, and the empty packet behind them. */
  #sendFile({ exchange }: Unit, sequence: number): number {
    const lines = exchange?.operation.do === 'load' ? exchange.operation.lines : 0;
    const packets = Array.from({ length: lines }, (_, line) =>
      frame(Buffer.from(`${exchange?.tag}.${line}\n`), (sequence + line) & 0xff),
    );
    const end = (sequence + lines) & 0xff;
    this.sending = Buffer.concat([this.sending, ...packets, frame(Buffer.alloc(0), end)]);
    return end;
  }

  // From operations to packets.

  /** What is asked next. An operation may come to nothing; then it is the one behind it. */
  #next(): void {
    while (this.#waiting.length === 0 && !this.#isThrough) {
      const operation = this.#operations.shift();
      if (operation !== undefined) this.#waiting.push(...this.#unitsOf(operation));
      else {
        this.#quit = true;
        this.#waiting.push(silent([encodeCommand.quit()]));
      }
    }
  }

  #unitsOf(operation: Operation): readonly Unit[] {
    this.#made += 1;
    const exchange = this.#exchange(operation, `${this.name}-${this.#made}`);
    if (operation.do === 'reset-connection') this.#statements.clear();
    const asked = askedBy(operation, exchange.tag);
    switch (asked.kind) {
      case 'query':
        return [unitOf(exchange, [encodeCommand.query(asked.sql)], 'query', { alone: operation.do === 'load' })];
      case 'command':
        return [unitOf(exchange, [asked.payload], asked.answer)];
      case 'close-statements': {
        const ids = [...this.#statements.values()].map(({ id }) => encodeCommand.close(id));
        this.#statements.clear();
        return ids.length === 0 ? [] : [silent(ids)];
      }
      case 'bad-statement':
        return [
          unitOf(
            this.#exchange({ do: 'prepare' }, ''),
            [encodeCommand.prepare('INSERT INTO nowhere VALUES (1)')],
            'prepare',
          ),
          unitOf(exchange, [executePayload({ ...plainly, statement: lastPrepared, parameters: [] })], 'execute'),
        ];
      case 'execute':
        return this.#executeUnits(exchange, asked);
    }
  }

  #exchange(operation: Exchange['operation'], tag: string): Exchange {
    return { operation, tag, results: null, begun: false };
  }

  #executeUnits(exchange: Exchange, asked: Extract<Asked, { kind: 'execute' }>): readonly Unit[] {
    const known = this.#statements.get(asked.sql);
    if (known !== undefined) {
      const units = this.#executeUnit(exchange, asked, known.id, !known.typed);
      known.typed = true;
      return units;
    }
    const prepare = (follow: Unit['follow']): Unit =>
      unitOf(this.#exchange({ do: 'prepare' }, ''), [encodeCommand.prepare(asked.sql)], 'prepare', {
        alone: follow !== null,
        follow: (results) => {
          const [result] = results;
          if (result?.kind !== 'prepared') return [];
          this.#statements.set(asked.sql, { id: result.statement, typed: true });
          return follow?.(results) ?? [];
        },
      });
    if (this.#options.direct && !asked.long && !asked.cursor)
      return [prepare(null), ...this.#executeUnit(exchange, asked, lastPrepared, true)];
    return [
      prepare((results) => {
        const [result] = results;
        return result?.kind === 'prepared' ? this.#executeUnit(exchange, asked, result.statement, true) : [];
      }),
    ];
  }

  #executeUnit(
    exchange: Exchange,
    asked: Extract<Asked, { kind: 'execute' }>,
    statement: number,
    types: boolean,
  ): readonly Unit[] {
    const long = asked.long
      ? asked.parameters.flatMap((value, index) => {
          const text = Buffer.from(String(value));
          return [text.subarray(0, 2), text.subarray(2)].map((part) => encodeCommand.longData(statement, index, part));
        })
      : [];
    const { parameters, cursor } = asked;
    const payload = executePayload({ statement, parameters, types: types || asked.long, long: asked.long, cursor });
    if (!cursor) return [unitOf(exchange, [...long, payload], 'execute')];
    const follow = (results: readonly Result[]): readonly Unit[] => this.#fetched(exchange, statement, results, []);
    return [unitOf(exchange, [payload], 'execute', { alone: true, follow })];
  }

  /** Goes on fetching until the last row, or an error, is there. */
  #fetched(exchange: Exchange, statement: number, results: readonly Result[], before: Rows): readonly Unit[] {
    const [result] = results;
    exchange.results = results;
    if (result?.kind !== 'rows') return [];
    const rows = [...before, ...result.rows];
    exchange.results = [{ ...result, rows }];
    if ((result.status & STATUS.LAST_ROW_SENT) !== 0) return [];
    exchange.results = null;
    const count = exchange.operation.do === 'cursor' ? exchange.operation.rows : 1;
    const follow = (told: readonly Result[]): readonly Unit[] => this.#fetched(exchange, statement, told, rows);
    return [unitOf(null, [encodeCommand.fetch(statement, count)], 'fetch', { alone: true, follow })];
  }
}

type Rows = readonly (readonly (string | null)[])[];

const plainly = { types: false, long: false, cursor: false } as const;

const unitOf = (
  exchange: Exchange | null,
  payloads: readonly Buffer[],
  answer: ReplyKind,
  options: { readonly alone?: boolean; readonly follow?: Unit['follow'] } = {},
): Unit => ({
  exchange,
  packets: payloads.map((payload) => frame(payload, 0)),
  answer,
  alone: options.alone ?? false,
  follow: options.follow ?? null,
});

const silent = (payloads: readonly Buffer[]): Unit => ({
  exchange: null,
  packets: payloads.map((payload) => frame(payload, 0)),
  answer: null,
  alone: false,
  follow: null,
});
