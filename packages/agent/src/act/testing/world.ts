/**
 * A host as a value, for tests: an instance, a gateway and a script that do what they are told, and that count it. Between any two things that
 * are done to it the process that does them may be killed: from that moment on nothing answers any more, and nothing is done.
 */
import { type Action, action, type OrderState } from '@coequal/contract';
import { type Clock, silentLog } from '@coequal/kernel';
import { statementDigest } from '../doings/session.ts';
import { Executor } from '../executor.ts';
import { type Entry, fold, type Journal, type JournalLine, parseJournalLine } from '../journal.ts';
import type { HandsPorts, Script, Seen } from '../ports.ts';

export const runaway = 'SELECT SLEEP(100), id FROM account WHERE owner = 17';

export type World = {
  up: boolean;
  serving: boolean;
  pid: number;
  held: boolean;
  aside: number;
  oldBranch: boolean;
  members: number;
  desync: boolean;
  maxConnections: number;
  drained: boolean;
  query: { id: number; text: string } | null;
  connected: boolean;
  transaction: string | null;
  scripts: number;
  /** What was really done, in order. */
  readonly effects: string[];
};

export const freshWorld = (change: Partial<World> = {}): World => ({
  ...{ up: true, serving: true, pid: 1, held: false, aside: 0, oldBranch: false, members: 3, desync: false },
  ...{ maxConnections: 100, drained: false, query: { id: 70, text: runaway }, connected: true, transaction: 't1' },
  ...{ scripts: 0, effects: [], ...change },
});

/** Counts the steps of a process, and kills it at one of them. */
export class Life {
  readonly #killAt: number;
  steps = 0;

  constructor(killAt = Number.POSITIVE_INFINITY) {
    this.#killAt = killAt;
  }

  get dead(): boolean {
    return this.steps >= this.#killAt;
  }

  async step(): Promise<void> {
    if (this.dead) return new Promise(() => undefined);
    this.steps += 1;
    if (this.dead) return new Promise(() => undefined);
  }
}

const row = (value: Readonly<Record<string, unknown>>) => [value];

export const portsOf = (world: World, life: Life): HandsPorts => {
  const effect = async (name: string, change: () => void): Promise<void> => {
    await life.step();
    change();
    world.effects.push(name);
    await life.step();
  };
  const look = async <T>(read: () => T): Promise<T> => {
    await life.step();
    return read();
  };
  const observed = (): Seen =>
    world.up
      ? { state: world.serving ? 'serving' : 'isolated', reason: 'as it is', members: world.members }
      : { state: world.held ? 'stopped' : 'gone', reason: 'nobody is there' };
  const ask = async (text: string, values: readonly (string | number)[] = []) => {
    if (text.startsWith('SHOW GLOBAL VARIABLES LIKE')) return look(() => row({ Value: world.desync ? 'ON' : 'OFF' }));
    if (text.startsWith('SELECT @@GLOBAL.')) return look(() => row({ value: world.maxConnections }));
    if (text.includes('INNODB_TRX t'))
      return look(() => {
        const { query, connected, transaction } = world;
        if (!connected) return [];
        const info = query?.text ?? null;
        return row({
          id: 7,
          user: 'app',
          command: query ? 'Query' : 'Sleep',
          query: query?.id ?? 0,
          info,
          transaction,
        });
      });
    if (text.startsWith('SET GLOBAL wsrep_desync')) {
      await effect('desync', () => {
        world.desync = text.endsWith('ON');
      });
      return [];
    }
    if (text.startsWith('SET GLOBAL')) {
      await effect('set', () => {
        world.maxConnections = Number(values[0]);
      });
      return [];
    }
    if (text.startsWith('KILL QUERY ID')) {
      await effect('kill-query', () => {
        if (world.query?.id === Number(text.split(' ').at(-1))) world.query = null;
      });
      return [];
    }
    if (text.startsWith('KILL CONNECTION')) {
      await effect('kill-connection', () => {
        world.connected = false;
      });
      return [];
    }
    return look(() => []);
  };
  const script = (name: string): Script | undefined =>
    name === 'backup' || name === 'forget-backup'
      ? {
          ...{ name, class: 'C2', kind: 'backup', timeoutMs: 1_000, user: 'nobody', path: '/x', undo: null },
          argv: () => [],
        }
      : undefined;
  return {
    instance: (name) =>
      name !== 'db-0'
        ? undefined
        : {
            name,
            observe: () => look(observed),
            process: () => (world.up ? { pid: world.pid, startTicks: '1' } : undefined),
            join: async () => {
              if (world.up) return;
              await effect('start', () => {
                world.up = true;
                world.serving = true;
                world.pid += 1;
              });
            },
            stop: () =>
              effect('stop', () => {
                world.up = false;
              }),
            fence: () =>
              effect('fence', () => {
                world.up = false;
              }),
            holdsOldBranch: () => look(() => world.oldBranch),
            putDataAside: () =>
              effect('aside', () => {
                world.aside += 1;
              }),
            ask,
          },
    gateway: (name) =>
      name !== 'gateway-0'
        ? undefined
        : {
            name,
            drain: (_, on) =>
              effect('drain', () => {
                world.drained = on;
              }),
            isDrained: () => look(() => world.drained),
          },
    scripts: {
      find: script,
      check: () => look(() => undefined),
      run: async () => {
        await effect('script', () => {
          world.scripts += 1;
        });
        return { status: 0, tookMs: 1, outputBytes: 0 };
      },
    },
    holds: {
      has: () => world.held,
      set: async (_, on) => {
        await life.step();
        world.held = on;
      },
    },
    keep: (key) => look(() => ({ path: `/kept/${key}`, sha256: '0'.repeat(64) })),
  };
};

