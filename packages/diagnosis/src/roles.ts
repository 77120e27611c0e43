/**
 * Which signals have a part of their own in a diagnosis, recognised by the words that exporters use for them: the
 * service-level indicator, which says when users suffered, and the signal of work done, by which others are divided.
 */
import type { Signal, SignalWindow } from './window.ts';

const indicatorWords = /latency|response.?time|query_duration|transaction_duration/i;
const workWords = /\bcomm\b|commit(s|ted)?|transactions?_total|xact_commit/i;

export type Roles = {
  /** A latency, of which more is worse. Undefined: no signal of the window looks like one. */
  readonly indicator: Signal | undefined;
  /** Transactions committed a second, or what counts them. */
  readonly work: Signal | undefined;
};

/** Roles by name; `indicator` names one where the words would not find it. */
export const rolesOf = (window: SignalWindow, indicator?: string): Roles => ({
  indicator: window.signals.find(({ name }) =>
    indicator === undefined ? indicatorWords.test(name) : name === indicator,
  ),
  work: window.signals.find(({ name, labels }) => workWords.test(name) || labels['command'] === 'commit'),
});
