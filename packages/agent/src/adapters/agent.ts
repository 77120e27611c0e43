/**
 * An agent from its start to its end: takes its folder, opens its ports, its ways to the store and to platforms and its sources, and runs a round a
 * second. What it sends is made once: the same body goes to the store and to every platform.
 */
import { join } from 'node:path';
import type { ChangeEvent, Event } from '@coequal/contract';
import { type Clock, fail, type Log, type Random, reasonOf } from '@coequal/kernel';
import {
  estateLabels,
  Outbox,
  Relabeler,
  RemoteWriteEncoder,
  type Sample,
  writeExposition,
} from '@coequal/signals/collecting';
import {
  eventsOutboxBytes,
  eventsSegmentBytes,
  outboxBytes,
  outboxSegmentBytes,
  roundWaitMs,
  samplesPerBody,
} from '../limits.ts';
import { type LinkState, ownFamilies, ownPoints } from '../own.ts';
import { Rounds } from '../rounds.ts';
import { phaseOf, untilNext } from '../schedule.ts';
import type { AgentSettings } from '../settings.ts';
import type { Source } from '../source.ts';
import { tokenOf } from './files.ts';
import { takeLock } from './lock.ts';
import { type PageServer, servePages, serveTime } from './pages.ts';
import { PlatformLink } from './platform-link.ts';
import { StoreLink } from './store-link.ts';

export type AgentOptions = {
  readonly settings: AgentSettings;
  readonly sources: readonly Source[];
  readonly version: string;
  readonly pid: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Processor time and memory of this process. */
  readonly cost: () => { readonly cpuSeconds: number; readonly residentBytes: number };
};

export type RunningAgent = {
  /** Of the pages, also when the settings say 0. */
  readonly port: number;
  /** Sends what can be sent in a moment and ends; what is left waits on disk. */
  readonly end: (reason: string) => Promise<void>;
};

/** A clock that is put right by its keeper moves by less than this in a second. */
const clockJumpMs = 500;
/** Changes that were told and wait for the next round. */
const toldLimit = 1_000;

/** @throws AGENT_ALREADY_RUNNING, FOLDER_UNWRITABLE, PORT_BUSY, PERMISSION_MISSING, AGENT_NOT_STARTED, FILE_MISSING, FILE_UNREADABLE */
export const startAgent = async (options: AgentOptions): Promise<RunningAgent> => {
  const { settings, pid } = options;
  const undo: (() => Promise<void>)[] = [];
  try {
    const lock = await takeLock(settings.stateFolder, pid);
    undo.push(lock.release);
    const ours = settings.changesTokenFile === join(settings.stateFolder, 'changes.token');
    const token = await tokenOf(settings.changesTokenFile, ours);
    const agent = new Agent(options, await openLinks(options));
    undo.push(() => agent.close());
    const pages = await servePages(settings.name, settings.listen, { ...agent.pages(), token });
    undo.push(pages.close);
    undo.push((await openTime(options)).close);
    agent.begin();
    return { port: pages.port, end: (reason) => agent.end(reason, undo) };
  } catch (error) {
    for (const step of undo.reverse()) await step();
    throw error;
  }
};

const openTime = ({ settings, clock }: AgentOptions): Promise<Pick<PageServer, 'close'>> =>
  settings.time === undefined
    ? Promise.resolve({ close: async () => undefined })
    : serveTime(settings.name, settings.time, clock.now);

type Links = { readonly store: StoreLink | undefined; readonly platforms: readonly PlatformLink[] };

