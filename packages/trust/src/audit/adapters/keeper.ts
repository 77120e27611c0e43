/**
 * What a process does for its chain beside writing: a checkpoint when it is time, its anchor and time stamp, the witness of others'
 * checkpoints, and sending records on. Whatever of it fails is told once and tried again; the chain goes on.
 */
import { type Clock, CoequalError, reasonOf } from '@coequal/kernel';
import type { AnchoredCheckpoint } from '../checkpoint.ts';
import { anchor, newestOfOthers } from './anchors.ts';
import type { Chain } from './chain.ts';
import { SyslogSender, type SyslogTarget } from './syslog-sender.ts';
import { stamp, type TimeStamping } from './time-stamper.ts';

export type AuditDuties = {
  readonly everyMs: number;
  readonly anchorFolder?: string | undefined;
  readonly timeStamps?: TimeStamping | undefined;
  readonly syslog?: SyslogTarget | undefined;
};

export type AuditTrouble = (
  duty: 'checkpoint' | 'anchor' | 'witness' | 'time stamp' | 'syslog',
  reason: string | undefined,
) => void;

const sendEveryMs = 1_000;

export class AuditKeeper {
  readonly #chain: Chain;
  readonly #duties: AuditDuties;
  readonly #clock: Clock;
  readonly #tell: AuditTrouble;
  readonly #sender: SyslogSender | undefined;
  readonly #failing = new Map<string, string>();
  readonly #witnessed = new Map<string, number>();
  readonly #closing = new AbortController();
  #anchored = 0;
  #stamped = 0;
  #loops: Promise<unknown> = Promise.resolve();

  /** @param tell hears of each duty that begins to fail, and, with undefined, that it works again */
  constructor(
    chain: Chain,
    duties: AuditDuties,
    ports: { readonly clock: Clock; readonly hostName: string; readonly tell: AuditTrouble },
  ) {
    this.#chain = chain;
    this.#duties = duties;
    this.#clock = ports.clock;
    this.#tell = ports.tell;
    const { syslog } = duties;
    this.#sender =
      syslog === undefined
        ? undefined
        : new SyslogSender({
            folder: chain.place.folder,
            hostName: ports.hostName,
            target: syslog,
            clock: ports.clock,
          });
  }

  start(): void {
    this.#loops = Promise.all([
      this.#loop(this.#duties.everyMs, () => this.keep()),
      ...(this.#sender === undefined ? [] : [this.#loop(sendEveryMs, () => this.#send())]),
    ]);
  }

  /** All duties once but sending. */
  async keep(): Promise<void> {
    await this.#try('witness', () => this.#witness());
    await this.#try('checkpoint', () => this.#chain.checkpoint());
    const newest = this.#chain.newest();
    if (newest === undefined) return;
    await this.#try('anchor', () => this.#anchor(newest));
    await this.#try('time stamp', () => this.#stamp(newest));
  }

  /** The last checkpoint, the last records sent, and the end. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#loops;
    await this.keep();
    await this.#send();
    await this.#sender?.close();
    await this.#chain.close();
  }

  async #anchor(newest: AnchoredCheckpoint): Promise<void> {
    const { anchorFolder } = this.#duties;
    if (anchorFolder === undefined || newest.sequence <= this.#anchored) return;
    await anchor(anchorFolder, newest);
    this.#anchored = newest.sequence;
  }

  async #stamp(newest: AnchoredCheckpoint): Promise<void> {
    const { timeStamps } = this.#duties;
    // A checkpoint over nothing but the chain's own records (its last time stamp is one) needs none.
    if (timeStamps === undefined || newest.entries <= this.#stamped) return;
    const { token } = await stamp(timeStamps, newest, this.#clock);
    await this.#chain.stamped(newest, token);
    this.#stamped = newest.entries;
  }

  /** Checkpoints over nothing new need no witness, or two chains would witness each other for ever. */
  async #witness(): Promise<void> {
    const { anchorFolder } = this.#duties;
    if (anchorFolder === undefined) return;
    for (const other of await newestOfOthers(anchorFolder, this.#chain.place.chain)) {
      if (other.entries <= (this.#witnessed.get(other.chain) ?? -1)) continue;
      await this.#chain.witness(other);
      this.#witnessed.set(other.chain, other.entries);
    }
  }

  async #send(): Promise<void> {
    const sender = this.#sender;
    if (sender !== undefined) await this.#try('syslog', () => sender.send());
  }

  async #try(duty: Parameters<AuditTrouble>[0], work: () => Promise<void>): Promise<void> {
    try {
      await work();
      if (this.#failing.delete(duty)) this.#tell(duty, undefined);
    } catch (error) {
      if (!(error instanceof CoequalError)) throw error;
      const reason = reasonOf(error);
      if (this.#failing.get(duty) === reason) return;
      this.#failing.set(duty, reason);
      this.#tell(duty, reason);
    }
  }

  async #loop(everyMs: number, work: () => Promise<void>): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      await work();
      await this.#clock.sleep(everyMs, signal).catch((error: unknown) => {
        if (!signal.aborted) throw error;
      });
    }
  }
}
