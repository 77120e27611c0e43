/**
 * Rules on the real store, beside the real Prometheus: the same rule file over the same data gives the same alerts, texts and recorded
 * series as promtool's own evaluation. And over a restart of the evaluator what fires goes on firing.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { silentLog, systemClock, until } from '@coequal/kernel';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { encodeRemoteWrite } from '../remote/remote-write.ts';
import { labelsOf, labelValue, type Sample } from '../sample.ts';
import { companionForTest, openTestStore, type TestStore } from '../store/testing.ts';
import { runRules } from './adapters/run.ts';
import { GroupRun } from './group.ts';
import { parseRuleFile } from './parse.ts';
import { rowsOf } from './testing.ts';

const run = promisify(execFile);
let store: TestStore;
let folder: string;
beforeAll(async () => {
  store = await openTestStore();
  folder = await mkdtemp(join(tmpdir(), 'coequal-promtool-'));
});
afterAll(async () => {
  await store.close();
  await rm(folder, { recursive: true });
});

const recorded = `
groups:
- name: recorded
  interval: 15s
  rules:
  - record: instance:requests:rate1m
    expr: rate(requests_total[1m])
  - record: job:requests:sum
    expr: sum by (job) (instance:requests:rate1m)
    labels: {team: db}
`;

/** Shapes that widely used rule files have. */
const alerting = `
groups:
- name: alerting
  interval: 15s
  rules:
  - alert: Down
    expr: up == 0
    for: 1m
    keep_firing_for: 2m
    labels: {severity: critical, site: '{{ $labels.instance | reReplaceAll "-db-.*" "" }}'}
    annotations:
      summary: 'Instance {{ $labels.instance }} of {{ .Labels.job }} is down'
      description: '{{ printf "%.1f" $value }} since {{ $value | humanizeDuration }}; {{ with query "up" }}{{ len . }} in all: {{ range . | sortByLabel "instance" }}{{ .Labels.instance }}={{ .Value }} {{ end }}{{ end }}'
  - alert: Errors
    expr: sum by (job) (rate(errors_total[1m])) / sum by (job) (rate(requests_total[1m])) > 0.05
    for: 30s
    annotations:
      summary: '{{ $value | humanizePercentage }} of {{ if eq $labels.job "bank" }}the bank{{ else }}{{ $labels.job }}{{ end }}'
  - alert: FillsSoon
    expr: predict_linear(free_bytes[5m], 3600) < 0 and free_bytes < 60000
    annotations: {summary: '{{ $value | humanize1024 }}B, {{ $labels.device | toUpper | printf "%q" }}'}
  - alert: Absent
    expr: absent(never_there{job="bank"})
    for: 2m
  - alert: Slow
    expr: histogram_quantile(0.9, sum by (le) (rate(seconds_bucket[2m]))) > 0.5
    annotations: {summary: '{{ $value | humanize }}s {{ $value | humanizeDuration }}'}
  - alert: Busy
    expr: job:requests:sum > 15
    labels: {severity: warning}
    annotations: {summary: '{{ $v := $value }}{{ if gt $v 18.0 }}very {{ end }}busy: {{ $v | humanize }}'}
  - alert: Flapping
    expr: changes(up[3m]) > 2
`;

const rows = {
  'up{instance="north-db-1",job="bank"}': '1x8 0x12 1x8 0 1 0 1x9',
  'up{instance="south-db-1",job="bank"}': '1x40',
  'requests_total{instance="north-db-1",job="bank"}': '0+150x40',
  'requests_total{instance="south-db-1",job="bank"}': '0+60x20 1260+150x20',
  'errors_total{instance="north-db-1",job="bank"}': '0x10 0+30x12 360x17',
  'errors_total{instance="south-db-1",job="bank"}': '0+1x40',
  'free_bytes{device="sda"}': '100000-2000x40',
  'free_bytes{device="sdb"}': '100000x40',
  'seconds_bucket{le="0.1"}': '0+9x15 135+1x24',
  'seconds_bucket{le="1"}': '0+10x40',
  'seconds_bucket{le="+Inf"}': '0+10x40',
};
const stepMs = 15_000;

