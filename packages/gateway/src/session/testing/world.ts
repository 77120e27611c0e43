/**
 * A run of the simulation: instances, clients and the gateway's sessions between them. One thing moves at a time, chosen by the
 * seed among everything that could, and time passes only when the run lets it; so a plan always runs the same way.
 */
import { type Random, reasonOf, seededRandom } from '@coequal/kernel';
import { CLIENT } from '@coequal/mysql-wire';
import { verdictOf } from '../../instances/outcomes.ts';
import type { RelayRules } from '../model.ts';
import { moveIdle, onLinkLost } from '../recovery.ts';
import { judge } from './judge.ts';
import type { ClientPlan, Plan, SettlePlan } from './plan.ts';
import { nothingTold, Reference } from './reference.ts';
import { SimulatedClient } from './simulated-client.ts';
import { SimulatedClock } from './simulated-clock.ts';
import { type CommandKind, SimulatedConnection } from './simulated-connection.ts';
import { linkCapabilities, nothingCounted, type Pending, SimulatedGateway } from './simulated-gateway.ts';
import { SimulatedGroup } from './simulated-group.ts';
import { type Fault, SimulatedInstance } from './simulated-instance.ts';

type Action = { readonly weight: number; readonly run: () => void };

/** What a run has shown. */
export type Report = {
  readonly findings: readonly string[];
  readonly trace: readonly string[];
  readonly steps: number;
  readonly struck: readonly Fault['what'][];
  readonly counts: SimulatedGateway['counts'];
  readonly told: Reference['told'];
};

/** More steps than any plan needs: something goes round in a circle. */
const mostSteps = 3_000;
const guardName = 'log';

export const runPlan = (plan: Plan): Promise<Report> => new World(plan).run();

class World {
  readonly #plan: Plan;
  readonly #random: Random;
  readonly #clock = new SimulatedClock();
  readonly #group = new SimulatedGroup();
  readonly #instances: readonly SimulatedInstance[];
  readonly #sessions: readonly SimulatedGateway[];
  readonly #connections: SimulatedConnection[] = [];
  readonly #pending: Pending[] = [];
  readonly #faults: Fault[];
  readonly #settles: SettlePlan[];
  readonly #findings: string[] = [];
  readonly #trace: string[] = [];
  readonly #struck: Fault['what'][] = [];
  readonly #toForget: string[] = [];
  #drains: number;
  #passed = 0;
  #roomTaken = 0;
  #steps = 0;
  #conflictsAnswered = 0;

  constructor(plan: Plan) {
    this.#plan = plan;
    this.#random = seededRandom(plan.seed);
    this.#faults = [...plan.faults];
    this.#settles = [...plan.settles];
    this.#drains = plan.drains;
    this.#instances = Array.from({ length: plan.instances }, (_, index) => this.#instance(index));
    this.#sessions = plan.clients.map((client, index) => this.#session(client, index));
  }

