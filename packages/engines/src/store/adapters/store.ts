/**
 * An embedded VictoriaMetrics under supervision: prepared, started, looked at once a second, started again with growing pauses when
 * it dies, ended in order. A supervisor that dies itself leaves the store running, and its successor takes it over by the note of its
 * process; one that runs with other settings is ended first. Every question to it has a deadline, and no look throws for what the store does.
 */
import { rm, stat, truncate } from 'node:fs/promises';
import { type Clock, type Counters, codeOf, fail, type Log, reasonOf, until } from '@coequal/kernel';
import { z } from 'zod';
import { makeFolder, readIfThere, readTail, writeWhole } from '../../galera/adapters/files.ts';
import { isPortBusy } from '../../galera/adapters/ports.ts';
import { isAlive, type Launch, type Running, signal, startProcess, untilGone } from '../../galera/adapters/process.ts';
import { logPathOf, type StoreSettings, settingsDigest, storeArguments } from '../settings.ts';
import { judgeStore, pauseMs, type StoreLook, type StoreView, storeLimits, storeStates } from '../states.ts';
import { lastWordsOf, readStoreFigures } from '../words.ts';

export type StoreOptions = {
  readonly settings: StoreSettings;
  readonly launch: Launch;
  readonly clock: Clock;
  readonly log: Log;
  readonly families: ReturnType<typeof storeFamilies>;
  /** Told of every change of state. */
  readonly onState?: (name: string, view: StoreView) => void;
};

export type EmbeddedStore = {
  readonly name: string;
  /** For whoever asks it on this host. */
  readonly url: string;
  readonly view: () => StoreView;
  readonly pid: () => number | undefined;
  /** Resolves when it answers; throws DEADLINE_PASSED with the reason. */
  readonly untilServing: (deadlineMs: number) => Promise<void>;
  /** Ends the supervision and the store with it. */
  readonly close: () => Promise<void>;
  /** Ends the supervision and leaves the store running, for a successor. */
  readonly leave: () => Promise<void>;
};

const lookEveryMs = 1_000;
const answerMs = 5_000;
const logLimitBytes = 16 * 2 ** 20;
/** In order it writes what is in memory to disk first. */
const stopMs = 60_000;

const note = z.object({ pid: z.number().int().positive(), startTicks: z.string(), digest: z.string() });
type Process = Pick<Running, 'pid' | 'startTicks'>;

/** Prepares and begins. Throws FOLDER_UNWRITABLE and PORT_BUSY, which no trying again heals; what comes later is a state. */
export const openStore = async (options: StoreOptions): Promise<EmbeddedStore> => {
  const { settings } = options;
  await makeFolder(settings.folder, 0o700);
  const supervisor = new Supervisor(options);
  await supervisor.adopt();
  if (supervisor.pid() === undefined && (await isPortBusy(settings.address, settings.port)))
    throw fail('PORT_BUSY', {
      port: settings.port,
      address: settings.address,
      subject: `the store ${settings.name}`,
    });
  supervisor.begin();
  return supervisor;
};

class Supervisor implements EmbeddedStore {
  readonly name: string;
  readonly url: string;
  readonly #options: StoreOptions;
  readonly #ended = new AbortController();
  #loop: Promise<void> = Promise.resolve();
  #process: Process | undefined;
  #view: StoreView = { state: 'stopped', reason: 'it was not started yet', restarts: 0 };
  #everAnswered = false;
  #muteSince: number | undefined;
  #servingSince: number | undefined;
  #deathsInRow = 0;

  constructor(options: StoreOptions) {
    this.#options = options;
    const { name, address, port } = options.settings;
    this.name = name;
    this.url = `http://${address}:${port}`;
  }

  view(): StoreView {
    return this.#view;
  }

  pid(): number | undefined {
    return this.#process !== undefined && isAlive(this.#process) ? this.#process.pid : undefined;
  }

