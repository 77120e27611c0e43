/**
 * Samples as Prometheus' text format or as OpenMetrics. What is written reads back as the same samples
 * (`parse.ts`; a property test holds both to it). Series of one family stand together, as both formats demand.
 */
import type { Family, Label, MetricType, Sample } from '../sample.ts';
import { formatNumber } from './number.ts';
import type { ExpositionFormat } from './parse.ts';

/** The content type that belongs to a format. */
export const contentTypeOf = (format: ExpositionFormat): string =>
  format === 'openmetrics'
    ? 'application/openmetrics-text; version=1.0.0; charset=utf-8'
    : 'text/plain; version=0.0.4; charset=utf-8';

export type WriteOptions = {
  readonly format: ExpositionFormat;
  readonly families?: readonly Family[];
  /** Write each sample's time; a scrape usually goes without, and counts as the time it was made. */
  readonly withTimes: boolean;
};

export const writeExposition = (samples: readonly Sample[], options: WriteOptions): string => {
  const families = new Map((options.families ?? []).map((family) => [family.name, family]));
  const blocks = new Map<string, { readonly family: Family | undefined; readonly lines: string[] }>();
  for (const sample of samples) {
    const family = familyOf(sample.name, families);
    const name = family?.name ?? sample.name;
    const block = blocks.get(name) ?? { family, lines: [] };
    blocks.set(name, block);
    block.lines.push(sampleLine(sample, options));
  }
  const parts = [...blocks.values()].map(({ family, lines }) => headOf(family, options.format) + lines.join(''));
  return parts.join('') + (options.format === 'openmetrics' ? '# EOF\n' : '');
};

const suffixes: readonly string[] = ['_bucket', '_count', '_sum', '_total', '_created', '_info', '_gcount', '_gsum'];

/** The family a series belongs to: its own name, or that name without what its kind appends. */
const familyOf = (name: string, families: ReadonlyMap<string, Family>): Family | undefined => {
  const own = families.get(name);
  if (own !== undefined) return own;
  const suffix = suffixes.find((one) => name.endsWith(one));
  return suffix === undefined ? undefined : families.get(name.slice(0, -suffix.length));
};

const headOf = (family: Family | undefined, format: ExpositionFormat): string => {
  if (family === undefined) return '';
  const name = plainName.test(family.name) ? family.name : quote(family.name);
  const help = family.help === undefined ? '' : `# HELP ${name} ${escapeHelp(family.help, format)}\n`;
  const unit = family.unit === undefined || format === 'prometheus' ? '' : `# UNIT ${name} ${family.unit}\n`;
  return `${help}# TYPE ${name} ${typeText(family.type, format)}\n${unit}`;
};

/** The older format knows five types; the newer ones are told as what they are read as. */
const typeText = (type: MetricType, format: ExpositionFormat): string => {
  if (format === 'openmetrics') return type;
  switch (type) {
    case 'counter':
    case 'gauge':
    case 'histogram':
    case 'summary':
      return type;
    case 'info':
    case 'stateset':
      return 'gauge';
    case 'gaugehistogram':
    case 'unknown':
      return 'untyped';
  }
};

const plainName = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const plainLabel = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

const sampleLine = ({ name, labels, value, timeMs }: Sample, { format, withTimes }: WriteOptions): string => {
  const isPlain = plainName.test(name);
  const inside = [...(isPlain ? [] : [quote(name)]), ...labels.map(labelText)];
  const block = inside.length === 0 ? '' : `{${inside.join(',')}}`;
  const time = !withTimes ? '' : ` ${format === 'openmetrics' ? secondsText(timeMs) : timeMs}`;
  return `${isPlain ? name : ''}${block} ${formatNumber(value)}${time}\n`;
};

const secondsText = (timeMs: number): string => formatNumber(timeMs / 1_000);

const labelText = ([name, value]: Label): string => `${plainLabel.test(name) ? name : quote(name)}=${quote(value)}`;

const quote = (text: string): string =>
  `"${text.replaceAll(/[\\\n"]/g, (char) => (char === '\n' ? '\\n' : `\\${char}`))}"`;

/** OpenMetrics also escapes quotes in HELP. */
const escapeHelp = (text: string, format: ExpositionFormat): string =>
  format === 'openmetrics' ? quote(text).slice(1, -1) : text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
