/** Rules at work against a store whose answers and absences the test decides, on a clock that the test moves. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Clock, Counters, prometheusText, silentLog } from '@coequal/kernel';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { decodeRemoteWrite } from '../remote/remote-write.ts';
import { labelsOf, labelValue, type Sample } from '../sample.ts';
import type { StoreResult } from '../store/results.ts';
import { type AlertsTold, type RulesOptions, type RunningRules, runRules } from './adapters/run.ts';
import { missedBetween, turnAt } from './schedule.ts';

type Timer = { readonly atMs: number; readonly wake: () => void };

/** Time stands still but for `advance`. */
class TestClock implements Clock {
  #nowMs = 1_700_000_000_000;
  #timers: Timer[] = [];
  now = (): number => this.#nowMs;
  monotonic = (): number => this.#nowMs;
  sleep = (ms: number, signal?: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      const timer = { atMs: this.#nowMs + ms, wake: resolve };
      this.#timers.push(timer);
      signal?.addEventListener('abort', () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
        reject(signal.reason);
      });
    });

  async advance(ms: number): Promise<void> {
    const end = this.#nowMs + ms;
    for (;;) {
      await settled();
      const next = this.#timers.filter(({ atMs }) => atMs <= end).sort((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((other) => other !== next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.wake();
    }
    this.#nowMs = end;
    await settled();
  }

  jump(ms: number): void {
    this.#nowMs += ms;
  }
}

/** Everything that waits for nothing but itself is done. */
const settled = async (): Promise<void> => {
  for (let round = 0; round < 5; round += 1) await new Promise((resolve) => setImmediate(resolve));
};

const series = (labels: Readonly<Record<string, string>>, value: number) => ({
  labels: labelsOf(Object.entries(labels)) ?? [],
  timesMs: new Float64Array([0]),
  values: new Float64Array([value]),
});

let folder: string;
let clock: TestClock;
let answers: Map<string, StoreResult | (() => Promise<StoreResult>)>;
let asked: { readonly query: string; readonly atMs: number }[];
let told: AlertsTold[];
let written: Sample[];
let counters: Counters;
let running: RunningRules | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'coequal-rules-'));
  clock = new TestClock();
  [answers, asked, told, written] = [new Map(), [], [], []];
  running = undefined;
});
afterEach(async () => {
  await running?.close();
  await rm(folder, { recursive: true });
});

const empty: StoreResult = { ok: true, series: [], warnings: [] };
const answerOf = (...list: readonly ReturnType<typeof series>[]): StoreResult => ({
  ok: true,
  series: list,
  warnings: [],
});
const file = async (text: string, name = 'test.yml'): Promise<void> => {
  await writeFile(join(folder, name), text);
};
const options = (): RulesOptions => {
  counters = new Counters();
  return {
    files: [folder],
    store: {
      instant: async (query, atMs) => {
        asked.push({ query, atMs });
        const answer = answers.get(query);
        return typeof answer === 'function' ? await answer() : (answer ?? empty);
      },
    },
    recordTo: {
      write: async (body) => {
        const decoded = decodeRemoteWrite(body);
        if (decoded.ok) written.push(...decoded.samples);
        return { outcome: 'taken' };
      },
    },
    clock,
    log: silentLog,
    usualIntervalMs: 1_000,
    externalUrl: 'https://ops.example',
    externalLabels: { platform: 'north' },
    counters,
    onAlerts: (one) => void told.push(one),
  };
};
const start = async (more: Partial<RulesOptions> = {}): Promise<RunningRules> => {
  const result = await runRules({ ...options(), ...more });
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  running = result.rules;
  return result.rules;
};
const changes = (): readonly string[] =>
  told.flatMap((one) => one.changes.map(({ change, alert }) => `${labelValue(alert.labels, 'alertname')} ${change}`));

const oneRule = (more = '') => `groups:
- name: g
  rules:
  - alert: Down
    expr: up == 0
    for: 3s
    annotations: {summary: '{{ $labels.host }}'}
${more}`;