/** A disk: whole lines that outlive the process. */
export class Disk {
  readonly lines: string[] = [];

  open(life: Life): Journal {
    const entries = new Map<string, Entry>();
    for (const text of this.lines) {
      const line = parseJournalLine(text);
      if (line === undefined || !fold(entries, line)) throw new Error(`a bad line: ${text}`);
    }
    return {
      entries,
      write: async (line: JournalLine) => {
        await life.step();
        this.lines.push(JSON.stringify(line));
        if (!fold(entries, line)) throw new Error(`out of order: ${line.t}`);
        await life.step();
      },
      close: async () => undefined,
    };
  }
}

/** Time that passes at once, and lets everything else go first. */
export const quickClock = (): Clock => {
  let now = 1_000_000;
  return {
    now: () => now,
    monotonic: () => now,
    sleep: async (ms, signal) => {
      signal?.throwIfAborted();
      // Deadlines and the like are long, and are not waited for here.
      if (ms >= 5_000)
        return new Promise((_, reject) =>
          signal?.addEventListener('abort', () => reject(signal.reason), { once: true }),
        );
      await new Promise((resolve) => setImmediate(resolve));
      now += ms;
    },
  };
};

export const executorOn = (world: World, disk: Disk, life: Life, told: OrderState[] = [], clock = quickClock()) =>
  new Executor({
    ports: portsOf(world, life),
    journal: disk.open(life),
    allowed: new Set(action.options.map((option) => option.shape.type.value)),
    clock,
    log: silentLog,
    tell: (state) => told.push(state),
  });

/** Every action there is, with the world it is for, and what it is to have done in the end. */
export const everyAction: readonly {
  readonly action: Action;
  readonly from: () => World;
  readonly goal: (w: World) => boolean;
}[] = [
  {
    action: { type: 'instance-start', instance: 'db-0' },
    from: () => freshWorld({ up: false, held: true }),
    goal: (w) => w.up && !w.held,
  },
  { action: { type: 'instance-stop', instance: 'db-0' }, from: freshWorld, goal: (w) => !w.up && w.held },
  {
    action: { type: 'instance-restart', instance: 'db-0' },
    from: freshWorld,
    goal: (w) => w.up && w.pid === 2,
  },
  { action: { type: 'instance-isolate', instance: 'db-0' }, from: freshWorld, goal: (w) => !w.up && w.held },
  {
    action: { type: 'instance-rejoin', instance: 'db-0' },
    from: () => freshWorld({ serving: false }),
    goal: (w) => w.up && w.serving && w.pid === 2,
  },
  {
    action: { type: 'instance-reprovision', instance: 'db-0' },
    from: () => freshWorld({ up: false, oldBranch: true }),
    goal: (w) => w.up && w.aside === 1,
  },
  { action: { type: 'instance-desync', instance: 'db-0' }, from: freshWorld, goal: (w) => w.desync },
  {
    action: { type: 'instance-resync', instance: 'db-0' },
    from: () => freshWorld({ desync: true }),
    goal: (w) => !w.desync,
  },
  { action: { type: 'gateway-drain', gateway: 'gateway-0' }, from: freshWorld, goal: (w) => w.drained },
  {
    action: { type: 'gateway-undrain', gateway: 'gateway-0' },
    from: () => freshWorld({ drained: true }),
    goal: (w) => !w.drained,
  },
  {
    action: { type: 'query-kill', instance: 'db-0', session: 7, user: 'app', statement: statementDigest(runaway) },
    from: freshWorld,
    goal: (w) => w.query === null && w.connected,
  },
  {
    action: { type: 'session-kill', instance: 'db-0', session: 7, user: 'app', statement: null },
    from: () => freshWorld({ query: null }),
    goal: (w) => !w.connected,
  },
  {
    action: { type: 'setting-set', instance: 'db-0', setting: 'max_connections', value: 200, expected: 100 },
    from: freshWorld,
    goal: (w) => w.maxConnections === 200,
  },
  { action: { type: 'diagnostics-collect', instance: 'db-0' }, from: freshWorld, goal: () => true },
  {
    action: { type: 'script-run', script: 'backup', arguments: {} },
    from: freshWorld,
    goal: (w) => w.scripts === 1,
  },
];
