/**
 * How well and how cheaply causes are found: the protocols of `@coequal/diagnosis` on labelled incidents that others
 * published. The data is looked for beside the checkout and never shipped. Figures are shares that went wrong, so that
 * less is better as everywhere in the bench; the spread is over classes (or machines), so the largest is the worst one's.
 */
import { existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { correlateRequest } from '@coequal/contract';
import {
  type Answer,
  abnormalF1,
  calibrationError,
  compound,
  correlate,
  diagnose,
  diagnoseIncident,
  emptyKnowledge,
  firstRight,
  learnProfiles,
  makeWindow,
  otherMachines,
  type Prepared,
  parseCases,
  prepare,
  profileIncident,
  reliability,
  rotations,
  type Score,
  type SignalWindow,
  unseenCause,
  windowFound,
} from '@coequal/diagnosis';
import { assert, fail, seededRandom } from '@coequal/kernel';
import { correlateStored, openDiagnosing } from '@coequal/platform';
import { parseStoreAnswer, type StoreResult } from '@coequal/signals';
import { estateOfSites } from '../estate.ts';
import { type Figure, figureOf } from './figures.ts';
import { incidentScene } from './incident-scene.ts';
import { type BenchOptions, type BenchTools, counting } from './tools.ts';
import { benchUnlike } from './unlike.ts';

const parts: Readonly<Record<string, (folder: string, tools: BenchTools, runs: number) => Promise<void>>> = {
  dbsherlock: async (folder, tools) => benchDbsherlock(await load(`${folder}/dbsherlock/train.ndjson.gz`), tools),
  dbpa: async (folder, tools) => benchDbpa(await load(`${folder}/dbpa/train.ndjson.gz`), tools),
  cost: async (_, tools, runs) => benchCost(tools, runs),
};

const besideCheckout = fileURLToPath(new URL('../../../../../shared/datasets', import.meta.url));
const defaultRuns = 20;

export const benchDiagnosis = async (options: BenchOptions, tools: BenchTools): Promise<void> => {
  const chosen = options.parts ?? Object.keys(parts);
  const unknown = chosen.find((name) => !Object.hasOwn(parts, name));
  if (unknown !== undefined)
    throw fail('COMMAND_USAGE', {
      problem: `The bench diagnosis has no part ${unknown}; it has ${Object.keys(parts).join(', ')}.`,
      help: 'coequal bench --help',
    });
  for (const name of chosen) {
    tools.signal.throwIfAborted();
    // Who asked for nothing in particular gets what can be measured here; who named data or part is told what is missing.
    if (options.parts === undefined && options.datasets === undefined && !isThere(name)) {
      tools.progress(`diagnosis: ${name} skipped: no datasets. Name their folder with --datasets.`);
      continue;
    }
    tools.progress(`diagnosis: ${name} …`);
    await parts[name]?.(options.datasets ?? besideCheckout, tools, options.runs ?? defaultRuns);
  }
};

const isThere = (part: string): boolean => part === 'cost' || existsSync(`${besideCheckout}/${part}/train.ndjson.gz`);

/** A dataset is some megabytes; what unpacks to more than this is something else. */
const maximumBytes = 512 * 2 ** 20;

const load = async (path: string): Promise<readonly Prepared[]> => {
  const found = await stat(path).catch((error: unknown) => {
    throw fail(
      'FILE_MISSING',
      { path, advice: 'Name the folder of labelled incidents with --datasets; docs/diagnosis.md says what it holds.' },
      { cause: error },
    );
  });
  if (!found.isFile()) throw fail('FILE_UNREADABLE', { path, reason: 'it is not a regular file' });
  const text = await promisify(gunzip)(await readFile(path), { maxOutputLength: maximumBytes });
  return prepare(parseCases(text.toString('utf8'), path));
};

const wrongPercent = (right: number, of: number): number => Math.round((1 - right / of) * 10_000) / 100;

type Bars = { readonly bar?: number; readonly worstBar?: number; readonly peer?: readonly [string, number] };

/** A figure of shares that went wrong: the mean over all, and by class. */
const wrongFigure = (
  name: string,
  shares: ReadonlyMap<string, number>,
  mean: number,
  bars: Bars,
  detail: Figure['detail'],
): Figure => {
  const values = [...shares.values()];
  const worst = [...shares].reduce((a, b) => (b[1] > a[1] ? b : a), ['', -1]);
  const peer = bars.peer?.[1] ?? null;
  return {
    ...figureOf({ name: `diagnosis/${name}`, unit: '%', values, ...barsOf(bars) }),
    value: mean,
    peer: bars.peer?.[0] ?? null,
    peer_value: peer,
    ratio: peer === null || peer === 0 ? null : Math.round((mean / peer) * 1_000) / 1_000,
    detail: { worst_class: worst[0], worst_percent: worst[1], ...detail },
  };
};

const barsOf = ({ bar, worstBar }: Bars) => ({
  ...(bar === undefined ? {} : { bar }),
  ...(worstBar === undefined ? {} : { worstBar }),
});

const scoreFigure = (name: string, { right, of, classes }: Score, bars: Bars, detail: Figure['detail'] = {}): Figure =>
  wrongFigure(
    name,
    new Map([...classes].map(([each, tally]) => [each, wrongPercent(tally.right, tally.of)])),
    wrongPercent(right, of),
    bars,
    { tried: of, wrong: of - right, ...detail },
  );

const calibrationDetail = (answers: readonly Answer[]): Figure['detail'] => {
  const bins = reliability(answers);
  return {
    calibration_error_percent: Math.round(calibrationError(bins) * 1_000) / 10,
    reliability: bins
      .map(({ cases, confidence, right }) => `${confidence.toFixed(2)}→${right.toFixed(2)} (${cases})`)
      .join(', '),
  };
};

const published = 'DBSherlock, as published';

const benchDbsherlock = async (cases: readonly Prepared[], tools: BenchTools): Promise<void> => {
  const { figure, signal, progress } = tools;
  const singles = cases.filter(({ one }) => one.kind === 'single');
  const compounds = cases.filter(({ one }) => one.kind === 'compound');
  const told = (answers: readonly Answer[], name: string, bars: Bars): void =>
    figure(scoreFigure(`dbsherlock/${name}`, firstRight(answers), bars, calibrationDetail(answers)));
  told(rotations(singles, 5, true), 'five-examples/wrong', { bar: 0.5, peer: [published, 2.2] });
  signal.throwIfAborted();
  told(rotations(singles, 1, true), 'one-example/wrong', { bar: 1.5, peer: [published, 5.1] });
  signal.throwIfAborted();
  const found = rotations(singles, 5, false);
  figure(scoreFigure('dbsherlock/no-window/window-missed', windowFound(found), { bar: 8, peer: [published, 20] }));
  told(found, 'no-window/five-examples/wrong', { bar: 8, peer: [published, 20] });
  signal.throwIfAborted();
  told(rotations(singles, 1, false), 'no-window/one-example/wrong', {});
  figure(
    scoreFigure('dbsherlock/compound/causes-missed', compound(singles, compounds), {
      bar: 8,
      worstBar: 25,
      peer: [published, 21.7],
    }),
  );
  signal.throwIfAborted();
  benchUnlike(cases, tools);
  progress('diagnosis: dbsherlock, causes never seen …');
  const areas = new Map([...unseenCause(singles)].map(([cause, area]) => [cause, wrongPercent(area, 1)]));
  const mean = [...areas.values()].reduce((sum, area) => sum + area, 0) / areas.size;
  figure(
    wrongFigure(
      'dbsherlock/unseen-cause/auroc-missing',
      areas,
      Math.round(mean * 100) / 100,
      { bar: 1, worstBar: 5, peer: [published, 8.4] },
      {},
    ),
  );
};

const benchDbpa = async (cases: readonly Prepared[], { figure, signal, progress }: BenchTools): Promise<void> => {
  for (const given of [true, false]) {
    signal.throwIfAborted();
    const where = `dbpa/other-machine/${given ? 'window-given' : 'no-window'}`;
    progress(`diagnosis: ${where} …`);
    const byMachine = otherMachines(cases, given);
    const answers = [...byMachine.values()].flat();
    const wrongBy = (kept: (answer: Answer) => boolean): ReadonlyMap<string, number> =>
      new Map(
        [...byMachine].map(([machine, own]) => {
          const { right, of } = firstRight(own.filter(kept));
          return [machine, wrongPercent(right, of)];
        }),
      );
    const abnormal = ({ one }: Answer): boolean => one.causes.length > 0;
    const all = firstRight(answers);
    const causesOnly = firstRight(answers.filter(abnormal));
    const bars: Bars = given ? { bar: 1.5, worstBar: 3, peer: ['a forest on robust shifts', 3.2] } : {};
    figure(
      wrongFigure(
        `${where}/machines/wrong`,
        wrongBy(() => true),
        wrongPercent(all.right, all.of),
        bars,
        calibrationDetail(answers),
      ),
    );
    figure(
      wrongFigure(
        `${where}/machines/wrong-of-abnormal`,
        wrongBy(abnormal),
        wrongPercent(causesOnly.right, causesOnly.of),
        bars,
        {},
      ),
    );
    figure(scoreFigure(`${where}/classes/wrong`, all, {}));
    const missing = new Map([...byMachine].map(([machine, own]) => [machine, wrongPercent(abnormalF1(own), 1)]));
    figure(
      wrongFigure(
        `${where}/normal-or-abnormal/f1-missing`,
        missing,
        wrongPercent(abnormalF1(answers), 1),
        { bar: 3, peer: ['best published', 4.9] },
        {},
      ),
    );
    if (!given) figure(scoreFigure(`${where}/window-missed`, windowFound(answers), {}));
  }
};

const costSignals = 1_000;
const costRows = 600;
const costIncidents = 60;

/** Made-up windows of the size that counts: a tenth of the signals steps up in the last third. */
const costWindow = (seed: number): SignalWindow => {
  const random = seededRandom(seed);
  return makeWindow({
    startMs: 0,
    stepMs: 1_000,
    length: costRows,
    signals: Array.from({ length: costSignals }, (_, index) => ({
      name: index === 0 ? 'latency' : `signal_${index}`,
      labels: {},
      kind: 'gauge' as const,
      values: Float64Array.from(
        { length: costRows },
        (_, row) => random.next() + ((index + seed) % 10 === 0 && row >= 400 ? 2 : 1),
      ),
    })),
  });
};

const correlationSignals = 5_000;
const correlationRows = 3_600;

/** One chart against all signals of an hour. */
const correlationFigure = (runs: number): Figure => {
  const random = seededRandom(1);
  const signals = Array.from({ length: correlationSignals }, (_, index) => ({
    name: `signal_${index}`,
    labels: {},
    kind: 'gauge' as const,
    values: Float64Array.from(
      { length: correlationRows },
      (_, row) => random.next() + (index % 50 === 0 ? Math.sin(row / 99) : 0),
    ),
  }));
  const window = makeWindow({ startMs: 0, stepMs: 1_000, length: correlationRows, signals });
  const [chart] = window.signals;
  const values = counting(runs).map(() =>
    cpuMs(() => chart && correlate(window, chart, { start: 0, end: correlationRows })),
  );
  const note = `one chart against ${correlationSignals} signals of ${correlationRows} samples, lags up to 30, in CPU time`;
  return figureOf({ name: 'diagnosis/correlation/cpu', unit: 'ms', values, bar: 1_000, note });
};

const storedHosts = 5;
const storedPoints = 120;

/** The same of a store: what a platform computes, reading the answers included; the store is one that has its answers ready. */
const storedCorrelationFigure = async ({ clock, figure }: BenchTools, runs: number): Promise<void> => {
  const random = seededRandom(2);
  const endMs = correlationRows * 1_000;
  const estate = estateOfSites('cost', storedHosts, 'default');
  const hosts = estate.sites.flatMap((site) => site.hosts.map(({ name }) => name));
  const each = correlationSignals / hosts.length;
  const answerOf = (host: string, signals: number, points: number): string => {
    const result = counting(signals).map((index) => {
      const values = counting(points).map((row) => {
        const value = random.next() + (index % 50 === 1 ? Math.sin(row / 7) : 0);
        return [(row * endMs) / points / 1_000, String(value)];
      });
      return { metric: { __name__: `signal_${index}`, host }, values };
    });
    return JSON.stringify({ status: 'success', data: { resultType: 'matrix', result } });
  };
  const coarse = new Map(hosts.map((host) => [host, answerOf(host, each, storedPoints)]));
  const fine = answerOf(hosts[0] ?? '', 1, correlationRows);
  const none = JSON.stringify({ status: 'success', data: { resultType: 'matrix', result: [] } });
  const range = async (query: string): Promise<StoreResult> => {
    const host = /host="([^"]*)"/.exec(query)?.[1] ?? '';
    const named = /__name__="(signal_\d+)"/.exec(query)?.[1];
    if (named === undefined) return parseStoreAnswer(coarse.get(host) ?? none);
    return parseStoreAnswer(fine.replace('"signal_1"', JSON.stringify(named)));
  };
  const request = correlateRequest.parse({
    ...{ name: 'signal_1', labels: { host: hosts[0] ?? '' }, fromMs: 0, toMs: endMs - 1_000 },
  });
  const values: number[] = [];
  for (const _ of counting(runs)) {
    const before = process.cpuUsage();
    const { searched } = await correlateStored({ store: { range }, estate, clock }, request);
    const { user, system } = process.cpuUsage(before);
    assert(searched === correlationSignals - 1, 'all signals are searched');
    values.push((user + system) / 1_000);
  }
  const note = `one chart against ${correlationSignals} signals of an hour of a store, in CPU time of the platform`;
  figure(figureOf({ name: 'diagnosis/correlation/store/cpu', unit: 'ms', values, bar: 1_000, note }));
};

