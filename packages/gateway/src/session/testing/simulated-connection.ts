/**
 * A connection of the relay to a simulated instance, both ends of it: what the instance has been sent and works off one command after the
 * other, and what it has answered and the relay has not got yet. A fault may strike at any command. Once the relay's end is closed, what
 * arrived is still carried out, some time.
 */
import type { Random } from '@coequal/kernel';
import {
  type Capabilities,
  type Command,
  CURSOR,
  encodeErr,
  frame,
  isProblem,
  lastPrepared,
  type Packet,
  PacketReader,
  parameterTypesOf,
  parseBinding,
  parseCommand,
  STATUS,
} from '@coequal/mysql-wire';
import type { Link, LinkListener } from '../model.ts';
import { encodeAnswers, encodeFetched, encodePrepared, encodeText, readParameters } from './simulated-answers.ts';
import type { Fault, SimulatedInstance } from './simulated-instance.ts';
import {
  type Answer,
  type Cell,
  type ColumnOf,
  err,
  ok,
  readAllColumns,
  readColumns,
  returningColumns,
  SimulatedSession,
} from './simulated-session.ts';

export type CommandKind = 'record' | 'statement' | 'other';

type PreparedText = {
  readonly sql: string;
  readonly parameters: number;
  types: Buffer;
  readonly long: Map<number, Buffer>;
  cursor: (readonly Cell[])[];
};

const nobody: LinkListener = { chunk: () => undefined, lost: () => undefined, drained: () => undefined };

const columnsOf = (sql: string): readonly ColumnOf[] => {
  if (sql.startsWith('SELECT v ')) return readColumns;
  if (sql.startsWith('SELECT id, v')) return readAllColumns;
  return sql.endsWith('RETURNING id') ? returningColumns : [];
};

export class SimulatedConnection {
  readonly instance: SimulatedInstance;
  readonly link: Link;
  readonly session: SimulatedSession;
  readonly random: Random;
  readonly trace: (line: string) => void;
  /** Answered and not yet read. */
  out: Buffer = Buffer.alloc(0);
  /** Nothing more will come from the instance. */
  closing = false;
  /** The relay's end is closed. */
  gone = false;
  /** The instance's end is closed. */
  ended = false;
  paused = false;
  owesDrain = false;
  readonly #failed: (number: number) => void;
  #listener: LinkListener = nobody;
  /** The rest of an answer that a hung instance has not sent yet. */
  #withheld: Buffer = Buffer.alloc(0);
  #arriving: Buffer[] = [];
  readonly #reader = new PacketReader(2 ** 26);
  readonly #queue: Packet[] = [];
  readonly #prepared = new Map<number, PreparedText>();
  #lastPrepared = 0;
  #nextStatement = 1;
  /** The lines of a file that is being sent; null: none is. */
  #file: string[] | null = null;

  constructor(
    instance: SimulatedInstance,
    options: {
      readonly threadId: number;
      readonly capabilities: Capabilities;
      readonly schema: string;
      readonly trace: (line: string) => void;
      /** Hears of every error. */
      readonly failed: (number: number) => void;
    },
  ) {
    this.instance = instance;
    this.random = instance.random;
    this.#failed = options.failed;
    this.trace = (line) => options.trace(`${instance.name}#${options.threadId} ${line}`);
    this.session = new SimulatedSession(instance, options.schema);
    // Its numbers differ from those of every other connection.
    this.#nextStatement = 1 + this.random.below(50);
    this.link = this.#linkOf(options.threadId, options.capabilities);
    instance.connections.add(this);
  }

