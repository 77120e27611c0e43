/**
 * Looks at everything once a second and says what is wrong: conditions that have held long enough, and detectors that fire. It keeps
 * what has to be remembered between looks, bounded; time and readings come in, nothing is fetched.
 */
import type { Place } from '@coequal/contract';
import { limits } from '../limits.ts';
import type { Places } from '../places.ts';
import { conditionsOf, type Held, type Look } from './conditions.ts';
import { Detector } from './detector.ts';
import { externalIndicators } from './external.ts';
import { type Finding, findingKey, placeLabels } from './finding.ts';
import { type Indicator, indicators } from './indicators.ts';
import type { WatchedKind } from './reading.ts';

type Watched = {
  readonly kind: WatchedKind;
  readonly name: string;
  readonly place: Place;
  readonly indicators: readonly Indicator[];
};

type Holding = { readonly sinceMs: number; seenMs: number };

/** A condition that was away for so long has ended. */
const endedAfterMs = 2_500;

export class Watcher {
  readonly #watched: readonly Watched[];
  readonly #detectors = new Map<string, Detector>();
  readonly #holding = new Map<string, Holding>();
  readonly #last = new Map<string, Finding>();

  constructor(places: Places) {
    this.#watched = watchedOf(places);
  }

  get detectors(): number {
    return this.#detectors.size;
  }

  /** What is wrong at `look.nowMs`. */
  look(look: Look): readonly Finding[] {
    look.readings.begin(look.nowMs);
    return [...this.#conditions(look), ...this.#drifting(look)];
  }

  #conditions(look: Look): readonly Finding[] {
    const { nowMs } = look;
    for (const held of conditionsOf(look)) {
      const labels = { ...placeLabels(held.place), ...held.also };
      const key = findingKey(held.source, held.alert, labels);
      const known = this.#holding.get(key);
      const holding = known ?? { sinceMs: nowMs, seenMs: nowMs };
      holding.seenMs = nowMs;
      if (known === undefined) this.#holding.set(key, holding);
      if (nowMs - holding.sinceMs >= held.forMs) this.#last.set(key, findingOf(held, key, labels, holding.sinceMs));
    }
    const findings: Finding[] = [];
    for (const [key, { seenMs }] of this.#holding) {
      const finding = this.#last.get(key);
      // A clock that jumped back makes nothing last for ever.
      if (nowMs - seenMs > endedAfterMs || nowMs < seenMs) {
        this.#holding.delete(key);
        this.#last.delete(key);
      } else if (finding !== undefined) findings.push(finding);
    }
    return findings;
  }

  #drifting({ readings, nowMs }: Look): readonly Finding[] {
    const findings: Finding[] = [];
    for (const { kind, name, place, indicators } of this.#watched) {
      const reader = readings.of(kind, name);
      for (const indicator of indicators) {
        const second = Math.max(...indicator.clock.map((selector) => reader.newest(selector)));
        if (second < 0) continue;
        const detector = this.#detectorOf(indicator, name);
        if (detector === undefined) continue;
        if (second > detector.seenSecond) detector.observe(second, indicator.read(reader), nowMs);
        else if (nowMs / 1_000 - second > readings.freshSeconds(name) + 7) detector.silent();
        if (detector.state.firing) findings.push(driftFinding(indicator, detector, place));
      }
    }
    return findings;
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

const findingOf = (held: Held, key: string, labels: Readonly<Record<string, string>>, startedMs: number): Finding => ({
  ...{ key, name: held.alert, source: held.source, place: held.place, labels },
  ...{ severity: held.severity, summary: held.summary, startedMs },
  ...(held.value === undefined ? {} : { value: held.value }),
});

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
