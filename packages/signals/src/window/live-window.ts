/**
 * The live window: the last fifteen minutes of every series, one value a second, in memory. Detection and diagnosis read
 * from here and wait for no query. Each series is a ring of float64 that is written in place; NaN says that there
 * is no value in that second (a series whose value is NaN has none to offer either). One that has had the same value every
 * second that it was told so far, as most settings have, needs no ring: its value says all, with a bit a second once one was left out.
 *
 * Memory is bounded: `seriesLimit` series and `ringLimit` rings, names and labels of bounded length. When it is full, series that nobody has
 * written for a while make room; live ones never do, so that a flood of new labels cannot push out what is
 * watched. What is not taken is counted and never silent. Time comes with the samples and with `nowMs`, there is no clock here.
 */
import { type Label, type Labels, labelValue, type Sample, seriesKey } from '../sample.ts';

export type WindowOptions = {
  /** Seconds that are kept, 1 to 86,400. */
  readonly seconds: number;
  readonly seriesLimit: number;
  /** Series whose values differ from each other, which are those that cost memory; all of them unless told. */
  readonly ringLimit?: number;
  /** A series without a value for so long may make room for a new one. */
  readonly staleSeconds: number;
  /** A sample later than `nowMs` by more than this is refused: its clock is wrong, and it would push all else out. */
  readonly futureSeconds: number;
};

/** 20,000 series for 15 minutes are 144 MB when all are full. */
export const usualWindow: WindowOptions = { seconds: 900, seriesLimit: 20_000, staleSeconds: 300, futureSeconds: 10 };

/** Why samples were not taken, since the start. */
export type WindowLosses = {
  /** No room for another series, or for a value that would make a series need a ring. */
  readonly full: number;
  /** Older than what is kept of their series. */
  readonly old: number;
  /** Too far in the future, or a time that is no number. */
  readonly future: number;
  /** A name or a label so long that it would break the bound of memory. */
  readonly long: number;
};

export type Column = {
  readonly name: string;
  readonly labels: Labels;
  /** One value a second from `fromSecond`; NaN where there is none. A copy. */
  readonly values: Float64Array;
};

/** `fromSecond`: seconds since 1970 of the first value of every column. */
export type Columns = { readonly fromSecond: number; readonly columns: readonly Column[] };

/** All of it must hold. A label asked for with the empty text must be missing. */
export type Selection = { readonly name?: string; readonly labels?: readonly Label[] };

/** A series of the window, for writers that write it often: it spares them the search. Made by `seriesOf`. */
export class WindowSeries {
  readonly name: string;
  readonly labels: Labels;
  readonly key: string;
  /** Undefined while every second that has a value has the value `constant`. */
  ring: Float64Array | undefined;
  constant = Number.NaN;
  /** A bit a second, as a ring; undefined while no second from `first` to `newest` was left out. */
  present: Uint8Array | undefined;
  first = -1;
  /** Second of the newest value. */
  newest = -1;
  /** It has made room for others: writing to it is in vain. */
  gone = false;

  constructor(name: string, labels: Labels, key: string) {
    this.name = name;
    this.labels = labels;
    this.key = key;
  }

  /** NaN where there is none. `second` must be one of the window's. */
  at(second: number): number {
    if (second > this.newest) return Number.NaN;
    if (this.ring === undefined) return this.#has(second) ? this.constant : Number.NaN;
    return second <= this.newest - this.ring.length ? Number.NaN : (this.ring[second % this.ring.length] ?? Number.NaN);
  }