  /** Takes over what a predecessor left running. */
  async adopt(): Promise<void> {
    const { settings, clock, log } = this.#options;
    const text = await readIfThere(this.#notePath);
    const found = text === undefined ? undefined : parseNote(text);
    if (found === undefined || !isAlive(found)) return;
    if (found.digest === settingsDigest(settings)) {
      log('info', 'store taken over', { store: this.name, pid: found.pid });
      this.#process = found;
      return;
    }
    log('info', 'store ended for its new settings', { store: this.name, pid: found.pid });
    await endProcess(clock, found, this.name);
  }

  begin(): void {
    this.#loop = this.#watch();
  }

  async untilServing(deadlineMs: number): Promise<void> {
    const wait = { what: `the store ${this.name}`, deadlineMs, last: () => this.#view.reason };
    await until(this.#options.clock, wait, () => this.#view.state === 'serving' || this.#view.state === 'read-only');
  }

  async close(): Promise<void> {
    await this.leave();
    if (this.#process !== undefined) await endProcess(this.#options.clock, this.#process, this.name);
    await rm(this.#notePath, { force: true });
    this.#set({ ...this.#view, state: 'stopped', reason: 'it was ended in order' }, undefined);
  }

  async leave(): Promise<void> {
    this.#ended.abort();
    await this.#loop;
  }

  get #notePath(): string {
    return `${this.#options.settings.folder}/process.json`;
  }

  async #watch(): Promise<void> {
    const { clock, log } = this.#options;
    while (!this.#ended.signal.aborted) {
      try {
        if (this.#process === undefined) await this.#start();
        else await this.#lookOnce();
      } catch (error) {
        // A full disk under its folder, a program that is gone: said, and tried again.
        const reason = reasonOf(error);
        log('error', 'store not supervised', { store: this.name, reason });
        await this.#died(reason);
      }
      await this.#pause(lookEveryMs);
    }
    log('debug', 'supervision ended', { store: this.name, atMs: clock.now() });
  }

  async #pause(ms: number): Promise<void> {
    const { signal: ended } = this.#ended;
    if (ended.aborted) return;
    await this.#options.clock.sleep(ms, ended).catch((error: unknown) => {
      if (!ended.aborted) throw error;
    });
  }

  async #start(): Promise<void> {
    const { settings, launch, clock } = this.#options;
    const started = await startProcess(launch, storeArguments(settings), logPathOf(settings));
    this.#process = { pid: started.pid, startTicks: started.startTicks };
    this.#everAnswered = false;
    this.#muteSince = clock.monotonic();
    this.#set({ ...this.#view, state: 'starting', reason: 'it was started' }, undefined);
    const text = JSON.stringify({ ...this.#process, digest: settingsDigest(settings) });
    await writeWhole(this.#notePath, text, 0o600);
  }

  async #lookOnce(): Promise<void> {
    const { clock } = this.#options;
    const look = await this.#look();
    if (this.#ended.signal.aborted) return;
    const { state, reason, action } = judgeStore(look);
    if (look.kind === 'answers') {
      this.#everAnswered = true;
      this.#muteSince = undefined;
      this.#servingSince ??= clock.monotonic();
      if (clock.monotonic() - this.#servingSince > storeLimits.soundMs) this.#deathsInRow = 0;
    }
    if (action === 'none')
      this.#set({ ...this.#view, state, reason }, look.kind === 'answers' ? look.freeBytes : undefined);
    else await this.#died(reason);
    await this.#trimLog();
  }

  async #look(): Promise<StoreLook> {
    const { clock, settings } = this.#options;
    if (this.#process === undefined || !isAlive(this.#process))
      return { kind: 'gone', lastWords: lastWordsOf(await readTail(logPathOf(settings), 8_192)) };
    const answer = await askMetrics(this.url, this.#ended.signal);
    if (answer.ok) return { kind: 'answers', ...readStoreFigures(answer.text) };
    this.#muteSince ??= clock.monotonic();
    return {
      kind: 'mute',
      what: answer.what,
      forMs: clock.monotonic() - this.#muteSince,
      everAnswered: this.#everAnswered,
    };
  }

  /** Ends for certain what is left of it, and waits before the next start. */
  async #died(reason: string): Promise<void> {
    const { clock, log } = this.#options;
    this.#deathsInRow += 1;
    this.#servingSince = undefined;
    const pause = pauseMs(this.#deathsInRow);
    const why = `${reason}; it is started again in ${pause / 1_000} s`;
    log('warn', 'store is started again', { store: this.name, reason, pauseMs: pause });
    this.#set({ state: 'waiting', reason: why, restarts: this.#view.restarts + 1 }, undefined);
    if (this.#process !== undefined && isAlive(this.#process)) {
      signal(this.#process, 'SIGKILL');
      await untilGone(clock, this.#process, 10_000, `the store ${this.name}`);
    }
    this.#process = undefined;
    await this.#pause(pause);
  }

  async #trimLog(): Promise<void> {
    const path = logPathOf(this.#options.settings);
    const { size } = await stat(path).catch((error: unknown) => {
      if (codeOf(error) === 'ENOENT') return { size: 0 };
      throw error;
    });
    // The store appends; what it writes next begins the file anew.
    if (size > logLimitBytes) await truncate(path);
  }

  #set(view: StoreView, freeBytes: number | undefined): void {
    const before = this.#view;
    this.#view = view;
    this.#count(view, freeBytes);
    if (before.state === view.state && before.restarts === view.restarts) return;
    this.#options.log('info', 'store state', { store: this.name, state: view.state, reason: view.reason });
    this.#options.onState?.(this.name, view);
  }

  #count(view: StoreView, freeBytes: number | undefined): void {
    const { state, restarts, free } = this.#options.families;
    const store = this.name;
    for (const one of storeStates) state.with({ store, state: one }).set(one === view.state ? 1 : 0);
    restarts.with({ store }).set(view.restarts);
    if (freeBytes !== undefined) free.with({ store }).set(freeBytes);
  }
}

const endProcess = async (clock: Clock, target: Process, name: string): Promise<void> => {
  if (!isAlive(target)) return;
  // One that is stopped would not hear.
  signal(target, 'SIGCONT');
  signal(target, 'SIGTERM');
  const what = `the store ${name}`;
  await untilGone(clock, target, stopMs, what).catch(async (error: unknown) => {
    if (codeOf(error) !== 'DEADLINE_PASSED') throw error;
    signal(target, 'SIGKILL');
    await untilGone(clock, target, 10_000, what);
  });
};

const parseNote = (text: string): z.infer<typeof note> | undefined => {
  try {
    return note.safeParse(JSON.parse(text)).data;
  } catch (error) {
    // A note that is cut off is no note.
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
};

type Asked = { readonly ok: true; readonly text: string } | { readonly ok: false; readonly what: string };

const askMetrics = async (url: string, ended: AbortSignal): Promise<Asked> => {
  try {
    const response = await fetch(`${url}/metrics`, {
      redirect: 'error',
      signal: AbortSignal.any([ended, AbortSignal.timeout(answerMs)]),
    });
    const text = await response.text();
    return response.status === 200 ? { ok: true, text } : { ok: false, what: `it answers ${response.status}` };
  } catch (error) {
    // What fetch throws when nobody answers, or not in time; anything else is a bug of ours.
    if (error instanceof TypeError || error instanceof DOMException)
      return { ok: false, what: reasonOf(error.cause ?? error) };
    throw error;
  }
};

/** Several stores of a process share them; a registry makes each once. */
export const storeFamilies = (counters: Counters) => ({
  state: counters.gauge({
    name: 'coequal_store_state',
    help: '1 for the state the embedded store is in',
    labels: ['store', 'state'],
  }),
  restarts: counters.gauge({
    name: 'coequal_store_restarts',
    help: 'times the embedded store was started again since its supervisor began',
    labels: ['store'],
  }),
  free: counters.gauge({
    name: 'coequal_store_free_bytes',
    help: 'room on the disk of the embedded store',
    labels: ['store'],
  }),
});
