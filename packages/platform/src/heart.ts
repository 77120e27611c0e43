/**
 * The platform without the world around it: everything that is told comes in here, twice a second everything is looked at, and
 * incidents and events go out. Time, disk and network are ports.
 */
import type { ChangeEvent, Incident, PlatformHealth } from '@coequal/contract';
import { type Clock, Counters, type Log, type Random, reasonOf } from '@coequal/kernel';
import { LiveWindow, type Sample } from '@coequal/signals';
import { Keeper } from './incidents/keeper.ts';
import { learningScene } from './incidents/learning.ts';
import { sceneOf } from './incidents/scene.ts';
import { summaryOf } from './incidents/summary.ts';
import { Intake } from './ingest/intake.ts';
import { limits } from './limits.ts';
import { newestSamples } from './live/samples.ts';
import { Stream } from './live/stream.ts';
import type { Silences } from './notify/silences.ts';
import { makePlaces } from './places.ts';
import type { Core, Diagnose, Headroom, Learn, MetricsStore, Rules } from './ports.ts';
import type { PlatformSettings } from './settings.ts';
import type { EventStore, IncidentStore } from './store/port.ts';
import { type Finding, findingKey } from './watch/finding.ts';
import { Outside } from './watch/outside.ts';
import { Readings } from './watch/reading.ts';
import { refilledDetectors } from './watch/refill.ts';
import { Watcher } from './watch/watcher.ts';

export type HeartOptions = {
  readonly settings: PlatformSettings;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly version: string;
  readonly incidents: IncidentStore;
  readonly events: EventStore;
  readonly store: MetricsStore | undefined;
  readonly rules: () => Rules | undefined;
  readonly headroom: () => Headroom | undefined;
  readonly silences: Silences;
  /** Told what is open after each look. */
  readonly onLook: (open: readonly Incident[]) => void;
  readonly diagnose: Diagnose | undefined;
  readonly learn: Learn | undefined;
};

export type Heart = {
  readonly core: Core;
  /** Every `limits.watch.everyMs`. */
  readonly beat: () => void;
  /** Asks the store for what a restart forgot; resolves when that is known, or cannot be. */
  readonly refill: (signal: AbortSignal) => Promise<void>;
};

