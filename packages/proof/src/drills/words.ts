/** Faults, steps and verdicts as sentences. What is wrong is said first; a clean drill is said in the customer's terms. */
import { formatDuration, unreachable } from '@coequal/kernel';
import type { Fault } from '../arena.ts';
import type { Reconciliation } from '../bank/reconcile.ts';
import type { Check, FaultReport, SiteReport } from './report.ts';
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
  const what = fault.whole === true ? capital(fault.site) : `${capital(fault.site)}'s database`;
  return `${what} ${happened(fault)}`;
};

/** The same for a table in which the site is named already. */
export const fateInWords = (fault: Fault): string =>
  fault.whole === true ? happened(fault) : `its database ${happened(fault)}`;

const happened = (fault: Fault): string => {
  switch (fault.kind) {
    case 'kill':
      return 'was killed';
    case 'hang':
      return 'was frozen';
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
      return unreachable(fault.kind);
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
    `${capital(eventInWords(input))}; ${customersInWords(input.sites)}.`,
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

const eventInWords = ({ name, faults, recoveryMs }: VerdictInput): string => {
  const all = faults.flatMap((fault) => fault.faults);
  switch (name) {
    case 'full-outage':
      return `all databases were killed at once${recoveryMs === null ? '' : ` and served again by themselves after ${formatDuration(recoveryMs)}`}`;
    case 'rolling-restart':
      return `${listed(all.map((fault) => capital(fault.site)))} were restarted one after the other`;
    case 'city-loss':
      return `${listed(all.map((fault) => capital(fault.site)))} were lost at once, the last site stopped, and a person decided to go on with it`;
    case 'mixed':
      return `${counted(faults.length + (recoveryMs === null ? 0 : 1), 'fault')} by chance`;
    default:
      return listed(all.map(faultInWords));
  }
};

const customersInWords = (sites: readonly SiteReport[]): string => {
  const others = sites.filter((site) => !site.faulted);
  const asked = others.length > 0 ? others : sites;
  const who = others.length > 0 ? `customers of ${listed(others.map((site) => capital(site.name)))}` : 'customers';
  const longest = Math.max(...asked.map((site) => site.longestPauseMs ?? 0));
  const errors = asked.reduce((sum, site) => sum + site.errors, 0);
  return `${who} waited ${formatDuration(longest)} at most and saw ${errors === 0 ? 'no error' : counted(errors, 'error')}`;
};
