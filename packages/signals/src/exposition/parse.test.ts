import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { labelsOf, type Sample } from '../sample.ts';
import { type ExpositionFormat, formatOfContentType, parseExposition } from './parse.ts';
import { contentTypeOf, writeExposition } from './write.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const parse = (text: string, format: ExpositionFormat = 'prometheus') =>
  parseExposition(bytes(text), { timeMs: 1_000, format });
const only = (text: string) => parse(text).samples[0];

describe('the text format', () => {
  test('is read with its families, labels, values and times', () => {
    const { samples, families, problems } = parse(
      [
        '# HELP http_requests_total The total\\nnumber \\\\ of requests.',
        '# TYPE http_requests_total counter',
        '# a comment',
        '',
        'http_requests_total{method="post",code="200"} 1027 1395066363000',
        '  http_requests_total { code = "400" , method="post", } 3 -5 ',
        'msdos_file_access_time_seconds{path="C:\\\\DIR\\\\FILE.TXT",error="Cannot find file:\\n\\"FILE.TXT\\""} 1.458255915e9',
        'without_labels 12.47',
        'empty{} -0',
        '',
      ].join('\n'),
    );
    expect(problems).toEqual([]);
    expect(families).toEqual([
      { name: 'http_requests_total', type: 'counter', help: 'The total\nnumber \\ of requests.' },
    ]);
    expect(samples).toEqual([
      {
        name: 'http_requests_total',
        labels: [
          ['code', '200'],
          ['method', 'post'],
        ],
        value: 1_027,
        timeMs: 1_395_066_363_000,
      },
      {
        name: 'http_requests_total',
        labels: [
          ['code', '400'],
          ['method', 'post'],
        ],
        value: 3,
        timeMs: -5,
      },
      {
        name: 'msdos_file_access_time_seconds',
        labels: [
          ['error', 'Cannot find file:\n"FILE.TXT"'],
          ['path', 'C:\\DIR\\FILE.TXT'],
        ],
        value: 1_458_255_915,
        timeMs: 1_000,
      },
      { name: 'without_labels', labels: [], value: 12.47, timeMs: 1_000 },
      { name: 'empty', labels: [], value: -0, timeMs: 1_000 },
    ]);
  });

  test.each([
    ['NaN', Number.NaN],
    ['+Inf', Infinity],
    ['-Inf', -Infinity],
    ['Inf', Infinity],
    ['1e308', 1e308],
    ['5e-324', 5e-324],
    ['.5', 0.5],
    ['1.', 1],
    ['+7', 7],
    ['123456789012345678901234567890', 1.2345678901234568e29],
  ])('reads the value %s', (text, value) => {
    expect(only(`a ${text}\n`)?.value).toBe(value);
  });

  test.each([
    ['a 1e999\n', '"1e999" is not the value of "a": a float64 is expected'],
    ['a 0x10\n', '"0x10" is not the value'],
    ['a 1_000\n', '"1_000" is not the value'],
    ['a\n', 'after the name "a" comes the end of the line'],
    ['a \n', '"" is not the value'],
    ['a 1 2 3\n', '"3" follows the time'],
    ['a 1 1.5\n', '"1.5" is not a time'],
    ['9a 1\n', 'a metric\'s name is expected, not "9a 1"'],
    ['a-b 1\n', 'after the name "a" comes "-b 1"'],
    ['a{b="1" 1\n', '"1" stands where , or } is expected'],
    ['a{b="1\n', 'the value of the label "b" has no quotes'],
    ['a{b=1} 1\n', 'the value of the label "b" has no quotes'],
    ['a{b} 1\n', 'after the label "b" comes "} 1" where = is expected'],
    ['a{"b"} 1\n', 'where = is expected'],
    ['a{,} 1\n', "a label's name is expected"],
    ['a{b="1",b="2"} 1\n', 'a label of "a" is given twice'],
    ['a{__name__="b"} 1\n', 'a label of "a" is given twice'],
    ['# TYPE a colour\n', '"colour" is not a type of metric'],
    ['a 1', 'the last line has no line feed: it may be cut off'],
    [`a{b="${'x'.repeat(70_000)}"} 1\n`, 'the line is longer than 65536 bytes'],
    [`a{${Array.from({ length: 129 }, (_, index) => `l${index}="1"`).join(',')}} 1\n`, 'more than 128 labels'],
  ])('refuses %j and keeps the rest', (text, what) => {
    const { samples, problems } = parse(`good 1\n${text.endsWith('\n') ? `${text}better 2\n` : text}`);
    expect(problems).toEqual([{ line: 2, what: expect.stringContaining(what) }]);
    expect(samples.map(({ name }) => name)).toEqual(text.endsWith('\n') ? ['good', 'better'] : ['good']);
  });

  test('a series that comes twice keeps its first value, whatever the order of its labels', () => {
    const { samples, problems } = parse('a{b="1",c="2"} 1\na{c="2",b="1"} 2\na{b="1",c="2",d=""} 3\n');
    expect(samples.map(({ value }) => value)).toEqual([1]);
    expect(problems.map(({ line }) => line)).toEqual([2, 3]);
  });

  test('labels hold any text, and bytes that are no text lose their line only', () => {
    expect(only('a{b="\u0000\u001b 漢字 🏦 \\q"} 1\n')?.labels).toEqual([['b', '\u0000\u001b 漢字 🏦 \\q']]);
    const broken = new Uint8Array([...bytes('a{b="'), 0xff, 0xc0, ...bytes('"} 1\nc 2\n')]);
    const { samples, problems } = parseExposition(broken, { timeMs: 0, format: 'prometheus' });
    expect(problems).toEqual([{ line: 1, what: 'the line is not UTF-8' }]);
    expect(samples.map(({ name }) => name)).toEqual(['c']);
  });

  test('names in quotes are read as since Prometheus 3', () => {
    expect(only('{"my.metric","a b"="1"} 2\n')).toMatchObject({ name: 'my.metric', labels: [['a b', '1']], value: 2 });
  });

  test('lines may end as on Windows', () => {
    expect(parse('a{b="1"} 1\r\nb 2 3\r\n').samples).toHaveLength(2);
  });

  test('only the first problems are told, all are counted', () => {
    const { problems, problemCount } = parse('!\n'.repeat(5_000));
    expect(problems).toHaveLength(20);
    expect(problemCount).toBe(5_000);
  });
});

