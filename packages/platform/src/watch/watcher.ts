/**
 * Looks at everything once a second and says what is wrong: conditions that have held long enough, and detectors that fire. It keeps
 * what has to be remembered between looks, bounded; time and readings come in, nothing is fetched.
 */
import type { LiveWindow } from '@coequal/signals';
import type { Places } from '../places.ts';
import { conditionsOf, type Held, type Look } from './conditions.ts';
import { Detectors } from './detectors.ts';
import { type Finding, findingKey, placeLabels } from './finding.ts';
import { Unlikeness } from './unlikeness.ts';

type Holding = { readonly sinceMs: number; seenMs: number };

/** A condition that was away for so long has ended. */
const endedAfterMs = 2_500;

export class Watcher {
  #detectors: Detectors;
  readonly #unlikeness: Unlikeness;
  readonly #holding = new Map<string, Holding>();
  readonly #last = new Map<string, Finding>();

  constructor(places: Places, window: LiveWindow) {
    this.#detectors = new Detectors(places);
    this.#unlikeness = new Unlikeness(places, window);
  }

  get detectors(): number {
    return this.#detectors.size;
  }

  /** Takes detectors that know more: after a restart, those that were filled from the store. */
  adopt(detectors: Detectors): void {
    this.#detectors = detectors;
  }

  /** What is wrong at `look.nowMs`. */
  look(look: Look): readonly Finding[] {
    look.readings.begin(look.nowMs);
    const found = [...this.#conditions(look), ...this.#detectors.look(look.readings, look.nowMs)];
    return [...found, ...this.#unlikeness.look(look.nowMs, this.#detectors.drifting)];
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
}

const findingOf = (held: Held, key: string, labels: Readonly<Record<string, string>>, startedMs: number): Finding => ({
  ...{ key, name: held.alert, source: held.source, place: held.place, labels },
  ...{ severity: held.severity, summary: held.summary, startedMs },
  ...(held.value === undefined ? {} : { value: held.value }),
});