  #has(second: number): boolean {
    const { present } = this;
    if (present === undefined) return second >= this.first;
    const bits = present.length * 8;
    const at = second % bits;
    return second > this.newest - bits && ((present[at >> 3] ?? 0) & (1 << (at & 7))) !== 0;
  }

  /** Notes that a second has the value that all have; `second` lies within what is kept. */
  mark(second: number, seconds: number): void {
    const whole = second >= this.first && second <= this.newest + 1;
    if (this.present === undefined && whole) {
      this.newest = Math.max(this.newest, second);
      return;
    }
    this.present ??= this.#bitsOf(seconds);
    const bits = this.present.length * 8;
    for (let passed = Math.max(this.newest + 1, second - bits + 1); passed < second; passed += 1)
      this.#set(passed, false);
    this.newest = Math.max(this.newest, second);
    this.#set(second, true);
  }

  #bitsOf(seconds: number): Uint8Array {
    this.present = new Uint8Array(Math.ceil(seconds / 8));
    const bits = this.present.length * 8;
    for (let second = Math.max(this.first, this.newest - bits + 1); second <= this.newest; second += 1)
      this.#set(second, true);
    return this.present;
  }

  #set(second: number, on: boolean): void {
    const { present } = this;
    if (present === undefined) return;
    const at = second % (present.length * 8);
    const mask = 1 << (at & 7);
    present[at >> 3] = on ? (present[at >> 3] ?? 0) | mask : (present[at >> 3] ?? 0) & ~mask;
  }
}

/** Longer keys are statement texts that belong in a digest. */
const keyLimit = 16_384;

export class LiveWindow {
  readonly #options: WindowOptions;
  readonly #series = new Map<string, WindowSeries>();
  readonly #byName = new Map<string, Set<WindowSeries>>();
  #sweptSecond = -1;
  #rings = 0;
  #generation = 0;
  #full = 0;
  #old = 0;
  #future = 0;
  #long = 0;

  constructor(options: WindowOptions = usualWindow) {
    this.#options = options;
  }

  /** Number of series that are kept. */
  get size(): number {
    return this.#series.size;
  }

  /** Number of series whose values differ from each other. */
  get rings(): number {
    return this.#rings;
  }

  /** Another number whenever series came or went: what was looked up before may be wrong then. */
  get generation(): number {
    return this.#generation;
  }

  /** The series of a name, to look at the newest values of many without copies. */
  seriesNamed(name: string): Iterable<WindowSeries> {
    return this.#byName.get(name) ?? [];
  }

  /** Every series, in no order that means anything. */
  all(): Iterable<WindowSeries> {
    return this.#series.values();
  }

  losses(): WindowLosses {
    return { full: this.#full, old: this.#old, future: this.#future, long: this.#long };
  }

  /** Takes samples in any order. `nowMs`: the time of whoever keeps the window. Of one second the last value counts. */
  ingest(samples: Iterable<Sample>, nowMs: number): void {
    for (const sample of samples) {
      if (!this.#isTimely(sample.timeMs, nowMs)) continue;
      const series = this.#seriesAt(sample.name, sample.labels, nowMs);
      if (series !== undefined) this.#put(series, sample.timeMs, sample.value);
    }
  }

  /** The series, made when it is new; undefined when there is no room for it, which is counted. */
  seriesOf(name: string, labels: Labels, nowMs: number): WindowSeries | undefined {
    return this.#seriesAt(name, labels, nowMs);
  }

  /** One value of a series from `seriesOf`. False when the series has made room for others meanwhile: ask for it anew. */
  write(series: WindowSeries, timeMs: number, value: number, nowMs: number): boolean {
    if (series.gone) return false;
    if (this.#isTimely(timeMs, nowMs)) this.#put(series, timeMs, value);
    return true;
  }

  /** What was selected, from the second of `fromMs` to that of `toMs`, both included, at most as long as the window. */
  read(selection: Selection, fromMs: number, toMs: number): Columns {
    const toSecond = Math.floor(toMs / 1_000);
    const fromSecond = Math.max(Math.floor(fromMs / 1_000), toSecond - this.#options.seconds + 1);
    const length = Math.max(0, toSecond - fromSecond + 1);
    if (!Number.isFinite(length)) return { fromSecond: 0, columns: [] };
    const columns = this.#select(selection).map((series) => ({
      name: series.name,
      labels: series.labels,
      values: this.#copy(series, fromSecond, length),
    }));
    return { fromSecond, columns };
  }

  #select({ name, labels = [] }: Selection): readonly WindowSeries[] {
    const candidates = name === undefined ? this.#series.values() : (this.#byName.get(name) ?? []);
    return [...candidates].filter((series) =>
      labels.every(([label, value]) => labelValue(series.labels, label) === value),
    );
  }

