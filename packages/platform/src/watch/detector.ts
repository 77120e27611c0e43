/**
 * One indicator of one entity over time: when it fires and when it is over. What is strange is judged by the drift detector of the
 * diagnosis; what matters by the indicator's own floor and by what was usual in the last minutes. Costs the same few operations a
 * sample, and keeps a fixed number of values.
 */
import { type Drift, type DriftDetector, makeDriftDetector } from '@coequal/diagnosis';
import { limits } from '../limits.ts';
import type { Indicator } from './indicators.ts';

export type DetectorState = {
  readonly firing: boolean;
  readonly value: number;
  readonly usual: number;
  readonly sinceMs: number;
};

/** Values from which the usual is taken, each some seconds after the one before: four to five minutes. */
const kept = 64;
const everySamples = 4;
/** Fewer say nothing. */
const enough = 16;
/** One bad second is no fault. */
const overSamples = 2;
/** So many samples in a row below the end it is over; the end lies below the beginning, so that nothing flaps. */
const calmSamples = 5;
const endShare = 0.6;
/** Of what matters; less is not worth a word, however strange. */
const noteworthy = 0.5;

export class Detector {
  readonly #indicator: Indicator;
  #drift: DriftDetector;
  readonly #values = new Float64Array(kept).fill(Number.NaN);
  #count = 0;
  #samples = 0;
  #median = Number.NaN;
  #maximum = Number.NaN;
  #over = 0;
  #calm = 0;
  #firing = false;
  #sinceMs = 0;
  #value = Number.NaN;
  #seenSecond = -1;
  #course: Drift | undefined;

  constructor(indicator: Indicator) {
    this.#indicator = indicator;
    this.#drift = driftOf(indicator);
  }

  get state(): DetectorState {
    return { firing: this.#firing, value: this.#value, usual: this.#usual, sinceMs: this.#sinceMs };
  }

  /** Whether it left its course by half of what would matter at least, and how far; undefined where nothing was measured. */
  get course(): Drift | undefined {
    return this.#course;
  }

  /** Second of the newest sample that was looked at. */
  get seenSecond(): number {
    return this.#seenSecond;
  }

  observe(second: number, value: number, nowMs: number): void {
    if (second <= this.#seenSecond) return;
    this.#seenSecond = second;
    if (!Number.isFinite(value)) return;
    this.#value = value;
    const course = this.#drift.observe(value);
    const { drifting } = course;
    const beyond = this.#beyond(value);
    this.#course = { ...course, drifting: drifting && beyond >= noteworthy };
    this.#over = beyond >= 1 ? this.#over + 1 : 0;
    if (!this.#firing) {
      if (this.#over >= (this.#indicator.samples ?? overSamples) && drifting)
        [this.#firing, this.#sinceMs, this.#calm] = [true, nowMs, 0];
      // What leans towards an alarm is not made the usual while it is being judged.
      else if (beyond < 1) this.#learn(value);
      return;
    }
    this.#calm = beyond >= endShare ? 0 : this.#calm + 1;
    if (this.#calm >= calmSamples) this.#firing = false;
    else if (nowMs - this.#sinceMs >= limits.watch.newUsualMs) this.#forget();
  }

  /** Nothing was heard for long: what fired is over, and told elsewhere as silence. */
  silent(): void {
    this.#firing = false;
    this.#course = undefined;
  }

  get #usual(): number {
    return this.#indicator.against === 'maximum' ? this.#maximum : this.#median;
  }

  /** 1 and more: it matters. */
  #beyond(value: number): number {
    const { direction, least, factor } = this.#indicator;
    const usual = this.#usual;
    if (this.#count < enough) return 0;
    if (direction === 'above') return value / Math.max(least, usual * factor);
    return usual >= least ? (usual * factor) / Math.max(value, usual * 1e-3) : 0;
  }

  #learn(value: number): void {
    this.#samples += 1;
    if (this.#count >= kept && this.#samples % everySamples !== 0) return;
    this.#values[this.#count % kept] = value;
    this.#count += 1;
    const sorted = this.#values.subarray(0, Math.min(this.#count, kept)).toSorted();
    this.#median = sorted[sorted.length >> 1] ?? Number.NaN;
    this.#maximum = sorted.at(-1) ?? Number.NaN;
  }

  /** A level that stays is the usual one from now on. */
  #forget(): void {
    this.#drift = driftOf(this.#indicator);
    this.#values.fill(Number.NaN);
    [this.#count, this.#samples, this.#calm, this.#firing] = [0, 0, 0, false];
  }
}

/** Smaller shares of the usual concern nobody. */
const leastShare = 0.05;

const driftOf = ({ direction }: Indicator): DriftDetector => makeDriftDetector({ worse: direction, leastShare });
