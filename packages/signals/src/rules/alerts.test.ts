import fc from 'fast-check';
import { expect, test } from 'vitest';
import { labelValue } from '../sample.ts';
import { type AlertState, noAlerts, type QueryPoint, stepAlerts, usualAlertLimit } from './alerts.ts';
import type { AlertingRule, RecordingRule } from './model.ts';
import { parseRuleFile } from './parse.ts';
import { recordPoints } from './records.ts';

const ruleOf = (text: string) => {
  const result = parseRuleFile('a', `groups:\n- name: a\n  rules:\n  - {${text}}\n`);
  const rule = result.ok ? result.groups[0]?.rules[0] : undefined;
  if (rule === undefined) throw new Error(`no rule: ${JSON.stringify(result)}`);
  return rule;
};
const alerting = (text: string): AlertingRule => ruleOf(`alert: A, expr: up, ${text}`) as AlertingRule;

const point = (host: string, value = 1): QueryPoint => ({
  labels: [
    ['__name__', 'up'],
    ['host', host],
  ],
  value,
});
const context = { limit: usualAlertLimit, externalUrl: '' };
const second = 1_000;

/** Walks a rule through evaluations, and says after each what changed and what stands. */
const walk = (rule: AlertingRule, times: readonly (readonly [atSeconds: number, ...hosts: readonly string[]])[]) => {
  let state: AlertState = noAlerts;
  return times.map(([at, ...hosts]) => {
    const points = hosts.map((host) => point(host));
    const step = stepAlerts(rule, state, points, at * second, context);
    state = step.state;
    const changes = step.changes.map(({ change, alert }) => `${labelValue(alert.labels, 'host')} ${change}`);
    return [...changes, ...[...state.alerts.values()].map(({ state: name }) => name)].join(', ');
  });
};

test('an alert is pending for its time, fires, and resolves', () => {
  expect(walk(alerting('for: 10s'), [[0], [1, 'a'], [10, 'a'], [11, 'a'], [12, 'a'], [13], [14]])).toEqual([
    '',
    'a pending, pending',
    'pending',
    'a fired, firing',
    'firing',
    'a resolved',
    '',
  ]);
});

test('one that goes away while pending begins anew', () => {
  expect(walk(alerting('for: 10s'), [[0, 'a'], [9], [10, 'a'], [19, 'a'], [20, 'a']])).toEqual([
    'a pending, pending',
    'a given-up',
    'a pending, pending',
    'pending',
    'a fired, firing',
  ]);
});

test('without a time to wait it fires at once', () => {
  expect(walk(alerting('labels: {}'), [[0, 'a'], [1]])).toEqual(['a fired, firing', 'a resolved']);
});

test('it keeps firing as long as told, and does not fire a second time when it comes back', () => {
  const rule = alerting('keep_firing_for: 10s');
  expect(walk(rule, [[0, 'a'], [5], [14], [15], [16]])).toEqual([
    'a fired, firing',
    'keep-firing',
    'keep-firing',
    'a resolved',
    '',
  ]);
  expect(walk(rule, [[0, 'a'], [5], [14, 'a'], [15], [24], [25]])).toEqual([
    'a fired, firing',
    'keep-firing',
    'firing',
    'keep-firing',
    'keep-firing',
    'a resolved',
  ]);
});

test('each series has its own state', () => {
  expect(
    walk(alerting('for: 2s'), [
      [0, 'a'],
      [1, 'a', 'b'],
      [2, 'a', 'b'],
      [3, 'b'],
    ]),
  ).toEqual([
    'a pending, pending',
    'b pending, pending, pending',
    'a fired, firing, pending',
    'b fired, a resolved, firing',
  ]);
});

