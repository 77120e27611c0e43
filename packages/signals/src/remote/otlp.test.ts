import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Sample } from '../sample.ts';
import { DeltaTotals, decodeOtlp, otlpBytesLimit } from './otlp.ts';
import { ProtobufWriter } from './protobuf.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const json = (value: unknown) => decodeOtlp(bytes(JSON.stringify(value)), 'json');

const shown = (samples: readonly Sample[]): readonly string[] =>
  samples.map(
    ({ name, labels, value, timeMs }) =>
      `${name}{${labels.map(([label, text]) => `${label}=${text}`)}} ${value} ${timeMs}`,
  );

/** The metrics of one resource, whose service is named. */
const requestOf = (metrics: readonly unknown[]) => ({
  resourceMetrics: [
    {
      resource: {
        attributes: [
          { key: 'service.namespace', value: { stringValue: 'bank' } },
          { key: 'service.name', value: { stringValue: 'transfers' } },
          { key: 'service.instance.id', value: { stringValue: 'a-1' } },
          { key: 'host.name', value: { stringValue: 'north' } },
        ],
      },
      scopeMetrics: [{ scope: { name: 'x' }, metrics }],
    },
  ],
});
const at = { timeUnixNano: '1544712660300999999' };
const attribute = (key: string, stringValue: string) => ({ key, value: { stringValue } });

const metrics = [
  {
    ...{ name: 'queue.depth', unit: '1' },
    gauge: { dataPoints: [{ ...at, asDouble: 0.5, attributes: [attribute('queue.name', 'q')] }] },
  },
  {
    ...{ name: 'http.requests', unit: '{request}' },
    sum: { dataPoints: [{ ...at, asInt: '42' }], aggregationTemporality: 2, isMonotonic: true },
  },
  {
    ...{ name: 'http.sent', unit: 'By' },
    sum: { dataPoints: [{ ...at, asInt: '7' }], aggregationTemporality: 1, isMonotonic: true },
  },
  {
    ...{ name: 'took', unit: 's' },
    histogram: {
      dataPoints: [{ ...at, count: '6', sum: 9.5, bucketCounts: ['1', '2', '3'], explicitBounds: [0.1, 1] }],
      aggregationTemporality: 2,
    },
  },
  {
    ...{ name: 'waited', unit: 'ms' },
    summary: { dataPoints: [{ ...at, count: '3', sum: 4, quantileValues: [{ quantile: 0.5, value: 1 }] }] },
  },
];
const service = 'instance=a-1,job=bank/transfers';
const time = 1_544_712_660_300;
const expected = {
  samples: [
    `queue_depth_ratio{instance=a-1,job=bank/transfers,queue_name=q} 0.5 ${time}`,
    `http_requests_total{${service}} 42 ${time}`,
    `took_seconds_bucket{${service},le=0.1} 1 ${time}`,
    `took_seconds_bucket{${service},le=1} 3 ${time}`,
    `took_seconds_bucket{${service},le=+Inf} 6 ${time}`,
    `took_seconds_count{${service}} 6 ${time}`,
    `took_seconds_sum{${service}} 9.5 ${time}`,
    `waited_milliseconds{${service},quantile=0.5} 1 ${time}`,
    `waited_milliseconds_count{${service}} 3 ${time}`,
    `waited_milliseconds_sum{${service}} 4 ${time}`,
  ],
  deltas: [`http_sent_bytes_total{${service}} 7 ${time}`],
};

test('a request in JSON becomes samples with the names and labels of Prometheus', () => {
  const result = json(requestOf(metrics));
  if (!result.ok) throw new Error(result.what);
  expect({ samples: shown(result.samples), deltas: shown(result.deltas) }).toEqual(expected);
  expect(result.left).toBe(0);
});

/** A message of protobuf, written field by field. */
const message = (write: (writer: ProtobufWriter) => void): Uint8Array => {
  const writer = new ProtobufWriter();
  write(writer);
  return writer.take();
};
const fixed = (writer: ProtobufWriter, number: number, bits: bigint): void =>
  writer.double(number, new Float64Array(new BigUint64Array([bits]).buffer)[0] ?? 0);
const keyValue = (key: string, text: string): Uint8Array =>
  message((writer) => {
    writer.bytes(1, bytes(key));
    writer.bytes(
      2,
      message((value) => value.bytes(1, bytes(text))),
    );
  });
