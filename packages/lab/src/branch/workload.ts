/**
 * The work of one branch: sessions that look up customers, read and book payments, at a pace that swings as a day does, quickened. It
 * goes on through every failure, with a new session after each; what it counts is for its parent to show. Nothing here is
 * certain to be done exactly once, and nothing relies on it.
 */
import type { Clock, Random } from '@coequal/kernel';
import { type Endpoint, type Link, LinkFailure, type OpenLink } from '@coequal/proof';
import { branchStatements, customers, tills } from './schema.ts';

export type BranchOptions = {
  readonly branch: string;
  /** Tried in turn. */
  readonly endpoints: readonly Endpoint[];
  readonly sessions: number;
  /** Of all sessions together, on average. */
  readonly ratePerSecond: number;
};

export type BranchPorts = { readonly openLink: OpenLink; readonly clock: Clock; readonly random: Random };

export type BranchCounts = { readonly done: number; readonly errors: number };

/** One swing of the pace. */
const swingMs = 150_000;
const swingShare = 0.4;
const againMs = 300;

/** Works until `signal` aborts; resolves then. */
export const runBranch = async (
  options: BranchOptions,
  ports: BranchPorts,
  signal: AbortSignal,
): Promise<BranchCounts> => {
  let [done, errors] = [0, 0];
  const work = async (number: number): Promise<void> => {
    let link: Link | undefined;
    for (let attempt = number; !signal.aborted; attempt += 1) {
      try {
        const endpoint = options.endpoints[attempt % options.endpoints.length];
        if (endpoint === undefined) return;
        link = await ports.openLink(endpoint);
        for (;;) {
          await pause(paceMs(options, ports), ports.clock, signal);
          if (signal.aborted) break;
          const held: boolean = await oneTask(link, options.branch, ports.random);
          if (held) done += 1;
          else errors += 1;
        }
      } catch (error) {
        if (!(error instanceof LinkFailure)) throw error;
        errors += 1;
        await pause(againMs, ports.clock, signal);
      } finally {
        link?.close();
      }
    }
  };
  await Promise.all(Array.from({ length: options.sessions }, (_, number) => work(number)));
  return { done, errors };
};

/** Between two tasks of one session: exponential around a mean that swings. */
const paceMs = ({ sessions, ratePerSecond, branch }: BranchOptions, { clock, random }: BranchPorts): number => {
  const phase = branch.length;
  const swing = 1 + swingShare * Math.sin((2 * Math.PI * clock.monotonic()) / swingMs + phase);
  return Math.min(10_000, (-Math.log(1 - random.next()) * sessions * 1_000) / (ratePerSecond * swing));
};

/** The end of the work ends the pause, and is no failure. */
const pause = async (ms: number, clock: Clock, signal: AbortSignal): Promise<void> => {
  await clock.sleep(ms, signal).catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
};

/** False: the server refused it, and the session goes on. */
const oneTask = async (link: Link, branch: string, random: Random): Promise<boolean> => {
  try {
    const choice = random.next();
    if (choice < 0.5) await lookUp(link, random);
    else if (choice < 0.8) await book(link, branch, random);
    else await link.execute(branchStatements.latestOfBranch, [branch]);
    return true;
  } catch (error) {
    if (!(error instanceof LinkFailure) || error.failure !== 'answer') throw error;
    await link.query('ROLLBACK');
    return false;
  }
};

const below = (random: Random, limit: number): number => 1 + random.below(limit);

const lookUp = async (link: Link, random: Random): Promise<void> => {
  const customer = below(random, customers);
  await link.execute(branchStatements.customerByEmail, [`c${customer}@example.com`]);
  await link.execute(branchStatements.paymentsOf, [customer]);
};

const book = async (link: Link, branch: string, random: Random): Promise<void> => {
  const amount = below(random, 10_000);
  await link.query('BEGIN');
  await link.execute(branchStatements.pay, [below(random, customers), branch, amount, `counter ${below(random, 99)}`]);
  await link.execute(branchStatements.till, [amount, branch, below(random, tills)]);
  await link.query('COMMIT');
};