const cpuMs = (work: () => unknown): number => {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
};

const wideSignals = 6_000;
const wideRuns = 5;

/** For how long the thread that takes in and looks is kept from it by a diagnosis of the widest scene, without and with a thread for it. */
const blockedFigures = async ({ figure, clock }: BenchTools): Promise<void> => {
  const scene = incidentScene(wideSignals, costRows);
  const { diagnose: ask, close } = openDiagnosing({
    ...{ estate: scene.estate, weights: undefined, knowledge: () => emptyKnowledge, clock },
  });
  const timed = (work: () => unknown): number => {
    const begun = clock.monotonic();
    work();
    return clock.monotonic() - begun;
  };
  try {
    // The thread's first scene names all its signals; later ones name what is new.
    await ask(scene);
    const within = counting(wideRuns).map(() => timed(() => diagnoseIncident(scene)));
    const beside: number[] = [];
    for (const _ of counting(wideRuns)) {
      let answer: Promise<unknown> = Promise.resolve();
      beside.push(timed(() => (answer = ask(scene))));
      await answer;
    }
    const note = `a live incident of ${wideSignals} signals of ${costRows} samples`;
    const peer = { name: 'in the same thread', values: within };
    figure(figureOf({ name: 'diagnosis/incident/blocked', unit: 'ms', values: beside, peer, note }));
  } finally {
    await close();
  }
};