const metric = (name: string, unit: string, kind: number, data: (writer: ProtobufWriter) => void): Uint8Array =>
  message((writer) => {
    writer.bytes(1, bytes(name));
    writer.bytes(3, bytes(unit));
    writer.bytes(kind, message(data));
  });
const nanoseconds = 1_544_712_660_300_999_999n;
const wholeNumber = (value: bigint): Uint8Array =>
  message((point) => {
    fixed(point, 3, nanoseconds);
    fixed(point, 6, value);
  });
const listOfDoubles = (...values: readonly number[]): Uint8Array => new Uint8Array(new Float64Array(values).buffer);
const listOfCounts = (...values: readonly bigint[]): Uint8Array => new Uint8Array(new BigUint64Array(values).buffer);

const inProtobuf = (): Uint8Array => {
  const all = [
    metric('queue.depth', '1', 5, (data) =>
      data.bytes(
        1,
        message((point) => {
          fixed(point, 3, nanoseconds);
          point.double(4, 0.5);
          point.bytes(7, keyValue('queue.name', 'q'));
        }),
      ),
    ),
    metric('http.requests', '{request}', 7, (data) => {
      data.bytes(1, wholeNumber(42n));
      data.int64(2, 2);
      data.int64(3, 1);
    }),
    metric('http.sent', 'By', 7, (data) => {
      data.bytes(1, wholeNumber(7n));
      data.int64(2, 1);
      data.int64(3, 1);
    }),
    metric('took', 's', 9, (data) => {
      data.bytes(
        1,
        message((point) => {
          fixed(point, 3, nanoseconds);
          fixed(point, 4, 6n);
          point.double(5, 9.5);
          point.bytes(6, listOfCounts(1n, 2n, 3n));
          point.bytes(7, listOfDoubles(0.1, 1));
        }),
      );
      data.int64(2, 2);
    }),
    metric('waited', 'ms', 11, (data) =>
      data.bytes(
        1,
        message((point) => {
          fixed(point, 3, nanoseconds);
          fixed(point, 4, 3n);
          point.double(5, 4);
          point.bytes(
            6,
            message((quantile) => {
              quantile.double(1, 0.5);
              quantile.double(2, 1);
            }),
          );
        }),
      ),
    ),
  ];
  const attributes = [
    keyValue('service.namespace', 'bank'),
    keyValue('service.name', 'transfers'),
    keyValue('service.instance.id', 'a-1'),
  ];
  const resource = message((writer) => {
    for (const one of attributes) writer.bytes(1, one);
  });
  const scope = message((writer) => {
    for (const one of all) writer.bytes(2, one);
  });
  const whole = message((writer) => {
    writer.bytes(1, resource);
    writer.bytes(2, scope);
  });
  return message((writer) => writer.bytes(1, whole));
};

test('the same request in protobuf becomes the same samples', () => {
  const result = decodeOtlp(inProtobuf(), 'protobuf');
  if (!result.ok) throw new Error(result.what);
  expect({ samples: shown(result.samples), deltas: shown(result.deltas) }).toEqual(expected);
  expect(result.left).toBe(0);
});

describe('points that are no samples', () => {
  const gauge = (point: object) => ({ name: 'a', gauge: { dataPoints: [{ ...at, ...point }] } });
  const histogram = (point: object) => ({
    name: 'a',
    histogram: { dataPoints: [{ ...at, count: '1', ...point }], aggregationTemporality: 2 },
  });
  test.each([
    ['without a value', gauge({})],
    ['that say they have none', gauge({ asDouble: 1, flags: 1 })],
    [
      'with two attributes of one name',
      gauge({ asDouble: 1, attributes: [attribute('a.b', '1'), attribute('a_b', '2')] }),
    ],
    ['without a time', { name: 'a', gauge: { dataPoints: [{ asDouble: 1 }] } }],
    ['with a bound that is no number', histogram({ bucketCounts: ['1', '0'], explicitBounds: ['NaN'] })],
    ['without a name', { gauge: { dataPoints: [{ asDouble: 1 }] } }],
    ['of an unknown kind', { name: 'a', exponentialHistogram: {} }],
    ['of unknown temporality', { name: 'a', sum: { dataPoints: [{ ...at, asInt: '1' }] } }],
    ['with buckets that fit no bounds', histogram({ bucketCounts: ['1'], explicitBounds: [1] })],
    ['with bounds that do not ascend', histogram({ bucketCounts: ['1', '0', '0'], explicitBounds: [2, 1] })],
    ['with counts that are no numbers', histogram({ bucketCounts: ['x', '1'], explicitBounds: [2] })],
  ])('%s are left out and counted', (_, bad) => {
    const result = json(requestOf([bad, gauge({ asDouble: 1 })]));
    expect(result).toMatchObject({ ok: true, left: 1, deltas: [] });
    expect(result.ok ? result.samples : []).toHaveLength(1);
  });
});

