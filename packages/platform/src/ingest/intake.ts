/**
 * Where everything that is told arrives: samples into the live window, details of databases into memory, events onto disk. It remembers
 * whom it heard when, on its own clock: a sender whose clock is wrong is heard all the same. Bounded throughout; what is not
 * taken is counted.
 */
import type { AgentReport, ChangeEvent, DatabaseDetail, Event, LogEvent } from '@coequal/contract';
import { type Counters, type Log, reasonOf } from '@coequal/kernel';
import { type LiveWindow, labelOfWrite, labelValue, type Sample, type TakenWrite, WriteTaker } from '@coequal/signals';
import { limits } from '../limits.ts';
import type { EventStore } from '../store/port.ts';

export type IntakeOptions = {
  readonly window: LiveWindow;
  readonly events: EventStore;
  readonly counters: Counters;
  readonly log: Log;
  /** Told of events that are new. */
  readonly onEvents: (events: readonly Event[]) => void;
};

type Heard = { atMs: number; skewMs: number };

/** Hosts that were heard; an estate has at most 64,000. */
const heardLimit = 100_000;

export class Intake {
  readonly #options: IntakeOptions;
  readonly #heard = new Map<string, Heard>();
  readonly #details = new Map<string, DatabaseDetail[]>();
  readonly #changes: ChangeEvent[] = [];
  readonly #logs: LogEvent[] = [];
  readonly #taker: WriteTaker;
  readonly #samples;
  readonly #refused;
  readonly #reports;
  readonly #eventsTaken;
  #recent = { second: 0, count: 0, rate: 0 };

  constructor(options: IntakeOptions) {
    this.#options = options;
    this.#taker = new WriteTaker(options.window, limits.ingest.rememberedSeries);
    const { counters } = options;
    const plain = (name: string, help: string) =>
      counters.counter({ name: `coequal_platform_${name}_total`, help, labels: [] }).with({});
    this.#samples = plain('samples', 'Samples that were taken in.');
    this.#refused = plain('samples_left', 'Samples of bodies that could not be read.');
    this.#reports = plain('agent_reports', 'Reports of agents.');
    this.#eventsTaken = plain('events', 'Events that were new.');
  }

  /** Loads what a restart left on disk. */
  recall(nowMs: number): void {
    const { recent, recentMs } = limits.events;
    for (const one of this.#options.events.since('change', nowMs - recentMs, recent))
      if (one.kind === 'change') this.#changes.push(one);
    for (const one of this.#options.events.since('log', nowMs - recentMs, recent))
      if (one.kind === 'log') this.#logs.push(one);
  }

  get samplesPerSecond(): number {
    return this.#recent.rate;
  }

  get refused(): number {
    return this.#refused.value;
  }

  /** A body of remote write. What is wrong with it, in words; undefined: it was taken. */
  write(body: Uint8Array, nowMs: number): TakenWrite {
    const taken = this.#taker.take(body, nowMs);
    if (taken.ok) this.#taken(taken.samples, taken.left, labelOfWrite(taken, 'host'), nowMs);
    return taken;
  }

  /** @param left samples of the same body that were no samples */
  samples(samples: readonly Sample[], left: number, nowMs: number): void {
    this.#options.window.ingest(samples, nowMs);
    this.#taken(samples.length, left, samples[0] === undefined ? '' : labelValue(samples[0].labels, 'host'), nowMs);
  }

  /** @param host of the first sample: an agent's body is all of one host */
  #taken(samples: number, left: number, host: string, nowMs: number): void {
    this.#samples.add(samples);
    this.#refused.add(left);
    this.#count(samples, nowMs);
    if (host !== '') this.#hear(host, nowMs, undefined);
  }

  report(report: AgentReport, nowMs: number): void {
    this.#reports.add();
    this.#hear(report.host, nowMs, report.atMs - nowMs);
    for (const detail of report.details) this.#keepDetail(detail);
    this.events(report.events, nowMs);
  }

  /** @throws what the disk says; whoever sent them sends them again */
  events(events: readonly Event[], nowMs: number): void {
    const added = this.#options.events.add(events);
    if (added.length === 0) return;
    this.#eventsTaken.add(added.length);
    for (const one of added) {
      if (one.kind === 'change') insert(this.#changes, one);
      else insert(this.#logs, one);
    }
    forget(this.#changes, nowMs);
    forget(this.#logs, nowMs);
    this.#options.onEvents(added);
  }

  heardMs(host: string): number | undefined {
    return this.#heard.get(host)?.atMs;
  }

  skewMs(host: string): number | undefined {
    return this.#heard.get(host)?.skewMs;
  }

  details(instance: string): readonly DatabaseDetail[] {
    return this.#details.get(instance) ?? [];
  }

  changes(fromMs: number): readonly ChangeEvent[] {
    return this.#changes.filter(({ atMs }) => atMs >= fromMs);
  }

  logs(fromMs: number): readonly LogEvent[] {
    return this.#logs.filter(({ atMs }) => atMs >= fromMs);
  }

  /** Drops what is too old on disk; called now and then. */
  prune(): void {
    try {
      this.#options.events.prune(limits.events.kept);
    } catch (error) {
      this.#options.log('warn', 'events could not be pruned', { reason: reasonOf(error) });
    }
  }

  #count(samples: number, nowMs: number): void {
    const second = Math.floor(nowMs / 1_000);
    if (second === this.#recent.second) this.#recent.count += samples;
    else
      this.#recent = { second, count: samples, rate: this.#recent.count / Math.max(1, second - this.#recent.second) };
  }

  #hear(host: string, nowMs: number, skewMs: number | undefined): void {
    const known = this.#heard.get(host);
    if (known !== undefined) {
      known.atMs = nowMs;
      known.skewMs = skewMs ?? known.skewMs;
    } else if (this.#heard.size < heardLimit) this.#heard.set(host, { atMs: nowMs, skewMs: skewMs ?? 0 });
  }

  #keepDetail(detail: DatabaseDetail): void {
    const known = this.#details.get(detail.instance);
    if (known === undefined) {
      if (this.#details.size < limits.events.instances) this.#details.set(detail.instance, [detail]);
      return;
    }
    if (detail.atMs <= (known.at(-1)?.atMs ?? 0)) return;
    known.push(detail);
    if (known.length > limits.events.details) known.splice(0, known.length - limits.events.details);
  }
}

/** In the order of time; most come in order. */
const insert = <T extends { readonly atMs: number }>(list: T[], one: T): void => {
  let index = list.length;
  while (index > 0 && (list[index - 1]?.atMs ?? 0) > one.atMs) index -= 1;
  list.splice(index, 0, one);
};

const forget = (list: { readonly atMs: number }[], nowMs: number): void => {
  const { recent, recentMs } = limits.events;
  const old = list.findIndex(({ atMs }) => atMs >= nowMs - recentMs);
  list.splice(0, Math.max(old < 0 ? list.length : old, list.length - recent));
};
