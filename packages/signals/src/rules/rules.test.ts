import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseRuleDuration } from './duration.ts';
import { formatRuleProblem, parseRuleFile } from './parse.ts';

const parsed = (text: string) => {
  const result = parseRuleFile('rules.yml', text);
  if (!result.ok) throw new Error(result.problems.map(formatRuleProblem).join('\n'));
  return result.groups;
};
const problemsOf = (text: string): readonly string[] => {
  const result = parseRuleFile('rules.yml', text);
  return result.ok ? [] : result.problems.map(formatRuleProblem);
};

test('a rule file is read as Prometheus reads it', () => {
  const groups = parsed(`
groups:
  - name: hosts
    interval: 15s
    query_offset: 1m
    limit: 10
    labels:
      team: data
    rules:
      - record: instance:cpu:rate5m
        expr: sum by (instance) (rate(node_cpu_seconds_total{mode!="idle"}[5m]))
        labels:
          level: 1
      - alert: DiskFull
        expr: |
          node_filesystem_avail_bytes # what is left
            / node_filesystem_size_bytes < 0.1
        for: 1h30m
        keep_firing_for: 500ms
        labels:
          severity: page
        annotations:
          summary: '{{ $labels.instance }} has {{ $value | humanizePercentage }}'
  - name: empty
    rules:
`);
  expect(groups).toHaveLength(2);
  expect(groups[0]).toMatchObject({ name: 'hosts', intervalMs: 15_000, queryOffsetMs: 60_000, limit: 10 });
  expect(groups[1]).toEqual({ name: 'empty', intervalMs: undefined, queryOffsetMs: 0, limit: 0, rules: [] });
  const [record, alert] = groups[0]?.rules ?? [];
  expect(record).toMatchObject({
    ...{ kind: 'recording', record: 'instance:cpu:rate5m', line: 10 },
    labels: new Map([
      ['team', 'data'],
      ['level', '1'],
    ]),
  });
  expect(alert).toMatchObject({
    kind: 'alerting',
    alert: 'DiskFull',
    forMs: 5_400_000,
    keepFiringForMs: 500,
    line: 14,
  });
  expect(alert?.kind === 'alerting' ? [...alert.labels.keys()] : []).toEqual(['team', 'severity']);
});

test('everything that is wrong is said at once, with its line', () => {
  const text = `groups:
  - name: a
    intervall: 5s
    rules:
      - alert: A
        expr: up == 0)
        for: 5 minutes
        labels:
          a-b: x
          __name__: x
      - record: "not a name"
        expr: ''
        for: 5m
      - expr: up
      - alert: B
        record: b
        expr: up
      - alert: C
        annotations:
          summary: '{{ queries "up" }}'
          more: '{{ if true }}'
      - just a text
  - name: a
    limit: -1
    rules: 7
`;
  expect(problemsOf(text)).toEqual([
    'rules.yml:3: a group has no "intervall"; it has name, interval, query_offset, limit, labels, rules.',
    'rules.yml:6: ")" closes nothing, or something else.',
    'rules.yml:9: "a-b" cannot be the name of a label.',
    'rules.yml:10: "__name__" cannot be the name of a label.',
    'rules.yml:7: "5 minutes" is not a duration such as 5m or 1h30m.',
    'rules.yml:12: the expression is empty.',
    'rules.yml:11: "not a name" cannot be the name of a metric.',
    'rules.yml:13: a recording rule has no for.',
    'rules.yml:14: a rule has either alert or record.',
    'rules.yml:15: a rule has either alert or record.',
    'rules.yml:18: the rule has no expr.',
    'rules.yml:20: the function "queries" is not known here.',
    'rules.yml:21: {{ if }} has no {{ end }}.',
    'rules.yml:22: a rule is a map of alert, record, expr, for, keep_firing_for, labels, annotations.',
    'rules.yml:24: "limit" is a whole number, 0 or more.',
    'rules.yml:25: rules is a list.',
    'rules.yml:23: the group "a" is there twice.',
  ]);
});

test.each([
  ['groups: [', 'rules.yml:1: this is not YAML'],
  ['groups:\n- name: a\n  name: b\n', 'rules.yml:3: this is not YAML: "Map keys must be unique'],
  ['a: &a 1\ngroups: *a\n', 'rules.yml:2: the alias *a is not expanded'],
  ['7', 'the file is a map of groups'],
  ['', 'the file is a map of groups'],
  ['a\u0000', 'zero byte'],
  [`# ${'x'.repeat(5_000_000)}`, 'larger than 4 MiB'],
  ["groups:\n- name: a\n  rules:\n  - {alert: A, expr: 'rate(x[\"5m]'}\n", 'rules.yml:4: a quote is not closed'],
  ["groups:\n- name: a\n  rules:\n  - {alert: A, expr: 'rate(x[5m]'}\n", '")" is missing at its end'],
  ['groups:\n- name: a\n  rules:\n  - {alert: A, expr: [1]}\n', '"expr" is a text'],
  ['groups:\n- name:\n  rules:\n  - {alert: , expr: up, labels: 3}\n', 'the group has no name'],
])('%j is refused', (text, message) => {
  expect(problemsOf(text).join('\n')).toContain(message);
});

test('brackets and quotes within quotes, and comments, are no brackets', () => {
  expect(problemsOf(`groups:\n- name: a\n  rules:\n  - alert: A\n    expr: 'a{b="(\\"["} > 0 # )'\n`)).toEqual([]);
});

test.each([
  ['0', 0],
  ['5m', 300_000],
  ['1h30m', 5_400_000],
  ['1d', 86_400_000],
  ['1w', 604_800_000],
  ['1y', 31_536_000_000],
  ['1s500ms', 1_500],
  ['5ms', 5],
  ['', undefined],
  ['5', undefined],
  ['1.5h', undefined],
  ['30m1h', undefined],
  ['-5m', undefined],
  ['999999999999999999999y', undefined],
])('the duration %j is %j ms', (text, ms) => {
  expect(parseRuleDuration(text)).toBe(ms);
});

describe('no text whatever', () => {
  test('throws', () => {
    const words = fc.constantFrom(
      'groups:',
      '- name: a',
      '\n',
      '  ',
      'rules:',
      '- alert: A',
      'expr: up',
      '{{',
      '}}',
      '&a',
      '*a',
      '|',
      "'",
    );
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(words, { maxLength: 30 }).map((list) => list.join('')),
    );
    fc.assert(
      fc.property(text, (content) => {
        for (const line of problemsOf(content)) expect(line).toMatch(/^rules\.yml:[1-9]\d*: /);
      }),
    );
  });
});