test('a clock that jumps back neither hurries nor forgets', () => {
  expect(
    walk(alerting('for: 10s'), [
      [1_000, 'a'],
      [1_006, 'a'],
      [6, 'a'],
      [9, 'a'],
      [10, 'a'],
    ]),
  ).toEqual(['a pending, pending', 'pending', 'pending', 'pending', 'a fired, firing']);
  const keeping = alerting('keep_firing_for: 10s');
  expect(walk(keeping, [[1_000, 'a'], [1_005], [5], [14], [15]])).toEqual([
    'a fired, firing',
    'keep-firing',
    'keep-firing',
    'keep-firing',
    'a resolved',
  ]);
});

test('labels and texts come from the series, the rule and the value', () => {
  const text =
    'labels: {host: "the {{ $labels.host }}", level: page}, annotations: {summary: "{{ $value }} on {{ $labels.host }}"}';
  const { state } = stepAlerts(alerting(text), noAlerts, [point('a', 7)], 0, context);
  const [alert] = state.alerts.values();
  expect(alert?.labels).toEqual([
    ['alertname', 'A'],
    ['host', 'the a'],
    ['level', 'page'],
  ]);
  expect(alert?.annotations).toEqual(new Map([['summary', '7 on a']]));
});

test('an evaluation that makes no sense changes nothing', () => {
  const rule = alerting('labels: {host: same}');
  const before = stepAlerts(rule, noAlerts, [point('a')], 0, context).state;
  const twice = stepAlerts(rule, before, [point('a'), point('b')], 1_000, context);
  expect(twice).toEqual({
    state: before,
    changes: [],
    problem: 'two series have the labels of one alert of "A"',
    asks: [],
  });
  const many = stepAlerts(alerting('for: 1s'), before, [point('a'), point('b')], 1_000, { ...context, limit: 1 });
  expect(many).toEqual({ state: before, changes: [], problem: '"A" gives more than 1 alerts', asks: [] });
});

test('whatever comes and goes, what fired is resolved once before it fires again, and waits its time', () => {
  const evaluations = fc.array(fc.tuple(fc.integer({ min: 1, max: 5 }), fc.boolean()), { maxLength: 40 });
  fc.assert(
    fc.property(evaluations, fc.integer({ min: 0, max: 8 }), fc.integer({ min: 0, max: 8 }), (list, wait, keep) => {
      const rule = alerting(`for: ${wait}s, keep_firing_for: ${keep}s`);
      let state = noAlerts;
      let at = 0;
      let fires = false;
      let seenSince: number | undefined;
      for (const [seconds, isSeen] of list) {
        at += seconds * second;
        seenSince = isSeen ? (seenSince ?? at) : undefined;
        const step = stepAlerts(rule, state, isSeen ? [point('a')] : [], at, context);
        state = step.state;
        for (const { change } of step.changes) {
          if (change === 'fired') {
            expect(fires).toBe(false);
            expect(at - (seenSince ?? Infinity)).toBeGreaterThanOrEqual(wait * second);
          }
          if (change === 'resolved') expect(fires).toBe(true);
          if (change === 'fired' || change === 'resolved') fires = change === 'fired';
        }
        const standing = [...state.alerts.values()].some((alert) => alert.state !== 'pending');
        expect(standing).toBe(fires);
      }
    }),
  );
});

test('a recording rule gives its name and labels to what it found', () => {
  const rule = ruleOf('record: "a:b", expr: up, labels: {level: x}') as RecordingRule;
  expect(recordPoints(rule, [point('a', 3)], 5, 10)).toEqual({
    ok: true,
    samples: [
      {
        name: 'a:b',
        labels: [
          ['host', 'a'],
          ['level', 'x'],
        ],
        value: 3,
        timeMs: 5,
      },
    ],
  });
  expect(recordPoints(rule, [point('a'), point('a')], 5, 10)).toEqual({
    ok: false,
    what: 'two series of "a:b" have the same labels',
  });
  expect(recordPoints(rule, [point('a'), point('b')], 5, 1)).toMatchObject({ ok: false });
});