const benchCost = async (tools: BenchTools, runs: number): Promise<void> => {
  const { figure } = tools;
  const witness = learnProfiles({
    incidents: counting(costIncidents).map((number) =>
      profileIncident(`case-${number}`, [`cause-${number % 10}`], costWindow(number), { start: 400, end: costRows }),
    ),
  });
  const window = costWindow(7);
  diagnose(window, witness);
  const values = counting(runs).map(() => cpuMs(() => diagnose(window, witness)));
  figure(
    figureOf({
      name: 'diagnosis/cost/cpu',
      unit: 'ms',
      values,
      bar: 50,
      peer: { name: 'CIRCA, as published', values: [578] },
      note: `${costSignals} signals of ${costRows} samples, ${costIncidents} known incidents, stretch not given, in CPU time`,
    }),
  );
  const scene = incidentScene(costSignals, costRows);
  diagnoseIncident(scene);
  figure(
    figureOf({
      name: 'diagnosis/incident/cpu',
      unit: 'ms',
      values: counting(runs).map(() => cpuMs(() => diagnoseIncident(scene))),
      bar: 50,
      note: `a live incident: ${costSignals} signals of ${costRows} samples of three sites, in CPU time`,
    }),
  );
  await blockedFigures(tools);
  figure(correlationFigure(runs));
  await storedCorrelationFigure(tools, runs);
};
