/**
 * The bank's clients of one site: so many seats, each a sequential client with one session, carrying out transfers
 * until told to finish. An ordinary careful application: it retries what is surely rolled back, never what
 * is in doubt (through a gateway it first asks what became of it), turns to the next address when its own fails, and goes home
 * when that serves again.
 *
 * The invariant: the ledger knows of an attempt before the database does, and of its outcome before it is counted.
 * Sockets and files are ports; the clock and the stamps too.
 */
import { assert, type Clock, type Random } from '@coequal/kernel';
import type { ClientOptions, ClientStyle, Endpoint } from '../arena.ts';
import type { Completion, Decision, Invocation, Operation, Verdict } from '../history.ts';
import { settleDoubt } from './doubt.ts';
import { isConflict, type Link, LinkFailure, type OpenLink } from './link.ts';
import { statements } from './schema.ts';
import { type Counts, makeStats, type Stats } from './stats.ts';
import { completionOf, type Result, sessionSpent, transact } from './transaction.ts';
import { type Transfer, transfers } from './workload.ts';

/** How often the home instance is asked whether it serves again, while a seat is elsewhere. */
const probeEveryMs = 1_000;
/** Answers in a row after which home counts as serving: one could be the last before it goes again. */
const probesWanted = 2;
/** Wait after every instance refused, before asking the first again. */
const roundPauseMs = 100;
/** The longest wait before a transaction that was rolled back is tried again. Long enough to let the winner finish. */
const backoffLimitMs = 20;
/** How long gateways are asked about a COMMIT in doubt: as long as a site may take to find a majority again, and then some. */
const doubtDeadlineMs = 15_000;

export type BankPorts = {
  readonly openLink: OpenLink;
  readonly ledger: (line: Invocation | Completion | Decision) => void;
  /** Microseconds of the machine's monotonic clock. */
  readonly stampUs: () => number;
  readonly clock: Clock;
  readonly random: Random;
};

export type BankAssignment = {
  readonly site: string;
  /** Tells this start of the clients from earlier ones in the same site. */
  readonly run: string;
  readonly endpoints: readonly Endpoint[];
  readonly options: Omit<ClientOptions, 'ledgerPath'>;
};

export type BankClients = {
  /** Resolves when every seat has ended; rejects with what is our own bug, or when the ledger cannot be written. */
  readonly ended: Promise<void>;
  /** No new attempt from now on; those in flight get their answer or their deadline. */
  readonly finish: () => void;
  readonly counts: () => Counts;
  readonly connectedTo: () => readonly (string | null)[];
  /** From now on so many transactions a second; null: as fast as answers come. */
  readonly setRate: (ratePerSecond: number | null) => void;
};

export const startBankClients = (assignment: BankAssignment, ports: BankPorts): BankClients => {
  assert(assignment.endpoints.length > 0, 'clients need an endpoint');
  const shared: Shared = {
    ...assignment,
    ports,
    stats: makeStats(),
    pace: pacer(assignment.options.ratePerSecond, ports.clock),
    finishing: new AbortController(),
    homeServes: { value: false },
  };
  const seats = Array.from({ length: assignment.options.connections }, (_, index) => makeSeat(shared, index + 1));
  const working = Promise.all(seats.map((seat) => work(shared, seat)));
  return {
    ended: endWith(shared, working, watchHome(shared, seats)),
    finish: () => shared.finishing.abort(),
    counts: () => shared.stats.report(ports.stampUs()),
    setRate: shared.pace.setRate,
    connectedTo: () => seats.map((seat) => seat.link?.instance ?? null),
  };
};

type Shared = BankAssignment & {
  readonly ports: BankPorts;
  readonly stats: Stats;
  /** Waits for the next place in the site's rate. */
  readonly pace: Pacer;
  readonly finishing: AbortController;
  readonly homeServes: { value: boolean };
};

/** A seat is the only mutable thing here; one sequential loop owns it. */
type Seat = {
  readonly process: string;
  readonly style: ClientStyle;
  readonly next: () => Transfer;
  link: Link | undefined;
  /** Index of the endpoint that the session goes to, or that is asked next. */
  at: number;
  connections: number;
  intents: number;
};

const makeSeat = (shared: Shared, index: number): Seat => ({
  process: `${shared.site}-${shared.run}-${index}`,
  style: styleOf(shared.options.style, index),
  next: transfers({ ...workloadOf(shared), process: index }),
  link: undefined,
  at: 0,
  connections: 0,
  intents: 0,
});