test('labels of the service win over a point of the same name', () => {
  const point = { ...at, asDouble: 1, attributes: [attribute('job', 'mine'), attribute('1st', 'x')] };
  const result = json(requestOf([{ name: '9lives', gauge: { dataPoints: [point] } }]));
  expect(result.ok ? shown(result.samples) : []).toEqual([
    `_9lives{${service.split(',')[0]},job=bank/transfers,key_1st=x} 1 ${time}`,
  ]);
});

test.each([
  ['no JSON', 'json', bytes('{'), 'this is not JSON in UTF-8'],
  ['no UTF-8', 'json', new Uint8Array([0x22, 0xff, 0x22]), 'this is not JSON in UTF-8'],
  ['cut off', 'protobuf', new Uint8Array([0x0a, 0x05]), 'a field is cut off'],
  ['a number for a message', 'protobuf', new Uint8Array([0x08, 0x01]), 'where a message or a text is expected'],
  ['too large', 'json', new Uint8Array(otlpBytesLimit + 1), 'bytes are more than'],
] as const)('a body that is %s is refused in a sentence', (_, encoding, body, what) => {
  expect(decodeOtlp(body, encoding)).toEqual({ ok: false, what: expect.stringContaining(what) });
});

test('a body of another shape holds nothing', () => {
  for (const value of [null, 7, [], {}, { resourceMetrics: 'x' }, { resourceMetrics: [null, { scopeMetrics: [3] }] }])
    expect(json(value)).toEqual({ ok: true, samples: [], deltas: [], left: 0 });
});

describe('differences', () => {
  const delta = (host: string, timeMs: number, value: number): Sample => ({
    name: 'a',
    labels: [['host', host]],
    timeMs,
    value,
  });
  const values = (samples: readonly Sample[]): readonly number[] => samples.map(({ value }) => value);

  test('add up, each series by itself', () => {
    const totals = new DeltaTotals();
    expect(values(totals.add([delta('a', 1, 5), delta('b', 1, 2), delta('a', 2, 3)]).samples)).toEqual([5, 2, 8]);
    expect(values(totals.add([delta('b', 2, 1)]).samples)).toEqual([3]);
  });

  test('that come again, late, or without a number count once or not at all', () => {
    const totals = new DeltaTotals();
    totals.add([delta('a', 10, 5)]);
    const again = [delta('a', 10, 5), delta('a', 9, 5), delta('a', 11, Number.NaN), delta('a', 12, 1)];
    expect(totals.add(again)).toEqual({ samples: [delta('a', 12, 6)], refused: 3 });
  });

  test('have room for so many series', () => {
    const totals = new DeltaTotals(1);
    expect(totals.add([delta('a', 1, 1), delta('b', 1, 1)]).refused).toBe(1);
  });
});

test('no bytes and no JSON whatever throw', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 80 }),
      fc.constantFrom('json' as const, 'protobuf' as const),
      (body, encoding) => {
        expect(typeof decodeOtlp(body, encoding).ok).toBe('boolean');
      },
    ),
    { numRuns: 500 },
  );
  const keys = fc.constantFrom(
    'name',
    'gauge',
    'sum',
    'histogram',
    'dataPoints',
    'attributes',
    'bucketCounts',
    'explicitBounds',
  );
  const part = fc.dictionary(keys, fc.jsonValue());
  fc.assert(
    fc.property(part, fc.constantFrom('gauge', 'sum', 'histogram', 'summary'), (point, kind) => {
      const data = { dataPoints: [point], aggregationTemporality: 2 };
      expect(json(requestOf([{ ...point, name: 'a', [kind]: data }])).ok).toBe(true);
    }),
  );
});