const openLinks = async ({ settings, clock, random, log }: AgentOptions): Promise<Links> => {
  const { name, host, site, store, platforms, stateFolder } = settings;
  const common = { clock, random, log };
  const box = async (folder: string, limitBytes: number, segmentBytes: number): Promise<Outbox> => {
    try {
      return await Outbox.open({ folder, limitBytes, segmentBytes });
    } catch (error) {
      const advice = 'Put it right, or move the folder away: what waits in it is lost then.';
      throw fail('FOLDER_UNWRITABLE', { path: folder, reason: reasonOf(error), advice }, { cause: error });
    }
  };
  const openStore = async (): Promise<StoreLink | undefined> => {
    if (store === undefined) return undefined;
    return new StoreLink({
      ...common,
      store,
      outbox: await box(join(stateFolder, 'samples'), outboxBytes, outboxSegmentBytes),
    });
  };
  const openPlatform = async (index: number): Promise<PlatformLink[]> => {
    const platform = platforms[index];
    if (platform === undefined) return [];
    const folder = join(stateFolder, 'events', folderOf(platform.url));
    const outbox = await box(folder, eventsOutboxBytes, eventsSegmentBytes);
    return [new PlatformLink({ ...common, platform, sender: { agent: name, host, site }, outbox })];
  };
  return {
    store: await openStore(),
    platforms: (await Promise.all(platforms.map((_, index) => openPlatform(index)))).flat(),
  };
};

/** A name that a folder may have, another one for each address. */
const folderOf = (url: string): string => encodeURIComponent(url).replaceAll('%', '_');

class Agent {
  readonly #options: AgentOptions;
  readonly #links: Links;
  readonly #rounds: Rounds;
  readonly #ending = new AbortController();
  readonly #startedMs: number;
  readonly #encoder = new RemoteWriteEncoder();
  readonly #relabeler: Relabeler;
  #told: ChangeEvent[] = [];
  #loop: Promise<void> = Promise.resolve();
  #counts = { rounds: 0, missed: 0, samples: 0, seconds: 0 };
  #own: readonly Sample[] = [];

  constructor(options: AgentOptions, links: Links) {
    this.#options = options;
    this.#links = links;
    const { sources, clock, log, settings } = options;
    const { name, host, site } = settings;
    this.#relabeler = new Relabeler(estateLabels({ job: 'coequal_agent', instance: name, host, site }));
    this.#rounds = new Rounds({ sources, clock, log, waitMs: roundWaitMs });
    this.#startedMs = clock.now();
  }