const styleOf = (style: ClientOptions['style'], index: number): ClientStyle =>
  style === 'mixed' ? (index % 2 === 0 ? 'legacy' : 'careful') : (style ?? 'careful');

const workloadOf = ({ site, options: { seed, accounts, skew } }: Shared) => ({
  seed,
  site,
  accounts,
  ...(skew === undefined ? {} : { skew }),
});

const endWith = async (shared: Shared, working: Promise<unknown>, watching: Promise<void>): Promise<void> => {
  try {
    await working;
  } finally {
    shared.finishing.abort();
    await watching;
  }
};

const work = async (shared: Shared, seat: Seat): Promise<void> => {
  try {
    while (!shared.finishing.signal.aborted) await fulfil(shared, seat, seat.next());
  } finally {
    leave(seat);
  }
};

/** Attempts one transfer until it is done, refused or in doubt for good, or until told to finish. Legacy clients try once. */
const fulfil = async (shared: Shared, seat: Seat, transfer: Transfer): Promise<void> => {
  seat.intents += 1;
  const intent = `${seat.process}.${seat.intents}`;
  const { signal } = shared.finishing;
  for (let attempt = 1; !signal.aborted; attempt += 1) {
    await shared.pace.next(signal);
    const link = await sessionOf(shared, seat);
    if (link === undefined || signal.aborted) return;
    if ((await tryOnce(shared, seat, link, transfer, intent, attempt)) === 'settled') return;
    if (seat.style === 'legacy') return;
    await pause(shared, shared.ports.random.below(Math.min(backoffLimitMs, 2 ** attempt)));
  }
};

const tryOnce = async (
  shared: Shared,
  seat: Seat,
  link: Link,
  transfer: Transfer,
  intent: string,
  attempt: number,
): Promise<'settled' | 'again'> => {
  const { ledger, stampUs, clock } = shared.ports;
  const id = `${intent}.${attempt}`;
  const operation: Operation = ['transfer', transfer.from, transfer.to, transfer.amount];
  const invoke = stampUs();
  ledger({ type: 'invoke', id, ...placeOf(shared, seat, link), at: invoke, operations: [operation], intent, attempt });
  const { style } = seat;
  const keyed = shared.options.via === 'gateway' && style === 'careful';
  const { site } = shared;
  const { committing } = shared.stats;
  const attempted = { link, style, keyed, transfer, id, site, stampUs, nowMs: clock.now, onCommit: committing };
  const result = await transact(attempted);
  const at = stampUs();
  ledger({ type: 'complete', id, at, ...completionOf(result, operation) });
  count(shared.stats, style, result, { id, invoke }, at);
  if (await sessionSpent(link, result)) moveOn(shared, seat);
  if (result.kind !== 'failed') return 'settled';
  if (result.judgement !== 'in-doubt') return 'again';
  return (await decided(shared, seat, id, result.key)) === 'not-committed' ? 'again' : 'settled';
};

const placeOf = (shared: Shared, seat: Seat, link: Link) => ({
  process: seat.process,
  site: shared.site,
  instance: link.instance,
  ...(shared.options.via === 'gateway' ? { via: 'gateway' as const } : {}),
  ...(seat.style === 'legacy' ? { style: 'legacy' as const } : {}),
});

/** What a gateway says of an attempt in doubt, the next one of the site first: the last may be the one that was lost. */
const decided = async (shared: Shared, seat: Seat, id: string, key: string | undefined): Promise<Verdict> => {
  if (key === undefined) return 'unknown';
  const { endpoints, ports, stats } = shared;
  const gateways = endpoints.map((_, turn) => endpoints[(seat.at + turn) % endpoints.length]).filter(isThere);
  const verdict = await settleDoubt(ports, { id, key, gateways, deadlineMs: doubtDeadlineMs });
  stats.decided(verdict);
  return verdict;
};

const isThere = <T>(value: T | undefined): value is T => value !== undefined;

const count = (
  stats: Stats,
  style: ClientStyle,
  result: Result,
  begun: { readonly id: string; readonly invoke: number },
  at: number,
): void => {
  switch (result.kind) {
    case 'done':
      stats.acknowledged(begun.id, begun.invoke, at);
      return;
    case 'refused':
      stats.refused();
      return;
    case 'failed':
      if (style === 'careful' && isConflict(result.failure.code)) stats.conflict();
      else stats.error(result.failure.code);
      if (result.judgement === 'in-doubt') stats.inDoubt();
  }
};

