/**
 * Hosts that are unlike themselves: what a host and its databases usually do together is learned, and a host that does something it never
 * did is told, though no single figure be far. It informs, and joins incidents as evidence; only where it is beyond doubt, and
 * service-level indicators leave their course there too, does it open one: a false incident is worse than a miss. Bounded in hosts and signals.
 */
import { isCounter, makeUnlikeDetector, type Unlike, type UnlikeDetector } from '@coequal/diagnosis';
import { type LiveWindow, labelValue, type WindowSeries } from '@coequal/signals';
import { limits } from '../limits.ts';
import type { Places } from '../places.ts';
import { type Finding, findingKey, placeLabels } from './finding.ts';

type Chosen = { readonly series: WindowSeries; readonly counts: boolean };

type Host = {
  readonly name: string;
  readonly detector: UnlikeDetector;
  chosen: readonly Chosen[];
  /** Of the chosen, by their keys. */
  names: ReadonlyMap<string, string>;
  observedSecond: number;
  /** In a row: unlike itself, beyond doubt, and like itself again. */
  unlike: number;
  doubtless: number;
  like: number;
  sinceMs: number;
  told: Unlike | undefined;
};

/** Series by host and name. */
type Found = Map<string, Map<string, WindowSeries[]>>;

/** A moment is the mean of so many seconds; hosts take turns. */
const momentSeconds = 5;
/** Moments between two that are remembered: 20 seconds, of two hours. */
const every = 4;
const signalsEach = 200;
/** Which signals there are is looked up so often. */
const chooseEverySeconds = 60;
/** Series that are looked at in one look: a millisecond or two. */
const walkedEach = 5_000;
/** From these scores on, for so many moments: 20 seconds, and a minute. */
const [unlikeScore, unlikeMoments] = [2, 4];
const [doubtlessScore, doubtlessMoments] = [4, 12];
const [likeScore, likeMoments] = [1.2, 3];
/** They only ever rise, and say nothing. */
const clocks = /time_seconds$|uptime|boot_time|_timestamp/;

export class Unlikeness {
  readonly #places: Places;
  readonly #window: LiveWindow;
  readonly #hosts: readonly Host[];
  #chosenSecond = Number.NEGATIVE_INFINITY;
  #walk: { readonly series: Iterator<WindowSeries>; readonly found: Found } | undefined;

