/**
 * The line of an agent to one platform. The agent dials, and dials again for as long as it runs. Whatever is said may be lost with the line, so
 * nothing depends on it: orders have keys, and how one ended is told on every new line until the platform has it written down.
 */
import type { TLSSocket } from 'node:tls';
import {
  type Action,
  type FromAgent,
  type FromPlatform,
  fromPlatform,
  LineReader,
  lineVersion,
  type OrderState,
} from '@coequal/contract';
import type { LineAddress } from '@coequal/estate';
import { type Clock, CoequalError, fail, type Log, type Random, reasonOf } from '@coequal/kernel';
import { isRenewalDue, makeRequest, standingOf, validityOf } from '@coequal/trust';
import type { Executor } from '../executor.ts';
import { firstPauseMs, lineBacklogBytes, longestPauseMs, pingEveryMs, renewalCheckMs, silenceMs } from '../limits.ts';
import { dial } from './dial.ts';
import type { Identity, IdentityStore } from './identity.ts';

export type LineOptions = {
  readonly agent: string;
  readonly platform: LineAddress;
  readonly identity: IdentityStore;
  readonly executor: Executor;
  readonly actions: readonly string[];
  readonly program: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
};

export class Line {
  readonly #options: LineOptions;
  readonly #ending = new AbortController();
  #socket: TLSSocket | undefined;
  #welcome = false;
  #running: Promise<void> = Promise.resolve();
  /** Of the platform, ahead of the own one. */
  #platformAheadMs = 0;
  #renewing: Identity | undefined;
  #said = '';

  constructor(options: LineOptions) {
    this.#options = options;
  }

  get open(): boolean {
    return this.#welcome;
  }

  begin(): void {
    this.#running = this.#run();
  }

