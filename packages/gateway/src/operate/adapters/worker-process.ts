/**
 * One worker as the supervisor sees it: a child process, its messages, its sockets in transit. It answers every question
 * once, also when the process is gone (with undefined), and loses no socket that had not left yet.
 */
import { type ChildProcess, fork } from 'node:child_process';
import type { Socket } from 'node:net';
import { type Clock, fail } from '@coequal/kernel';
import {
  type Delivery,
  type FromWorker,
  messagesVersion,
  parseFromWorker,
  parseReport,
  type ToldError,
  type ToWorker,
  type WorkerReport,
  type WorkerStart,
} from '../messages.ts';
import { revivedError } from '../told-error.ts';

export type WorkerState = 'starting' | 'serving' | 'draining' | 'gone';

export type WorkerHandlers = {
  /** Everything that is no answer to a question. */
  readonly message: (worker: WorkerProcess, message: FromWorker, socket: Socket | undefined) => void;
  /** A socket that the worker never got. */
  readonly undelivered: (socket: Socket, message: Delivery) => void;
  readonly exited: (worker: WorkerProcess, how: string) => void;
};

export type WorkerOptions = {
  readonly file: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly start: WorkerStart;
  readonly clock: Clock;
  readonly handlers: WorkerHandlers;
};

/** A question with its number, which is put in here. */
type Question<T> = T extends { readonly request: number } ? Omit<T, 'request'> : never;

export class WorkerProcess {
  readonly slot: number;
  readonly generation: number;
  readonly pid: number;
  state: WorkerState = 'starting';
  /** Its end is wanted, and nobody takes its place. */
  retired = false;
  lastReport: WorkerReport | undefined;
  readonly #child: ChildProcess;
  readonly #clock: Clock;
  readonly #handlers: WorkerHandlers;
  readonly #ready = Promise.withResolvers<void>();
  readonly #questions = new Map<number, (value: unknown) => void>();
  readonly #inTransit = new Map<number, { readonly socket: Socket; readonly message: Delivery }>();
  readonly #start: WorkerStart;
  #lastRequest = 0;
  #lastNumber = 0;
  #dealt = 0;
  #ended = 0;

