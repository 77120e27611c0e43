/** Faults, steps and verdicts as sentences. What is wrong is said first; a clean drill is said in the customer's terms. */
import { formatDuration, unreachable } from '@coequal/kernel';
import { type Fault, isGatewayFault } from '../arena.ts';
import type { Reconciliation } from '../bank/reconcile.ts';
import { loadFaults } from '../load-faults.ts';
import type { BatchReport, Check, CommitsReport, FaultReport, SiteReport } from './report.ts';
import type { DrillName, Step } from './schedule.ts';

export const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** `a`, `a and b`, `a, b and c`. */
export const listed = (words: readonly string[]): string =>
  words.length < 2 ? (words[0] ?? '') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`;

/** Cents as people write money, without a currency: the bank has none. */
export const money = (cents: number): string => {
  const whole = Math.trunc(Math.abs(cents) / 100).toLocaleString('en-US');
  return `${cents < 0 ? '−' : ''}${whole}.${String(Math.abs(cents) % 100).padStart(2, '0')}`;
};

export const counted = (count: number, noun: string): string =>
  `${count.toLocaleString('en-US')} ${noun}${count === 1 ? '' : 's'}`;

export const faultInWords = (fault: Fault): string => {
  if (isGatewayFault(fault)) return `Gateway ${fault.gateway ?? 1} of ${capital(fault.site)} ${happened(fault)}`;
  const what = fault.whole === true ? capital(fault.site) : `${capital(fault.site)}'s database`;
  return `${what} ${happened(fault)}`;
};

/** The same for a table in which the site is named already. */
export const fateInWords = (fault: Fault): string =>
  isGatewayFault(fault)
    ? `its gateway ${fault.gateway ?? 1} ${happened(fault)}`
    : fault.whole === true
      ? happened(fault)
      : `its database ${happened(fault)}`;

const happened = (fault: Fault): string => {
  switch (fault.kind) {
    case 'kill':
    case 'gateway-kill':
      return 'was killed';
    case 'hang':
    case 'gateway-hang':
      return 'was frozen';
    case 'gateway-stop':
      return 'was stopped in order';
    case 'gateway-restart':
      return 'was restarted in order';
    case 'stop':
      return 'was shut down in order';
    case 'partition':
      return fault.between === undefined
        ? 'was cut off'
        : `was cut off from ${listed(fault.between.filter((site) => site !== fault.site).map(capital))}`;
    case 'latency':
      return `was ${fault.amount ?? 0} ms further away`;
    case 'loss':
      return `lost ${fault.amount ?? 0} % of its packets`;
    case 'slow-disk':
      return 'had a slow disk';
    case 'full-disk':
      return 'had a full disk';
    case 'clock':
      return `had a clock ${fault.amount ?? 0} s off`;
    default:
      return `was hurt: ${loadFaults[fault.kind].text}`;
  }
};

export const stepInWords = (step: Step): string => {
  switch (step.kind) {
    case 'inject':
      return `${step.faults.map(faultInWords).join('; ')}.`;
    case 'heal':
      return `${listed(step.sites.map(capital))} healed.`;
    case 'await-serving':
      return `${listed(step.sites.map(capital))} serving again.`;
    case 'await-stopped':
      return `${listed(step.sites.map(capital))} stopped by itself, without a majority.`;
    case 'full-outage':
      return 'All databases were killed at the same moment.';
    case 'force-primary':
      return `A person decided to go on with ${capital(step.site)} alone. What only the other sites had would be given up.`;
    case 'restart-clients':
      return `New clients in ${capital(step.site)}.`;
    case 'rest':
      return `The load works for ${formatDuration(step.ms)}.`;
    case 'load':
      return step.ratePerSecond === null
        ? 'The load goes as fast as answers come.'
        : `The load goes at ${step.ratePerSecond} transactions a second and site.`;
    case 'enough':
      return `Until ${step.commits.toLocaleString('en-US')} COMMITs were in flight at faults.`;
    case 'batch':
      return `One statement changed every row of a large table, through ${capital(step.site)}.`;
    default:
      return unreachable(step);
  }
};