test('an alert is pending, fires and resolves, and is told with its texts', async () => {
  await file(oneRule());
  await start();
  await clock.advance(2_000);
  expect(changes()).toEqual([]);
  answers.set('up == 0', answerOf(series({ host: 'a' }, 0)));
  await clock.advance(5_000);
  expect(changes()).toEqual(['Down pending', 'Down fired']);
  expect([...(running?.alerts()[0]?.annotations ?? [])]).toEqual([['summary', 'a']]);
  answers.set('up == 0', empty);
  await clock.advance(1_000);
  expect(changes()).toEqual(['Down pending', 'Down fired', 'Down resolved']);
  expect(running?.alerts()).toEqual([]);
});

test('what is written are the series of Prometheus, and their end', async () => {
  await file(oneRule('  - {record: "a:b", expr: up, labels: {job: x}}\n'));
  answers.set('up == 0', answerOf(series({ host: 'a' }, 0)));
  answers.set('up', answerOf(series({ __name__: 'up', host: 'a' }, 7)));
  await start();
  await clock.advance(1_000);
  const names = written.map(
    ({ name, labels, value }) => `${name}${JSON.stringify(Object.fromEntries(labels))} ${value}`,
  );
  expect(names).toContain('ALERTS{"alertname":"Down","alertstate":"pending","host":"a","platform":"north"} 1');
  expect(names).toContain('a:b{"host":"a","job":"x","platform":"north"} 7');
  const since = written.find(({ name }) => name === 'ALERTS_FOR_STATE');
  expect(since?.value).toBe((since?.timeMs ?? 0) / 1_000);
  await clock.advance(4_000);
  written.length = 0;
  answers.set('up == 0', empty);
  await clock.advance(1_000);
  const over = written
    .filter(({ value }) => Number.isNaN(value))
    .map(({ name, labels }) => `${name} ${labelValue(labels, 'alertstate')}`);
  expect(over).toEqual(['ALERTS firing', 'ALERTS_FOR_STATE ']);
});

test('a store that is away changes no alert, and is an alert itself', async () => {
  await file(oneRule());
  answers.set('up == 0', answerOf(series({ host: 'a' }, 0)));
  await start();
  await clock.advance(5_000);
  answers.set('up == 0', { ok: false, what: 'the store answers 503' });
  await clock.advance(20_000);
  expect(changes()).toEqual(['Down pending', 'Down fired', 'RulesNotEvaluated pending']);
  await clock.advance(15_000);
  expect(changes().at(-1)).toBe('RulesNotEvaluated fired');
  const failing = running?.alerts().find(({ labels }) => labelValue(labels, 'alertname') === 'RulesNotEvaluated');
  expect(failing?.annotations.get('description')).toBe('test.yml;g: Down: the store answers 503');
  expect(failing?.annotations.get('summary')).toBe('Rules of 1 groups cannot be evaluated');
  expect(running?.groups()[0]?.problems).toEqual(['Down: the store answers 503']);
  answers.set('up == 0', answerOf(series({ host: 'a' }, 0)));
  await clock.advance(2_000);
  expect(changes().at(-1)).toBe('RulesNotEvaluated resolved');
  expect(prometheusText(counters.snapshot())).toMatch(
    /coequal_rule_evaluation_failures_total\{rule_group="test.yml;g"\} 3\d/,
  );
});

test('one that takes too long is not evaluated twice at once, and what it missed is counted', async () => {
  await file(oneRule());
  let release: () => void = () => undefined;
  const late = (): Promise<StoreResult> =>
    new Promise((resolve) => {
      release = () => resolve(empty);
    });
  answers.set('up == 0', late);
  await start();
  await clock.advance(10_000);
  expect(asked.filter(({ query }) => query === 'up == 0')).toHaveLength(1);
  release();
  await clock.advance(500);
  expect(asked.filter(({ query }) => query === 'up == 0')).toHaveLength(2);
  release();
  answers.set('up == 0', empty);
  await clock.advance(2_000);
  const missed = /missed_total\{rule_group="test.yml;g"\} (\d+)/.exec(prometheusText(counters.snapshot()))?.[1];
  expect(Number(missed)).toBeGreaterThanOrEqual(8);
});

test('a clock that jumps back goes on being served', async () => {
  await file(oneRule());
  answers.set('up == 0', answerOf(series({ host: 'a' }, 0)));
  await start();
  await clock.advance(2_000);
  clock.jump(-3_600_000);
  await clock.advance(3_605_000);
  expect(changes()).toEqual(['Down pending', 'Down fired']);
});