  #linkOf(threadId: number, capabilities: Capabilities): Link {
    return {
      instance: this.instance.name,
      threadId,
      capabilities,
      write: (bytes) => {
        if (this.gone) throw new Error('Bug: written to a connection that was given up');
        if (!this.closing) this.#arriving.push(Buffer.from(bytes));
        if (this.random.below(12) !== 0) return true;
        this.owesDrain = true;
        return false;
      },
      pause: () => {
        this.paused = true;
      },
      resume: () => {
        this.paused = false;
      },
      destroy: () => this.#leave(true),
      quit: () => {
        this.#arriving.push(Buffer.of(1, 0, 0, 0, 1));
        this.#leave(false);
      },
      closed: () => undefined,
      listen: (listener) => {
        this.#listener = listener;
      },
    };
  }

  /** The relay closes its end; what is on the way to the instance may be lost, or cut anywhere. */
  #leave(abruptly: boolean): void {
    this.gone = true;
    this.#listener = nobody;
    this.out = Buffer.alloc(0);
    this.session.abandoned = () => this.#workOff();
    if (!abruptly || this.random.below(2) === 0) return;
    const all = Buffer.concat(this.#arriving);
    this.#arriving = [all.subarray(0, this.random.below(all.length + 1))];
  }

  // What may happen next.

  get canWork(): boolean {
    if (this.ended || this.instance.state !== 'up') return false;
    if (this.#withheld.length > 0) return true;
    return this.#queue.length > 0 || this.#arriving.length > 0 || this.gone;
  }

  get canDeliver(): boolean {
    return !this.gone && !this.paused && this.out.length > 0;
  }

  get canTellLoss(): boolean {
    return !this.gone && this.closing && !this.paused && this.out.length === 0;
  }

  deliver(length: number): void {
    const chunk = Buffer.from(this.out.subarray(0, length));
    this.out = this.out.subarray(length);
    this.#listener.chunk(chunk);
  }

  tellLoss(): void {
    this.gone = true;
    const listener = this.#listener;
    this.#listener = nobody;
    listener.lost('lost');
  }

  tellDrained(): void {
    this.owesDrain = false;
    this.#listener.drained();
  }

  /** The instance's end is gone; some of what it has answered may still arrive. */
  die(shownPercent: number): void {
    this.out = this.out.subarray(0, Math.floor((this.out.length * shownPercent) / 100));
    this.#end();
  }

  #end(): void {
    this.closing = true;
    this.ended = true;
    this.#queue.length = 0;
    this.#arriving = [];
    this.session.end();
    this.instance.connections.delete(this);
  }

  /** Carries out the next command, unless a fault strikes. */
  work(strike: (kind: CommandKind) => Fault | null): void {
    this.#put(this.#withheld);
    this.#withheld = Buffer.alloc(0);
    for (const bytes of this.#arriving.splice(0)) this.#reader.push(bytes);
    for (let packet = this.#reader.next(); packet !== undefined; packet = this.#reader.next()) {
      if (isProblem(packet)) throw new Error(`the relay has sent no packet: ${packet.reason}`);
      this.#queue.push(packet);
    }
    const [head] = this.#queue;
    if (head === undefined) {
      if (this.gone) this.#end();
      return;
    }
    // Nobody waits for what a connection does that was given up: no fault needs to strike there.
    const fault = this.gone || this.#file !== null ? null : strike(this.#kindOf(head));
    if (fault === null) {
      this.#queue.shift();
      this.#put(this.#carryOut(head));
    } else {
      this.trace(`FAULT ${fault.what}${fault.done ? ' done' : ''}${fault.later ? ' later' : ''} ${fault.shown}%`);
      this.#strike(fault, head);
    }
  }

  #workOff(): void {
    this.session.abandoned = null;
    while (!this.ended) this.work(() => null);
  }

  #put(bytes: Buffer): void {
    if (!this.gone && !this.closing) this.out = Buffer.concat([this.out, bytes]);
  }

  #kindOf(packet: Packet): CommandKind {
    const command = parseCommand(packet.payload);
    if (isProblem(command)) return 'other';
    if (command.kind === 'query') {
      const text = command.sql.toString('utf8');
      return /^(SELECT [vi]|UPDATE|INSERT|LOAD|CALL|CREATE|COMMIT|BEGIN)/.test(text) ? 'statement' : 'other';
    }
    if (command.kind !== 'execute') return 'other';
    return this.#textOf(command.statement)?.sql.startsWith('CALL coequal') === true ? 'record' : 'statement';
  }

  #strike(fault: Fault, head: Packet): void {
    const { instance } = this;
    switch (fault.what) {
      case 'lose':
        this.#lose(fault, head);
        return;
      case 'crash':
        if (fault.done) this.#finish(head, fault.shown);
        instance.crash();
        return;
      case 'hang':
        if (fault.done) this.#withheld = this.#finish(head, fault.shown);
        instance.state = 'hung';
        return;
      case 'isolate':
        instance.isolatedFor = 1 + this.random.below(10);
        this.#queue.shift();
        this.#put(this.#carryOut(head));
        return;
      case 'garbage':
        this.#queue.shift();
        this.#carryOut(head);
        this.#put(Buffer.from([9, 0, 0, 0x77, ...Array.from({ length: 20 }, () => this.random.below(255))]));
        return;
      case 'good-bye':
        this.#queue.shift();
        this.#put(this.#carryOut(head));
        this.#put(this.#error(1053, 'Server shutdown in progress', '08S01', 0));
        this.#end();
        return;
      default:
        this.#strikeByError(fault, head);
    }
  }

  #strikeByError(fault: Fault, head: Packet): void {
    const kind = this.#kindOf(head);
    this.#queue.shift();
    const answers = this.#answersOf(head);
    if (!answers || !this.#canFailSo(fault, kind)) {
      this.#put(this.#carryOut(head));
      return;
    }
    const { session } = this;
    switch (fault.what) {
      case 'stop':
        this.#put(this.#error(1053, 'Server shutdown in progress', '08S01'));
        this.#end();
        return;
      case 'killed':
        this.#put(this.#error(1927, 'Connection was killed', '70100'));
        this.#end();
        return;
      case 'too-large':
        session.rollBack();
        session.failed();
        this.#put(this.#error(1180, 'Got error 90 "Message too long" during COMMIT'));
        return;
      case 'interrupt':
        this.#takeTypes(head);
        // A procedure that is interrupted asks none of its handlers, but may have done its last step.
        if (fault.done && kind === 'record') this.#carryOut(head);
        session.failed();
        if (kind === 'other') this.#failed(1317);
        this.#put(this.#error(1317, 'Query execution was interrupted', '70100'));
        if (!fault.later) this.#end();
        return;
      default:
        if (fault.done) this.#carryOut(head);
        else session.rollBack();
        session.failed();
        this.#put(this.#error(1180, 'Got error 5 "Input/output error" during COMMIT'));
    }
  }

  /** A server reads the parameters of an execution before it begins with it. */
  #takeTypes(packet: Packet): void {
    const command = parseCommand(packet.payload);
    const prepared = !isProblem(command) && command.kind === 'execute' ? this.#textOf(command.statement) : undefined;
    const types = prepared === undefined ? undefined : parameterTypesOf(packet.payload, prepared.parameters);
    if (prepared !== undefined && types !== undefined && !isProblem(types)) prepared.types = Buffer.from(types);
    prepared?.long.clear();
  }

  /** Errors of a commit come from what commits. */
  #canFailSo({ what }: Fault, kind: CommandKind): boolean {
    const { transaction, autocommit } = this.session;
    if (what === 'too-large') return kind === 'record';
    return what !== 'commit-error' || kind === 'record' || (kind === 'statement' && transaction === null && autocommit);
  }

  #error(number: number, message: string, sqlState = 'HY000', sequence = 1): Buffer {
    return frame(encodeErr({ number, sqlState, message }), sequence);
  }

  #lose(fault: Fault, head: Packet): void {
    if (fault.done) this.#finish(head, fault.shown);
    else if (!fault.later) this.#queue.shift();
    this.closing = true;
    if (!fault.later) this.#end();
  }

  /** Carries it out, and lets only a part of the answer out. Answers with the rest. */
  #finish(head: Packet, shownPercent: number): Buffer {
    this.#queue.shift();
    const bytes = this.#carryOut(head);
    const shown = Math.floor((bytes.length * shownPercent) / 100);
    this.#put(bytes.subarray(0, shown));
    return bytes.subarray(shown);
  }

  // Commands.

  #answersOf(packet: Packet): boolean {
    const command = parseCommand(packet.payload);
    return !isProblem(command) && !['close', 'long-data', 'quit'].includes(command.kind);
  }

  #carryOut(packet: Packet): Buffer {
    if (this.#file !== null) return this.#takeFile(this.#file, packet);
    const command = parseCommand(packet.payload);
    if (isProblem(command)) throw new Error(`the relay has sent no command: ${command.reason}`);
    if (this.instance.isolatedFor > 0 && this.#answersOf(packet)) {
      this.instance.isolatedFor -= 1;
      const isSet = command.kind === 'query' && /^SET /.test(command.sql.toString('latin1'));
      if (!isSet) {
        this.session.failed();
        this.trace('1047');
        return this.#error(1047, 'WSREP has not yet prepared node for application use', '08S01');
      }
    }
    return this.#command(command, packet);
  }

  #command(command: Command, packet: Packet): Buffer {
    switch (command.kind) {
      case 'query':
        return this.#query(command.sql.toString('utf8'));
      case 'prepare':
        return this.#prepare(command.sql.toString('utf8'));
      case 'execute':
        return this.#execute(packet, command.statement, command.cursor);
      case 'fetch':
        return this.#fetch(command.statement, command.rows);
      case 'long-data': {
        const long = this.#textOf(command.statement)?.long;
        const before = long?.get(command.parameter) ?? Buffer.alloc(0);
        long?.set(command.parameter, Buffer.concat([before, command.data]));
        return Buffer.alloc(0);
      }
      case 'close':
        this.#prepared.delete(command.statement);
        return Buffer.alloc(0);
      case 'reset':
        if (this.session.transaction?.doomed !== true) this.#textOf(command.statement)?.long.clear();
        return this.#answer(this.session.command());
      case 'init-db':
        if (this.session.transaction?.doomed === true) return this.#answer(this.session.command());
        this.session.schema = command.database.toString('utf8');
        this.session.changes.push({ kind: 'schema', name: this.session.schema });
        return this.#answer([ok()]);
      case 'reset-connection':
        this.session.reset();
        this.#prepared.clear();
        return this.#answer([ok()]);
      case 'statistics':
        return encodeText('Uptime: 1  Threads: 1', 1);
      case 'quit':
        this.#end();
        return Buffer.alloc(0);
      case 'ping':
        return this.#answer(this.session.command());
      default:
        throw new Error(`the simulation does not know the command ${command.kind}`);
    }
  }

  #query(text: string): Buffer {
    const answers = this.session.query(text);
    if (answers.at(-1)?.kind === 'file') this.#file = [];
    const bytes = this.#answer(answers);
    if (this.session.closing) {
      this.#put(bytes);
      this.#end();
      return Buffer.alloc(0);
    }
    this.trace(`${text.length > 90 ? `${text.slice(0, 90)}…` : text} → ${inWords(answers)}`);
    return bytes;
  }

  #answer(answers: readonly Answer[], binary = false, status = 0, sequence = 1): Buffer {
    const { session } = this;
    const { bytes, told } = encodeAnswers(answers, {
      status: session.status | status,
      changes: session.changes,
      capabilities: this.link.capabilities,
      binary,
      sequence,
    });
    if (told) session.changes = [];
    for (const answer of answers) if (answer.kind === 'err') this.#failed(answer.number);
    return bytes;
  }

  #takeFile(lines: string[], packet: Packet): Buffer {
    if (packet.payload.length > 0) {
      lines.push(packet.payload.toString('utf8'));
      return Buffer.alloc(0);
    }
    this.#file = null;
    const tags = lines
      .join('')
      .split('\n')
      .filter((line) => line !== '');
    const answers = this.session.load(tags);
    this.trace(`a file of ${tags.length} lines → ${inWords(answers)}`);
    return this.#answer(answers, false, 0, (packet.sequence + 1) & 0xff);
  }

  #prepare(sql: string): Buffer {
    if (this.session.transaction?.doomed === true) return this.#answer(this.session.command());
    if (sql.includes('nowhere')) {
      this.#lastPrepared = 0;
      return this.#answer([err(1146, "Table 'app.nowhere' doesn't exist", '42S02')]);
    }
    const id = this.#nextStatement;
    this.#nextStatement += 1 + this.random.below(3);
    const parameters = sql.split('?').length - 1;
    this.#prepared.set(id, { sql, parameters, types: Buffer.alloc(0), long: new Map(), cursor: [] });
    this.#lastPrepared = id;
    const columns = columnsOf(sql);
    this.trace(`prepare ${sql} → ${id}`);
    return encodePrepared({ statement: id, columns: columns.length, parameters, warnings: 0 }, columns, {
      status: this.session.status,
      changes: [],
      capabilities: this.link.capabilities,
      binary: false,
      sequence: 1,
    });
  }

  #textOf(id: number): PreparedText | undefined {
    return this.#prepared.get(id === lastPrepared ? this.#lastPrepared : id);
  }

  #execute(packet: Packet, id: number, cursor: number): Buffer {
    const prepared = this.#textOf(id);
    if (prepared === undefined) {
      this.trace(`execute ${id} → unknown`);
      return this.#answer([err(1243, `Unknown prepared statement handler (${id}) given to EXECUTE`)]);
    }
    // Refused before it is read: what was sent ahead for it stays.
    if (this.session.transaction?.doomed === true) return this.#answer(this.session.command());
    const binding = parseBinding(packet.payload, prepared.parameters);
    if (isProblem(binding)) throw new Error(binding.reason);
    if (binding.typesIncluded) prepared.types = Buffer.from(binding.types);
    if (prepared.types.length !== prepared.parameters * 2)
      throw new Error('an execution without types of its parameters');
    const values = readParameters(binding.nulls, prepared.types, binding.values, prepared.long);
    prepared.long.clear();
    let at = 0;
    const text = prepared.sql.replaceAll('?', () => {
      const value = values[at++] ?? '';
      if (typeof value !== 'string' && prepared.sql.startsWith('CALL coequal')) return `X'${value.toString('hex')}'`;
      return /^\d+$/.test(String(value)) ? String(value) : `'${value}'`;
    });
    const answers = this.session.query(text);
    this.trace(`execute ${text} → ${inWords(answers)}`);
    const [first] = answers;
    if ((cursor & CURSOR.READ_ONLY) !== 0 && first?.kind === 'rows') {
      prepared.cursor = [...first.rows];
      return this.#answer([{ ...first, rows: [] }], true, STATUS.CURSOR_EXISTS);
    }
    return this.#answer(answers, true);
  }

  #fetch(id: number, count: number): Buffer {
    const prepared = this.#textOf(id);
    if (prepared === undefined)
      return this.#answer([err(1243, `Unknown prepared statement handler (${id}) given to FETCH`)]);
    const rows = prepared.cursor.splice(0, count);
    const status = prepared.cursor.length > 0 ? STATUS.CURSOR_EXISTS : STATUS.CURSOR_EXISTS | STATUS.LAST_ROW_SENT;
    this.trace(`fetch ${count} → ${rows.length} rows`);
    const columns = columnsOf(prepared.sql);
    return encodeFetched(
      { kind: 'rows', columns, rows, warnings: 0 },
      this.session.status | status,
      this.link.capabilities,
    );
  }
}

const inWords = (answers: readonly Answer[]): string => answers.map(wordOf).join(' ');

const wordOf = (answer: Answer): string => {
  switch (answer.kind) {
    case 'err':
      return String(answer.number);
    case 'rows':
      return JSON.stringify(answer.rows.map((row) => row.slice(0, 2)));
    default:
      return answer.kind;
  }
};
