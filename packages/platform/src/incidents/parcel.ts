/**
 * A scene on its way to another thread. Values go as one piece of memory that is handed over without a copy; names and labels of signals and
 * readings of databases, which are many small things, go once and are remembered on the other side. Both sides are here; pure.
 */
import type { DatabaseDetail } from '@coequal/contract';
import type { IncidentScene, Signal } from '@coequal/diagnosis';

export type Parcel = {
  /** Everything of the scene that is small, and the times of its window. */
  readonly rest: Pick<IncidentScene, 'nowMs' | 'triggers' | 'changes' | 'logs'>;
  readonly window: { readonly startMs: number; readonly stepMs: number; readonly length: number };
  /** Numbers of the signals, in the order of their values. */
  readonly numbers: Int32Array;
  readonly values: Float64Array;
  /** True: what was remembered of names before is forgotten. */
  readonly anew: boolean;
  /** Signals that were not known yet, numbered on from those that were. */
  readonly names: readonly string[];
  readonly labels: readonly Signal['labels'][];
  /** Readings that were not sent yet, by instance; an instance of the scene without new ones has an empty list. */
  readonly details: ReadonlyMap<string, readonly DatabaseDetail[]>;
};

/** More names are forgotten all at once: signals that come and go must not pile up. */
const namesLimit = 100_000;
/** Instances whose readings are remembered; each has at most as many readings as `keptDetails`. */
const instancesLimit = 1_000;
const keptDetails = 900;

export class Sender {
  /** Labels are made once for each series, so they stand for it. */
  #known = new Map<Signal['labels'], number>();
  #sentMs = new Map<string, number>();

  /** Everything in the parcel may be handed over; its memory is that of the scene's values where that is one piece. */
  pack({ nowMs, window, triggers, changes, logs, details }: IncidentScene): Parcel {
    const { startMs, stepMs, length, signals } = window;
    const anew = this.#known.size + signals.length > namesLimit || this.#sentMs.size > instancesLimit;
    if (anew) [this.#known, this.#sentMs] = [new Map(), new Map()];
    const names: string[] = [];
    const labels: Signal['labels'][] = [];
    const numbers = Int32Array.from(signals, (signal) => {
      const known = this.#known.get(signal.labels);
      if (known !== undefined) return known;
      const number = this.#known.size;
      this.#known.set(signal.labels, number);
      names.push(signal.name);
      labels.push(signal.labels);
      return number;
    });
    return {
      ...{ rest: { nowMs, triggers, changes, logs }, window: { startMs, stepMs, length } },
      ...{ numbers, values: onePiece(signals, length), anew, names, labels, details: this.#unsent(details) },
    };
  }

  #unsent(details: IncidentScene['details']): Parcel['details'] {
    const unsent = new Map<string, readonly DatabaseDetail[]>();
    for (const [instance, readings] of details) {
      const sentMs = this.#sentMs.get(instance) ?? Number.NEGATIVE_INFINITY;
      unsent.set(
        instance,
        readings.filter(({ atMs }) => atMs > sentMs),
      );
      this.#sentMs.set(instance, readings.at(-1)?.atMs ?? sentMs);
    }
    return unsent;
  }
}

const onePiece = (signals: readonly Signal[], length: number): Float64Array => {
  const first = signals[0]?.values;
  const size = signals.length * length;
  const isWhole = signals.every(
    ({ values }, index) => values.buffer === first?.buffer && values.byteOffset === index * length * 8,
  );
  if (first !== undefined && isWhole && first.buffer.byteLength === size * 8) return new Float64Array(first.buffer);
  const values = new Float64Array(size);
  for (const [index, signal] of signals.entries()) values.set(signal.values, index * length);
  return values;
};

export class Receiver {
  #names: string[] = [];
  #labels: Signal['labels'][] = [];
  readonly #details = new Map<string, DatabaseDetail[]>();

  unpack({ rest, window, numbers, values, anew, names, labels, details }: Parcel): Omit<IncidentScene, 'estate'> {
    if (anew) {
      [this.#names, this.#labels] = [[], []];
      this.#details.clear();
    }
    for (const [index, name] of names.entries()) {
      this.#names.push(name);
      this.#labels.push(labels[index] ?? {});
    }
    const { length } = window;
    const signals = Array.from(
      numbers,
      (number, index): Signal => ({
        ...{ name: this.#names[number] ?? '', labels: this.#labels[number] ?? {}, kind: 'gauge' },
        values: values.subarray(index * length, (index + 1) * length),
      }),
    );
    for (const [instance, readings] of details) {
      const known = this.#details.get(instance) ?? [];
      known.push(...readings);
      this.#details.set(instance, known.slice(-keptDetails));
    }
    const own = new Map([...details.keys()].map((instance) => [instance, this.#details.get(instance) ?? []]));
    return { ...rest, window: { ...window, signals }, details: own };
  }
}