describe('OpenMetrics', () => {
  test('is read with units, seconds and exemplars', () => {
    const text = [
      '# TYPE took_seconds histogram',
      '# UNIT took_seconds seconds',
      'took_seconds_bucket{le="+Inf"} 17 1520879607.789 # {trace_id="KOO5S4vxi0o"} 0.67 1520879607.7',
      'took_seconds_count 17 1520879607.789',
      '# EOF',
      '',
    ].join('\n');
    const { samples, families, problems } = parse(text, 'openmetrics');
    expect(problems).toEqual([]);
    expect(families).toEqual([{ name: 'took_seconds', type: 'histogram', unit: 'seconds' }]);
    expect(samples.map(({ timeMs }) => timeMs)).toEqual([1_520_879_607_789, 1_520_879_607_789]);
  });

  test('says when the end is missing, or is not the end', () => {
    expect(parse('a 1\n', 'openmetrics').problems[0]?.what).toContain('# EOF');
    expect(parse('a 1\n# EOF\nb 2\n', 'openmetrics').problems).toEqual([{ line: 3, what: 'a line follows # EOF' }]);
    expect(parse('a 1\n# EOF', 'openmetrics').problems).toEqual([]);
  });

  test('is told by its content type', () => {
    for (const format of ['prometheus', 'openmetrics'] as const)
      expect(formatOfContentType(contentTypeOf(format))).toBe(format);
  });
});

const text = fc.string({ unit: 'binary', maxLength: 8 });
const sample: fc.Arbitrary<Sample> = fc.record({
  name: fc.oneof(
    fc.constantFrom('a', 'b:c', 'd_total'),
    text.filter((name) => name !== ''),
  ),
  labels: fc
    .array(
      fc.tuple(
        text.filter((name) => name !== '' && name !== '__name__'),
        text,
      ),
      { maxLength: 4 },
    )
    .map((pairs) => labelsOf([...new Map(pairs)]) ?? []),
  value: fc.double(),
  timeMs: fc.integer({ min: -1e12, max: 1e13 }),
});
const byKey = (a: Sample, b: Sample): number => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);

test.each(['prometheus', 'openmetrics'] as const)('what is written as %s reads back the same', (format) => {
  const distinct = fc.uniqueArray(sample, { selector: ({ name, labels }) => JSON.stringify([name, labels]) });
  fc.assert(
    fc.property(distinct, text, (samples, help) => {
      const families = [{ name: 'd', type: 'counter', help: help.replaceAll('\r', '') }] as const;
      const read = parse(writeExposition(samples, { format, families, withTimes: true }), format);
      expect(read.problems).toEqual([]);
      expect([...read.samples].sort(byKey)).toEqual([...samples].sort(byKey));
      for (const family of read.families) expect(family).toEqual(families[0]);
    }),
  );
});

test('no bytes whatever throw, and every problem has a line and words', () => {
  const snippets = fc.constantFrom('a', '{', '}', '"', '=', ',', ' ', '\n', '#', 'TYPE ', '1', 'NaN', '\\', '# EOF\n');
  const noise = fc.oneof(
    fc.uint8Array({ maxLength: 60 }),
    fc.array(snippets).map((parts) => bytes(parts.join(''))),
  );
  fc.assert(
    fc.property(noise, fc.constantFrom('prometheus' as const, 'openmetrics' as const), (input, format) => {
      const { problems, problemCount } = parseExposition(input, { timeMs: 0, format });
      expect(problemCount).toBeGreaterThanOrEqual(problems.length);
      for (const { line, what } of problems) expect(line >= 1 && what.length > 0 && !/\p{Cc}/u.test(what)).toBe(true);
    }),
    { numRuns: 500 },
  );
});

test('families stand together under one head', () => {
  const at = (name: string, value: number): Sample => ({ name, labels: [], value, timeMs: 5 });
  const families = [
    { name: 'took', type: 'histogram', help: 'How "long".' },
    { name: 'kind', type: 'info' },
  ] as const;
  const samples = [at('took_sum', 1), at('kind_info', 1), at('took_count', 2), at('other', Infinity)];
  expect(writeExposition(samples, { format: 'prometheus', families, withTimes: false })).toBe(
    '# HELP took How "long".\n# TYPE took histogram\ntook_sum 1\ntook_count 2\n# TYPE kind gauge\nkind_info 1\nother +Inf\n',
  );
  expect(writeExposition(samples.slice(0, 1), { format: 'openmetrics', families, withTimes: true })).toBe(
    '# HELP took How \\"long\\".\n# TYPE took histogram\ntook_sum 1 0.005\n# EOF\n',
  );
});
