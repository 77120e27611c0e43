/**
 * One log: its lines of a second to events and counts. A template that comes often is one event with its number; a change that a line tells of is an
 * event of its own. Ids are made of what and when, so that what is read again is the same event. Pure but for the templates it keeps.
 */
import { createHash } from 'node:crypto';
import type { ChangeEvent, LogEvent, Place } from '@coequal/contract';
import { knownChange } from './known.ts';
import { type LineSeverity, type LogStyle, readLine } from './lines.ts';
import { maskLine } from './mask.ts';
import { Templates } from './templates.ts';

export type LogReaderOptions = {
  /** Path, as events tell it. */
  readonly log: string;
  readonly style: LogStyle;
  readonly place: Place;
};

export type LogReading = { readonly events: readonly (LogEvent | ChangeEvent)[] };

/** Templates of one reading; what is beyond is counted in one event for each severity. */
const eventsPerReading = 100;
const templateLength = 500;
const othersTemplate = '<*>';

export class LogReader {
  readonly #options: LogReaderOptions;
  readonly #templates = new Templates();
  #style: LogStyle;
  readonly #counts: Record<LineSeverity, number> = { error: 0, warning: 0, info: 0 };

  constructor(options: LogReaderOptions) {
    this.#options = options;
    this.#style = options.style;
  }

  /** Lines since the start, by severity; what belongs to a line before counts with it. */
  counts(): Readonly<Record<LineSeverity, number>> {
    return { ...this.#counts };
  }

  get templates(): number {
    return this.#templates.size;
  }

  /** @param atMs of the reading */
  read(lines: readonly string[], atMs: number): LogReading {
    const found = new Map<string, { readonly severity: LineSeverity; readonly template: string; count: number }>();
    const changes: ChangeEvent[] = [];
    for (const line of lines) {
      if (line.trim() === '') continue;
      const read = readLine(line, this.#style);
      if (read.kind === 'continuation') continue;
      // A log that has shown whose it is keeps its style: lines without a head are then no lines of their own.
      if (this.#style === 'auto' && (read.style === 'mariadb' || read.style === 'postgres')) this.#style = read.style;
      this.#counts[read.severity] += 1;
      const change = knownChange(read.text, read.style, this.#who());
      if (change !== undefined) changes.push(this.#changeEvent(change, atMs));
      this.#count(found, read.severity, read.text);
    }
    const logs = [...found.values()].map((one): LogEvent => this.#logEvent(one, atMs));
    return { events: [...changes, ...logs] };
  }

  #who(): string {
    const { instance, gateway, host } = this.#options.place;
    return instance ?? gateway ?? host ?? this.#options.log;
  }

  #count(
    found: Map<string, { readonly severity: LineSeverity; readonly template: string; count: number }>,
    severity: LineSeverity,
    text: string,
  ): void {
    const whole = this.#templates.templateOf(maskLine(text)).slice(0, templateLength);
    const template = found.size < eventsPerReading || found.has(`${severity} ${whole}`) ? whole : othersTemplate;
    const key = `${severity} ${template}`;
    const known = found.get(key);
    if (known === undefined) found.set(key, { severity, template, count: 1 });
    else known.count += 1;
  }

  #logEvent(
    { severity, template, count }: { severity: LineSeverity; template: string; count: number },
    atMs: number,
  ): LogEvent {
    const { log, place } = this.#options;
    return { kind: 'log', id: idOf(log, place, severity, template, atMs), atMs, place, severity, log, template, count };
  }

  #changeEvent({ change, text }: Pick<ChangeEvent, 'change' | 'text'>, atMs: number): ChangeEvent {
    const { log, place } = this.#options;
    return { kind: 'change', id: idOf(log, place, change, text, atMs), atMs, place, change, text, source: 'log' };
  }
}

const idOf = (log: string, place: Place, what: string, text: string, atMs: number): string =>
  createHash('sha256')
    .update(JSON.stringify([log, place, what, text, atMs]))
    .digest('hex')
    .slice(0, 32);
