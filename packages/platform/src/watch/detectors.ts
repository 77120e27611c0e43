/**
 * The detectors of an estate: one for each indicator of each entity, made when something is heard of it. They are looked at with readings of
 * any second, so that what a store remembers makes them know what is usual as well as what is told now (`refill.ts`).
 */
import type { Place } from '@coequal/contract';
import { type Drifting, makePanel, type Panel } from '@coequal/diagnosis';
import { limits } from '../limits.ts';
import type { Places } from '../places.ts';
import { Detector } from './detector.ts';
import { externalIndicators } from './external.ts';
import { type Finding, findingKey, placeLabels } from './finding.ts';
import { type Indicator, indicators } from './indicators.ts';
import type { Readings, WatchedKind } from './reading.ts';

type Watched = {
  readonly kind: WatchedKind;
  readonly name: string;
  readonly place: Place;
  readonly indicators: readonly Indicator[];
};

type Kept = { readonly panel: Panel; alarming: number; told: Finding | undefined };

/** Samples in a row: one second in which two figures stray is none. */
const panelSamples = 3;

export class Detectors {
  readonly #watched: readonly Watched[];
  readonly #detectors = new Map<string, Detector>();
  readonly #panels = new Map<Watched, Kept>();

  constructor(places: Places) {
    this.#watched = watchedOf(places);
  }

  /** Hosts, instances and gateways. */
  get watched(): number {
    return this.#watched.length;
  }

  get size(): number {
    return this.#detectors.size;
  }

  /** Takes what is new in the readings, which were begun at `nowMs`, and says what fires. */
  look(readings: Readings, nowMs: number): readonly Finding[] {
    const findings: Finding[] = [];
    for (const watched of this.#watched) {
      const { kind, name, place, indicators } = watched;
      const courses: Drifting[] = [];
      let [isNew, fires] = [false, false];
      const reader = readings.of(kind, name);
      for (const indicator of indicators) {
        const second = Math.max(...indicator.clock.map((selector) => reader.newest(selector)));
        if (second < 0) continue;
        const detector = this.#detectorOf(indicator, name);
        if (detector === undefined) continue;
        if (second > detector.seenSecond) {
          detector.observe(second, indicator.read(reader), nowMs);
          isNew = true;
        } else if (nowMs / 1_000 - second > readings.freshSeconds(name) + 7) detector.silent();
        if (detector.state.firing) {
          findings.push(driftFinding(indicator, detector, place));
          fires = true;
        }
        // Load that rises is no fault before it is a multiple of what was there.
        if (detector.course !== undefined && indicator.against === 'median')
          courses.push({ ...detector.course, indicator: indicator.words });
      }
      // Of what is silent nothing is known any more.
      if (isNew || courses.length === 0) this.#judge(watched, courses, nowMs);
      const together = this.#panels.get(watched)?.told;
      if (together !== undefined && !fires) findings.push(together);
    }
    return findings;
  }

  /** Hosts where several indicators of something leave their course together now. */
  get drifting(): ReadonlySet<string> {
    const hosts = [...this.#panels].flatMap(([{ place }, { told }]) => (told === undefined ? [] : (place.host ?? [])));
    return new Set(hosts);
  }

  /** Informs when several indicators of one thing leave their course together, none of them by enough to fire. */
  #judge(watched: Watched, courses: readonly Drifting[], nowMs: number): void {
    const known = this.#panels.get(watched);
    const kept: Kept = known ?? { panel: makePanel(), alarming: 0, told: undefined };
    if (known === undefined) this.#panels.set(watched, kept);
    const { alarming, drifting } = kept.panel(courses);
    kept.alarming = alarming ? kept.alarming + 1 : 0;
    // What stays is the usual one after a while, as for each indicator by itself.
    if (kept.alarming === 0 || kept.alarming > limits.watch.newUsualMs / 1_000) kept.told = undefined;
    else if (kept.alarming >= panelSamples)
      kept.told = panelFinding(watched.place, drifting, kept.told?.startedMs ?? nowMs);
  }

  #detectorOf(indicator: Indicator, name: string): Detector | undefined {
    const key = `${indicator.kind} ${name} ${indicator.alert}`;
    const known = this.#detectors.get(key);
    if (known !== undefined || this.#detectors.size >= limits.watch.detectors) return known;
    const made = new Detector(indicator);
    this.#detectors.set(key, made);
    return made;
  }
}

const watchedOf = ({ estate, host, instance, gateway }: Places): readonly Watched[] => {
  const usual = (kind: WatchedKind, name: string, place: Place): Watched => ({
    ...{ kind, name, place },
    indicators: indicators.filter((indicator) => indicator.kind === kind),
  });
  return [
    ...estate.sites.flatMap(({ hosts }) => hosts.map(({ name }) => usual('host', name, host(name) ?? { host: name }))),
    ...estate.services.flatMap(({ instances }) =>
      instances.map(({ name }) => usual('instance', name, instance(name) ?? { instance: name })),
    ),
    ...estate.externals.flatMap((service) =>
      service.instances.map(
        ({ name }): Watched => ({
          ...{ kind: 'instance', name, place: instance(name) ?? { instance: name } },
          indicators: externalIndicators(service),
        }),
      ),
    ),
    ...estate.gateways.map(({ name }) => usual('gateway', name, gateway(name) ?? { gateway: name })),
  ];
};

const driftFinding = (indicator: Indicator, detector: Detector, place: Place): Finding => {
  const { value, usual, sinceMs } = detector.state;
  const labels = placeLabels(place);
  return {
    key: findingKey('detector', indicator.alert, labels),
    ...{ name: indicator.alert, source: 'detector', place, labels },
    ...{ severity: indicator.severity, startedMs: sinceMs, value },
    summary: `${capital(indicator.words)} ${figure(value, indicator.unit)} at ${entityWords(place)} (usual ${figure(usual, indicator.unit)})`,
  };
};

const entityWords = (place: Place): string => place.gateway ?? place.instance ?? place.host ?? 'the estate';

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

const figure = (value: number, unit: Indicator['unit']): string => {
  if (unit === 's') return value < 1 ? `${short(value * 1_000)} ms` : `${short(value)} s`;
  if (unit === '%') return `${short(value * 100)} %`;
  if (unit === 'B/s') return `${short(value / 1e6)} MB/s`;
  return `${short(value)}${unit === '' ? '' : ` ${unit}`}`;
};

const short = (value: number): string =>
  Math.abs(value) >= 100 ? String(Math.round(value)) : String(Number(value.toPrecision(2)));

const panelFinding = (place: Place, drifting: readonly Drifting[], startedMs: number): Finding => {
  const labels = placeLabels(place);
  const name = 'IndicatorsDrift';
  const words = drifting.slice(0, 3).map(({ indicator }) => indicator);
  return {
    ...{ key: findingKey('detector', name, labels), name, source: 'detector', place, labels },
    ...{ severity: 'info', startedMs },
    summary: `At ${entityWords(place)} ${words.join(', ')} ${words.length === 1 ? 'leaves its' : 'leave their'} usual course`,
  };
};
