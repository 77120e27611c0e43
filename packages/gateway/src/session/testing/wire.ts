/** One connection of a gateway to an instance, through a wire that can fail (`wires.ts`). */
import { connect, type Socket } from 'node:net';
import {
  type Capabilities,
  COM,
  intersect,
  isProblem,
  lastPrepared,
  noCapabilities,
  type Packet,
  PacketReader,
  parseClientHello,
  parseCommand,
  parseGreeting,
  ResponseScanner,
  responseKindOf,
} from '@coequal/mysql-wire';
import type { InstanceTarget } from '../../settings.ts';
import { firstNumberOf } from '../steps.ts';

export type Command = {
  readonly instance: string;
  /** `file`: a piece of the file of LOAD DATA LOCAL; `login`: the first packet. */
  readonly code: 'login' | 'query' | 'prepare' | 'execute' | 'fetch' | 'long-data' | 'close' | 'file' | 'other';
  /** Of a query, or of the prepared statement. */
  readonly text: string;
  readonly raw: Buffer;
};

export type Fault =
  /** The connection is dropped; the instance never hears of the command. What was before it is answered, and nobody hears that. */
  | { readonly what: 'cut-before' }
  /** The instance has carried it out; nobody hears its answer, and the connection is dropped. */
  | { readonly what: 'cut-after' }
  /** So many bytes of its answer pass; then `until` is waited for, and the connection is dropped. */
  | { readonly what: 'cut-within'; readonly bytes: number; readonly until?: () => Promise<unknown> }
  /** The command is kept back with everything behind it, until `release`, also when the gateway has given up. */
  | { readonly what: 'hold' }
  /** The instance carries it out; its answer is kept back until `release`. */
  | { readonly what: 'silence' }
  /** These bytes come instead of its answer. */
  | { readonly what: 'answer'; readonly bytes: Buffer };

type Waiting = { readonly command: Command; readonly fault: Fault | null };

export class Wire {
  readonly instance: string;
  readonly sprung: Promise<void>;
  readonly closed: Promise<void>;
  readonly #near: Socket;
  readonly #far: Socket;
  readonly #take: (command: Command) => Fault | null;
  readonly #reader = new PacketReader(2 ** 31);
  readonly #greetings = new PacketReader(2 ** 20);
  readonly #scanner = new ResponseScanner();
  readonly #statements = new Map<number, string>();
  readonly #sprung = Promise.withResolvers<void>();
  #capabilities: Capabilities | null = null;
  #offered: Capabilities = noCapabilities;
  #phase: 'greeting' | 'login' | 'commands' = 'greeting';
  #lastPrepared = 0;
  /** Commands whose answers have not ended. */
  #waiting: Waiting[] = [];
  /** A file is being sent; packets are pieces of it. */
  #uploading = false;
  /** What the gateway sends is not passed on any more. */
  #deaf = false;
  /** Answers are not passed on any more. */
  #mute = false;
  /** Cut as soon as everything that was passed on is answered. */
  #cutWhenQuiet = false;
  #held: Buffer[] | null = null;
  #kept: Buffer[] | null = null;
  #passLeft: number | null = null;
  #passUntil: (() => Promise<unknown>) | undefined;
  #quiet: (() => void) | null = null;

