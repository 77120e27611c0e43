/**
 * One simulated instance: how much of the group's order it has applied, whether it answers, and the connections it has.
 * What a fault does to the connection that it strikes is in `simulated-connection.ts`.
 */
import type { Random } from '@coequal/kernel';
import type { SimulatedConnection } from './simulated-connection.ts';
import type { SimulatedGroup } from './simulated-group.ts';
import type { Host, SimulatedSession } from './simulated-session.ts';

export type FaultKind =
  /** The connection ends. */
  | 'lose'
  /** The instance ends, and all of its connections. */
  | 'crash'
  /** Nothing of it moves any more, until it wakes. */
  | 'hang'
  /** It has lost its majority for a while: 1047 to everything but SET. */
  | 'isolate'
  | 'garbage'
  /** 1053, and the connection ends. */
  | 'stop'
  /** 1180 in the middle of a commit. */
  | 'commit-error'
  /** 1180 because a write set is too large: surely rolled back. */
  | 'too-large'
  /** 1317: somebody has interrupted the statement, or the instance is about to end. */
  | 'interrupt'
  /** 1927, and the connection ends. */
  | 'killed'
  /** A last word that nobody has asked for. */
  | 'good-bye';

export type Fault = {
  readonly what: FaultKind;
  /** Which commands it waits for. */
  readonly at: 'any' | 'record' | 'statement';
  /** So many of them pass before it strikes. */
  readonly after: number;
  /** The command is carried out all the same. */
  readonly done: boolean;
  /** What the instance has been sent it carries out at some later moment. */
  readonly later: boolean;
  /** How much of the answer still gets out, per cent. */
  readonly shown: number;
};

export type InstanceOptions = {
  readonly name: string;
  readonly index: number;
  readonly of: number;
  readonly group: SimulatedGroup;
  readonly random: Random;
  readonly now: () => number;
  readonly counters: number;
  readonly padBytes: number;
  readonly rollbackOnTimeout: boolean;
};

export class SimulatedInstance implements Host {
  readonly name: string;
  readonly group: SimulatedGroup;
  readonly random: Random;
  readonly now: () => number;
  readonly counters: number;
  readonly padBytes: number;
  readonly rollbackOnTimeout: boolean;
  readonly sessions = new Set<SimulatedSession>();
  readonly connections = new Set<SimulatedConnection>();
  applied = 0;
  state: 'up' | 'hung' | 'down' = 'up';
  /** So many commands are still refused for want of a majority. */
  isolatedFor = 0;
  readonly #index: number;
  readonly #of: number;
  #rounds = 0;

  constructor(options: InstanceOptions) {
    this.name = options.name;
    this.group = options.group;
    this.random = options.random;
    this.now = options.now;
    this.counters = options.counters;
    this.padBytes = options.padBytes;
    this.rollbackOnTimeout = options.rollbackOnTimeout;
    this.#index = options.index;
    this.#of = options.of;
  }

  /** Numbers of new rows interleave, so that two instances never give out the same. */
  nextLogId(): number {
    this.#rounds += 1;
    return this.#rounds * this.#of + this.#index;
  }

  /** A row with a number of its own choice: the next one that is given out is above it. */
  sawLogId(id: number): void {
    this.#rounds = Math.max(this.#rounds, Math.floor(id / this.#of));
  }

  /** Takes over commits of others. Whoever holds one of their rows here is pushed aside. */
  applyTo(seqno: number): void {
    for (const { keys } of this.group.commits.slice(this.applied, seqno)) {
      for (const key of keys) if (key.startsWith('log:')) this.sawLogId(Number(key.slice(4)));
      for (const { transaction } of this.sessions)
        if (transaction !== null && [...keys].some((key) => transaction.keys.has(key))) transaction.doomed = true;
    }
    this.applied = Math.max(this.applied, seqno);
  }

  crash(): void {
    this.state = 'down';
    this.isolatedFor = 0;
    for (const connection of [...this.connections]) connection.die(this.random.below(101));
  }

  /** Up again. The next number of a new row follows from the rows that are there, as after every start. */
  wake(): void {
    if (this.state === 'down') {
      const own = this.group.commits
        .slice(0, this.applied)
        .flatMap(({ keys }) => [...keys])
        .filter((key) => key.startsWith('log:'))
        .map((key) => Number(key.slice(4)))
        .filter((id) => id % this.#of === this.#index);
      this.#rounds = Math.max(0, ...own.map((id) => Math.floor(id / this.#of)));
    }
    this.state = 'up';
  }
}