  constructor({ file, environment, start, clock, handlers }: WorkerOptions) {
    this.slot = start.slot;
    this.generation = start.generation;
    this.#start = start;
    this.#clock = clock;
    this.#handlers = handlers;
    this.#child = fork(file, [], {
      serialization: 'advanced',
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      // What many connections leave behind is collected sooner: a fifth less memory with two thousand of them.
      execArgv: ['--max-semi-space-size=2'],
      env: { ...environment },
    });
    this.pid = this.#child.pid ?? 0;
    this.#child.on('message', (value, handle) => this.#take(value, isSocket(handle) ? handle : undefined));
    // Also told when a message could not be sent; then the exit is about to be told as well.
    this.#child.on('error', (error) => {
      if (this.#child.pid === undefined) this.#over(error.message);
    });
    this.#child.once('exit', (code, signal) => {
      const how = signal ?? `exit ${code}`;
      // What it said last may still be on its way.
      if (this.#child.connected) this.#child.once('disconnect', () => this.#over(how));
      else this.#over(how);
    });
    // Whoever waits hears of it; a worker that nobody waits for any more must not end the supervisor.
    this.#ready.promise.catch(() => undefined);
  }

  /** Connections it has been given that have not ended. */
  get open(): number {
    return Math.max(0, this.#dealt - this.#ended);
  }

  /** Whether connections may be given to it. A process that has ended is noticed by its channel before its exit. */
  get takesConnections(): boolean {
    return this.state === 'serving' && this.#child.connected;
  }

  /** Resolves when it takes connections. Rejects with the worker's own error, or GATEWAY_NOT_STARTED. */
  untilReady(): Promise<void> {
    return this.#ready.promise;
  }

  send(message: ToWorker): void {
    // A channel that is closed means an exit that is about to be told.
    if (this.#child.connected) this.#child.send(message, () => undefined);
  }

  /**
   * Gives it a connection. The own copy of the descriptor is kept until the worker has taken the socket: one that dies
   * before leaves a client whose connection can still be given to another.
   */
  give(socket: Socket, message: Delivery): void {
    this.#lastNumber += 1;
    this.#dealt += 1;
    this.#inTransit.set(this.#lastNumber, { socket, message });
    this.#child.send({ ...message, number: this.#lastNumber }, socket, { keepOpen: true }, () => undefined);
  }

  #taken(number: number): void {
    const taken = this.#inTransit.get(number);
    this.#inTransit.delete(number);
    // Closes the copy; the connection lives on in the worker.
    taken?.socket.destroy();
  }

  /** Undefined: it is gone, or did not answer in time. */
  async ask(question: Question<ToWorker>, deadlineMs: number): Promise<unknown> {
    if (!this.#child.connected) return undefined;
    this.#lastRequest += 1;
    const request = this.#lastRequest;
    const answered = Promise.withResolvers<unknown>();
    this.#questions.set(request, answered.resolve);
    this.send({ ...question, request });
    const late = new AbortController();
    const deadline = this.#clock.sleep(deadlineMs, late.signal).then(
      () => undefined,
      () => undefined,
    );
    try {
      return await Promise.race([answered.promise, deadline]);
    } finally {
      this.#questions.delete(request);
      late.abort();
    }
  }

  /** What it says of itself now; what it said last when it does not answer. */
  async report(deadlineMs: number): Promise<WorkerReport | undefined> {
    const report = parseReport(await this.ask({ kind: 'report' }, deadlineMs));
    if (report !== undefined) this.lastReport = report;
    return this.lastReport;
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  #take(value: unknown, socket: Socket | undefined): void {
    const message = parseFromWorker(value);
    if (message === undefined) {
      socket?.destroy();
      return;
    }
    switch (message.kind) {
      case 'hello':
        this.#greet(message.version);
        return;
      case 'ready':
        if (this.state === 'starting') this.state = 'serving';
        this.#ready.resolve();
        return;
      case 'failed':
        this.#ready.reject(this.#revived(message.error));
        return;
      case 'took':
        this.#taken(message.number);
        return;
      case 'ended':
        this.#ended = Math.max(this.#ended, message.count);
        return;
      case 'answer':
        this.#questions.get(message.request)?.(message.value);
        return;
      default:
        this.#handlers.message(this, message, socket);
    }
  }

  #greet(version: number): void {
    if (version === messagesVersion) {
      this.send({ kind: 'start', ...this.#start });
      return;
    }
    this.#ready.reject(
      fail('GATEWAY_NOT_STARTED', {
        name: this.#start.settings.name,
        reason: 'the program on disk is of a version that the running supervisor does not speak with.',
        advice: 'Stop the gateway and start it again; clients go to another gateway in the meantime.',
      }),
    );
    this.kill();
  }

  #revived(error: ToldError): Error {
    return revivedError(error, (reason) => this.#notStarted(reason));
  }

  #notStarted(reason: string): Error {
    return fail('GATEWAY_NOT_STARTED', {
      name: this.#start.settings.name,
      reason: `a worker process ended: ${reason}.`,
      advice: 'Its log has more; check the configuration with --check.',
    });
  }

  #over(how: string): void {
    if (this.state === 'gone') return;
    this.state = 'gone';
    this.#ready.reject(this.#notStarted(how));
    for (const answer of this.#questions.values()) answer(undefined);
    this.#questions.clear();
    const stranded = [...this.#inTransit.values()];
    this.#inTransit.clear();
    for (const { socket, message } of stranded) this.#handlers.undelivered(socket, message);
    this.#handlers.exited(this, how);
  }
}

const isSocket = (handle: unknown): handle is Socket =>
  typeof handle === 'object' && handle !== null && 'destroy' in handle && 'unshift' in handle;
