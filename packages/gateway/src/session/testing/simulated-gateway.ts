/**
 * One session of the gateway in a simulation: the real relay, with ports that lead to simulated instances. What the adapters around it
 * do for a session is done here in the same order: its first connection, its end, leaving an instance.
 */
import { type Log, type Random, reasonOf } from '@coequal/kernel';
import { type Capabilities, CLIENT } from '@coequal/mysql-wire';
import type { Verdict } from '../../instances/outcomes.ts';
import type { Opened, OpenWishes, RelayPorts, RelayRules, Room, Telling } from '../model.ts';
import { Relay } from '../relay.ts';
import { openSession } from '../replay.ts';
import { freshSettings } from '../settings-of-session.ts';
import type { SimulatedClient } from './simulated-client.ts';
import type { SimulatedClock } from './simulated-clock.ts';

/** Something that the relay waits for. */
export type Pending =
  | {
      readonly kind: 'open';
      readonly session: SimulatedGateway;
      readonly wishes: OpenWishes;
      readonly untilMs: number;
      readonly resolve: (opened: Opened) => void;
    }
  | {
      readonly kind: 'settle';
      readonly session: SimulatedGateway;
      readonly key: Buffer;
      readonly epoch: number;
      readonly sequence: number;
      readonly untilMs: number;
      readonly signal: AbortSignal | undefined;
      readonly resolve: (verdict: Verdict) => void;
    };

export type GatewayOptions = {
  readonly client: SimulatedClient;
  readonly clock: SimulatedClock;
  readonly random: Random;
  readonly rules: RelayRules;
  readonly room: Room;
  readonly pend: (pending: Pending) => void;
  readonly trace: (line: string) => void;
  readonly ended: (session: SimulatedGateway) => void;
};

/** What an instance's connection has beside what the client asked for. */
export const linkCapabilities = ({ base, extended }: Capabilities): Capabilities => ({
  base: (base | CLIENT.SESSION_TRACK) >>> 0,
  extended,
});

export const nothingCounted = () => ({
  hidden: 0,
  conflictsTold: 0,
  lossesTold: 0,
  unknownTold: 0,
  undecided: 0,
  replayed: 0,
  acknowledged: 0,
  fenced: 0,
  variablesLost: 0,
});

export class SimulatedGateway {
  readonly client: SimulatedClient;
  readonly relay: Relay;
  /** Requests of the client are taken. */
  ready = false;
  readonly complaints: string[] = [];
  readonly counts = nothingCounted();
  endedFor: string | null = null;
  readonly #options: GatewayOptions;

  constructor(options: GatewayOptions) {
    this.#options = options;
    this.client = options.client;
    const { client, clock, random } = options;
    const session = Buffer.from(Array.from({ length: 24 }, () => random.below(256)));
    this.relay = new Relay({
      client: {
        capabilities: client.capabilities,
        write: (bytes) => {
          client.receive(bytes);
          if (random.below(12) !== 0) return true;
          client.owesDrain = true;
          return false;
        },
        pause: () => {
          client.paused = true;
        },
        resume: () => {
          client.paused = false;
        },
        end: () => {
          client.closed = true;
        },
      },
      ports: this.#ports(clock, random),
      rules: options.rules,
      identity: { session, epoch: 1, sequence: 0 },
      settings: freshSettings(''),
      maxPacketBytes: 2 ** 24,
      charset: 'utf8mb4',
    });
  }

  #ports(clock: SimulatedClock, random: Random): RelayPorts {
    const { pend, room } = this.#options;
    return {
      clock,
      random,
      log: this.#log,
      open: (wishes) =>
        new Promise((resolve) => {
          pend({ kind: 'open', session: this, wishes, untilMs: clock.monotonic() + wishes.deadlineMs, resolve });
        }),
      settle: (key, epoch, sequence, { deadlineMs, signal }) =>
        new Promise((resolve) => {
          const untilMs = clock.monotonic() + deadlineMs;
          pend({ kind: 'settle', session: this, key, epoch, sequence, untilMs, signal, resolve });
        }),
      ask: () => Promise.resolve('unknown'),
      tableBytes: () => Promise.resolve(undefined),
      kill: () => Promise.resolve('unknown'),
      saw: () => undefined,
      room,
      tell: this.#telling(),
    };
  }

  readonly #log: Log = (level, event, fields = {}) => {
    this.trace(`log ${level} ${event} ${JSON.stringify(fields)}`);
    if (level === 'error') this.complaints.push(`${event}: ${JSON.stringify(fields)}`);
  };

  trace(line: string): void {
    this.#options.trace(`${this.client.name} ${line}`);
  }

  #telling(): Telling {
    const { counts } = this;
    return {
      request: () => undefined,
      lost: (instance, reason, inTransaction, inFlight) =>
        this.trace(
          `lost ${instance} (${reason}), ${inTransaction ? 'in' : 'no'} transaction, ${inFlight ?? 'nothing'} in flight`,
        ),
      continued: (_, to, how) => {
        counts.replayed += 1;
        this.trace(`continued at ${to}: ${how}`);
      },
      told: (_, number, reason) => {
        if (number === 1213) counts.lossesTold += 1;
        else counts.unknownTold += 1;
        if (reason.startsWith('its repetition')) counts.undecided += 1;
        this.trace(`told ${number}: ${reason}`);
      },
      conflict: (_, number, hidden, reason) => {
        if (hidden) counts.hidden += 1;
        else counts.conflictsTold += 1;
        this.trace(`conflict ${number} ${hidden ? 'hidden' : `told: ${reason}`}`);
      },
      outcome: (_, outcome) => {
        counts.fenced += 1;
        this.trace(`outcome ${outcome}`);
      },
      notReplayable: (scope, reason) => {
        if (reason === 'user-variables') counts.variablesLost += 1;
        this.trace(`not replayable (${scope}): ${reason}`);
      },
      observed: () => undefined,
      refused: () => undefined,
      transaction: () => undefined,
      acknowledged: (outcome) => {
        if (outcome === 'committed') counts.acknowledged += 1;
      },
      ended: (reason, detail) => {
        this.endedFor = `${reason} ${detail}`;
        this.trace(`ended: ${reason} ${detail}`);
        this.#options.ended(this);
      },
    };
  }

  /** The first connection of a session, before its client hears that it is let in. */
  begin(): void {
    this.#firstLink().then(
      (open) => {
        this.ready = open;
        if (!open) this.relay.end('closed', 'no instance serves');
      },
      (error: unknown) => this.complaints.push(`the session could not begin: ${reasonOf(error)}`),
    );
  }

  async #firstLink(): Promise<boolean> {
    const { relay } = this;
    const { clock, rules } = this.#options;
    const until = clock.monotonic() + rules.recoveryMs;
    while (clock.monotonic() < until) {
      const opened = await relay.ports.open({
        avoid: relay.avoid,
        schema: '',
        deadlineMs: until - clock.monotonic(),
        signal: relay.ending.signal,
      });
      if (opened.kind !== 'open') return false;
      relay.attach(opened.link);
      if (await openSession(relay)) return true;
    }
    return false;
  }
}
