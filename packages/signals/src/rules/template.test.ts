import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fillTemplate, parseTemplate } from './template.ts';

const data = {
  value: 0.123_456,
  labels: new Map([
    ['instance', 'north-db-1'],
    ['job', 'node'],
  ]),
  externalUrl: 'https://ops.example',
};
const fill = (text: string, value = data.value): string => {
  const parsed = parseTemplate(text);
  return parsed.ok ? fillTemplate(parsed.template, { ...data, value }) : `refused: ${parsed.what}`;
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
  ['{{ $externalURL }}', 'https://ops.example'],
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
  ['{{ range query "up" }}', 'the function "range" is not known here'],
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
