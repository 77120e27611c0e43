/**
 * The newest values of an entity's signals, read from the live window without copies. Selections are looked up once and kept until the
 * window has other series. A value counts while it is fresh; a rate is what a counter gained between its two newest values.
 */
import { type Label, type LiveWindow, labelValue, type WindowSeries } from '@coequal/signals';
import { limits } from '../limits.ts';
import type { Places } from '../places.ts';

/** Signals of one name; `where` and `not` look at labels of their own. Made once, as a constant: it is the key of a cache. */
export type Selector = { readonly name: string; readonly where?: readonly Label[]; readonly not?: readonly Label[] };

export type WatchedKind = 'gateway' | 'instance' | 'host';

export type Reader = {
  /** Second of the newest value of a selection; −1 where there is none. */
  readonly newest: (selector: Selector) => number;
  /** Sum of the fresh values; NaN where there is none. */
  readonly sum: (selector: Selector) => number;
  readonly greatest: (selector: Selector) => number;
  readonly least: (selector: Selector) => number;
  /** Sum of the rates a second; NaN where there is none. */
  readonly rate: (selector: Selector) => number;
  /** The fresh series themselves, for what needs their labels. */
  readonly series: (selector: Selector) => readonly WindowSeries[];
};

/** Counters that are read less often than this have no rate that says something about now. */
const longestGapSeconds = 60;

const none: readonly WindowSeries[] = [];

export class Readings {
  readonly #window: LiveWindow;
  readonly #places: Places;
  readonly #selections = new Map<Selector, Map<string, WindowSeries[]>>();
  /** Seconds beyond the usual, of external instances that are asked less often than once a second. */
  readonly #slower: ReadonlyMap<string, number>;
  #generation = -1;
  #nowSecond = 0;

  constructor(window: LiveWindow, places: Places) {
    this.#window = window;
    this.#places = places;
    this.#slower = new Map(
      places.estate.externals.flatMap(({ instances }) =>
        instances.map(({ name, scrape }) => [name, 2 * (scrape.everyMs / 1_000 - 1)] as const),
      ),
    );
  }

  /** How old a value of an instance may be: what is asked for less often is fresh for longer. */
  freshSeconds(entity: string): number {
    return limits.watch.freshSeconds + (this.#slower.get(entity) ?? 0);
  }

  /** The time from which freshness counts. */
  begin(nowMs: number): void {
    this.#nowSecond = Math.floor(nowMs / 1_000);
    if (this.#window.generation === this.#generation) return;
    this.#generation = this.#window.generation;
    this.#selections.clear();
  }

  of(kind: WatchedKind, entity: string): Reader {
    const key = `${kind} ${entity}`;
    const all = (selector: Selector): readonly WindowSeries[] => this.#selection(selector).get(key) ?? none;
    const oldest = this.#nowSecond - (kind === 'instance' ? this.freshSeconds(entity) : limits.watch.freshSeconds);
    const isFresh = (series: WindowSeries): boolean => series.newest >= oldest;
    const fresh = (selector: Selector): readonly WindowSeries[] => all(selector).filter(isFresh);
    const over = (selector: Selector, start: number, step: (sum: number, value: number) => number): number => {
      let [result, count] = [start, 0];
      for (const series of all(selector)) {
        if (!isFresh(series)) continue;
        const value = series.at(series.newest);
        if (Number.isNaN(value)) continue;
        result = step(result, value);
        count += 1;
      }
      return count === 0 ? Number.NaN : result;
    };
    return {
      newest: (selector) => all(selector).reduce((newest, series) => Math.max(newest, series.newest), -1),
      sum: (selector) => over(selector, 0, (sum, value) => sum + value),
      greatest: (selector) => over(selector, Number.NEGATIVE_INFINITY, Math.max),
      least: (selector) => over(selector, Number.POSITIVE_INFINITY, Math.min),
      rate: (selector) => {
        let [sum, count] = [0, 0];
        for (const series of all(selector)) {
          const rate = isFresh(series) ? rateOf(series) : Number.NaN;
          if (Number.isNaN(rate)) continue;
          sum += rate;
          count += 1;
        }
        return count === 0 ? Number.NaN : sum;
      },
      series: fresh,
    };
  }

  #selection(selector: Selector): Map<string, WindowSeries[]> {
    const known = this.#selections.get(selector);
    if (known !== undefined) return known;
    const made = new Map<string, WindowSeries[]>();
    for (const series of this.#window.seriesNamed(selector.name)) {
      if (!matches(selector, series)) continue;
      const owner = ownerOf(this.#places, series);
      if (owner === undefined) continue;
      const own = made.get(owner);
      if (own === undefined) made.set(owner, [series]);
      else own.push(series);
    }
    this.#selections.set(selector, made);
    return made;
  }
}

const matches = ({ where = [], not = [] }: Selector, { labels }: WindowSeries): boolean =>
  where.every(([name, value]) => labelValue(labels, name) === value) &&
  not.every(([name, value]) => labelValue(labels, name) !== value);

/** Whose signal it is, by its job or its name; undefined for what the estate does not name. */
const ownerOf = (places: Places, { name, labels }: WindowSeries): string | undefined => {
  const instance = labelValue(labels, 'instance');
  const job = labelValue(labels, 'job');
  if (job === 'coequal_gateway' || name.startsWith('coequal_gateway_')) {
    const own = [labelValue(labels, 'gateway'), instance].find((one) => places.gateway(one) !== undefined);
    return own === undefined ? undefined : `gateway ${own}`;
  }
  if (job !== 'node' && job !== 'coequal_agent' && places.instance(instance) !== undefined)
    return `instance ${instance}`;
  const host = labelValue(labels, 'host') || instance;
  return places.host(host) === undefined ? undefined : `host ${host}`;
};

/** Between the two newest values; a counter that fell began anew. */
const rateOf = (series: WindowSeries): number => {
  const { newest } = series;
  if (series.ring === undefined) return newest > series.first ? 0 : Number.NaN;
  const value = series.at(newest);
  for (let back = 1; back <= longestGapSeconds; back += 1) {
    const before = series.at(newest - back);
    if (!Number.isNaN(before)) return (value < before ? value : value - before) / back;
  }
  return Number.NaN;
};