test('alerts, texts and recorded series are those of Prometheus', async () => {
  const beginMs = Math.floor(systemClock.now() / stepMs) * stepMs - 3_600_000;
  await store.add(rowsOf(rows, beginMs, stepMs));
  const context = {
    store: store.client,
    clock: systemClock,
    externalUrl: '',
    externalLabels: new Map<string, string>(),
  };
  const groupOf = (text: string): GroupRun => {
    const parsed = parseRuleFile('rules.yml', text);
    const [group] = parsed.ok ? parsed.groups : [];
    if (group === undefined) throw new Error(JSON.stringify(parsed));
    return new GroupRun(`rules.yml;${group.name}`, group, context);
  };
  const times = Array.from({ length: 41 }, (_, index) => index * stepMs);
  const walk = async (group: GroupRun, after: (atMs: number, samples: readonly Sample[]) => void) => {
    const [samples, ended]: [Sample[], Sample[]] = [[], []];
    for (const atMs of times) {
      const done = await group.evaluate(beginMs + atMs);
      expect(done.problems).toEqual([]);
      after(atMs, done.samples);
      samples.push(...done.samples);
      ended.push(...done.ended);
    }
    await store.add(samples, ended);
  };
  const textOf = (sample: Sample): string =>
    `${sample.name}{${sample.labels.map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(', ')}}`;
  const expressions: unknown[] = [];
  // The second rule reads what the first one wrote, which a store at a distance shows a moment later: two walks.
  for (const only of [0, 1]) {
    const group = groupOf(recorded);
    const one = new GroupRun(
      group.id + only,
      { ...group.group, rules: group.group.rules.slice(only, only + 1) },
      context,
    );
    const names = ['instance:requests:rate1m', 'job:requests:sum'];
    await walk(one, (atMs, samples) => {
      const found = samples.filter(({ name }) => name === names[only]);
      if (atMs % 60_000 === 0)
        expressions.push({
          expr: names[only],
          eval_time: `${atMs / 1_000}s`,
          exp_samples: found.map((sample) => ({ labels: textOf(sample), value: sample.value })),
        });
    });
  }
  const expected: unknown[] = [];
  const states = new Set<string>();
  const group = groupOf(alerting);
  await walk(group, (atMs) => {
    for (const [rule, { state }] of group.alerting()) {
      const firing = [...state.alerts.values()].filter((alert) => alert.state !== 'pending');
      for (const alert of state.alerts.values()) states.add(`${rule.alert} ${alert.state}`);
      expected.push({
        eval_time: `${atMs / 1_000}s`,
        alertname: rule.alert,
        exp_alerts: firing.map(({ labels, annotations }) => ({
          exp_labels: Object.fromEntries(labels.filter(([name]) => name !== 'alertname')),
          exp_annotations: Object.fromEntries(annotations),
        })),
      });
    }
  });
  // The fixture walks through what it is there for.
  for (const seen of [
    'Down pending',
    'Down keep-firing',
    'Errors firing',
    'FillsSoon firing',
    'Absent firing',
    'Slow firing',
    'Busy firing',
    'Flapping firing',
  ])
    expect(states).toContain(seen);
  await writeFile(join(folder, 'rules.yml'), `${recorded}${alerting.replace('\ngroups:\n', '')}`);
  await writeFile(
    join(folder, 'test.yml'),
    stringify({
      rule_files: ['rules.yml'],
      evaluation_interval: '15s',
      group_eval_order: ['recorded', 'alerting'],
      tests: [
        {
          interval: '15s',
          input_series: Object.entries(rows).map(([series, values]) => ({ series, values })),
          alert_rule_test: expected,
          promql_expr_test: expressions,
        },
      ],
    }),
  );
  const promtool = (await companionForTest('prometheus')).files[0];
  const { stdout } = await run(promtool, ['test', 'rules', 'test.yml'], { cwd: folder }).catch(
    (error: { readonly stdout?: string; readonly stderr?: string }) => ({
      stdout: `${error.stdout}${error.stderr}`.slice(0, 6_000),
    }),
  );
  expect(stdout).toContain('SUCCESS');
  expect(stdout).not.toContain('FAILED');
  // promtool compares: with a mistake in it, the same file is refused.
  const wrong = (await readFile(join(folder, 'test.yml'), 'utf8')).replace('north-db-1 of bank', 'north-db-2 of bank');
  await writeFile(join(folder, 'wrong.yml'), wrong);
  await expect(run(promtool, ['test', 'rules', 'wrong.yml'], { cwd: folder })).rejects.toBeDefined();
});

