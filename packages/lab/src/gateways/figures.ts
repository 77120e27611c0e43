/**
 * What a gateway says of itself in Prometheus' text format, as the few figures that the lab shows and drills report. Pure.
 * Counters of a process that has ended stay counted: sums go on from there.
 */
import type { GatewayCounters } from '@coequal/proof';

export type Sample = {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
};

const line = /^([a-z_][a-z0-9_]*)(?:\{(.*)\})? (\S+)$/;
const label = /([a-z_][a-z0-9_]*)="((?:[^"\\]|\\.)*)"/g;

/** Lines that are not samples (comments, what another version writes) are left out. */
export const parseMetrics = (text: string): readonly Sample[] =>
  text.split('\n').flatMap((each) => {
    const found = line.exec(each);
    if (found === null) return [];
    const [, name = '', inside = '', figure = ''] = found;
    const value = figure === '+Inf' ? Number.POSITIVE_INFINITY : Number(figure);
    if (Number.isNaN(value)) return [];
    const labels = Object.fromEntries([...inside.matchAll(label)].map(([, key = '', text = '']) => [key, text]));
    return [{ name, labels, value }];
  });

export type GatewayGauges = {
  readonly sessions: number;
  /** The longest pause that one of its clients saw since its start, ms. */
  readonly longestPauseMs: number;
};

export const gaugesOf = (samples: readonly Sample[]): GatewayGauges => ({
  sessions: sum(samples, 'coequal_gateway_user_sessions'),
  longestPauseMs: Math.round(sum(samples, 'coequal_gateway_pause_max_seconds') * 10_000) / 10,
});

export const countersOf = (samples: readonly Sample[]): GatewayCounters => {
  const count = (name: string, wanted?: (labels: Sample['labels']) => boolean): number =>
    sum(samples, `coequal_gateway_${name}_total`, wanted);
  return {
    replays: count('user_replays', ({ result }) => result === 'same'),
    replaysTold: count('user_replays', ({ result }) => result !== 'same'),
    outcomes: count('outcomes', ({ result }) => result !== 'undecided'),
    outcomesUndecided: count('outcomes', ({ result }) => result === 'undecided'),
    hidden: count('user_conflicts', ({ result }) => result === 'hidden'),
    conflictsTold: count('user_conflicts', ({ result }) => result !== 'hidden'),
    notReplayable: count('user_not_replayable_transactions') + count('user_not_replayable_sessions'),
    losses: count('user_losses'),
    handedOver: count('drained_sessions', ({ how }) => how === 'handed-over'),
    closed: count('drained_sessions', ({ how }) => how === 'closed'),
    cut: count('drained_sessions', ({ how }) => how === 'cut'),
  };
};

/** Graceful restarts that have ended so. */
export const restartsIn = (samples: readonly Sample[], result: string): number =>
  sum(samples, 'coequal_gateway_restarts_total', (labels) => labels['result'] === result);

const sum = (
  samples: readonly Sample[],
  name: string,
  wanted: (labels: Sample['labels']) => boolean = () => true,
): number =>
  samples.reduce((total, each) => (each.name === name && wanted(each.labels) ? total + each.value : total), 0);

export const noCounters: GatewayCounters = {
  replays: 0,
  replaysTold: 0,
  outcomes: 0,
  outcomesUndecided: 0,
  hidden: 0,
  conflictsTold: 0,
  notReplayable: 0,
  losses: 0,
  handedOver: 0,
  closed: 0,
  cut: 0,
};

export const addCounters = (a: GatewayCounters, b: GatewayCounters): GatewayCounters => ({
  replays: a.replays + b.replays,
  replaysTold: a.replaysTold + b.replaysTold,
  outcomes: a.outcomes + b.outcomes,
  outcomesUndecided: a.outcomesUndecided + b.outcomesUndecided,
  hidden: a.hidden + b.hidden,
  conflictsTold: a.conflictsTold + b.conflictsTold,
  notReplayable: a.notReplayable + b.notReplayable,
  losses: a.losses + b.losses,
  handedOver: a.handedOver + b.handedOver,
  closed: a.closed + b.closed,
  cut: a.cut + b.cut,
});
