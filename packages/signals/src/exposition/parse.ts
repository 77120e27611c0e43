/**
 * Prometheus' text format 0.0.4 and OpenMetrics 1.0, from bytes to samples. A line that is broken is one problem with
 * its number, and the other lines are kept: an exporter with one bad label still says much. What is not safe to keep is
 * left out and said: the second value of a series, and a last line without its line feed, which may be cut in
 * the middle of a number. Memory is bounded by `expositionLimits`. Timestamps become milliseconds.
 *
 * Sources: prometheus.io/docs/instrumenting/exposition_formats; the OpenMetrics 1.0 specification.
 */
import { type Family, type MetricType, quoted, type Sample, seriesKey, type TextProblem } from '../sample.ts';
import { expositionLimits } from './limits.ts';
import { parseSampleLine, type SampleLine } from './line.ts';
import { parseNumber } from './number.ts';

export type ExpositionFormat = 'prometheus' | 'openmetrics';

/** `problemCount` also counts those beyond the first 20, which `problems` holds. */
export type Exposition = {
  readonly samples: readonly Sample[];
  readonly families: readonly Family[];
  readonly problems: readonly TextProblem[];
  readonly problemCount: number;
};

export type ExpositionOptions = {
  /** The time of samples that carry none, milliseconds since 1970. */
  readonly timeMs: number;
  readonly format: ExpositionFormat;
};

/** The format that a `Content-Type` announces; the older one unless it says otherwise. */
export const formatOfContentType = (contentType: string): ExpositionFormat =>
  /^\s*application\/openmetrics-text\b/i.test(contentType) ? 'openmetrics' : 'prometheus';

export const parseExposition = (bytes: Uint8Array, { timeMs, format }: ExpositionOptions): Exposition => {
  const state = new Parsing(timeMs, format);
  if (bytes.length > expositionLimits.bytes)
    state.problem(1, `${bytes.length} bytes are more than the ${expositionLimits.bytes} that are read`);
  else state.readAll(bytes);
  return state.result();
};

const lineFeed = 10;

class Parsing {
  readonly #timeMs: number;
  readonly #format: ExpositionFormat;
  readonly #decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  readonly #samples: Sample[] = [];
  readonly #seen = new Set<string>();
  readonly #families = new Map<string, Family>();
  readonly #problems: TextProblem[] = [];
  #problemCount = 0;
  #ended = false;
  #full = false;

  constructor(timeMs: number, format: ExpositionFormat) {
    this.#timeMs = timeMs;
    this.#format = format;
  }

