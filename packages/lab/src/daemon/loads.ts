/** What load a drill puts on the lab: how many clients, how fast, by which way. Pure. */
import type { DrillOptions } from '@coequal/proof';
import type { DrillCall } from './calls.ts';

/** The bank of the lab: enough accounts that conflicts are the exception, and 1,000.00 in each. */
export const bank = { accounts: 1_000, initialBalance: 100_000 };
/** With dozens of COMMITs in flight conflicts would be the rule. */
const crowdedBank = { accounts: 20_000, initialBalance: 100_000 };
/** A drill's load: a machine at its limit would measure itself, not the loss of a site. */
const usual = { connections: 4, ratePerSecond: 100 };
/** The few clients that connect directly beside those that go through gateways. */
const beside = { connections: 2, ratePerSecond: 20 };
/** Between faults a trickle; the drill itself sets the pace around them. */
const crowd = { connections: 32, ratePerSecond: 10 };
/** Both ways alike. */
const compared = { connections: 3, ratePerSecond: 60 };
const batchRows = 1_000_000;
/** Well below what a million rows come to, and above what any transfer writes. */
const largeWriteBytes = 8 * 2 ** 20;

type Load = Pick<
  DrillOptions,
  | 'via'
  | 'style'
  | 'connections'
  | 'ratePerSecond'
  | 'beside'
  | 'faults'
  | 'commits'
  | 'batch'
  | 'accounts'
  | 'initialBalance'
>;

export const loadOf = (call: DrillCall): Load => {
  const crowded = call.name === 'commit-kill';
  const main = crowded ? crowd : call.compare ? compared : usual;
  const { connections = main.connections, ratePerSecond = main.ratePerSecond } = call;
  const style = call.style ?? (crowded ? 'mixed' : 'careful');
  return {
    ...(crowded ? crowdedBank : bank),
    via: call.direct ? 'direct' : 'gateway',
    style,
    connections,
    ratePerSecond,
    ...(call.direct || crowded ? {} : { beside: call.compare ? { connections, ratePerSecond } : beside }),
    ...(call.faults === undefined ? {} : { faults: call.faults }),
    ...(call.commits === undefined ? {} : { commits: call.commits }),
    ...(call.name === 'batch' ? { batch: batchOf(call) } : {}),
  };
};

const batchOf = ({ rows = batchRows, rule, direct }: DrillCall): NonNullable<Load['batch']> => ({
  rows,
  ...(rule === undefined || direct ? {} : { largeWrites: { aboveBytes: largeWriteBytes, rule } }),
});
