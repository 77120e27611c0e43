/**
 * What the collectors of all engines have in common: one reading at a time over one connection, questions by a schedule, all of it within
 * one deadline. Whatever goes wrong is kept as trouble in words; a task that the server refuses is put off and the rest goes on.
 */
import type { ChangeEvent, DatabaseDetail, Place } from '@coequal/contract';
import type { Clock, Log } from '@coequal/kernel';
import type { DatabaseReadings } from '../../database.ts';
import type { Family, Point } from '../../sample.ts';
import type { Answer, Rows } from '../answer.ts';
import { point } from '../points.ts';
import { Schedule, type Task } from '../schedule.ts';
import { costPoints } from './costs.ts';
import { Deadline, Link, type LinkOptions } from './link.ts';
import { SessionProcessor } from './processor.ts';

export type ReaderOptions = {
  /** Name of the instance in the estate. */
  readonly instance: string;
  /** Where events are said to have happened. */
  readonly place: Place;
  readonly clock: Clock;
  readonly log?: Log;
  /** For one reading, everything in it. */
  readonly deadlineMs?: number;
  /** Where /proc is seen, when the server runs on this host: then its processor time for us is known. */
  readonly processFolder?: string;
};

export type Engine = {
  readonly collector: 'mariadb' | 'postgres';
  readonly upMetric: string;
  readonly familiesOf: (points: readonly Point[]) => readonly Family[];
  readonly processNames: RegExp;
  /** Codes of statements that were ended because they took too long, or would have waited. */
  readonly tooDear: ReadonlySet<string>;
  readonly link: Omit<LinkOptions, 'clock'>;
};

/** False: the server would not answer. */
export type Ask = Task & { readonly run: () => Promise<boolean> };

const usualDeadlineMs = 800;
/** Not worth another question. */
const leastLeftMs = 20;

export abstract class Reader {
  protected readonly options: ReaderOptions;
  protected readonly clock: Clock;
  protected readonly processor: SessionProcessor;
  /** Of the reading under way. */
  protected points: Point[] = [];
  protected events: ChangeEvent[] = [];
  readonly #engine: Engine;
  readonly #link: Link;
  #schedule: Schedule<Ask> | undefined;
  #running: Promise<DatabaseReadings> | undefined;
  #prepared = 0;
  #deadline: Deadline;
  #trouble: string | undefined;
  #task: Ask | undefined;

  constructor(options: ReaderOptions, engine: Engine) {
    this.options = options;
    this.clock = options.clock;
    this.#engine = engine;
    this.#link = new Link({ clock: options.clock, ...engine.link });
    this.processor = new SessionProcessor(options.processFolder, engine.processNames);
    this.#deadline = new Deadline(options.clock, 0);
  }

  /** What a new connection is told and asked first. */
  protected abstract prepare(): Promise<void>;
  /** The question whose answer says that the server is up. */
  protected abstract first(): Promise<void>;
  protected abstract tasks(): readonly Ask[];
  /** Before a reading: what belongs to one reading only is forgotten. */
  protected abstract begin(): void;
  protected abstract detail(): Promise<DatabaseDetail>;

  collect(): Promise<DatabaseReadings> {
    this.#running ??= this.#read().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async close(): Promise<void> {
    await this.#link.close();
    await this.#running;
  }

  /** Of one statement: half of the reading. */
  protected get statementMs(): number {
    return Math.max(100, (this.options.deadlineMs ?? usualDeadlineMs) / 2);
  }

  /** How many connections there were so far. */
  protected get connects(): number {
    return this.#link.connects;
  }

  protected get inTrouble(): boolean {
    return this.#trouble !== undefined;
  }

  /** True while there is an answer to be had in this reading. */
  protected get hasTime(): boolean {
    return !this.inTrouble && this.#deadline.leftMs() >= leastLeftMs;
  }

  /** Rows; undefined when there are none, with the trouble told, or the task put off. */
  protected async question(text: string, values: readonly (string | number)[] = []): Promise<Rows | undefined> {
    const answer = await this.#link.ask(text, values, this.#deadline);
    if (answer.kind === 'rows') return answer;
    if (answer.kind !== 'refused') this.#trouble = troubleWords(answer);
    else if (this.#task !== undefined) this.putOff(answer.reason, this.#engine.tooDear.has(answer.code));
    else this.options.log?.('warn', 'database refused a question', { code: answer.code, reason: answer.reason });
    return undefined;
  }

  /** The task under way is asked later. */
  protected putOff(problem: string, tooDear: boolean): void {
    if (this.#task !== undefined) this.#schedule?.refused(this.#task, this.clock.monotonic(), problem, tooDear);
  }

  async #read(): Promise<DatabaseReadings> {
    const start = this.clock.monotonic();
    this.#deadline = new Deadline(this.clock, this.options.deadlineMs ?? usualDeadlineMs);
    this.points = [];
    this.events = [];
    this.#trouble = undefined;
    this.begin();
    const up = await this.#ask();
    const detail = up ? await this.detail() : undefined;
    this.#deadline.over();
    const { collector, upMetric, familiesOf } = this.#engine;
    const costs = {
      collector,
      figures: this.#link.figures(),
      processorSeconds: this.processor.seconds(),
      durationMs: this.clock.monotonic() - start,
    };
    const points = [point(upMetric, [], up ? 1 : 0), ...this.points, ...costPoints(costs)];
    const problems = [
      ...(this.#trouble === undefined ? [] : [this.#trouble]),
      ...(up ? (this.#schedule?.problems() ?? []) : []),
    ];
    return { points, families: familiesOf(points), detail, changes: this.events, problems };
  }

  /** True when the server answered. */
  async #ask(): Promise<boolean> {
    const notReady = await this.#link.ready(this.#deadline);
    if (notReady !== undefined) {
      this.#trouble = troubleWords(notReady);
      return false;
    }
    const { connects } = this.#link;
    if (this.#prepared !== connects) {
      await this.prepare();
      if (this.inTrouble) return false;
      this.#prepared = connects;
      this.#schedule?.again();
    }
    await this.first();
    if (this.inTrouble) return false;
    this.#schedule ??= new Schedule(this.tasks());
    for (const task of this.#schedule.due(this.clock.monotonic())) {
      if (!this.hasTime) break;
      this.#task = task;
      if (await task.run()) this.#schedule.answered(task, this.clock.monotonic());
      this.#task = undefined;
    }
    return true;
  }
}

const troubleWords = (answer: Exclude<Answer, { kind: 'rows' }>): string => {
  switch (answer.kind) {
    case 'silent':
      return `the database has not answered for ${answer.seconds.toFixed(1)} s`;
    case 'lost':
      return `no connection: ${answer.reason}`;
    case 'refused':
      return `refused: ${answer.reason}`;
  }
};
