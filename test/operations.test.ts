/**
 * Our rule files and dashboards use only metrics that somebody tells: hosts as collected on this machine, gateways as their guide lists them
 * (which their own test holds to the code), MariaDB as a real server told it once, and what agents, platforms, stores and rules say of themselves. And the
 * causes and runbooks that rules name are those of the catalogue.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Counters, type CountersSnapshot, silentLog, systemClock } from '@coequal/kernel';
import {
  clockFamilies,
  formatRuleProblem,
  HostCollector,
  parseRuleFile,
  type RuleGroup,
  runRules,
} from '@coequal/signals';
import { beforeAll, describe, expect, test } from 'vitest';
import { ownFamilies } from '../packages/agent/src/own.ts';
import { catalogue, causeNames } from '../packages/diagnosis/src/causes.ts';
import { frontFamilies } from '../packages/engines/src/store/adapters/front.ts';
import { storeFamilies } from '../packages/engines/src/store/adapters/store.ts';
import { expressionsOf, metricNames } from '../packages/signals/src/rules/testing.ts';

const root = join(import.meta.dirname, '..');
const folder = (path: string) => join(root, 'operations', path);
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

const groupsOf = (): readonly RuleGroup[] =>
  readdirSync(folder('rules'))
    .filter((name) => name.endsWith('.yml'))
    .flatMap((name) => {
      const parsed = parseRuleFile(name, readFileSync(join(folder('rules'), name), 'utf8'));
      if (!parsed.ok) throw new Error(parsed.problems.map(formatRuleProblem).join('\n'));
      return parsed.groups;
    });

const namesOf = (snapshot: CountersSnapshot): readonly string[] =>
  snapshot.flatMap(({ name, type }) => named(name, type));
const named = (name: string, type: string): readonly string[] =>
  type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name];

/** The gateway's guide lists its families; durations are histograms unless they are a largest one or a time. */
const gatewayNames = (): readonly string[] =>
  [...read('docs/gateway.md').matchAll(/^\| `(coequal_gateway_\w+)` \|/gm)].flatMap(([, name = '']) => [
    name,
    ...(name.endsWith('_seconds') ? named(name, 'histogram') : []),
  ]);