  begin(): void {
    const { settings, log, version } = this.#options;
    const { name, host, site } = settings;
    log('info', 'the agent watches', { name, host, version, store: settings.store?.url ?? '' });
    this.#tell({
      kind: 'change',
      id: `agent-start-${name}-${this.#startedMs}`,
      atMs: this.#startedMs,
      place: { site, host },
      change: 'restart',
      text: `the start of the agent ${name}`,
      source: 'agent',
    });
    this.#loop = this.#run();
  }

  pages() {
    const { settings, clock } = this.#options;
    return {
      metrics: () => this.#page(),
      health: () => this.#health(),
      nowMs: clock.now,
      change: async (text: string): Promise<string | undefined> => {
        if (this.#told.length >= toldLimit) return 'too many changes wait; tell it again in a second';
        // Loaded when it is first needed: what checks shapes is large.
        const { parseNotice } = await import('../notice.ts');
        const result = parseNotice(text, { host: settings.host, site: settings.site }, clock.now());
        if (!result.ok) return result.what;
        this.#tell(result.event);
        return undefined;
      },
    };
  }

  async end(reason: string, undo: readonly (() => Promise<void>)[]): Promise<void> {
    this.#options.log('info', 'the agent ends', { reason });
    this.#ending.abort();
    await this.#loop;
    for (const step of [...undo].reverse()) await step();
  }

  async close(): Promise<void> {
    await this.#rounds.close();
    await Promise.all([this.#links.store?.close(), ...this.#links.platforms.map((link) => link.close())]);
  }

  #tell(event: ChangeEvent): void {
    this.#told.push(event);
  }

  async #run(): Promise<void> {
    const { settings, clock, log } = this.#options;
    const { signal } = this.#ending;
    const phaseMs = phaseOf(settings.name);
    let second = Math.floor(clock.now() / 1_000);
    let before = { wall: clock.now(), steady: clock.monotonic() };
    while (!signal.aborted) {
      const waitMs = untilNext(clock.now(), phaseMs, second);
      await clock.sleep(waitMs, signal).catch(() => undefined);
      if (signal.aborted) break;
      const [wall, steady] = [clock.now(), clock.monotonic()];
      this.#seeClock(wall - before.wall - (steady - before.steady), wall);
      before = { wall, steady };
      const passed = Math.floor(wall / 1_000) - second;
      if (passed > 1 && this.#counts.rounds > 0) this.#counts.missed += passed - 1;
      second = Math.floor(wall / 1_000);
      // A bug in one round must not end the watch over the host.
      await this.#round(wall).catch((error: unknown) => log('error', 'a round failed', { reason: reasonOf(error) }));
    }
    // What was told since the last round.
    for (const link of this.#links.platforms) link.report([], this.#takeTold());
  }

  async #round(timeMs: number): Promise<void> {
    const { clock } = this.#options;
    const started = clock.monotonic();
    const { samples, details, events } = await this.#rounds.run(timeMs);
    this.#counts.rounds += 1;
    this.#counts.samples += samples.length;
    this.#own = this.#relabeler.points(this.#ownPoints(), timeMs);
    this.#send([...samples, ...this.#own]);
    const all: readonly Event[] = [...this.#takeTold(), ...events];
    for (const link of this.#links.platforms) link.report(details, all);
    this.#counts.seconds = (clock.monotonic() - started) / 1_000;
  }

  #send(samples: readonly Sample[]): void {
    for (let from = 0; from < samples.length; from += samplesPerBody) {
      const body = this.#encoder.encode(samples.slice(from, from + samplesPerBody));
      this.#links.store?.offer(body);
      for (const link of this.#links.platforms) link.offer(body);
    }
  }

  #takeTold(): readonly ChangeEvent[] {
    const told = this.#told;
    this.#told = [];
    return told;
  }

  /** @param jumpMs how much further the wall clock went than time did */
  #seeClock(jumpMs: number, wallMs: number): void {
    if (Math.abs(jumpMs) < clockJumpMs) return;
    const { name, host, site } = this.#options.settings;
    const seconds = (Math.abs(jumpMs) / 1_000).toFixed(1);
    this.#tell({
      kind: 'change',
      id: `clock-${name}-${wallMs}`,
      atMs: wallMs,
      place: { site, host },
      change: 'clock',
      text: `the clock of ${host}, which was set ${seconds} s ${jumpMs > 0 ? 'ahead' : 'back'}`,
      source: 'agent',
    });
  }

  #ownPoints() {
    const { version, cost } = this.#options;
    const { rounds, missed, samples, seconds } = this.#counts;
    return ownPoints({
      version,
      startedMs: this.#startedMs,
      ...cost(),
      rounds,
      roundsMissed: missed,
      roundSeconds: seconds,
      samples,
      sources: this.#rounds.states(),
      links: this.#linkStates(),
    });
  }

  #linkStates(): readonly LinkState[] {
    const { store, platforms } = this.#links;
    const { settings } = this.#options;
    return [
      ...(store === undefined ? [] : [{ to: 'store', ...store.figures() }]),
      ...platforms.map((link, index) => ({ to: settings.platforms[index]?.url ?? '', ...link.figures() })),
    ];
  }

  #page(): string {
    const { samples, families } = this.#rounds.lastTold();
    return writeExposition([...samples, ...this.#own], {
      format: 'prometheus',
      families: [...families, ...ownFamilies],
      withTimes: false,
    });
  }

  #health(): { readonly healthy: boolean; readonly text: string } {
    const down = this.#rounds.states().filter(({ up }) => !up);
    const names = down.map(({ collector, target }) => (target === '' ? collector : `${collector} of ${target}`));
    // A collector that is down is news about what it watches; the agent itself does its work.
    return { healthy: true, text: down.length === 0 ? 'well' : `well; no answer from: ${names.join(', ')}` };
  }
}
