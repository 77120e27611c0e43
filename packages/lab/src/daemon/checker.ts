/**
 * Looks continuously whether the bank is right: recent acknowledgements of one site are looked up at another, and
 * the money is counted, each in one synchronous read. A "no" stays a "no": it is never overwritten by a later yes.
 */
import { type Clock, type Log, reasonOf } from '@coequal/kernel';
import {
  booksExact,
  type ClientReport,
  type Endpoint,
  type Link,
  linkOpener,
  lookUpTransfers,
  missingFrom,
  readBooks,
  readTotals,
  totalsExact,
} from '@coequal/proof';
import type { BankSnapshot } from '../snapshot.ts';

export type Checker = {
  readonly note: (report: ClientReport) => void;
  readonly snapshot: (acknowledged: number) => BankSnapshot;
  readonly stop: () => void;
};

const everyMs = 1_000;
/** Lookups wait for at most so many ids a second; the drill at the end looks at all of them. */
const lookupsPerRound = 200;
/** Every so many rounds not only the balances but every entry of the ledger is counted. */
const roundsPerLedgerCheck = 10;
/** A ledger that takes longer than this to count is left to drills: the check would be the load. */
const longLedgerCheckMs = 1_000;
const open = linkOpener({ connectMs: 1_000, statementMs: 5_000 });

export type CheckerTools = {
  readonly endpoints: () => readonly Endpoint[];
  /** Whether the instance serves; others are not asked. */
  readonly serving: (instance: string) => boolean;
  readonly clock: Clock;
  readonly log: Log;
  readonly alarm: (text: string) => void;
};

export const startChecker = (tools: CheckerTools): Checker => {
  const { clock, log } = tools;
  const stopping = new AbortController();
  const pending = new Map<string, string[]>();
  const links = new Map<string, Link>();
  let state: Omit<BankSnapshot, 'acknowledged'> = {
    expectedBalance: 0,
    balance: null,
    exact: null,
    verified: 0,
    missing: 0,
    checkedAt: null,
  };
  let turn = 0;
  /** What the last check of the whole ledger cost. */
  let ledgerCheckMs = 0;

  const linkTo = async (endpoint: Endpoint): Promise<Link> => {
    const known = links.get(endpoint.instance);
    if (known !== undefined) return known;
    const link = await open(endpoint);
    links.set(endpoint.instance, link);
    return link;
  };

  const forget = (instance: string): void => {
    links.get(instance)?.close();
    links.delete(instance);
  };

  const check = async (endpoint: Endpoint): Promise<void> => {
    const link = await linkTo(endpoint);
    for (const [site, ids] of pending) {
      if (site === endpoint.site || ids.length === 0) continue;
      const asked = ids.slice(0, lookupsPerRound);
      const missing = missingFrom(asked, await lookUpTransfers(link, asked));
      ids.splice(0, asked.length);
      state = { ...state, verified: state.verified + asked.length, missing: state.missing + missing.length };
      if (missing.length > 0) tools.alarm(`${missing.length} acknowledged at ${site} are missing at ${endpoint.site}`);
    }
    const whole = turn % roundsPerLedgerCheck === 0 && ledgerCheckMs < longLedgerCheckMs;
    const began = clock.monotonic();
    const books = whole ? await readBooks(link) : undefined;
    if (whole) ledgerCheckMs = clock.monotonic() - began;
    const totals = books ?? (await readTotals(link));
    const exact = totalsExact(totals) && (books === undefined || booksExact(books));
    if (!exact && state.exact !== false) tools.alarm(`the money or its ledger is not right at ${endpoint.site}`);
    state = {
      ...state,
      expectedBalance: totals.opening,
      balance: totals.balance,
      exact: exact && state.exact !== false,
      checkedAt: clock.now(),
    };
  };

  const work = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      await clock.sleep(everyMs, stopping.signal);
      const serving = tools.endpoints().filter(({ instance }) => tools.serving(instance));
      const endpoint = serving[turn % Math.max(1, serving.length)];
      turn += 1;
      if (endpoint === undefined) continue;
      try {
        await check(endpoint);
      } catch (error) {
        // An instance under a fault cannot be asked; the next round asks another.
        forget(endpoint.instance);
        log('debug', 'check put off', { instance: endpoint.instance, reason: reasonOf(error) });
      }
    }
  };
  work().catch((error: unknown) => {
    if (!stopping.signal.aborted) log('error', 'checker ended', { reason: reasonOf(error) });
  });

  return {
    note: (report) => {
      const ids = pending.get(report.site) ?? [];
      ids.push(...report.recentAcked);
      if (ids.length > 5 * lookupsPerRound) ids.splice(0, ids.length - 5 * lookupsPerRound);
      pending.set(report.site, ids);
    },
    snapshot: (acknowledged) => ({ acknowledged, ...state }),
    stop: () => {
      stopping.abort();
      for (const instance of [...links.keys()]) forget(instance);
    },
  };
};
