/**
 * Prometheus remote write 1.0, both ways: samples to the body of a request (protobuf in Snappy's block format), and back. A
 * body that is broken gives one sentence and no samples. Samples with broken labels are left out and counted, the others
 * are kept: a sender would send the whole body again for ever. The stale marker, which is a NaN of its own, is a NaN here.
 *
 * Source: prometheus.io/docs/specs/prw/remote_write_spec; prometheus/prompb/remote.proto.
 */
import { type Label, labelsOf, type Sample, seriesKey } from '../sample.ts';
import { fieldsOf, ProtobufFault, ProtobufWriter } from './protobuf.ts';
import { snappyDecode, snappyEncode } from './snappy.ts';

/** Headers that a request of this body carries. */
export const remoteWriteHeaders = {
  'content-type': 'application/x-protobuf',
  'content-encoding': 'snappy',
  'x-prometheus-remote-write-version': '0.1.0',
} as const;

export const remoteWriteLimits = {
  /** Uncompressed. Prometheus sends 2,000 samples at a time, which are some 400 kB. */
  bytes: 32 * 2 ** 20,
  samples: 1_000_000,
  labels: 128,
} as const;

/** The NaN that says that a series has ended: from then on an instant query does not find it. */
const staleMarker = 0x7ff0_0000_0000_0002n;

/** The body. Samples of one series stand together, in the order given; the protocol wants them in the order of time. */
export const encodeRemoteWrite = (samples: readonly Sample[]): Uint8Array => encodeWithEnded(samples, []);

/** The same with series that end at the time of their sample, whatever its value; they must not be among the samples. */
export const encodeWithEnded = (samples: readonly Sample[], ended: readonly Sample[]): Uint8Array => {
  const series = new Map<string, Sample[]>();
  for (const sample of samples) {
    const key = seriesKey(sample.name, sample.labels);
    const known = series.get(key);
    if (known === undefined) series.set(key, [sample]);
    else known.push(sample);
  }
  const [request, one, part] = [new ProtobufWriter(), new ProtobufWriter(), new ProtobufWriter()];
  const begin = (first: Sample): void => {
    for (const [name, value] of sortedLabels(first)) {
      part.text(1, name);
      part.text(2, value);
      one.message(1, part);
    }
  };
  for (const list of series.values()) {
    const [first] = list;
    if (first === undefined) continue;
    begin(first);
    for (const { value, timeMs } of list) {
      part.double(1, value);
      part.int64(2, Math.round(timeMs));
      one.message(2, part);
    }
    request.message(1, one);
  }
  for (const sample of ended) {
    begin(sample);
    part.fixed64(1, staleMarker);
    part.int64(2, Math.round(sample.timeMs));
    one.message(2, part);
    request.message(1, one);
  }
  return snappyEncode(request.take());
};

const sortedLabels = ({ name, labels }: Sample): readonly Label[] => labelsOf([['__name__', name], ...labels]) ?? [];

export type RemoteWriteResult =
  /** `left`: series whose labels are no labels: without a name, given twice, too many, or no UTF-8. */
  | { readonly ok: true; readonly samples: readonly Sample[]; readonly left: number }
  | { readonly ok: false; readonly what: string };

export const decodeRemoteWrite = (body: Uint8Array): RemoteWriteResult => {
  const bytes = snappyDecode(body, remoteWriteLimits.bytes);
  if (bytes === undefined)
    return {
      ok: false,
      what: `the body is not Snappy's block format, or more than ${remoteWriteLimits.bytes} bytes in it`,
    };
  try {
    return readRequest(bytes);
  } catch (error) {
    if (error instanceof ProtobufFault) return { ok: false, what: `the body is not a write request: ${error.message}` };
    throw error;
  }
};

const readRequest = (bytes: Uint8Array): RemoteWriteResult => {
  const samples: Sample[] = [];
  let left = 0;
  let count = 0;
  for (const field of fieldsOf(bytes)) {
    if (field.number !== 1) continue;
    if (field.kind !== 'bytes') throw new ProtobufFault('a series is no message');
    const series = readSeries(field.bytes);
    if (series === undefined) left += 1;
    else for (const sample of series) samples.push(sample);
    count += 1;
    // Also of series without samples: each costs time.
    if (Math.max(samples.length, count) > remoteWriteLimits.samples) throw tooMany();
  }
  return { ok: true, samples, left };
};

/** The samples of one series; undefined when its labels are none. @throws ProtobufFault */
export const readSeries = (bytes: Uint8Array): readonly Sample[] | undefined => {
  const pairs: (Label | undefined)[] = [];
  const values: { readonly value: number; readonly timeMs: number }[] = [];
  for (const field of fieldsOf(bytes)) {
    // Exemplars and native histograms (3 and 4) are passed over.
    if (field.number > 2) continue;
    if (field.kind !== 'bytes') throw new ProtobufFault('a label or a sample is no message');
    if (field.number === 2) {
      if (values.length >= remoteWriteLimits.samples) throw tooMany();
      values.push(readValue(field.bytes));
    } else if (pairs.length <= remoteWriteLimits.labels) pairs.push(readLabel(field.bytes));
  }
  const labels = pairs.every((pair) => pair !== undefined) ? labelsOf(pairs) : undefined;
  const name = labels?.find(([label]) => label === '__name__')?.[1];
  if (labels === undefined || name === undefined || pairs.length > remoteWriteLimits.labels) return undefined;
  const own = labels.filter(([label]) => label !== '__name__');
  return values.map(({ value, timeMs }) => ({ name, labels: own, value, timeMs }));
};

const tooMany = (): ProtobufFault =>
  new ProtobufFault(`it has more than ${remoteWriteLimits.samples} samples or series`);

/** Undefined when its text is no UTF-8, or it has no name. */
const readLabel = (bytes: Uint8Array): Label | undefined => {
  let [name, value]: [string | undefined, string | undefined] = ['', ''];
  for (const field of fieldsOf(bytes)) {
    if (field.kind !== 'bytes') continue;
    if (field.number === 1) name = textOf(field.bytes);
    if (field.number === 2) value = textOf(field.bytes);
  }
  return name === undefined || name === '' || value === undefined ? undefined : [name, value];
};

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

const textOf = (bytes: Uint8Array): string | undefined => {
  try {
    return decoder.decode(bytes);
  } catch (error) {
    // What a fatal decoder throws at bytes that are not UTF-8, and nothing else.
    if (error instanceof TypeError) return undefined;
    throw error;
  }
};

const readValue = (bytes: Uint8Array): { readonly value: number; readonly timeMs: number } => {
  let [value, timeMs] = [0, 0];
  for (const field of fieldsOf(bytes)) {
    if (field.number === 1 && field.kind === 'fixed64') value = field.double;
    if (field.number === 2 && field.kind === 'varint') timeMs = Number(BigInt.asIntN(64, field.bits));
  }
  return { value, timeMs };
};
