/**
 * Our own rules and dashboards on the real store: each alert fires on series that are wrong and not on series that are well, coarse rules give
 * series, and every expression of every dashboard is one that the store understands.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '@coequal/kernel';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Sample } from '../sample.ts';
import { openTestStore, type TestStore } from '../store/testing.ts';
import { GroupRun } from './group.ts';
import type { RuleGroup } from './model.ts';
import { ruleCases } from './operations-cases.ts';
import { formatRuleProblem, parseRuleFile } from './parse.ts';
import { expressionsOf, rowsOf } from './testing.ts';

const operations = join(import.meta.dirname, '../../../../operations');
const groupsOf = (isCoarse: boolean): readonly RuleGroup[] =>
  readdirSync(join(operations, 'rules'))
    .filter((name) => name.endsWith('.yml') && (name === 'coarse.yml') === isCoarse)
    .flatMap((name) => {
      const parsed = parseRuleFile(name, readFileSync(join(operations, 'rules', name), 'utf8'));
      if (!parsed.ok) throw new Error(parsed.problems.map(formatRuleProblem).join('\n'));
      return parsed.groups;
    });
const groups = groupsOf(false);
const endMs = Math.floor(systemClock.now() / 60_000) * 60_000;

let store: TestStore;
beforeAll(async () => {
  store = await openTestStore();
  await store.add(
    ruleCases.flatMap(({ fires, quiet, every = 1 }, index) => [
      ...samplesOf(fires, `c${index}-fires-`, every),
      ...samplesOf(quiet, `c${index}-quiet-`, every),
    ]),
  );
});
afterAll(() => store.close());

/** The labels of a place of its own, and values that end now. */
const samplesOf = (rows: Readonly<Record<string, string>>, own: string, every: number): readonly Sample[] => {
  const place = ['host', 'instance', 'service', 'site'].map((name) => `${name}="${own}${name}"`);
  return Object.entries(rows).flatMap(([series, notation]) => {
    const given = place.filter((label) => !series.includes(`,${label.split('=')[0]}=`));
    const [, seconds] = /^now\+(\d+)$/.exec(notation) ?? [];
    const values = seconds === undefined ? notation : `${endMs / 1_000 + Number(seconds)}x60`;
    const samples = rowsOf({ [series.replace('@', given.join(','))]: values }, 0, every * 1_000);
    const last = rowsOf({ x: values.replaceAll('_', '0') }, 0, every * 1_000).at(-1)?.timeMs ?? 0;
    return samples.map((sample) => ({ ...sample, timeMs: sample.timeMs + endMs - last }));
  });
};

const context = { clock: systemClock, externalUrl: '', externalLabels: new Map<string, string>() };

test('each alert fires on what is wrong, and not on what is well', async () => {
  const context = {
    clock: systemClock,
    externalUrl: '',
    externalLabels: new Map<string, string>(),
    store: store.client,
  };
  const fired = new Map<string, Set<string>>();
  const walks = groups.map(async (group) => {
    const run = new GroupRun(group.name, group, context);
    const intervalMs = group.intervalMs ?? 15_000;
    // As long as the longest `for`, and a little more.
    const longest = Math.max(...group.rules.map((rule) => (rule.kind === 'alerting' ? rule.forMs : 0)));
    for (let atMs = endMs - longest - 3 * intervalMs - 20_000; atMs <= endMs; atMs += intervalMs) {
      const { changes, problems } = await run.evaluate(atMs);
      expect(problems).toEqual([]);
      for (const { change, alert } of changes) {
        if (change !== 'fired') continue;
        const name = new Map(alert.labels).get('alertname') ?? '';
        const places = alert.labels.flatMap(([, value]) => /^(c\d+-\w+)-/.exec(value)?.[1] ?? []);
        for (const [text, annotation] of alert.annotations)
          expect(`${text}: ${annotation}`).not.toMatch(/NaN|undefined|\{\{/);
        fired.set(name, new Set([...(fired.get(name) ?? []), ...places]));
      }
    }
  });
  await Promise.all(walks);
  const wrong = ruleCases.flatMap(({ alert }, index) => [
    ...(fired.get(alert)?.has(`c${index}-fires`) === true ? [] : [`${alert} does not fire`]),
    ...(fired.get(alert)?.has(`c${index}-quiet`) === true ? [`${alert} fires on what is well`] : []),
  ]);
  expect(wrong).toEqual([]);
  const alerts = groups.flatMap(({ rules }) => rules.flatMap((rule) => (rule.kind === 'alerting' ? [rule.alert] : [])));
  expect(alerts.filter((alert) => !ruleCases.some((one) => one.alert === alert))).toEqual([]);
});

test('coarse rules are understood, and give series where there is something', async () => {
  let given = 0;
  for (const group of groupsOf(true)) {
    const run = new GroupRun(group.name, group, { ...context, store: store.client });
    const { samples, problems } = await run.evaluate(endMs);
    expect(problems).toEqual([]);
    given += new Set(samples.map(({ name }) => name)).size;
  }
  expect(given).toBeGreaterThan(8);
});

test('every expression of every dashboard is understood by the store', async () => {
  const folder = join(operations, 'dashboards');
  const expressions = readdirSync(folder).flatMap((name) => expressionsOf(readFileSync(join(folder, name), 'utf8')));
  expect(expressions.length).toBeGreaterThan(50);
  const refused: string[] = [];
  for (const expression of new Set(expressions)) {
    const answer = await store.client.range(expression, endMs - 60_000, endMs, 15_000);
    if (!answer.ok) refused.push(`${expression}: ${answer.what}`);
  }
  expect(refused).toEqual([]);
});