test('what fires goes on firing over a restart of the evaluator', async () => {
  await writeFile(
    join(folder, 'restart.yml'),
    `groups: [{name: r, rules: [{alert: Restarted, expr: restart_test == 0}, {alert: Waiting, expr: restart_test == 0, for: 1h}]}]`,
  );
  const now = systemClock.now();
  const labels = labelsOf([['host', 'a b"\\\n漢']]) ?? [];
  await store.add([{ name: 'restart_test', labels, value: 0, timeMs: now }]);
  const told: string[] = [];
  const begin = async () => {
    const result = await runRules({
      files: [join(folder, 'restart.yml')],
      store: store.client,
      recordTo: store.client,
      clock: systemClock,
      log: silentLog,
      usualIntervalMs: 500,
      externalUrl: '',
      externalLabels: { platform: 'a"b' },
      onAlerts: ({ changes }) => {
        for (const { change, alert } of changes)
          told.push(`${labelValue(alert.labels, 'alertname')} ${change} ${alert.activeAtMs}`);
      },
    });
    if (!result.ok) throw new Error(JSON.stringify(result.problems));
    return result.rules;
  };
  const wait = (what: string) => ({ what, deadlineMs: 60_000 });
  let rules = await begin();
  await until(systemClock, wait('the alert'), () => told.some((text) => text.startsWith('Restarted fired')));
  const sinceMs = rules.alerts().find(({ state }) => state === 'pending')?.activeAtMs ?? 0;
  // Until all of it can be read again.
  const readable = async () => {
    const found = await Promise.all(
      ['ALERTS{alertname="Restarted"}', 'ALERTS_FOR_STATE{alertname="Waiting"}'].map((query) =>
        store.client.instant(query, systemClock.now()),
      ),
    );
    return found.every((answer) => answer.ok && answer.series.length === 1);
  };
  await until(systemClock, wait('what was told'), readable);
  const first = told.find((text) => text.startsWith('Restarted fired'))?.split(' ')[2];
  await rules.close();
  told.length = 0;
  rules = await begin();
  try {
    await until(systemClock, wait('the alert, taken up'), () => told.length > 0);
    expect(told).toEqual([`Restarted taken-up ${first}`]);
    const waiting = rules.alerts().find(({ labels: all }) => labelValue(all, 'alertname') === 'Waiting');
    expect(waiting?.state).toBe('pending');
    // Moved on by the time in which nobody looked, and by no more than that.
    expect(waiting?.activeAtMs).toBeGreaterThanOrEqual(sinceMs);
    expect(waiting?.activeAtMs).toBeLessThan(systemClock.now() - 500);
    // It ends as any other: the series says so.
    await store.client.write(
      encodeRemoteWrite([{ name: 'restart_test', labels, value: 1, timeMs: systemClock.now() }]),
    );
    await until(systemClock, wait('its end'), () => told.some((text) => text.startsWith('Restarted resolved')));
    const over = async () => {
      const answer = await store.client.instant('ALERTS{alertname="Restarted"}', systemClock.now());
      return answer.ok && answer.series.length === 0;
    };
    await until(systemClock, wait('the end of its series'), over);
  } finally {
    await rules.close();
  }
});
