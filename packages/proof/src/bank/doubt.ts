/**
 * A COMMIT without an answer, and a gateway left: asks what became of it, at another gateway first, until one can say. What it
 * says is final: it has made sure that a transaction that is absent stays so. The decision is on record before anybody acts
 * on it.
 */
import type { Clock } from '@coequal/kernel';
import type { Endpoint } from '../arena.ts';
import type { Decision, Verdict } from '../history.ts';
import { LinkFailure, type OpenLink } from './link.ts';
import { statements } from './schema.ts';

export type DoubtPorts = {
  readonly openLink: OpenLink;
  readonly ledger: (line: Decision) => void;
  readonly stampUs: () => number;
  readonly clock: Clock;
};

export type Doubt = {
  readonly id: string;
  readonly key: string;
  /** In the order in which they are to be asked. */
  readonly gateways: readonly Endpoint[];
  readonly deadlineMs: number;
};

const askAgainMs = 200;

export const settleDoubt = async (ports: DoubtPorts, doubt: Doubt): Promise<Verdict> => {
  const { clock } = ports;
  const end = clock.monotonic() + doubt.deadlineMs;
  let answer: { readonly verdict: Verdict; readonly by: string } = { verdict: 'unknown', by: '' };
  for (let turn = 0; answer.verdict === 'unknown'; turn += 1) {
    const gateway = doubt.gateways[turn % doubt.gateways.length];
    if (gateway === undefined) break;
    const verdict = await ask(ports, gateway, doubt.key);
    if (verdict !== undefined) answer = { verdict, by: gateway.instance };
    if (answer.verdict !== 'unknown' || clock.monotonic() >= end) break;
    await clock.sleep(askAgainMs);
  }
  ports.ledger({ type: 'decide', id: doubt.id, at: ports.stampUs(), ...answer });
  return answer.verdict;
};

/** Undefined: it gave no answer. */
const ask = async ({ openLink }: DoubtPorts, gateway: Endpoint, key: string): Promise<Verdict | undefined> => {
  try {
    const link = await openLink(gateway);
    try {
      const [row] = await link.query(statements.outcomeOf(key));
      return verdicts[String(row?.[0])] ?? 'unknown';
    } finally {
      link.close();
    }
  } catch (error) {
    if (error instanceof LinkFailure) return undefined;
    throw error;
  }
};

const verdicts: Readonly<Record<string, Verdict>> = {
  committed: 'committed',
  'not committed': 'not-committed',
  unknown: 'unknown',
};