export const makeHeart = (options: HeartOptions): Heart => {
  const { settings, clock, log, random } = options;
  const counters = new Counters();
  const places = makePlaces(settings.estate);
  const window = liveWindow(settings);
  const readings = new Readings(window, places);
  const stream = new Stream(Math.floor(random.next() * 2 ** 32).toString(36));
  const outside = new Outside(places);
  const intake = new Intake({
    ...{ window, events: options.events, counters, log },
    onEvents: (events) => {
      for (const event of events) stream.publish({ kind: 'event', event });
    },
  });
  const startedMs = clock.now();
  const liveFromMs = (): number =>
    Math.max(startedMs + 1_000, clock.now() - (settings.platform.liveMinutes * 60 - 1) * 1_000);
  const sources = {
    ...{ window, places },
    changes: (fromMs: number): readonly ChangeEvent[] => intake.changes(fromMs),
    logs: (fromMs: number) => intake.logs(fromMs),
    details: (instance: string) => intake.details(instance),
  };
  const keeper = new Keeper({
    ...{ store: options.incidents, places, counters, log },
    newId: (nowMs) => newId(nowMs, random),
    now: () => clock.now(),
    diagnose: async (incident, nowMs) => options.diagnose?.(sceneOf(incident, sources, nowMs)),
    onChange: (incident: Incident) => stream.publish({ kind: 'incident', incident: summaryOf(incident) }),
    onConfirmed: (incident, cause) => {
      if (options.learn === undefined) return;
      const { learn, store } = options;
      learningScene(incident, sources, { nowMs: clock.now(), liveFromMs: liveFromMs(), store })
        .then((scene) => learn(incident, cause, scene))
        .catch((error: unknown) =>
          log('error', 'nothing was learned from an incident', { id: incident.id, reason: reasonOf(error) }),
        );
    },
  });
  const watcher = new Watcher(places, window);
  const startedMonotonic = clock.monotonic();
  intake.recall(startedMs);
  keeper.recall(startedMs);
  const own = ownMetrics(counters);
  const health = (): PlatformHealth => healthOf({ options, core, upMs: clock.monotonic() - startedMonotonic });
  const core: Core = {
    ...{ clock, log, counters, places, window, readings, intake, keeper, outside, stream, health },
    ...{ incidents: options.incidents, events: options.events, store: options.store },
    ...{ liveFromMs, silences: options.silences, rules: options.rules, headroom: options.headroom },
  };
  let beats = 0;
  const watched = withoutLateLooks();
  const beat = (): void => {
    const nowMs = clock.now();
    const began = clock.monotonic();
    const look = {
      ...{ nowMs, places, readings, sinceStartMs: began - startedMonotonic },
      heardMs: (host: string) => intake.heardMs(host),
      skewMs: (host: string) => intake.skewMs(host),
      detail: (instance: string) => intake.details(instance).at(-1),
    };
    const findings = [
      ...watched(began, () => watcher.look(look)),
      ...outside.findings(nowMs),
      ...(options.rules()?.findings() ?? []),
      ...(options.headroom()?.findings() ?? []),
      ...ownFindings(settings, options.store, keeper.problem, look.sinceStartMs, nowMs),
    ];
    keeper.step(findings, nowMs);
    keeper
      .diagnoseNext(nowMs)
      .catch((error: unknown) => log('error', 'a diagnosis was lost', { reason: reasonOf(error) }));
    options.onLook(keeper.open);
    if (beats % 10 === 0) keeper.retry();
    if (beats % 1_200 === 1_199) {
      keeper.prune();
      intake.prune();
    }
    beats += 1;
    if (beats % 2 === 0) stream.tick((names) => newestSamples(window, names, nowMs));
    own(core, watcher.detectors, findings.length, clock.monotonic() - began);
  };
  const refill = async (signal: AbortSignal): Promise<void> => {
    if (options.store === undefined) return;
    const { store } = options;
    const onSamples = (samples: readonly Sample[]): void => window.ingest(samples, clock.now());
    const detectors = await refilledDetectors({ places, store, clock, log, signal, onSamples });
    if (detectors !== undefined && !signal.aborted) watcher.adopt(detectors);
  };
  return { core, beat, refill };
};

/**
 * A look that comes late sees the past: what was told meanwhile waits to be taken in, and everybody seems silent. So after a standstill of
 * the process what was seen before counts until that has been caught up with.
 */
const withoutLateLooks = () => {
  let [last, lastMs, untilMs]: [readonly Finding[], number, number] = [[], Number.NaN, 0];
  return (monotonicMs: number, look: () => readonly Finding[]): readonly Finding[] => {
    const { everyMs, lateMs, catchUpMs } = limits.watch;
    if (monotonicMs - lastMs > everyMs + lateMs) untilMs = monotonicMs + catchUpMs;
    lastMs = monotonicMs;
    if (monotonicMs >= untilMs) last = look();
    return last;
  };
};

const liveWindow = ({ platform }: PlatformSettings): LiveWindow => {
  const seconds = platform.liveMinutes * 60;
  return new LiveWindow({
    seconds,
    seriesLimit: platform.liveSignals,
    ringLimit: Math.max(1_000, Math.floor(platform.liveMemoryBytes / (seconds * 8))),
    staleSeconds: 300,
    futureSeconds: limits.ingest.futureSeconds,
  });
};

/** Sorts by time, and cannot be guessed to be another's. */
const newId = (nowMs: number, random: Random): string => {
  const time = new Date(nowMs).toISOString().slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '-');
  return `${time}-${random
    .below(36 ** 4)
    .toString(36)
    .padStart(4, '0')}`;
};

/** What is wrong with the platform's own means. A store that is away for a moment is nothing. */
const storeAwayMs = 5_000;
const away = new WeakMap<MetricsStore, number>();