  #copy(series: WindowSeries, fromSecond: number, length: number): Float64Array {
    const { seconds } = this.#options;
    const values = new Float64Array(length).fill(Number.NaN);
    const first = Math.max(fromSecond, series.newest - seconds + 1, 0);
    const last = Math.min(fromSecond + length - 1, series.newest);
    const { ring } = series;
    if (ring === undefined) {
      for (let second = first; second <= last; second += 1) values[second - fromSecond] = series.at(second);
      return values;
    }
    for (let second = first; second <= last; second += 1)
      values[second - fromSecond] = ring[second % seconds] ?? Number.NaN;
    return values;
  }

  #isTimely(timeMs: number, nowMs: number): boolean {
    // Said this way round, a time that is NaN is refused as well.
    if (timeMs >= 0 && timeMs <= nowMs + this.#options.futureSeconds * 1_000) return true;
    if (timeMs < 0) this.#old += 1;
    else this.#future += 1;
    return false;
  }

  #put(series: WindowSeries, timeMs: number, value: number): void {
    const { seconds } = this.#options;
    const second = Math.floor(timeMs / 1_000);
    if (second <= series.newest - seconds) {
      this.#old += 1;
      return;
    }
    const ring = series.ring ?? this.#ringFor(series, second, value);
    if (ring === undefined) return;
    if (second > series.newest) {
      // Seconds that were passed over hold what is a whole window old.
      const gap = Math.min(second - series.newest, seconds);
      for (let back = gap - 1; back > 0; back -= 1) ring[(second - back) % seconds] = Number.NaN;
      series.newest = second;
    }
    ring[second % seconds] = value;
  }

  /** The ring of a series that had none, when this value needs one; undefined when the value is taken without, or refused. */
  #ringFor(series: WindowSeries, second: number, value: number): Float64Array | undefined {
    if (series.newest === -1) {
      [series.constant, series.first, series.newest] = [value, second, second];
      return undefined;
    }
    const { seconds } = this.#options;
    if (Object.is(value, series.constant)) {
      series.mark(second, seconds);
      return undefined;
    }
    if (this.#rings >= (this.#options.ringLimit ?? Number.POSITIVE_INFINITY)) {
      this.#full += 1;
      return undefined;
    }
    const ring = new Float64Array(seconds).fill(Number.NaN);
    for (let at = Math.max(0, series.newest - seconds + 1); at <= series.newest; at += 1)
      ring[at % seconds] = series.at(at);
    series.ring = ring;
    series.present = undefined;
    this.#rings += 1;
    return ring;
  }

  #seriesAt(name: string, labels: Labels, nowMs: number): WindowSeries | undefined {
    const key = seriesKey(name, labels);
    const known = this.#series.get(key);
    if (known !== undefined) return known;
    if (key.length > keyLimit) {
      this.#long += 1;
      return undefined;
    }
    if (this.#series.size >= this.#options.seriesLimit) this.#sweep(Math.floor(nowMs / 1_000));
    if (this.#series.size >= this.#options.seriesLimit) {
      this.#full += 1;
      return undefined;
    }
    const made = new WindowSeries(name, labels, key);
    this.#series.set(key, made);
    this.#generation += 1;
    const named = this.#byName.get(name) ?? new Set();
    this.#byName.set(name, named.add(made));
    return made;
  }

  /** At most once a second, so that a flood of new series does not cost a walk over all for each. */
  #sweep(nowSecond: number): void {
    if (nowSecond === this.#sweptSecond) return;
    this.#sweptSecond = nowSecond;
    for (const series of this.#series.values())
      if (series.newest < nowSecond - this.#options.staleSeconds) this.#drop(series);
  }

  #drop(series: WindowSeries): void {
    this.#series.delete(series.key);
    series.gone = true;
    this.#generation += 1;
    if (series.ring !== undefined) this.#rings -= 1;
    const named = this.#byName.get(series.name);
    named?.delete(series);
    if (named?.size === 0) this.#byName.delete(series.name);
  }
}