/** The platform makes its names of a beginning and a word; they stand in its sources. */
const platformNames = (): readonly string[] =>
  ['heart.ts', 'incidents/keeper.ts', 'ingest/intake.ts'].flatMap((path) => {
    const text = read(`packages/platform/src/${path}`);
    return [
      ...[...text.matchAll(/= gauge\('(\w+)'/g)].map(([, word]) => `coequal_platform_${word}`),
      ...[...text.matchAll(/= plain\('(\w+)'/g)].map(([, word]) => `coequal_platform_${word}_total`),
      ...[...text.matchAll(/name: '(coequal_platform_\w+)'/g)].flatMap(([, name = '']) => named(name, 'histogram')),
    ];
  });

const ruleNames = async (): Promise<readonly string[]> => {
  const empty = mkdtempSync(join(tmpdir(), 'coequal-no-rules-'));
  const counters = new Counters();
  const store = { instant: async () => ({ ok: true, series: [], warnings: [] }) as const };
  const recordTo = { write: async () => ({ outcome: 'taken' }) as const };
  const options = {
    clock: systemClock,
    log: silentLog,
    usualIntervalMs: 1_000,
    externalUrl: '',
    onAlerts: () => undefined,
  };
  const result = await runRules({ ...options, files: [empty], store, recordTo, counters });
  if (result.ok) await result.rules.close();
  rmSync(empty, { recursive: true });
  return namesOf(counters.snapshot());
};

const storeNames = (): readonly string[] => {
  const counters = new Counters();
  storeFamilies(counters);
  frontFamilies(counters);
  return namesOf(counters.snapshot());
};

/** What not every machine shows: pressure of old kernels, sensors, memory that corrects itself, disks of their own. */
const hardware = [
  ...['cpu', 'memory', 'io'].map((what) => `node_pressure_${what}_waiting_seconds_total`),
  ...['node_hwmon_temp_celsius', 'node_edac_correctable_errors_total', 'node_edac_uncorrectable_errors_total'],
  ...['reads_completed_total', 'read_time_seconds_total', 'writes_completed_total', 'write_time_seconds_total'].map(
    (what) => `node_disk_${what}`,
  ),
  ...['node_disk_io_time_seconds_total', 'node_disk_written_bytes_total', 'node_vmstat_oom_kill'],
];

/** As the agent's readers name them. */
const parts = [
  ...['smart_status', 'critical_warning', 'percentage_used', 'media_errors', 'attribute'].map(
    (what) => `smartctl_device_${what}`,
  ),
  ...['critical_warning_total', 'media_errors_total', 'percentage_used_ratio'].map((what) => `nvme_${what}`),
  ...['nvme_available_spare_ratio', 'nvme_available_spare_threshold_ratio'],
  ...['node_md_disks', 'node_md_disks_required', 'node_dmmultipath_device_paths_failed'],
  ...['node_bonding_active', 'node_bonding_slaves'],
];

/** Of exporters that others run: ipmi_exporter, redfish_exporter, snmp_exporter with if_mib. Their texts are in `test/operations`. */
const exported = ['ipmi', 'redfish', 'if-mib'].flatMap((name) =>
  [...read(`test/operations/${name}.txt`).matchAll(/^# TYPE (\w+) /gm)].map(([, metric = '']) => metric),
);

/** Of PostgreSQL, whose collector is held to the exporter by a test of its own. */
const postgres = [
  ...['pg_up', 'pg_stat_activity_count', 'pg_settings_max_connections', 'pg_stat_database_deadlocks'],
  ...['pg_replication_lag_seconds', 'pg_replication_is_replica'],
];

let known: ReadonlySet<string>;
beforeAll(async () => {
  const collector = new HostCollector({ root: '/', pageBytes: 4_096, filesystemDeadlineMs: 2_000, clock: systemClock });
  const host = await collector.collect();
  const sources = readdirSync(join(root, 'packages/signals/src/host')).map((name) =>
    name.endsWith('.ts') && !name.endsWith('.test.ts') ? read(`packages/signals/src/host/${name}`) : '',
  );
  // Of hardware that this machine lacks, the sources must at least have the words.
  for (const name of hardware)
    expect(sources.some((text) => text.includes(name.replace(/^node_([a-z]+)_.*$/, '$1'))) ? name : '').toBe(name);
  for (const name of parts) {
    const word = name.replace(/^smartctl_device_/, '');
    expect(sources.some((text) => text.includes(word)) ? name : '').toBe(name);
  }
  const words = ['points.ts', 'questions.ts', 'sessions.ts', 'adapters/collector.ts']
    .map((name) => read(`packages/signals/src/postgres/${name}`))
    .join('');
  for (const name of postgres) expect(words).toContain(name.replace(/_(max_connections|deadlocks)$/, ''));
  known = new Set([
    ...host.points.map(({ name }) => name),
    ...hardware,
    ...read('test/operations/mariadb-metrics.txt').trim().split('\n'),
    ...[...ownFamilies, ...clockFamilies].map(({ name }) => name),
    ...[...gatewayNames(), ...platformNames(), ...(await ruleNames()), ...storeNames()],
    // Of scrapers and evaluators of rules.
    ...['up', 'ALERTS'],
    ...postgres,
    ...parts,
    ...exported,
  ]);
});

test('the catalogue of metrics is not empty anywhere', () => {
  for (const [beginning, least] of [
    ['node_', 100],
    ['mysql_global_status_wsrep_', 40],
    ['mysql_global_variables_', 300],
    ['coequal_database_', 8],
    ['coequal_gateway_', 40],
    ['coequal_platform_', 10],
    ['coequal_agent_', 8],
    ['coequal_store_', 6],
    ['coequal_rule_', 4],
  ] as const)
    expect([...known].filter((name) => name.startsWith(beginning)).length, beginning).toBeGreaterThanOrEqual(least);
});

test.each([
  ['rate(a_total{b="c d"}[5m]) / ignoring (x) group_left (y) sum by (z) (d) > 1e9', ['a_total', 'd']],
  ['a:b:c unless on (h) min_over_time(e[1h]) # f', ['a:b:c', 'e']],
  ['label_replace(a, "x", "$1", "y", "z.*") and b offset 5m == bool 1', ['a', 'b']],
])('the names in %s are found', (expression, names) => {
  expect(metricNames(expression)).toEqual(names);
});

test('rules use metrics that are told', () => {
  const recorded = new Set(
    groupsOf().flatMap(({ rules }) => rules.flatMap((rule) => (rule.kind === 'recording' ? [rule.record] : []))),
  );
  const unknown = groupsOf().flatMap(({ rules }) =>
    rules.flatMap(({ expr }) => metricNames(expr).filter((name) => !known.has(name) && !recorded.has(name))),
  );
  expect([...new Set(unknown)]).toEqual([]);
});

describe('each alert', () => {
  const alerts = groupsOf().flatMap(({ rules }) => rules.flatMap((rule) => (rule.kind === 'alerting' ? [rule] : [])));
  const text = (
    template: readonly { readonly kind: string; readonly text?: string }[] | undefined,
  ): string | undefined => (template?.length === 1 ? template[0]?.text : undefined);

  test('has a name of its own, a severity, and says what and why', () => {
    expect(new Set(alerts.map(({ alert }) => alert)).size).toBe(alerts.length);
    for (const { alert, labels, annotations } of alerts) {
      expect(labels.has('severity'), alert).toBe(true);
      const severity = text(labels.get('severity'));
      if (severity !== undefined) expect(['critical', 'warning', 'info'], alert).toContain(severity);
      expect(annotations.get('summary')?.length ?? 0, alert).toBeGreaterThan(0);
      expect(annotations.get('description')?.length ?? 0, alert).toBeGreaterThan(0);
    }
  });

  test('names a cause of the catalogue and its runbook, or neither', () => {
    for (const { alert, annotations } of alerts) {
      const [cause, runbook] = [text(annotations.get('cause')), text(annotations.get('runbook'))];
      expect(cause === undefined, alert).toBe(runbook === undefined);
      const known = causeNames.find((name) => name === cause);
      if (cause !== undefined) expect(known === undefined ? alert : catalogue[known].runbook, alert).toBe(runbook);
    }
  });
});

describe('each dashboard', () => {
  const files = readdirSync(folder('dashboards'));
  test.each(files)('%s uses metrics that are told', (name) => {
    const expressions = expressionsOf(read(`operations/dashboards/${name}`));
    expect(expressions.length).toBeGreaterThan(10);
    const unknown = expressions.flatMap((expression) => metricNames(expression).filter((metric) => !known.has(metric)));
    expect([...new Set(unknown)]).toEqual([]);
  });

  test.each(files)('%s is one that Grafana takes: an id, a store to choose, panels with a unit', (name) => {
    const dashboard: unknown = JSON.parse(read(`operations/dashboards/${name}`));
    expect(dashboard).toMatchObject({
      uid: expect.stringMatching(/^coequal-[a-z]+$/),
      title: expect.any(String),
      schemaVersion: expect.any(Number),
      templating: {
        list: expect.arrayContaining([expect.objectContaining({ name: 'datasource', type: 'datasource' })]),
      },
    });
    const { panels } = dashboard as { readonly panels: readonly Readonly<Record<string, unknown>>[] };
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    for (const panel of panels)
      if (panel['type'] !== 'row')
        expect(panel).toMatchObject({
          title: expect.any(String),
          datasource: { type: 'prometheus', uid: expect.stringContaining('datasource') },
          fieldConfig: { defaults: { unit: expect.any(String) } },
        });
  });
});