  #instance(index: number): SimulatedInstance {
    const { counters, padBytes, rollbackOnTimeout, instances } = this.#plan;
    return new SimulatedInstance({
      name: `i${index}`,
      index,
      of: instances,
      group: this.#group,
      random: this.#random,
      now: this.#clock.now,
      counters,
      padBytes,
      rollbackOnTimeout,
    });
  }

  #session(plan: ClientPlan, index: number): SimulatedGateway {
    const { deprecateEof, sessionTrack, ...rest } = plan;
    const base =
      CLIENT.PROTOCOL_41 |
      CLIENT.TRANSACTIONS |
      CLIENT.SECURE_CONNECTION |
      CLIENT.LOCAL_FILES |
      CLIENT.MULTI_STATEMENTS |
      CLIENT.MULTI_RESULTS |
      CLIENT.PS_MULTI_RESULTS |
      (deprecateEof ? CLIENT.DEPRECATE_EOF : 0) |
      (sessionTrack ? CLIENT.SESSION_TRACK : 0);
    const client = new SimulatedClient({
      ...rest,
      name: `c${index}`,
      capabilities: { base: base >>> 0, extended: 0 },
    });
    return new SimulatedGateway({
      client,
      clock: this.#clock,
      random: this.#random,
      rules: this.#rules(),
      room: { take: (bytes) => this.#takeRoom(bytes) },
      pend: (pending) => this.#pending.push(pending),
      trace: (line) => this.#note(line),
      ended: (session) => this.#ended(session),
    });
  }

  #rules(): RelayRules {
    const { readsOwnWrites, rollbackOnTimeout, transactionBytes, recoveryMs, guarded } = this.#plan;
    return {
      observe: false,
      opening: [
        "SET SESSION session_track_system_variables='*', session_track_schema=ON, session_track_transaction_info='STATE'",
      ],
      readsOwnWrites,
      transactionBytes,
      recoveryMs,
      rollbackOnTimeout,
      sqlMode: '',
      guards: guarded ? [{ name: guardName, tables: ['log'] }] : [],
      schemaChangeBytes: null,
      largeWrite: null,
    };
  }

  #note(line: string): void {
    this.#trace.push(`${this.#steps} ${line}`);
  }

  #find(finding: string): void {
    this.#findings.push(finding);
  }

  // Ports.

  #takeRoom(bytes: number): boolean {
    if (bytes > 0 && this.#roomTaken + bytes > this.#plan.roomBytes) return false;
    this.#roomTaken += bytes;
    if (this.#roomTaken < 0) this.#find('more room was given back than was taken');
    return true;
  }

  #ended({ relay }: SimulatedGateway): void {
    const { identity } = relay;
    if (relay.forgettable) this.#toForget.push(identity.session.toString('hex'));
  }

  #strike(kind: CommandKind): Fault | null {
    const [next] = this.#faults;
    if (next === undefined || (next.at !== 'any' && next.at !== kind)) return null;
    this.#passed += 1;
    if (this.#passed <= next.after) return null;
    this.#faults.shift();
    this.#passed = 0;
    this.#struck.push(next.what);
    return next;
  }

  #serving(avoid: ReadonlySet<string>): SimulatedInstance | undefined {
    const up = this.#instances.filter(({ state }) => state === 'up');
    const best = up.filter(({ name, isolatedFor }) => !avoid.has(name) && isolatedFor === 0);
    const choices = best.length > 0 ? best : up;
    return choices[this.#random.below(choices.length)];
  }

  /** Undefined: it cannot be answered yet. */
  #answerOf(pending: Pending): (() => void) | undefined {
    const late = this.#clock.monotonic() >= pending.untilMs;
    if (pending.kind === 'open') {
      if (pending.wishes.signal.aborted || late)
        return () => pending.resolve({ kind: 'none', reason: 'no instance serves' });
      const up = this.#instances.some(({ state }) => state === 'up');
      return up ? () => this.#open(pending) : undefined;
    }
    if (pending.signal?.aborted === true || late)
      return () => {
        pending.session.counts.undecided += 1;
        pending.resolve({ kind: 'undecided', reason: 'the deadline has passed' });
      };
    return this.#instances.some(({ state }) => state === 'up') ? () => this.#settle(pending) : undefined;
  }

  #open({ wishes, resolve, session }: Extract<Pending, { kind: 'open' }>): void {
    const instance = this.#serving(wishes.avoid);
    if (instance === undefined) return;
    const connection = new SimulatedConnection(instance, {
      threadId: this.#connections.length + 1,
      capabilities: linkCapabilities(session.client.capabilities),
      schema: wishes.schema,
      trace: (line) => this.#note(line),
      failed: (number) => {
        if ([1213, 1020, 1205, 1048].includes(number)) this.#conflictsAnswered += 1;
        // What was to open a transaction: the write behind it commits by itself.
        if (number === 1317) session.counts.undecided += 1;
      },
    });
    this.#connections.push(connection);
    this.#note(`${session.client.name} opened ${instance.name}#${this.#connections.length}`);
    resolve({ kind: 'open', link: connection.link });
  }

  #settle({ key, epoch, sequence, resolve, session }: Extract<Pending, { kind: 'settle' }>): void {
    const how = this.#settles.shift() ?? 'decided';
    const name = key.toString('hex');
    const row = how === 'undecided' ? null : this.#group.fence(name, epoch + 1);
    this.#note(`${session.client.name} settle ${epoch}/${sequence}: ${how} ${row?.epoch}/${row?.sequence}`);
    if (how === 'decided' && row !== null) {
      resolve(verdictOf(row, epoch, sequence));
      return;
    }
    session.counts.undecided += 1;
    resolve({ kind: 'undecided', reason: 'no majority' });
  }

  // What may happen next.

  #actions(): readonly Action[] {
    const actions: Action[] = [];
    for (const session of this.#sessions) this.#clientActions(session, actions);
    for (const connection of this.#connections) this.#connectionActions(connection, actions);
    for (const instance of this.#instances) this.#instanceActions(instance, actions);
    for (const pending of this.#pending) {
      const answer = this.#answerOf(pending);
      if (answer === undefined) continue;
      const run = (): void => {
        this.#pending.splice(this.#pending.indexOf(pending), 1);
        answer();
      };
      actions.push({ weight: 6, run });
    }
    const [forgotten] = this.#toForget;
    if (forgotten !== undefined)
      actions.push({ weight: 1, run: () => this.#group.forget(this.#toForget.shift() ?? forgotten) });
    if (this.#clock.waiting > 0) actions.push({ weight: 1, run: () => this.#clock.advance(50) });
    return actions;
  }

  #clientActions(session: SimulatedGateway, actions: Action[]): void {
    const { client, relay, ready } = session;
    if (!ready || client.closed || client.left) return;
    if (client.canAsk) actions.push({ weight: 6, run: () => client.ask() });
    if (client.sending.length > 0 && !client.paused)
      actions.push({ weight: 8, run: () => relay.fromClient(this.#cutFrom(client)) });
    if (client.owesDrain) {
      const run = (): void => {
        client.owesDrain = false;
        relay.drained();
      };
      actions.push({ weight: 5, run });
    }
    const leavesAfter = this.#plan.clients[this.#sessions.indexOf(session)]?.leavesAfter ?? null;
    if (leavesAfter !== null && client.answered >= leavesAfter) {
      const run = (): void => {
        this.#note(`${client.name} goes away`);
        client.left = true;
        relay.end('closed', 'the client has closed the connection');
      };
      actions.push({ weight: 2, run });
    }
    if (relay.phase !== 'idle' || relay.open || relay.barrier !== null) return;
    if (relay.link === null) actions.push({ weight: 1, run: () => void moveIdle(relay) });
    else if (this.#drains > 0) {
      const run = (): void => {
        this.#drains -= 1;
        this.#note(`${client.name} leaves ${relay.link?.instance} in order`);
        relay.detach('quit');
      };
      actions.push({ weight: 1, run });
    }
  }

  #cutFrom(client: SimulatedClient): Buffer {
    const length = this.#chunk(client.sending.length);
    const chunk = Buffer.from(client.sending.subarray(0, length));
    client.sending = client.sending.subarray(length);
    return chunk;
  }

  /** Mostly all of it, often a part, and now and then a few bytes. */
  #chunk(length: number): number {
    const how = this.#random.below(4);
    if (how < 2) return length;
    return 1 + this.#random.below(how === 2 ? length : Math.min(length, 8));
  }

  #connectionActions(connection: SimulatedConnection, actions: Action[]): void {
    if (connection.gone && connection.ended) return;
    if (connection.canWork)
      actions.push({ weight: connection.gone ? 3 : 10, run: () => connection.work((kind) => this.#strike(kind)) });
    if (connection.canDeliver)
      actions.push({ weight: 10, run: () => connection.deliver(this.#chunk(connection.out.length)) });
    if (connection.canTellLoss) actions.push({ weight: 6, run: () => connection.tellLoss() });
    if (connection.owesDrain && !connection.gone) actions.push({ weight: 5, run: () => connection.tellDrained() });
  }

  #instanceActions(instance: SimulatedInstance, actions: Action[]): void {
    const { state } = instance;
    if (state === 'up' && instance.isolatedFor > 0) {
      actions.push({ weight: 1, run: () => this.#rejoin(instance) });
      return;
    }
    if (state === 'up' && instance.applied < this.#group.seqno) {
      const behind = this.#group.seqno - instance.applied;
      actions.push({ weight: 3, run: () => instance.applyTo(instance.applied + 1 + this.#random.below(behind)) });
    }
    if (state === 'up') return;
    const waiting = this.#sessions.filter(({ relay }) => relay.link?.instance === instance.name);
    if (state === 'hung' && waiting.length > 0) actions.push({ weight: 3, run: () => this.#silence(waiting) });
    actions.push({ weight: 1, run: () => this.#wake(instance) });
  }

  #silence(sessions: readonly SimulatedGateway[]): void {
    for (const { relay } of sessions) onLinkLost(relay, 'silent');
  }

  #rejoin(instance: SimulatedInstance): void {
    this.#note(`${instance.name} has its majority again`);
    instance.isolatedFor = 0;
  }

  #wake(instance: SimulatedInstance): void {
    this.#note(`${instance.name} wakes`);
    instance.wake();
  }

  // The run.

  async run(): Promise<Report> {
    for (const session of this.#sessions) session.begin();
    await flush();
    try {
      await this.#until(() => this.#sessions.every((session) => this.#through(session)));
      this.#checkRest();
      for (const { relay } of this.#sessions) relay.end('closed', 'the run is over');
      await this.#until(() => this.#connections.every(({ ended }) => ended) && this.#toForget.length === 0);
    } catch (error) {
      this.#find(`it throws: ${reasonOf(error)} ${error instanceof Error ? error.stack : ''}`);
    }
    return this.#report();
  }

  #through({ client, relay, endedFor }: SimulatedGateway): boolean {
    if (endedFor !== null) return true;
    return client.done && relay.phase === 'idle' && relay.steps.length === 0 && !client.owesDrain;
  }

  async #until(done: () => boolean): Promise<void> {
    while (!done()) {
      this.#steps += 1;
      if (this.#steps > mostSteps) throw new Error('it goes round in a circle');
      const actions = this.#actions();
      // To look for something to do, a client may have found that there is nothing.
      if (actions.length === 0 && done()) return;
      if (actions.length === 0) throw new Error(`nothing moves any more: ${this.#stuck()}`);
      let at = this.#random.below(actions.reduce((sum, { weight }) => sum + weight, 0));
      const chosen = actions.find(({ weight }) => {
        at -= weight;
        return at < 0;
      });
      chosen?.run();
      await flush();
    }
  }

  #stuck(): string {
    return this.#sessions
      .map(
        ({ client, relay }) =>
          `${client.name} ${relay.phase}, ${relay.steps.length} steps, ${client.unanswered} unanswered`,
      )
      .join('; ');
  }

  /** Nothing is under way: then nothing is kept that belongs to something under way. */
  #checkRest(): void {
    for (const { client, relay } of this.#sessions) {
      if (relay.steps.length > 0) this.#find(`${client.name}: steps are left`);
      if (relay.phase === 'ended') continue;
      if (relay.request !== null) this.#find(`${client.name}: a request is left`);
      if (client.unanswered > 0) this.#find(`${client.name}: ${client.unanswered} requests are not answered`);
      if (relay.verifying !== null) this.#find(`${client.name}: it still compares`);
    }
  }

  #report(): Report {
    const { rollbackOnTimeout, guarded, counters, readsOwnWrites } = this.#plan;
    const counts = nothingCounted();
    const told = nothingTold();
    for (const session of this.#sessions) {
      const { client } = session;
      const reference = new Reference({
        rollbackOnTimeout,
        guard: guarded ? guardName : null,
        moved: session.counts.fenced + session.counts.replayed > 0,
      });
      reference.walk(client.exchanges);
      this.#findings.push(
        ...[...client.complaints, ...session.complaints, ...reference.complaints].map(
          (one) => `${client.name}: ${one}`,
        ),
      );
      this.#findings.push(...judge(client.name, reference, { group: this.#group, counters, readsOwnWrites }));
      this.#checkTold(session, reference);
      addTo(counts, session.counts);
      addTo(told, reference.told);
    }
    if (this.#roomTaken !== 0) this.#find(`${this.#roomTaken} bytes of room are not given back`);
    if (counts.hidden + counts.conflictsTold > this.#conflictsAnswered)
      this.#find('more conflicts are counted than there were');
    return { findings: this.#findings, trace: this.#trace, steps: this.#steps, struck: this.#struck, counts, told };
  }

  /** Errors that are told are counted, and an outcome is called unknown only where it is. */
  #checkTold({ client, counts, endedFor }: SimulatedGateway, { told }: Reference): void {
    if (told.conflicts > counts.conflictsTold + counts.lossesTold)
      this.#find(`${client.name}: a conflict was told and not counted`);
    if (told.unknown > counts.unknownTold) this.#find(`${client.name}: an unknown outcome was told and not counted`);
    if (told.unknown - told.unknownAllowed > counts.undecided)
      this.#find(`${client.name}: an outcome was called unknown without need`);
    if (endedFor?.startsWith('broken') === true) this.#find(`${client.name}: ended as broken`);
  }
}

const addTo = <Key extends string>(sum: Record<Key, number>, more: Readonly<Record<Key, number>>): void => {
  for (const key in sum) sum[key] += more[key];
};

/** Everything that was promised has been told when this is over. */
const flush = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