  readAll(bytes: Uint8Array): void {
    let line = 1;
    let from = 0;
    while (from < bytes.length && !this.#full) {
      const end = bytes.indexOf(lineFeed, from);
      if (end < 0) {
        this.#unfinished(line, bytes.subarray(from));
        break;
      }
      this.#readBytes(line, bytes.subarray(from, end));
      from = end + 1;
      line += 1;
    }
    if (this.#format === 'openmetrics' && !this.#ended && !this.#full)
      this.problem(line, 'the text ends without # EOF: its end is missing');
  }

  problem(line: number, what: string): void {
    this.#problemCount += 1;
    if (this.#problems.length < expositionLimits.problems) this.#problems.push({ line, what });
  }

  result(): Exposition {
    return {
      samples: this.#samples,
      families: [...this.#families.values()],
      problems: this.#problems,
      problemCount: this.#problemCount,
    };
  }

  /** What stands behind the last line feed. `# EOF` is whole without one. */
  #unfinished(line: number, bytes: Uint8Array): void {
    const text = bytes.length < 100 ? this.#decode(bytes) : undefined;
    if (text === '# EOF' && this.#format === 'openmetrics') this.#ended = true;
    else if (text?.trim() !== '') this.problem(line, 'the last line has no line feed: it may be cut off');
  }

  #decode(bytes: Uint8Array): string | undefined {
    try {
      return this.#decoder.decode(bytes);
    } catch (error) {
      // What a fatal decoder throws at bytes that are not UTF-8, and nothing else.
      if (error instanceof TypeError) return undefined;
      throw error;
    }
  }

  #readBytes(line: number, bytes: Uint8Array): void {
    if (bytes.length > expositionLimits.lineLength) {
      this.problem(line, `the line is longer than ${expositionLimits.lineLength} bytes`);
      return;
    }
    const decoded = this.#decode(bytes);
    if (decoded === undefined) {
      this.problem(line, 'the line is not UTF-8');
      return;
    }
    const text = decoded.endsWith('\r') ? decoded.slice(0, -1) : decoded;
    if (this.#ended) {
      this.problem(line, 'a line follows # EOF');
      return;
    }
    const body = text.trimStart();
    if (body === '') return;
    if (body.startsWith('#')) this.#readComment(line, body);
    else this.#readSample(line, body);
  }

  #readComment(line: number, text: string): void {
    if (this.#format === 'openmetrics' && text === '# EOF') {
      this.#ended = true;
      return;
    }
    const [, keyword, name = '', rest = ''] =
      /^#[ \t]+(HELP|TYPE|UNIT)[ \t]+("(?:[^"\\]|\\.)*"|\S+)[ \t]?(.*)$/s.exec(text) ?? [];
    if (keyword === undefined) return;
    const plain = name.startsWith('"') ? unescapeHelp(name.slice(1, -1)) : name;
    const known = this.#families.get(plain) ?? { name: plain, type: 'unknown' };
    if (!this.#families.has(plain) && this.#families.size >= expositionLimits.families) {
      this.problem(line, `more than ${expositionLimits.families} families`);
      return;
    }
    if (keyword === 'HELP') this.#families.set(plain, { ...known, help: unescapeHelp(rest) });
    else if (keyword === 'UNIT') this.#families.set(plain, { ...known, unit: rest.trim() });
    else {
      const type = typeOf(rest.trim());
      if (type === undefined) {
        this.problem(line, `${quoted(rest)} is not a type of metric`);
        return;
      }
      this.#families.set(plain, { ...known, type });
    }
  }

  #readSample(line: number, text: string): void {
    if (this.#samples.length >= expositionLimits.samples) {
      this.#full = true;
      this.problem(line, `more than ${expositionLimits.samples} samples; the rest is not read`);
      return;
    }
    const parsed = parseSampleLine(text, this.#format === 'openmetrics');
    if (!parsed.ok) {
      this.problem(line, parsed.what);
      return;
    }
    const { name, labels, value } = parsed.line;
    const timeMs = this.#timeOf(parsed.line);
    if (timeMs === undefined) {
      this.problem(line, `${quoted(parsed.line.time ?? '')} is not a time`);
      return;
    }
    const key = seriesKey(name, labels);
    if (this.#seen.has(key)) {
      this.problem(line, `the series of ${quoted(name)} comes a second time; the first value counts`);
      return;
    }
    this.#seen.add(key);
    this.#samples.push({ name, labels, value, timeMs });
  }

  /** Whole milliseconds in the older format, seconds with decimals in OpenMetrics. */
  #timeOf({ time }: SampleLine): number | undefined {
    if (time === undefined) return this.#timeMs;
    if (this.#format === 'prometheus') return /^-?\d{1,15}$/.test(time) ? Number(time) : undefined;
    const seconds = parseNumber(time);
    return seconds === undefined || !(Math.abs(seconds) < 1e12) ? undefined : Math.round(seconds * 1_000);
  }
}

const types: ReadonlyMap<string, MetricType> = new Map([
  ['counter', 'counter'],
  ['gauge', 'gauge'],
  ['histogram', 'histogram'],
  ['gaugehistogram', 'gaugehistogram'],
  ['summary', 'summary'],
  ['info', 'info'],
  ['stateset', 'stateset'],
  ['unknown', 'unknown'],
  ['untyped', 'unknown'],
]);

const typeOf = (text: string): MetricType | undefined => types.get(text);

const unescapeHelp = (text: string): string =>
  text.replaceAll(/\\([\\n"])/g, (_, char: string) => (char === 'n' ? '\n' : char));