test('what was told is taken up after a restart: firing goes on, pending waits on, gone is resolved', async () => {
  await file(oneRule('  - {alert: Other, expr: other, for: 10m}\n  - {alert: Gone, expr: gone}\n'));
  const toldMs = clock.now() - 60_000;
  const group = 'coequal_rule_group_evaluated_seconds{platform="north",rule_group="test.yml;g"}';
  answers.set(`last_over_time(${group}[3600s])`, answerOf(series({}, toldMs / 1_000)));
  const own = (name: string, more: Record<string, string> = {}) => ({
    alertname: name,
    host: 'a',
    platform: 'north',
    ...more,
  });
  for (const [name, sinceMs] of [
    ['Down', toldMs - 20_000],
    ['Other', toldMs - 300_000],
    ['Gone', toldMs],
  ] as const)
    answers.set(
      `ALERTS_FOR_STATE{alertname="${name}",platform="north"}`,
      answerOf(series({ __name__: 'ALERTS_FOR_STATE', ...own(name) }, sinceMs / 1_000)),
    );
  for (const name of ['Down', 'Gone'])
    answers.set(
      `ALERTS{alertname="${name}",platform="north",alertstate="firing"}`,
      answerOf(series({ __name__: 'ALERTS', ...own(name, { alertstate: 'firing' }) }, 1)),
    );
  answers.set('up == 0', answerOf(series({ host: 'a' }, 0)));
  answers.set('other', answerOf(series({ host: 'a' }, 1)));
  await start();
  await clock.advance(1_500);
  expect(changes()).toEqual(['Gone resolved', 'Down taken-up']);
  expect(told[0]?.changes.at(-1)?.alert.annotations.get('summary')).toBe('a');
  expect(asked.find(({ query }) => query.startsWith('ALERTS_FOR_STATE'))?.atMs).toBe(toldMs);
  // 300 of its 600 seconds were waited for before, and none while nobody looked.
  await clock.advance(297_000);
  expect(changes()).not.toContain('Other fired');
  await clock.advance(5_000);
  expect(changes()).toContain('Other fired');
});

test('what was told cannot be asked for: nothing is evaluated before it can', async () => {
  await file(oneRule());
  const restore =
    'last_over_time(coequal_rule_group_evaluated_seconds{platform="north",rule_group="test.yml;g"}[3600s])';
  answers.set(restore, { ok: false, what: 'away' });
  await start();
  await clock.advance(3_000);
  expect(asked.some(({ query }) => query === 'up == 0')).toBe(false);
  expect(running?.groups()[0]?.problems).toEqual(['taking up its alerts: away']);
  answers.delete(restore);
  await clock.advance(1_000);
  expect(asked.some(({ query }) => query === 'up == 0')).toBe(true);
});

test('templates ask the store, and texts come with the answers', async () => {
  await file(`groups:
- name: g
  rules:
  - alert: Down
    expr: up == 0
    labels: {load: '{{ with query (printf "load{host=%q}" $labels.host) }}{{ . | first | value }}{{ end }}'}
    annotations: {summary: '{{ query "a" | first | label "name" | printf "b%s" | query | first | value }}'}
`);
  answers.set('up == 0', answerOf(series({ host: 'a' }, 0)));
  answers.set('load{host="a"}', answerOf(series({}, 3)));
  answers.set('a', answerOf(series({ name: '1' }, 3)));
  answers.set('b1', answerOf(series({}, 9)));
  await start();
  await clock.advance(1_000);
  const [alert] = running?.alerts() ?? [];
  expect(labelValue(alert?.labels ?? [], 'load')).toBe('3');
  expect(alert?.annotations.get('summary')).toBe('9');
});

