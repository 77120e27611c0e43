/**
 * One round of collecting a second. Sources run side by side; a round takes what is there when its time is up, and what comes later
 * goes into the next one with the time it was asked at. A source that missed its deadline is down, and is not asked again before
 * its last question has come to an end: a thing that hangs holds nobody else up and gathers no questions.
 */
import type { DatabaseDetail, Event } from '@coequal/contract';
import { type Clock, type Log, reasonOf } from '@coequal/kernel';
import type { Family, Sample } from '@coequal/signals/collecting';
import type { Collected, Source } from './source.ts';

/** How a source did lately. */
export type SourceState = {
  readonly collector: string;
  readonly target: string;
  readonly up: boolean;
  readonly seconds: number;
  readonly samples: number;
  /** Since the start: readings that were asked for, that failed or came too late, and problems in words. */
  readonly asked: number;
  readonly failed: number;
  readonly problems: number;
};

export type Round = {
  readonly timeMs: number;
  readonly samples: readonly Sample[];
  readonly details: readonly DatabaseDetail[];
  readonly events: readonly Event[];
};

type Runner = {
  readonly source: Source;
  /** Of the round in which it is asked next, in the clock's milliseconds. */
  dueMs: number;
  /** It has been asked and has not come to an end, be it in time or not. */
  busy: boolean;
  up: boolean;
  seconds: number;
  asked: number;
  failed: number;
  problems: number;
  last: { readonly samples: readonly Sample[]; readonly families: readonly Family[] };
  /** What was said last, so that a trouble that lasts is one line. */
  told: string;
};

export type RoundsOptions = {
  readonly sources: readonly Source[];
  readonly clock: Clock;
  readonly log: Log;
  /** How long a round waits for its sources. */
  readonly waitMs: number;
};

/** Reasons of signals that end what is no news: without one each abort makes an error with its trace. */
const done = 'done';
const tooLate = 'too late';
/** A round begins a little earlier or later than it should: what is due within this time is due. */
const slackMs = 100;

export class Rounds {
  readonly #options: RoundsOptions;
  readonly #runners: readonly Runner[];
  #arrived: { readonly timeMs: number; readonly collected: Collected }[] = [];

  constructor(options: RoundsOptions) {
    this.#options = options;
    this.#runners = options.sources.map((source) => ({
      source,
      dueMs: -Infinity,
      busy: false,
      up: true,
      seconds: 0,
      asked: 0,
      failed: 0,
      problems: 0,
      last: { samples: [], families: [] },
      told: '',
    }));
  }

  /** @param timeMs what samples of this round are stamped with */
  async run(timeMs: number): Promise<Round> {
    const { clock, waitMs } = this.#options;
    const now = clock.monotonic();
    const due = this.#runners.filter(({ busy, dueMs }) => !busy && now >= dueMs - slackMs);
    const all = Promise.all(due.map((runner) => this.#ask(runner, timeMs, now)));
    const timer = new AbortController();
    await Promise.race([all, clock.sleep(waitMs, timer.signal).catch(() => undefined)]);
    timer.abort(done);
    const arrived = this.#arrived;
    this.#arrived = [];
    return {
      timeMs,
      samples: arrived.flatMap(({ collected }) => collected.samples),
      details: arrived.flatMap(({ collected: { detail } }) => (detail === undefined ? [] : [detail])),
      events: arrived.flatMap(({ collected }) => collected.events ?? []),
    };
  }

  states(): readonly SourceState[] {
    return this.#runners.map(({ source, up, seconds, asked, failed, problems, last }) => ({
      collector: source.collector,
      target: source.target,
      up,
      seconds,
      samples: last.samples.length,
      asked,
      failed,
      problems,
    }));
  }

  /** What every source told last, for the page. */
  lastTold(): { readonly samples: readonly Sample[]; readonly families: readonly Family[] } {
    return {
      samples: this.#runners.flatMap(({ last }) => last.samples),
      families: this.#runners.flatMap(({ last }) => last.families),
    };
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#runners.map(({ source }) => source.close()));
  }

  /** Resolves when the source has answered or its deadline has passed, whichever comes first. */
  #ask(runner: Runner, timeMs: number, now: number): Promise<void> {
    const { source } = runner;
    const { clock } = this.#options;
    const stop = new AbortController();
    runner.busy = true;
    runner.asked += 1;
    // From the round it was due in, so that intervals do not creep; one that fell behind starts anew.
    runner.dueMs = runner.dueMs + source.everyMs > now ? runner.dueMs + source.everyMs : now + source.everyMs;
    const over = new AbortController();
    const deadline = clock.sleep(source.deadlineMs, over.signal).then(
      () => {
        stop.abort(tooLate);
        this.#failed(runner, `it has not answered within ${source.deadlineMs} ms`);
      },
      () => undefined,
    );
    const answer = collectFrom(source, timeMs, stop.signal).then(
      (collected) => {
        if (!stop.signal.aborted) this.#took(runner, timeMs, collected, clock.monotonic() - now);
      },
      (error: unknown) => {
        if (!stop.signal.aborted) this.#failed(runner, reasonOf(error));
      },
    );
    return Promise.race([
      deadline,
      answer.finally(() => {
        runner.busy = false;
        over.abort(done);
      }),
    ]);
  }

  #took(runner: Runner, timeMs: number, collected: Collected, ms: number): void {
    const { samples, families = [], problems = [] } = collected;
    runner.up = true;
    runner.seconds = ms / 1_000;
    runner.problems += problems.length;
    runner.last = { samples, families };
    this.#arrived.push({ timeMs, collected });
    this.#tell(runner, problems.slice(0, 3).join('; '), 'a collector has trouble', 'warn');
  }

  #failed(runner: Runner, reason: string): void {
    runner.up = false;
    runner.failed += 1;
    runner.last = { samples: [], families: [] };
    this.#tell(runner, reason, 'a collector failed', 'error');
  }

  #tell(runner: Runner, reason: string, event: string, level: 'warn' | 'error'): void {
    if (reason === runner.told) return;
    const { collector, target } = runner.source;
    if (reason === '') this.#options.log('info', 'a collector is well again', { collector, target });
    else this.#options.log(level, event, { collector, target, reason: reason.slice(0, 500) });
    runner.told = reason;
  }
}

/** A source that throws at once is one that rejects. */
const collectFrom = async (source: Source, timeMs: number, signal: AbortSignal): Promise<Collected> =>
  source.collect(timeMs, signal);