  constructor(places: Places, window: LiveWindow) {
    this.#places = places;
    this.#window = window;
    const names = places.estate.sites.flatMap((site) => site.hosts.map(({ name }) => name));
    this.#hosts = names.slice(0, limits.watch.unlikeHosts).map((name) => ({
      ...{ name, detector: makeUnlikeDetector({ signals: signalsEach, every }), chosen: [], names: new Map() },
      ...{ observedSecond: 0 },
      ...{ unlike: 0, doubtless: 0, like: 0, sinceMs: 0, told: undefined },
    }));
  }

  /** @param drifting hosts where several service-level indicators leave their course now */
  look(nowMs: number, drifting: ReadonlySet<string>): readonly Finding[] {
    // The newest second may not be whole yet.
    const second = Math.floor(nowMs / 1_000) - 1;
    this.#choose(second);
    for (const [index, host] of this.#hosts.entries())
      if ((second + index) % momentSeconds === 0 && host.observedSecond !== second) observe(host, second, nowMs);
    return this.#hosts.flatMap((host) => (host.told === undefined ? [] : [this.#finding(host, host.told, drifting)]));
  }

  /** Goes through the window, a part of it a look, and chooses when it has been through. */
  #choose(second: number): void {
    if (this.#walk === undefined) {
      if (second - this.#chosenSecond < chooseEverySeconds && second >= this.#chosenSecond) return;
      this.#walk = { series: this.#window.all()[Symbol.iterator](), found: new Map() };
      this.#chosenSecond = second;
    }
    const { series, found } = this.#walk;
    for (let walked = 0; walked < walkedEach; walked += 1) {
      const { done, value } = series.next();
      if (done === true) {
        this.#walk = undefined;
        this.#chosen(found);
        return;
      }
      if (value.ring === undefined || clocks.test(value.name) || value.name.endsWith('_bucket')) continue;
      const named = found.get(labelValue(value.labels, 'host')) ?? new Map<string, WindowSeries[]>();
      found.set(labelValue(value.labels, 'host'), named);
      const own = named.get(value.name);
      if (own === undefined) named.set(value.name, [value]);
      else own.push(value);
    }
  }

  /** What moves, of as many names as there are: those that were chosen stay. */
  #chosen(found: Found): void {
    for (const host of this.#hosts) {
      const kept = host.chosen.filter(({ series }) => !series.gone);
      const known = new Set(kept.map(({ series }) => series));
      const more = breadthFirst([...(found.get(host.name)?.values() ?? [])]).filter((series) => !known.has(series));
      host.chosen = [
        ...kept,
        ...more.map((series) => ({ series, counts: isCounter({ name: series.name, kind: 'gauge' }) })),
      ].slice(0, signalsEach);
      host.names = new Map(host.chosen.map(({ series }) => [series.key, series.name]));
    }
  }

  #finding(host: Host, { signals }: Unlike, drifting: ReadonlySet<string>): Finding {
    const place = this.#places.host(host.name) ?? { host: host.name };
    const labels = placeLabels(place);
    const name = 'HostUnlikeItself';
    const beyondDoubt = host.doubtless >= doubtlessMoments && drifting.has(host.name);
    const what = signals.map(({ key }) => host.names.get(key) ?? key);
    return {
      ...{ key: findingKey('detector', name, labels), name, source: 'detector', place, labels },
      ...{ severity: beyondDoubt ? 'warning' : 'info', startedMs: host.sinceMs },
      summary: `${host.name} is unlike itself in ${[...new Set(what)].slice(0, 3).join(', ') || 'many small things'}`,
    };
  }
}

/** One of each first, then a second one of each. */
const breadthFirst = (named: readonly (readonly WindowSeries[])[]): readonly WindowSeries[] => {
  const chosen: WindowSeries[] = [];
  for (let turn = 0; chosen.length < signalsEach; turn += 1) {
    const round = named.flatMap((each) => each[turn] ?? []);
    if (round.length === 0) break;
    chosen.push(...round);
  }
  return chosen;
};

const observe = (host: Host, second: number, nowMs: number): void => {
  host.observedSecond = second;
  const values = new Map<string, number>();
  for (const { series, counts } of host.chosen) {
    const value = counts ? rateUntil(series, second) : meanUntil(series, second);
    if (Number.isFinite(value)) values.set(series.key, value);
  }
  // Who tells nothing is silent, which is another finding.
  if (values.size === 0) return;
  const found = host.detector.observe(values);
  const score = found?.score ?? 0;
  host.unlike = score >= unlikeScore ? host.unlike + 1 : 0;
  host.doubtless = score >= doubtlessScore ? host.doubtless + 1 : 0;
  host.like = score < likeScore ? host.like + 1 : 0;
  if (host.unlike >= unlikeMoments) {
    if (host.told === undefined) host.sinceMs = nowMs - (unlikeMoments - 1) * momentSeconds * 1_000;
    host.told = found;
  } else if (host.like >= likeMoments) host.told = undefined;
};

const meanUntil = (series: WindowSeries, second: number): number => {
  let [sum, count] = [0, 0];
  for (let back = 0; back < momentSeconds; back += 1) {
    const value = series.at(second - back);
    if (Number.isNaN(value)) continue;
    sum += value;
    count += 1;
  }
  return sum / count;
};

/** Between the newest and the oldest of the moment's values; a counter that fell says nothing this time. */
const rateUntil = (series: WindowSeries, second: number): number => {
  let newest = second;
  while (newest > second - momentSeconds && Number.isNaN(series.at(newest))) newest -= 1;
  let oldest = second - momentSeconds;
  while (oldest < newest && Number.isNaN(series.at(oldest))) oldest += 1;
  const gained = series.at(newest) - series.at(oldest);
  return newest > oldest && gained >= 0 ? gained / (newest - oldest) : Number.NaN;
};