describe('reading the files again', () => {
  test('keeps the old where the new is wrong, and says line and mistake', async () => {
    await file(oneRule());
    answers.set('up == 0', answerOf(series({ host: 'a' }, 0)));
    const rules = await start();
    await clock.advance(5_000);
    await file('groups:\n- name: g\n  rules:\n  - alert: Down\n    expr: (up\n');
    expect(await rules.reload()).toEqual([expect.objectContaining({ line: 5, what: '")" is missing at its end' })]);
    await clock.advance(2_000);
    expect(changes()).toEqual(['Down pending', 'Down fired']);
  });

  test('keeps what fires, resolves what is no more, begins what is new', async () => {
    await file(oneRule('  - {alert: Second, expr: up == 0}\n'));
    await file('groups: [{name: other, rules: [{alert: Third, expr: up == 0}]}]', 'other.yml');
    answers.set('up == 0', answerOf(series({ host: 'a' }, 0)));
    const rules = await start();
    await clock.advance(5_000);
    told.length = 0;
    await rm(join(folder, 'other.yml'));
    await file(oneRule('  - {alert: Fourth, expr: up == 0}\n'));
    expect(await rules.reload()).toEqual([]);
    await clock.advance(2_000);
    expect([...changes()].sort()).toEqual(['Fourth fired', 'Third resolved']);
    expect(rules.alerts().map(({ labels }) => labelValue(labels, 'alertname'))).toEqual(['Down', 'Fourth']);
  });
});

test('files that cannot be used are all told at once', async () => {
  await file('groups: 3', 'a.yml');
  await file(`${'groups:'}\n- {name: g, rules: [{alert: x}]}\n`, 'b.yaml');
  const result = await runRules({ ...options(), files: [folder, `${folder}/missing.yml`] });
  const problems = result.ok
    ? []
    : result.problems.map(({ file: path, line }) => `${path.slice(folder.length)}:${line}`);
  expect(problems.sort()).toEqual(['/a.yml:1', '/b.yaml:2', '/missing.yml:1']);
});

test('coarse rules are written elsewhere', async () => {
  await file(oneRule());
  await file('groups: [{name: c, rules: [{record: "x:y", expr: up}]}]', 'coarse.rules');
  answers.set('up', answerOf(series({ host: 'a' }, 7)));
  const elsewhere: string[] = [];
  const write = async (body: Uint8Array) => {
    const decoded = decodeRemoteWrite(body);
    if (decoded.ok) elsewhere.push(...decoded.samples.map(({ name }) => name));
    return { outcome: 'taken' } as const;
  };
  await start({ coarse: { files: [join(folder, 'coarse.rules')], recordTo: { write } } });
  await clock.advance(1_000);
  expect(elsewhere).toContain('x:y');
  expect(written.map(({ name }) => name)).not.toContain('x:y');
});

test('results wait for a sink that is away, in order and bounded', async () => {
  await file('groups: [{name: c, rules: [{record: "x:y", expr: up}]}]');
  answers.set('up', answerOf(series({}, 1)));
  let away = true;
  const times: number[] = [];
  const write = async (body: Uint8Array) => {
    if (away) return { outcome: 'again', what: 'away' } as const;
    const decoded = decodeRemoteWrite(body);
    if (decoded.ok) times.push(...decoded.samples.filter(({ name }) => name === 'x:y').map(({ timeMs }) => timeMs));
    return { outcome: 'taken' } as const;
  };
  await start({ recordTo: { write } });
  await clock.advance(2_100_000);
  away = false;
  await clock.advance(2_000);
  expect(times).toEqual([...times].sort((a, b) => a - b));
  expect(times.length).toBeGreaterThan(1_900);
  expect(times.length).toBeLessThan(2_050);
  expect(prometheusText(counters.snapshot())).toMatch(/coequal_rule_results_dropped_total \d\d+/);
});

test('a turn is never in the future, comes once an interval, and is the same for all', () => {
  const interval = fc.integer({ min: 100, max: 3_600_000 });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2_000_000_000_000 }), interval, fc.string(), (nowMs, intervalMs, group) => {
      const { turn, atMs, nextInMs } = turnAt(nowMs, intervalMs, group);
      expect(atMs).toBeLessThanOrEqual(nowMs);
      expect(nowMs - atMs).toBeLessThan(intervalMs);
      expect(turnAt(nowMs + nextInMs, intervalMs, group)).toMatchObject({ turn: turn + 1, atMs: atMs + intervalMs });
      expect(missedBetween(turn, turn + 1)).toBe(0);
    }),
  );
});