export type VerdictInput = {
  readonly name: DrillName;
  readonly found: Reconciliation;
  readonly problems: readonly string[];
  readonly checks: readonly Check[];
  readonly faults: readonly FaultReport[];
  readonly sites: readonly SiteReport[];
  /** Those whose customers were to see no error. */
  readonly promised: readonly SiteReport[];
  readonly commits: CommitsReport;
  readonly batch: BatchReport | null;
  readonly recoveryMs: number | null;
};

export const verdictOf = (input: VerdictInput): string => {
  const wrong = [...wrongs(input.found), ...failedChecks(input.checks)];
  const unproven =
    input.problems.length > 0 && wrong.length === 0 ? ['The drill proves nothing: it could not be finished.'] : [];
  const good = wrong.length === 0 && unproven.length === 0 ? ['Nothing was lost.'] : [];
  return [
    ...wrong,
    ...unproven,
    ...input.problems,
    ...good,
    `${capital(eventInWords(input))}; ${customersInWords(input)}.`,
  ].join(' ');
};

const wrongs = (found: Reconciliation): readonly string[] => [
  ...(found.lost > 0
    ? [`${counted(found.lost, 'acknowledged transaction')} lost (${money(found.rpo.amount)} in money).`]
    : []),
  ...(found.doubled > 0 ? [`${counted(found.doubled, 'transaction')} done twice, or done although refused.`] : []),
  ...(found.diverged > 0 ? [`${counted(found.diverged, 'row')} not the same on all instances.`] : []),
  ...(found.damaged > 0 ? [`${counted(found.damaged, 'transaction')} only half there.`] : []),
  ...(found.unexplained > 0 ? [`${counted(found.unexplained, 'transaction')} that no client asked for.`] : []),
  ...(found.balanceExact ? [] : ['The books do not balance.']),
];

const failedChecks = (checks: readonly Check[]): readonly string[] =>
  checks
    .filter((check) => check.essential && !check.passed)
    .map((check) => `Not so: ${check.text} ${check.detail}`.trim());

const eventInWords = ({ name, faults, recoveryMs, commits, batch }: VerdictInput): string => {
  const all = faults.flatMap((fault) => fault.faults);
  switch (name) {
    case 'full-outage':
      return `all databases were killed at once${recoveryMs === null ? '' : ` and served again by themselves after ${formatDuration(recoveryMs)}`}`;
    case 'rolling-restart':
      return `${listed(all.map((fault) => capital(fault.site)))} were restarted one after the other`;
    case 'city-loss':
      return `${listed(all.map((fault) => capital(fault.site)))} were lost at once, the last site stopped, and a person decided to go on with it`;
    case 'single-faults':
      return `${counted(faults.length, 'fault')} of one database each`;
    case 'commit-kill':
      return `${counted(faults.length, 'fault')} with ${counted(commits.inFlight, 'COMMIT')} in flight, ${commits.onVictims.toLocaleString('en-US')} of them where it broke`;
    case 'batch':
      return batch === null ? 'the large write did not happen' : batchInWords(batch);
    case 'mixed':
      return `${counted(faults.length + (recoveryMs === null ? 0 : 1), 'fault')} by chance`;
    default:
      return listed(all.map(faultInWords));
  }
};

const batchInWords = (batch: BatchReport): string => {
  const what = `a write of ${batch.rows.toLocaleString('en-US')} rows`;
  const rule = batch.rule === null ? 'without a rule' : `under the rule ${batch.rule}`;
  const ending = { done: 'was done', refused: 'was refused', failed: 'failed' }[batch.outcome];
  const felt =
    batch.ratio === null ? '' : `, and the 99th percentile of the other sites was ${batch.ratio} times what it is`;
  return `${what} ${rule} ${ending} after ${formatDuration(batch.tookMs)}${felt}`;
};

const customersInWords = ({ sites, promised }: VerdictInput): string => {
  const asked = promised.length > 0 ? promised : sites;
  const all = asked.length === sites.length;
  const who = all ? 'customers' : `customers of ${listed(asked.map((site) => capital(site.name)))}`;
  const longest = Math.max(...asked.map((site) => site.longestPauseMs ?? 0));
  const errors = asked.reduce((sum, site) => sum + site.errors, 0);
  return `${who} waited ${formatDuration(longest)} at most and saw ${errors === 0 ? 'no error' : counted(errors, 'error')}`;
};
