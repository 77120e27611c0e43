/**
 * Writes remote write for a sender that tells the same series again and again: what a series is called is encoded once and kept as long
 * as its list of labels lives, so that a further value costs little more than copying. It knows a series by that very list
 * (`Relabeler` hands out the same one), and encodes others as well, only slower.
 */
import { type Label, type Labels, labelsOf, type Sample } from '../sample.ts';
import { ProtobufWriter } from './protobuf.ts';
import { snappyEncode } from './snappy.ts';

export class RemoteWriteEncoder {
  readonly #known = new WeakMap<Labels, Map<string, Uint8Array>>();
  readonly #request = new ProtobufWriter();
  readonly #series = new ProtobufWriter();
  readonly #part = new ProtobufWriter();

  /** The body of a request. Each sample is a series of its own in it, in the order given. */
  encode(samples: readonly Sample[]): Uint8Array {
    for (const { name, labels, value, timeMs } of samples) {
      this.#series.append(this.#labelsOf(name, labels));
      this.#part.double(1, value);
      this.#part.int64(2, Math.round(timeMs));
      this.#series.message(2, this.#part);
      this.#request.message(1, this.#series);
    }
    return snappyEncode(this.#request.take());
  }

  /** The labels as fields of a series. */
  #labelsOf(name: string, labels: Labels): Uint8Array {
    let names = this.#known.get(labels);
    if (names === undefined) {
      names = new Map();
      this.#known.set(labels, names);
    }
    const known = names.get(name);
    if (known !== undefined) return known;
    const all: Label[] = [['__name__', name], ...labels];
    for (const [label, value] of labelsOf(all) ?? []) {
      this.#part.text(1, label);
      this.#part.text(2, value);
      this.#series.message(1, this.#part);
    }
    const bytes = this.#series.take();
    names.set(name, bytes);
    return bytes;
  }
}
