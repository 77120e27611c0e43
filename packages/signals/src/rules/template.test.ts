import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fillAndAsk, fillTemplate } from './template.ts';
import { parseTemplate } from './template-parse.ts';

const data = {
  value: 0.123_456,
  labels: new Map([
    ['instance', 'north-db-1'],
    ['job', 'node'],
  ]),
  externalUrl: 'https://ops.example/coequal/',
  externalLabels: new Map([['platform', 'north']]),
};
const sample = (instance: string, value: number) =>
  ({ kind: 'sample', labels: new Map([['instance', instance]]), value }) as const;
const answers = new Map([
  ['up', [sample('b', 1.5), sample('a', 2)]],
  ['none', []],
]);
const fill = (text: string, value = data.value): string => {
  const parsed = parseTemplate(text);
  return parsed.ok ? fillTemplate(parsed.template, { ...data, value, answers }) : `refused: ${parsed.what}`;
};

test.each([
  ['plain } text { ', 'plain } text { '],
  ['{{ $labels.instance }} of {{.Labels.job}}', 'north-db-1 of node'],
  ['{{ $labels.missing }}', ''],
  ['{{ $value }} {{ .Value }}', '0.123456 0.123456'],
  ['{{ $value | humanizePercentage }}', '12.35%'],
  ['{{ printf "%.2f" $value }}', '0.12'],
  ['{{ $value | printf "%6.1f|%-4s|%%|%d|%q" }}', '   0.1|%!s(MISSING)|%|%!d(MISSING)|%!q(MISSING)'],
  ['{{ $labels.instance | toUpper | printf "%s!" }}', 'NORTH-DB-1!'],
  ['a {{- " b " -}} c', 'a b c'],
  ['{{/* a note */}}x', 'x'],
  ['{{ if gt $value 0.5 }}high{{ else if (lt $value 0.2) }}low{{ else }}middle{{ end }}', 'low'],
  ['{{ if and (eq $labels.job "node") (not false) }}yes{{ end }}', 'yes'],
  ['{{ if $labels.missing }}yes{{ else }}no{{ end }}', 'no'],
  ['{{ or $labels.missing `nobody` }}', 'nobody'],
  ['{{ "}}" }}', '}}'],
  [
    '{{ $externalURL }} {{ externalURL }} {{ pathPrefix }}',
    'https://ops.example/coequal/ https://ops.example/coequal/ /coequal',
  ],
  ['{{ $externalLabels.platform }}{{ .ExternalLabels.platform }}', 'northnorth'],
  ['{{ $x := $value }}{{ $x | humanizePercentage }}{{ $x = "b" }}{{ $x }}', '12.35%b'],
  ['{{ with $labels.job }}job {{ . }}{{ else }}none{{ end }}', 'job node'],
  ['{{ with $labels.missing }}{{ . }}{{ else }}none{{ end }}', 'none'],
  ['{{ with query "up" }}{{ . | first | value | humanize }} {{ . | first | label "instance" }}{{ end }}', '1.5 b'],
  ['{{ with query "none" }}some{{ else }}nothing{{ end }}', 'nothing'],
  ['{{ with printf "u%s" "p" | query }}{{ len . }}{{ end }}', '2'],
  ['{{ range query "up" | sortByLabel "instance" }}{{ .Labels.instance }}={{ .Value }};{{ end }}', 'a=2;b=1.5;'],
  ['{{ range $i, $s := query "up" }}{{ $i }}{{ $s.Labels.instance }}{{ $.Value }} {{ end }}', '0b0.123456 1a0.123456 '],
  ['{{ range $key, $text := $labels }}{{ $key }}:{{ $text }} {{ end }}', 'instance:north-db-1 job:node '],
  ['{{ range query "none" }}x{{ else }}y{{ end }}', 'y'],
  ['{{ (query "up" | first).Value }}', '1.5'],
  ['{{ query "up" | first | value | humanize }}{{ query "none" | first | value }}', '1.5'],
  ['{{ reReplaceAll `^(\\w+)-db-(\\d)$` "$2 of $1" $labels.instance }}', '1 of north'],
  ['{{ reReplaceAll "(?P<a>n)" "<$a>" "no" }} {{ reReplaceAll "o" "$$" "no" }}', '<n>o n$'],
  ['{{ if match "^NORTH" $labels.instance }}a{{ else if match "(?i)^NORTH" $labels.instance }}b{{ end }}', 'b'],
  ['{{ stripPort "db:3306" }} {{ stripPort "[::1]:80" }} {{ stripPort "db" }}', 'db ::1 db'],
  ['{{ stripDomain "db.example.org:80" }} {{ stripDomain "10.0.0.1:80" }}', 'db:80 10.0.0.1:80'],
  ['{{ parseDuration "1h30m" | humanizeDuration }}', '1h 30m 0s'],
  [
    '{{ graphLink "up == 0" }} {{ tableLink "a+b" }}',
    '/graph?g0.expr=up+%3D%3D+0&g0.tab=0 /graph?g0.expr=a%2Bb&g0.tab=1',
  ],
  ['{{ index $labels "job" }} {{ len "äb" }} {{ println "a" 1 }}', 'node 3 a 1\n'],
  ['{{ title "two words" }}', 'Two Words'],
  ['{{ print 1 "a" true }}', '1atrue'],
])('%j gives %j', (text, expected) => {
  expect(fill(text)).toBe(expected);
});