  tell(order: OrderState): void {
    if (this.#welcome) this.#say({ kind: 'state', order });
  }

  async end(): Promise<void> {
    this.#ending.abort();
    this.#socket?.end();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { clock, random } = this.#options;
    let pauseMs = firstPauseMs;
    while (!this.#ending.signal.aborted) {
      const began = clock.monotonic();
      await this.#once();
      pauseMs = clock.monotonic() - began > longestPauseMs ? firstPauseMs : Math.min(longestPauseMs, pauseMs * 2);
      // Many agents lose their platform at once, and come back spread over the pause.
      const spread = pauseMs * (0.5 + random.next() / 2);
      await clock.sleep(spread, this.#ending.signal).catch(() => undefined);
    }
  }

  async #once(): Promise<void> {
    const { platform, identity, clock, log } = this.#options;
    const at = `${platform.address}:${platform.port}`;
    try {
      const own = await identity.read();
      const socket = await dial(platform, own, clock);
      this.#socket = socket;
      await this.#serve(socket, own);
      log('info', 'line ended', { platform: at });
      this.#said = '';
    } catch (error) {
      const reason = error instanceof CoequalError ? error.message : reasonOf(error);
      // The same trouble is said once, not four times a minute.
      if (reason !== this.#said) log('warn', 'no line', { platform: at, reason });
      this.#said = reason;
    } finally {
      this.#welcome = false;
      this.#socket = undefined;
      // An answer that did not come before the line ended never comes.
      this.#renewing = undefined;
    }
  }

  /** Resolves when the line ended without trouble. */
  #serve(socket: TLSSocket, own: Identity): Promise<void> {
    const { clock, program, actions } = this.#options;
    const reader = new LineReader();
    let heardMs = clock.monotonic();
    const ended = Promise.withResolvers<void>();
    const broken = (reason: string): void => {
      ended.reject(fail('LINE_UNUSABLE', { address: this.#address(), reason, advice: 'It is dialled again.' }));
      socket.destroy();
    };
    socket.on('data', (chunk: Buffer) => {
      heardMs = clock.monotonic();
      const read = reader.read(chunk);
      if (!read.ok) return broken(read.reason);
      for (const value of read.values) {
        const parsed = fromPlatform.safeParse(value);
        // Of a later version: what is not understood is not done, and is no reason to hang up.
        if (!parsed.success) this.#refuseUnknown(value);
        else if (parsed.data.kind === 'refused') return broken(`it refused: ${parsed.data.reason}`);
        else this.#take(parsed.data, own).catch((error: unknown) => broken(reasonOf(error)));
      }
    });
    socket.on('error', (error) => ended.reject(error));
    socket.on('close', () => ended.resolve());
    socket.on('end', () => socket.end());
    const ping = setInterval(() => {
      if (clock.monotonic() - heardMs > silenceMs) broken(`nothing was heard for ${silenceMs / 1_000} s`);
      else this.#say({ kind: 'ping', nowMs: clock.now() });
    }, pingEveryMs);
    const renewal = setInterval(
      () => this.#renewIfDue(own).catch((error: unknown) => broken(reasonOf(error))),
      renewalCheckMs,
    );
    this.#say({ kind: 'hello', version: lineVersion, program, nowMs: clock.now(), actions: [...actions] });
    return ended.promise.finally(() => {
      clearInterval(ping);
      clearInterval(renewal);
    });
  }

  async #take(message: FromPlatform, own: Identity): Promise<void> {
    const { executor, clock, log } = this.#options;
    switch (message.kind) {
      case 'welcome':
        this.#platformAheadMs = message.nowMs - clock.now();
        this.#welcome = true;
        log('info', 'line open', { platform: this.#address(), platformAheadMs: this.#platformAheadMs });
        for (const order of executor.unheard()) this.tell(order);
        await this.#renewIfDue(own);
        return;
      case 'pong':
        this.#platformAheadMs = message.nowMs - clock.now();
        return;
      case 'order': {
        const { kind: _, ...order } = message;
        try {
          this.tell(await executor.take(order));
        } catch (error) {
          if (!(error instanceof CoequalError) || error.kind === 'bug') throw error;
          this.#say({ kind: 'rejected', key: order.key, reason: error.message });
        }
        return;
      }
      case 'ask':
      case 'cancel': {
        if (message.kind === 'cancel') executor.cancel(message.key);
        const state = executor.state(message.key);
        if (state === undefined) this.#say({ kind: 'unknown', key: message.key });
        else this.tell(state);
        return;
      }
      case 'preview':
        this.#say({ kind: 'previewed', id: message.id, preview: await this.#previewOf(message.action) });
        return;
      case 'heard':
        await executor.heard(message.key);
        return;
      case 'issued':
        await this.#renewed(message);
        return;
      case 'refused':
        return;
    }
  }

  #previewOf(action: Action) {
    return this.#options.executor.preview(action);
  }

  /** An order that this agent does not know must not stay without an answer. */
  #refuseUnknown(value: unknown): void {
    const { kind, key } = typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
    this.#options.log('warn', 'a message was not understood', { kind: String(kind).slice(0, 64) });
    if (kind === 'order' && typeof key === 'string' && /^[A-Za-z0-9_-]{8,64}$/.test(key))
      this.#say({ kind: 'rejected', key, reason: 'This agent knows no such action, or not with these arguments.' });
  }

  async #renewIfDue(own: Identity): Promise<void> {
    const { identity, clock, agent, log } = this.#options;
    if (identity.replace === undefined || this.#renewing !== undefined || !this.#welcome) return;
    const validity = validityOf(own.certificate);
    const now = clock.now();
    if (standingOf(validity, now) !== 'valid' || !isRenewalDue(validity, now, now + this.#platformAheadMs)) return;
    log('info', 'renewing the certificate', { until: new Date(validity.untilMs).toISOString() });
    const { request, key } = await makeRequest(agent);
    this.#renewing = { ...own, key };
    this.#say({ kind: 'renew', request });
  }

  /** The old identity counts until the new one is on the disk; the next line is dialled with the new one. */
  async #renewed({ certificate, authority }: Extract<FromPlatform, { kind: 'issued' }>): Promise<void> {
    const waiting = this.#renewing;
    if (waiting === undefined) return;
    await this.#options.identity.replace?.({ key: waiting.key, certificate, authority });
    this.#renewing = undefined;
    this.#options.log('info', 'certificate renewed', {});
    this.#socket?.end();
  }

  #say(message: FromAgent): void {
    const socket = this.#socket;
    if (socket === undefined || socket.destroyed) return;
    if (socket.writableLength > lineBacklogBytes) {
      socket.destroy();
      return;
    }
    socket.write(`${JSON.stringify(message)}\n`);
  }

  #address(): string {
    const { address, port } = this.#options.platform;
    return `${address}:${port}`;
  }
}
