import { Counters, prometheusText } from '@coequal/kernel';
import { expect, test } from 'vitest';
import { addCounters, countersOf, gaugesOf, noCounters, parseMetrics } from './figures.ts';

const text = `# HELP coequal_gateway_user_replays_total Replays.
# TYPE coequal_gateway_user_replays_total counter
coequal_gateway_user_replays_total{user="bank",result="same"} 3
coequal_gateway_user_replays_total{user="o\\"{,}x",result="same"} 2
coequal_gateway_user_replays_total{user="bank",result="different"} 1
coequal_gateway_outcomes_total{result="committed"} 4
coequal_gateway_outcomes_total{result="absent"} 5
coequal_gateway_outcomes_total{result="undecided"} 6
coequal_gateway_user_conflicts_total{user="bank",result="hidden"} 7
coequal_gateway_drained_sessions_total{how="closed"} 8
coequal_gateway_user_sessions{user="bank"} 4
coequal_gateway_user_sessions{user="app"} 1
coequal_gateway_pause_max_seconds 0.6123
something else
`;

test('figures are summed over accounts, by result', () => {
  const samples = parseMetrics(text);
  expect(countersOf(samples)).toEqual({
    ...noCounters,
    replays: 5,
    replaysTold: 1,
    outcomes: 9,
    outcomesUndecided: 6,
    hidden: 7,
    closed: 8,
  });
  expect(gaugesOf(samples)).toEqual({ sessions: 5, longestPauseMs: 612.3 });
  expect(addCounters(countersOf(samples), countersOf(samples)).outcomes).toBe(18);
});

test('what the kernel writes is read as it was meant', () => {
  const counters = new Counters();
  const family = counters.counter({ name: 'coequal_gateway_user_losses_total', help: 'x', labels: ['user', 'reason'] });
  family.with({ user: 'a\nb "c" \\', reason: 'silent' }).add(3);
  expect(countersOf(parseMetrics(prometheusText(counters.snapshot()))).losses).toBe(3);
});

test('nothing is nothing', () => {
  expect(countersOf(parseMetrics(''))).toEqual(noCounters);
});