/** The seat's session: the one it has, or a new one at the first instance that serves. Undefined: told to finish. */
const sessionOf = async (shared: Shared, seat: Seat): Promise<Link | undefined> => {
  if (seat.at !== 0 && shared.homeServes.value) {
    leave(seat);
    seat.at = 0;
  }
  // Closed in order while nobody used it: no transaction is hurt, so a pool would not trouble the application with it either.
  if (seat.link?.ended() === true) leave(seat);
  for (let tries = 1; seat.link === undefined && !shared.finishing.signal.aborted; tries += 1) {
    seat.link = await connect(shared, seat);
    if (seat.link !== undefined) break;
    advance(shared, seat);
    if (tries % shared.endpoints.length === 0) await pause(shared, roundPauseMs);
  }
  return seat.link;
};

const connect = async (shared: Shared, seat: Seat): Promise<Link | undefined> => {
  const endpoint = shared.endpoints[seat.at];
  assert(endpoint !== undefined, 'a seat stands at an endpoint');
  const link = await openServing(shared, endpoint);
  if (link === undefined) return undefined;
  seat.connections += 1;
  if (seat.connections > 1) shared.stats.reconnected();
  return link;
};

/** A session that has answered a read, so that an instance without a majority is not taken for a serving one. */
const openServing = async (shared: Shared, endpoint: Endpoint): Promise<Link | undefined> => {
  let link: Link | undefined;
  try {
    link = await shared.ports.openLink(endpoint);
    await link.query(statements.probe);
    return link;
  } catch (error) {
    link?.close();
    if (!(error instanceof LinkFailure)) throw error;
    shared.stats.unreachable(`${endpoint.instance}: ${error.message}`);
    return undefined;
  }
};

const leave = (seat: Seat): void => {
  seat.link?.close();
  seat.link = undefined;
};

const moveOn = (shared: Shared, seat: Seat): void => {
  leave(seat);
  advance(shared, seat);
};

/** To the next endpoint. Whoever leaves home no longer takes it for serving, until the watch has asked it again. */
const advance = (shared: Shared, seat: Seat): void => {
  if (seat.at === 0) shared.homeServes.value = false;
  seat.at = (seat.at + 1) % shared.endpoints.length;
};

/** While a seat is away, asks home about once a second, over a session of its own, whether it serves again. */
const watchHome = async (shared: Shared, seats: readonly Seat[]): Promise<void> => {
  const home = shared.endpoints[0];
  let link: Link | undefined;
  let answers = 0;
  while (!shared.finishing.signal.aborted && home !== undefined) {
    await pause(shared, probeEveryMs);
    if (seats.every((seat) => seat.at === 0) || shared.finishing.signal.aborted) {
      link?.close();
      link = undefined;
      answers = 0;
      continue;
    }
    link = link === undefined ? await openServing(shared, home) : await stillServing(link);
    answers = link === undefined ? 0 : answers + 1;
    shared.homeServes.value = answers >= probesWanted;
  }
  link?.close();
};

const stillServing = async (link: Link): Promise<Link | undefined> => {
  try {
    await link.query(statements.probe);
    return link;
  } catch (error) {
    link.close();
    if (error instanceof LinkFailure) return undefined;
    throw error;
  }
};

/** Sleeps, and wakes early without complaint when told to finish. */
const pause = async ({ ports, finishing }: Shared, ms: number): Promise<void> => {
  await sleepUntil(ports.clock, ms, finishing.signal);
};

const sleepUntil = async (clock: Clock, ms: number, signal: AbortSignal): Promise<void> => {
  if (ms <= 0 || signal.aborted) return;
  try {
    await clock.sleep(ms, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
};

type Pacer = {
  readonly next: (signal: AbortSignal) => Promise<void>;
  readonly setRate: (ratePerSecond: number | null) => void;
};

/** Spreads the site's transactions evenly. What a stall held back is not made up for: that would be another load. */
const pacer = (ratePerSecond: number | undefined, clock: Clock): Pacer => {
  let intervalMs = 0;
  let nextMs = 0;
  let changed = new AbortController();
  const setRate = (rate: number | null): void => {
    intervalMs = rate === null || rate <= 0 ? 0 : 1_000 / rate;
    nextMs = 0;
    // Who waits for a place in the old pace waits no longer.
    changed.abort();
    changed = new AbortController();
  };
  setRate(ratePerSecond ?? null);
  return {
    setRate,
    next: async (signal) => {
      if (intervalMs === 0) return;
      const now = clock.monotonic();
      const mine = Math.max(now, nextMs);
      nextMs = mine + intervalMs;
      await sleepUntil(clock, mine - now, AbortSignal.any([signal, changed.signal]));
    },
  };
};