  constructor(near: Socket, target: InstanceTarget, take: (command: Command) => Fault | null) {
    this.instance = target.name;
    this.sprung = this.#sprung.promise;
    this.#near = near;
    this.#take = take;
    this.#far = connect({ host: target.host, port: target.port, noDelay: true });
    near.setNoDelay(true);
    near.on('data', (chunk: Buffer) => this.#fromGateway(chunk));
    this.#far.on('data', (chunk: Buffer) => this.#fromInstance(chunk));
    near.on('drain', () => this.#far.resume());
    this.#far.on('drain', () => near.resume());
    this.#far.on('error', () => undefined);
    const closed = Promise.withResolvers<void>();
    this.closed = closed.promise;
    near.once('close', () => {
      // What is held goes on to the instance one day, as from a host that was only cut off.
      if (this.#held === null && this.#kept === null) this.#far.destroy();
      else this.#far.resume();
    });
    this.#far.once('close', () => {
      near.destroy();
      closed.resolve();
    });
  }

  /** The gateway still holds this connection. */
  get near(): boolean {
    return !this.#near.destroyed;
  }

  get waitingBytes(): number {
    return this.#near.writableLength;
  }

  cut(): void {
    this.#near.destroy();
    this.#far.destroy();
    this.#sprung.resolve();
  }

  destroy(): void {
    this.#near.destroy();
    this.#far.destroy();
  }

  async release(): Promise<void> {
    const held = this.#held;
    const kept = this.#kept;
    this.#held = null;
    this.#kept = null;
    if (kept !== null) for (const bytes of kept) this.#near.write(bytes);
    if (held !== null) for (const raw of held) this.#pass(raw);
    if (this.#waiting.length > 0 && !this.#far.destroyed)
      await new Promise<void>((resolve) => {
        this.#quiet = resolve;
        this.#far.once('close', () => resolve());
      });
    if (!this.near) this.#far.destroy();
  }

  // From the gateway.

  #fromGateway(chunk: Buffer): void {
    if (this.#deaf && !this.#uploading) return;
    this.#reader.push(chunk);
    for (let packet = this.#reader.next(); packet !== undefined; packet = this.#reader.next()) {
      if (isProblem(packet)) throw new Error(`the gateway sends garbage: ${packet.reason}`);
      this.#packet(packet);
      if (this.#deaf && !this.#uploading) return;
    }
  }

  #packet(packet: Packet): void {
    if (this.#phase === 'greeting') {
      const login = parseClientHello(packet.payload);
      if (isProblem(login)) throw new Error(`the gateway's log-in: ${login.reason}`);
      this.#capabilities = intersect(login.capabilities, {
        base: (this.#offered.base | 1) >>> 0,
        extended: this.#offered.extended,
      });
      this.#phase = 'login';
      if (this.#spring({ instance: this.instance, code: 'login', text: '', raw: packet.raw })) return;
      this.#far.write(packet.raw);
      return;
    }
    if (this.#phase === 'login') {
      this.#far.write(packet.raw);
      return;
    }
    this.#pass(packet.raw, packet.payload);
  }

  #pass(raw: Buffer, payload: Buffer = raw.subarray(4)): void {
    if (this.#held !== null) {
      this.#held.push(Buffer.from(raw));
      return;
    }
    const command = this.#commandOf(raw, payload);
    if (command.code === 'file' && payload.length === 0) this.#uploading = false;
    if (this.#spring(command)) return;
    if (!this.#far.write(raw)) this.#near.pause();
  }

  /** True: the command does not go on. */
  #spring(command: Command): boolean {
    const fault = this.near ? this.#take(command) : null;
    const answered = command.code !== 'file' && command.code !== 'long-data' && command.code !== 'close';
    switch (fault?.what) {
      case 'cut-before':
        this.#deaf = true;
        this.#mute = true;
        this.#cutWhenQuiet = true;
        if (this.#waiting.length === 0 || this.#uploading) this.cut();
        return true;
      case 'cut-after':
        if (answered) {
          this.#await(command, fault);
          this.#deaf = true;
          return false;
        }
        this.#far.write(command.raw, () => this.cut());
        return true;
      case 'hold':
        this.#held = [Buffer.from(command.raw)];
        this.#sprung.resolve();
        return true;
      case 'answer':
        this.#mute = true;
        this.#deaf = true;
        this.#near.write(fault.bytes, () => this.#sprung.resolve());
        return true;
      default:
        if (answered) this.#await(command, fault);
        return false;
    }
  }

  #await(command: Command, fault: Fault | null): void {
    this.#waiting.push({ command, fault });
    if (this.#waiting.length === 1) this.#startHead();
  }

  #startHead(): void {
    const head = this.#waiting[0];
    if (head === undefined || head.command.code === 'login') return;
    const { raw } = head.command;
    this.#scanner.start(
      responseKindOf(raw[4] ?? 0) ?? 'simple',
      this.#capabilities ?? noCapabilities,
      firstNumberOf(raw),
    );
    if (head.fault?.what === 'cut-after') this.#mute = true;
    if (head.fault?.what === 'silence') this.#kept = [];
    if (head.fault?.what === 'cut-within') {
      this.#passLeft = head.fault.bytes;
      this.#passUntil = head.fault.until;
    }
  }

  #commandOf(raw: Buffer, payload: Buffer): Command {
    const of = (code: Command['code'], text: string): Command => ({ instance: this.instance, code, text, raw });
    if (this.#uploading) return of('file', payload.toString('latin1', 0, 1_000));
    const command = parseCommand(payload);
    if (isProblem(command)) return of('other', '');
    switch (command.kind) {
      case 'query':
        return of('query', command.sql.toString('utf8', 0, 4_000));
      case 'prepare':
        return of('prepare', command.sql.toString('utf8', 0, 4_000));
      case 'execute':
      case 'bulk-execute':
        return of('execute', this.#textOf(command.statement));
      case 'fetch':
        return of('fetch', this.#textOf(command.statement));
      case 'long-data':
        return of('long-data', this.#textOf(command.statement));
      case 'close':
        return of('close', this.#textOf(command.statement));
      default:
        return of('other', command.kind);
    }
  }

  #textOf(statement: number): string {
    return this.#statements.get(statement === lastPrepared ? this.#lastPrepared : statement) ?? '';
  }

  // From the instance.

  #fromInstance(chunk: Buffer): void {
    if (this.#phase !== 'commands') {
      this.#greeting(chunk);
      this.#toGateway(chunk);
      return;
    }
    let offset = 0;
    while (offset < chunk.length) {
      if (this.#waiting.length === 0) {
        this.#toGateway(chunk.subarray(offset));
        return;
      }
      const end = this.#scanner.scan(chunk, offset);
      this.#toGateway(this.#scanner.released);
      this.#toGateway(chunk.subarray(offset, end));
      offset = this.#scanner.resumeAt;
      if (this.#scanner.problem !== undefined) throw new Error(`the instance: ${this.#scanner.problem.reason}`);
      const { event } = this.#scanner;
      if (event !== undefined) {
        if (event.type === 'local-infile') {
          this.#uploading = true;
          this.#near.write(event.raw);
        } else this.#toGateway(event.raw);
        if (event.type === 'prepare-ok') this.#prepared();
        this.#scanner.accept();
      }
      if (this.#scanner.done) this.#answered();
    }
  }

  #greeting(chunk: Buffer): void {
    this.#greetings.push(chunk);
    for (let packet = this.#greetings.next(); packet !== undefined; packet = this.#greetings.next()) {
      if (isProblem(packet)) throw new Error(`the instance's greeting: ${packet.reason}`);
      if (this.#phase === 'greeting') {
        const greeting = parseGreeting(packet.payload);
        if (!isProblem(greeting)) this.#offered = greeting.capabilities;
      } else if (packet.payload[0] === 0x00) {
        this.#phase = 'commands';
        this.#waiting.shift();
      }
    }
  }

  #prepared(): void {
    const told = this.#scanner.prepared;
    const text = this.#waiting[0]?.command.text ?? '';
    if (told === undefined) return;
    this.#statements.set(told.statement, text);
    this.#lastPrepared = told.statement;
  }

  #answered(): void {
    const head = this.#waiting.shift();
    if (head?.fault?.what === 'cut-after') {
      this.cut();
      return;
    }
    if (head?.fault?.what === 'silence') this.#sprung.resolve();
    this.#startHead();
    if (this.#waiting.length > 0) return;
    if (this.#cutWhenQuiet) this.cut();
    this.#quiet?.();
  }

  #toGateway(bytes: Buffer): void {
    if (this.#mute || bytes.length === 0 || !this.near) return;
    if (this.#kept !== null) {
      this.#kept.push(Buffer.from(bytes));
      return;
    }
    if (this.#passLeft === null) {
      if (!this.#near.write(bytes)) this.#far.pause();
      return;
    }
    const passed = bytes.subarray(0, this.#passLeft);
    this.#passLeft -= passed.length;
    if (this.#passLeft > 0) {
      this.#near.write(passed);
      return;
    }
    this.#mute = true;
    this.#deaf = true;
    this.#near.write(passed, () => (this.#passUntil?.() ?? Promise.resolve()).then(() => this.cut()));
  }
}

/** The byte that says which command a packet is. */
export const codeOf = (raw: Buffer): number => raw[4] ?? COM.SLEEP;