const ownFindings = (
  { platform, site }: PlatformSettings,
  store: MetricsStore | undefined,
  storageProblem: string | null,
  sinceStartMs: number,
  nowMs: number,
): readonly Finding[] => {
  const findings: Finding[] = [];
  const place = site === undefined ? {} : { site, host: platform.host };
  const one = (
    name: string,
    labels: Readonly<Record<string, string>>,
    summary: string,
    startedMs: number,
  ): Finding => ({
    ...{ key: findingKey('detector', name, labels), name, source: 'detector', place, labels },
    ...{ severity: 'critical', summary, startedMs },
  });
  if (store !== undefined) {
    const { reachable, problem } = store.state();
    if (reachable) away.delete(store);
    else {
      const since = away.get(store) ?? nowMs;
      away.set(store, since);
      if (nowMs - since >= storeAwayMs && sinceStartMs > storeAwayMs)
        findings.push(
          one(
            'StoreAway',
            { ...place, store: store.name },
            `The store ${store.name} does not answer: ${problem ?? 'no reason known'}`,
            since,
          ),
        );
    }
  }
  if (storageProblem !== null)
    findings.push(
      one(
        'PlatformStorageFailed',
        { ...place, platform: platform.name },
        `${platform.name} cannot write down what happens: ${storageProblem}`,
        nowMs,
      ),
    );
  return findings;
};

const ownMetrics = (counters: Counters) => {
  const gauge = (name: string, help: string) =>
    counters.gauge({ name: `coequal_platform_${name}`, help, labels: [], combine: 'max' }).with({});
  const signals = gauge('signals', 'Signals in the live window.');
  const rings = gauge('signals_moving', 'Signals of the live window whose values differ.');
  const refused = gauge('signals_refused', 'Samples that the live window had no room for since the start.');
  const early = gauge('samples_future', 'Samples that came with a time too far ahead since the start.');
  const open = gauge('incidents_open', 'Open incidents.');
  const detectors = gauge('detectors', 'Detectors of single signals.');
  const firing = gauge('alerts_firing', 'Alerts that fire.');
  const beatSeconds = counters
    .histogram({
      name: 'coequal_platform_look_seconds',
      help: 'How long it took to look at everything once.',
      labels: [],
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5],
    })
    .with({});
  return ({ window, keeper }: Core, detectorCount: number, findings: number, tookMs: number): void => {
    const losses = window.losses();
    signals.set(window.size);
    rings.set(window.rings);
    refused.set(losses.full + losses.long);
    early.set(losses.future);
    open.set(keeper.open.length);
    detectors.set(detectorCount);
    firing.set(findings);
    beatSeconds.observe(tookMs / 1_000);
  };
};

const healthOf = ({
  options,
  core,
  upMs,
}: {
  readonly options: HeartOptions;
  readonly core: Core;
  readonly upMs: number;
}): PlatformHealth => {
  const { keeper, intake, window, clock } = core;
  const losses = window.losses();
  const store = options.store?.state();
  const rules = options.rules()?.state() ?? { files: 0, groups: 0, failing: 0 };
  const reasons = [
    ...(keeper.problem === null ? [] : [`Incidents cannot be written: ${keeper.problem}`]),
    ...(store === undefined || store.reachable
      ? []
      : [`The store does not answer: ${store.problem ?? 'no reason known'}`]),
    ...(rules.failing === 0 ? [] : [`${rules.failing} rules cannot be evaluated`]),
    ...(losses.full === 0 ? [] : [`The live window had no room for ${losses.full} samples`]),
  ];
  return {
    name: options.settings.platform.name,
    level: keeper.problem !== null ? 'act' : reasons.length > 0 ? 'watch' : 'fine',
    state: reasons.length > 0 ? 'degraded' : 'serving',
    reasons,
    ...{ version: options.version, atMs: clock.now(), upMs },
    ...{ signals: window.size, samplesPerSecond: intake.samplesPerSecond },
    refusedSamples: intake.refused + losses.full + losses.old + losses.future + losses.long,
    openIncidents: keeper.open.length,
    storageProblem: keeper.problem,
    store: store === undefined || options.store === undefined ? null : { name: options.store.name, ...store },
    rules,
  };
};
