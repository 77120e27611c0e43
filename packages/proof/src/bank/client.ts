/**
 * The bank's clients of one site: so many seats, each a sequential client with one session, carrying out transfers
 * until told to finish. An ordinary careful application: it retries what is surely rolled back, never what
 * is in doubt, turns to the next instance when its own fails, and goes home when that serves again.
 *
 * The invariant: the ledger knows of an attempt before the database does, and of its outcome before it is counted.
 * Sockets and files are ports; the clock and the stamps too.
 */
import { assert, type Clock, type Random } from '@coequal/kernel';
import type { ClientOptions, Endpoint } from '../arena.ts';
import type { Completion, Invocation, Operation } from '../history.ts';
import { judge, type Link, LinkFailure, type OpenLink, type Row, refusedCode, worthKeeping } from './link.ts';
import { statements } from './schema.ts';
import { type Counts, makeStats, type Stats } from './stats.ts';
import { type Transfer, transfers } from './workload.ts';

/** How often the home instance is asked whether it serves again, while a seat is elsewhere. */
const probeEveryMs = 1_000;
/** Answers in a row after which home counts as serving: one could be the last before it goes again. */
const probesWanted = 2;
/** Wait after every instance refused, before asking the first again. */
const roundPauseMs = 100;
/** The longest wait before a transaction that was rolled back is tried again. Long enough to let the winner finish. */
const backoffLimitMs = 20;

export type BankPorts = {
  readonly openLink: OpenLink;
  readonly ledger: (line: Invocation | Completion) => void;
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
    connectedTo: () => seats.map((seat) => seat.link?.instance ?? null),
  };
};

type Shared = BankAssignment & {
  readonly ports: BankPorts;
  readonly stats: Stats;
  /** Waits for the next place in the site's rate. */
  readonly pace: (signal: AbortSignal) => Promise<void>;
  readonly finishing: AbortController;
  readonly homeServes: { value: boolean };
};

/** A seat is the only mutable thing here; one sequential loop owns it. */
type Seat = {
  readonly process: string;
  readonly next: () => Transfer;
  link: Link | undefined;
  /** Index of the endpoint that the session goes to, or that is asked next. */
  at: number;
  connections: number;
  intents: number;
};

const makeSeat = (shared: Shared, index: number): Seat => ({
  process: `${shared.site}-${shared.run}-${index}`,
  next: transfers({ ...workloadOf(shared), process: index }),
  link: undefined,
  at: 0,
  connections: 0,
  intents: 0,
});

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

/** Attempts one transfer until it is done, refused or in doubt, or until told to finish. */
const fulfil = async (shared: Shared, seat: Seat, transfer: Transfer): Promise<void> => {
  seat.intents += 1;
  const intent = `${seat.process}.${seat.intents}`;
  const { signal } = shared.finishing;
  for (let attempt = 1; !signal.aborted; attempt += 1) {
    await shared.pace(signal);
    const link = await sessionOf(shared, seat);
    if (link === undefined || signal.aborted) return;
    if ((await tryOnce(shared, seat, link, transfer, intent, attempt)) === 'settled') return;
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
  const { ledger, stampUs } = shared.ports;
  const id = `${intent}.${attempt}`;
  const operation: Operation = ['transfer', transfer.from, transfer.to, transfer.amount];
  const begun: Attempt = { id, invoke: stampUs() };
  const place = { process: seat.process, site: shared.site, instance: link.instance };
  ledger({ type: 'invoke', id, ...place, at: begun.invoke, operations: [operation], intent, attempt });
  const result = await transact(shared, link, transfer, id);
  const at = stampUs();
  ledger({ type: 'complete', id, at, ...completionOf(result, operation) });
  count(shared.stats, result, begun, at);
  if (await sessionSpent(link, result)) moveOn(shared, seat);
  return result.kind === 'failed' && result.judgement !== 'in-doubt' ? 'again' : 'settled';
};

/** Ends what a failure left open, and says whether the session is of no more use. */
const sessionSpent = async (link: Link, result: Result): Promise<boolean> => {
  switch (result.kind) {
    case 'done':
      return false;
    case 'refused':
      return result.sessionLost;
    case 'failed':
      return !worthKeeping(result.failure) || !(await rolledBack(link));
  }
};

type Attempt = { readonly id: string; readonly invoke: number };

type Result =
  | { readonly kind: 'done'; readonly funds: readonly Row[] }
  | { readonly kind: 'refused'; readonly sessionLost: boolean }
  | {
      readonly kind: 'failed';
      readonly failure: LinkFailure;
      readonly judgement: 'conflict' | 'not-done' | 'in-doubt';
    };

/** One transaction, six round trips. Throws only what is not a failure of the session. */
const transact = async (shared: Shared, link: Link, transfer: Transfer, id: string): Promise<Result> => {
  const { from, to, amount } = transfer;
  let committing = false;
  try {
    await link.query(statements.begin);
    const funds = await link.execute(statements.funds, [from, to]);
    if (funds.length !== 2) throw new LinkFailure('answer', 'ACCOUNT_MISSING', `account ${from} or ${to} is missing`);
    if (balanceOf(funds, from) < amount) return { kind: 'refused', sessionLost: !(await rolledBack(link)) };
    await link.execute(statements.move, [from, -amount, amount, from, to]);
    await link.execute(statements.transfer, [id, from, to, amount, shared.site, Math.round(shared.ports.clock.now())]);
    await link.execute(statements.entries, [id, from, -amount, id, to, amount]);
    committing = true;
    await link.query(statements.commit);
    return { kind: 'done', funds };
  } catch (error) {
    if (!(error instanceof LinkFailure)) throw error;
    return { kind: 'failed', failure: error, judgement: judge(error, committing) };
  }
};

const balanceOf = (funds: readonly Row[], account: number): number =>
  Number(funds.find((row) => row[0] === account)?.[1]);

/** Rolls back and says whether the session survived it. */
const rolledBack = async (link: Link): Promise<boolean> => {
  try {
    await link.query(statements.rollback);
    return true;
  } catch (error) {
    if (error instanceof LinkFailure) return false;
    throw error;
  }
};

const completionOf = (result: Result, operation: Operation): Pick<Completion, 'outcome' | 'operations' | 'error'> => {
  switch (result.kind) {
    case 'done':
      return { outcome: 'ok', operations: [operation, ...result.funds.map(readOperation)] };
    case 'refused':
      return { outcome: 'fail', error: refusedCode };
    case 'failed':
      return { outcome: result.judgement === 'in-doubt' ? 'info' : 'fail', error: result.failure.code };
  }
};

const readOperation = ([account, balance, version]: Row): Operation => [
  'r',
  account ?? null,
  [balance ?? null, version ?? null],
];

const count = (stats: Stats, result: Result, begun: Attempt, at: number): void => {
  switch (result.kind) {
    case 'done':
      stats.acknowledged(begun.id, begun.invoke, at);
      return;
    case 'refused':
      stats.refused();
      return;
    case 'failed':
      if (result.judgement === 'conflict') stats.conflict();
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

/** Spreads the site's transactions evenly. What a stall held back is not made up for: that would be another load. */
const pacer = (ratePerSecond: number | undefined, clock: Clock) => {
  if (ratePerSecond === undefined || ratePerSecond <= 0) return async () => {};
  const intervalMs = 1_000 / ratePerSecond;
  let nextMs = 0;
  return async (signal: AbortSignal): Promise<void> => {
    const now = clock.monotonic();
    const mine = Math.max(now, nextMs);
    nextMs = mine + intervalMs;
    await sleepUntil(clock, mine - now, signal);
  };
};