test.each([
  ['humanize', 0, '0'],
  ['humanize', 1_234_567, '1.235M'],
  ['humanize', 0.0125, '12.5m'],
  ['humanize', -1_000, '-1k'],
  ['humanize', Number.NaN, 'NaN'],
  ['humanize', 1e30, '1e+06Y'],
  ['humanize1024', 2_097_152, '2Mi'],
  ['humanize1024', 0.5, '0.5'],
  ['humanizeDuration', 0, '0s'],
  ['humanizeDuration', 0.0125, '12.5ms'],
  ['humanizeDuration', 59.5, '59.5s'],
  ['humanizeDuration', 3_661, '1h 1m 1s'],
  ['humanizeDuration', -90_061, '-1d 1h 1m 1s'],
  ['humanizeDuration', Infinity, '+Inf'],
  ['humanizeTimestamp', 1_435_065_584.128, '2015-06-23 13:19:44.128 +0000 UTC'],
  ['humanizeTimestamp', 1_435_065_584, '2015-06-23 13:19:44 +0000 UTC'],
  ['humanizeTimestamp', 1e300, '1e+300'],
  ['print', 100_000, '100000'],
  ['print', 1_234_567, '1.234567e+06'],
  ['print', 0.000_01, '1e-05'],
  ['printf "%e"', 1_234.5, '1.234500e+03'],
  ['printf "%.3g"', 1_234.5, '1.23e+03'],
  ['printf "%d"', -7.9, '-7'],
  ['printf "%x"', 7, '%!x(7)'],
])('%s of %d is %s, as in Prometheus', (call, value, expected) => {
  expect(fill(`{{ ${call} $value }}`, value)).toBe(expected);
});

test.each([
  ['{{ $value', '{{ is not closed'],
  ['{{ }}', '{{ }} is empty'],
  ['{{ end }}', 'stands without its {{ if }}'],
  ['{{ if $value }}', '{{ if }} has no {{ end }}'],
  ['{{ if $value }}a{{ else }}b{{ else }}c{{ end }}', 'is not followed by {{ end }}'],
  ['{{ range query "up" }}', '{{ range }} has no {{ end }}'],
  ['{{ define "x" }}', 'the function "define" is not known here'],
  ['{{ $a = 1 }}', '"$a" was not declared'],
  ['{{ if 1 }}{{ $a := 1 }}{{ end }}{{ $a }}', '"$a" is not a value'],
  ['{{ with $a := 1 }}{{ end }}{{ $a }}', '"$a" is not a value'],
  ['{{ with 1 }}{{ else }}', '{{ else }} has no {{ end }}'],
  ['{{ reReplaceAll "(" "a" $labels.job }}', '"(" is not a regular expression'],
  ['{{ match "(?=a)" $labels.job }}', 'is not a regular expression'],
  ['{{ parseDuration "soon" }}', '"soon" is not a duration'],
  ['{{ humanize value }}', '"value" stands in parentheses'],
  ['{{ humanize }}', 'humanize has 0 arguments, and takes 1'],
  ['{{ eq 1 }}', 'eq has 1 arguments, and takes 2'],
  ['{{ $other }}', '"$other" is not a value'],
  ['{{ $value | 3 }}', 'behind | stands a function'],
  ['{{ (humanize 3 }}', '( is not closed'],
  ['{{ $value 3 }}', '"3" in a template stands too much'],
  ['{{ $value ; }}', 'is not understood'],
  ['{{ if 1 }}'.repeat(50), 'nested more than 20 deep'],
  [`{{ ${'('.repeat(50)} 1 }}`, 'nested too deeply'],
])('%j is refused when it is read', (text, what) => {
  expect(fill(text)).toContain('refused: ');
  expect(fill(text)).toContain(what);
});

test('what is far too long for a person is cut', () => {
  expect(fill('x'.repeat(20_000))).toHaveLength(16_385);
});

test('no text whatever throws, when read or when filled in', () => {
  const parts = fc.constantFrom(
    '{{',
    '}}',
    ' if ',
    ' else ',
    ' end ',
    '$value',
    '|',
    '(',
    ')',
    'printf',
    '"%d"',
    ' with ',
    ' range ',
    'query',
    'first',
    '$x := ',
    '.Value',
    '$labels',
    '1',
    '- ',
    ' -',
    'gt',
    '"',
  );
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(parts, { maxLength: 20 }).map((list) => list.join(' ')),
  );
  fc.assert(
    fc.property(text, fc.double(), (content, value) => {
      expect(typeof fill(content, value)).toBe('string');
    }),
    { numRuns: 1_000 },
  );
});

test('what query asks is told until it is answered, and no more than some', () => {
  const parsed = parseTemplate('{{ query "up" | first | value }}{{ query "other" | first | value }}');
  if (!parsed.ok) throw new Error(parsed.what);
  expect(fillAndAsk(parsed.template, data).asks).toEqual(['up', 'other']);
  expect(fillAndAsk(parsed.template, { ...data, answers })).toEqual({ text: '1.5', asks: ['other'] });
  const many = parseTemplate(Array.from({ length: 50 }, (_, index) => `{{ query "q${index}" | len }}`).join(''));
  if (!many.ok) throw new Error(many.what);
  expect(fillAndAsk(many.template, data).asks).toHaveLength(20);
});

test('loops in loops end', () => {
  const long = new Map([['up', Array.from({ length: 1_000 }, (_, index) => sample(String(index), 1))]]);
  const inside = `${'{{ range query "up" }}'.repeat(5)}{{ $value | len }}${'{{ end }}'.repeat(5)}`;
  const parsed = parseTemplate(inside);
  if (!parsed.ok) throw new Error(parsed.what);
  expect(fillTemplate(parsed.template, { ...data, answers: long }).length).toBeLessThan(20_000);
});
