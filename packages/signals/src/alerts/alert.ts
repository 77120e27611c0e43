/** An alert as it is told to people and other programs: from our rules, from detectors, or from elsewhere. Pure. */
import type { Labels } from '../sample.ts';

export type ToldAlert = {
  /** With `alertname`. */
  readonly labels: Labels;
  readonly annotations: Labels;
  readonly startsAtMs: number;
  /** A page about it, where there is one. */
  readonly generatorUrl: string;
};

const prime = 1_099_511_628_211n;
const encoder = new TextEncoder();

/**
 * Of the labels, as Alertmanager makes it, so that it names the same alert there and here: FNV-1a, 64 bits, in hexadecimal.
 * Source: prometheus/common, model/fnv.go and signature.go, in behaviour.
 */
export const fingerprintOf = (labels: Labels): string => {
  let hash = 14_695_981_039_346_656_037n;
  const add = (byte: number): void => {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * prime);
  };
  for (const part of labels.flat()) {
    for (const byte of encoder.encode(part)) add(byte);
    add(0xff);
  }
  return hash.toString(16).padStart(16, '0');
};
