/**
 * Walks every interleaving of losses, hangs and late wake-ups around a session that follows the decisions of
 * `continuity.ts`, against a model of the database: instances that may carry out what was sent to them at any later
 * moment, and outcome rows that collide with fences. Exhaustive up to two losses a transaction.
 */
import { describe, expect, it } from 'vitest';
import {
  type Decision,
  onConflict,
  onFinding,
  onLoss,
  onReplayEnd,
  type RequestClass,
  type Standing,
} from './continuity.ts';

/** Makes every choice in turn: a run is a path through a tree, and `explore` walks the whole tree. */
class Choices {
  readonly #path: { taken: number; of: number }[];
  #at = 0;

  constructor(path: { taken: number; of: number }[]) {
    this.#path = path;
  }

  choose(of: number): number {
    const known = this.#path[this.#at];
    if (known === undefined) this.#path.push({ taken: 0, of });
    const taken = this.#path[this.#at]?.taken ?? 0;
    this.#at += 1;
    return taken;
  }
}

const explore = (run: (choices: Choices) => void, most = 2_000_000): number => {
  const path: { taken: number; of: number }[] = [];
  let runs = 0;
  for (;;) {
    run(new Choices(path));
    runs += 1;
    if (runs > most) throw new Error('the tree of choices is larger than expected');
    for (let last = path.at(-1); last !== undefined && last.taken + 1 === last.of; last = path.at(-1)) path.pop();
    const last = path.at(-1);
    if (last === undefined) return runs;
    last.taken += 1;
  }
};

/** What may still happen on an instance that was lost while it held a flight. */
type Late = () => void;

/** One session's outcome row, and how often each transaction is in the database. */
class Database {
  epoch = 0;
  sequence = 0;
  readonly committed = new Map<string, number>();
  late: Late[] = [];

  /** A flight of a transaction with its outcome row: all or nothing. */
  commit(id: string, epoch: number, sequence: number): 'ok' | 'refused' {
    if (this.epoch !== epoch) return 'refused';
    this.sequence = sequence;
    this.committed.set(id, (this.committed.get(id) ?? 0) + 1);
    return 'ok';
  }

  /** Without an outcome row, as DDL and procedures commit. */
  commitAlone(id: string): void {
    this.committed.set(id, (this.committed.get(id) ?? 0) + 1);
  }

  fence(): void {
    this.epoch += 1;
  }

  /** An instance wakes up, or not, at any moment. */
  wake(choices: Choices): void {
    for (const one of this.late.splice(0)) {
      if (choices.choose(2) === 0) this.late.push(one);
      else one();
    }
  }

  wakeAll(): void {
    for (const one of this.late.splice(0)) one();
  }

  count(id: string): number {
    return this.committed.get(id) ?? 0;
  }
}

type Told = 'ok' | 'retry' | 'unknown';

/** A session as `recovery.ts` drives it, without sockets. */
class ModelSession {
  epoch = 0;
  sequence = 0;
  losses = 0;
  readonly database: Database;
  readonly choices: Choices;
  readonly mostLosses: number;
  readonly barriers: Pick<Standing, 'unitBarrier' | 'sessionBarrier'>;

  constructor(
    database: Database,
    choices: Choices,
    mostLosses: number,
    barriers: Pick<Standing, 'unitBarrier' | 'sessionBarrier'>,
  ) {
    this.database = database;
    this.choices = choices;
    this.mostLosses = mostLosses;
    this.barriers = barriers;
  }

  /** Sends a request that would commit `id`, and follows the decisions to what the client is told. */
  run(request: RequestClass, id: string, open: boolean): Told {
    // The instance may have been lost while nothing was under way: then nobody has heard of the request yet.
    if (this.choices.choose(2) === 1) {
      const standing: Standing = { ...this.barriers, open, request, sent: false };
      const told = this.#recover(onLoss(standing), standing);
      if (told !== 'again') return told;
    }
    for (let conflicts = 0; ; ) {
      const standing: Standing = { ...this.barriers, open, request, sent: true };
      const answer = this.#send(request, id);
      if (answer === 'ok') return 'ok';
      if (answer === 'conflict') {
        conflicts += 1;
        const decision = onConflict(standing, { times: conflicts, most: 2, answerBegun: false });
        if (decision.kind !== 'replay') return 'retry';
        const replayed = this.#replay(open);
        if (replayed !== 'go-on') return replayed;
        continue;
      }
      const told = this.#recover(onLoss(standing), standing);
      if (told !== 'again') return told;
    }
  }

  #send(request: RequestClass, id: string): 'ok' | 'conflict' | 'lost' {
    const { database, choices } = this;
    this.sequence += 1;
    const { epoch, sequence } = this;
    const carryOut = (): 'ok' | 'refused' => {
      switch (request) {
        case 'wrapped':
        case 'commit':
          return database.commit(id, epoch, sequence);
        case 'opaque':
          database.commitAlone(id);
          return 'ok';
        default:
          return 'ok';
      }
    };
    // 0: answered, 1: refused by a conflict, then with a loss: 2 before, 3 after, 4 perhaps later.
    const what = choices.choose(this.losses < this.mostLosses ? 5 : 2);
    if (what === 0) return carryOut() === 'ok' ? 'ok' : 'conflict';
    if (what === 1) return 'conflict';
    this.losses += 1;
    if (what === 3) carryOut();
    if (what === 4) database.late.push(carryOut);
    return 'lost';
  }

  #recover(decision: Decision, standing: Standing): Told | 'again' {
    this.database.wake(this.choices);
    switch (decision.kind) {
      case 'answer-ok':
      case 'answer-recorded':
        return 'ok';
      case 'refuse':
        return 'retry';
      case 'unknown':
        return 'unknown';
      case 'move-later':
      case 'replay': {
        const replayed = this.#replay(standing.open);
        return replayed === 'go-on' ? 'again' : replayed;
      }
      case 'fence':
        return this.#fence(standing);
    }
  }

  #fence(standing: Standing): Told | 'again' {
    const { database, choices } = this;
    // The majority may be lost while fencing: then nothing is settled.
    if (choices.choose(2) === 1) return this.#recover(onFinding(standing, 'undecided', 'no majority'), standing);
    database.fence();
    const found = database.sequence >= this.sequence ? 'committed' : 'absent';
    this.epoch = database.epoch;
    database.wake(choices);
    return this.#recover(onFinding(standing, found, ''), standing);
  }

  #replay(open: boolean): 'go-on' | Told {
    for (let tries = 0; ; ) {
      this.database.wake(this.choices);
      const end = open ? (['same', 'different', 'conflict'] as const)[this.choices.choose(3)] : 'same';
      tries += end === 'conflict' ? 1 : 0;
      switch (onReplayEnd(end ?? 'same', { times: tries, most: 2 })) {
        case 'go-on':
          return 'go-on';
        case 'refuse':
          return 'retry';
        default:
          break;
      }
    }
  }
}

const free = { unitBarrier: null, sessionBarrier: null };
const classes: readonly RequestClass[] = [
  'read',
  'setting',
  'wrapped',
  'inside',
  'commit',
  'commit-read',
  'rollback',
  'opaque',
];

describe('a session that follows the decisions, in every interleaving', () => {
  const cases = [
    { name: 'a single write', request: 'wrapped', open: false, barriers: free },
    { name: 'a COMMIT', request: 'commit', open: true, barriers: free },
    {
      name: 'a COMMIT of a transaction that cannot be repeated',
      request: 'commit',
      open: true,
      barriers: { unitBarrier: 'too-large', sessionBarrier: null },
    },
    {
      name: 'a COMMIT of a session that cannot move',
      request: 'commit',
      open: true,
      barriers: { unitBarrier: null, sessionBarrier: 'temporary-table' },
    },
    {
      name: 'a single write of a session that cannot move',
      request: 'wrapped',
      open: false,
      barriers: { unitBarrier: null, sessionBarrier: 'named-lock' },
    },
  ] as const;

  it.each(cases)('$name is there once when acknowledged, and not there when refused', ({ request, open, barriers }) => {
    const told = new Set<Told>();
    const runs = explore((choices) => {
      const database = new Database();
      const session = new ModelSession(database, choices, 2, barriers);
      const answer = session.run(request, 'one', open);
      told.add(answer);
      // Whatever still sleeps wakes in the end: what was said must hold then too.
      database.wakeAll();
      const times = database.count('one');
      if (answer === 'ok') expect(times).toBe(1);
      else if (answer === 'retry') expect(times).toBe(0);
      else expect(times).toBeLessThanOrEqual(1);
    });
    expect(runs).toBeGreaterThan(5);
    expect(told).toContain('ok');
  });

  it('what may commit by itself is never sent twice', () => {
    explore((choices) => {
      const database = new Database();
      const answer = new ModelSession(database, choices, 3, free).run('opaque', 'one', false);
      database.wakeAll();
      expect(database.count('one')).toBeLessThanOrEqual(1);
      if (answer === 'ok') expect(database.count('one')).toBe(1);
    });
  });

  it('two transactions in a row keep their own outcomes', () => {
    explore((choices) => {
      const database = new Database();
      const session = new ModelSession(database, choices, 1, free);
      const first = session.run('wrapped', 'first', false);
      if (first === 'unknown') return;
      const second = session.run('commit', 'second', true);
      database.wakeAll();
      expect(database.count('first')).toBe(first === 'ok' ? 1 : 0);
      if (second !== 'unknown') expect(database.count('second')).toBe(second === 'ok' ? 1 : 0);
    });
  });
});

describe('decisions', () => {
  it('only what may commit by itself, or cannot be settled, is called unknown', () => {
    for (const request of classes) {
      const decision = onLoss({ ...free, open: true, request, sent: true });
      expect(decision.kind === 'unknown').toBe(request === 'opaque');
    }
  });

  it('a session with state of its own is refused and ended, except where the outcome row can speak', () => {
    for (const request of classes) {
      const decision = onLoss({
        unitBarrier: null,
        sessionBarrier: 'temporary-table',
        open: false,
        request,
        sent: true,
      });
      if (request === 'wrapped' || request === 'commit') expect(decision.kind).toBe('fence');
      else expect(decision).toMatchObject({ ends: true });
    }
  });

  it('an idle session moves when it is asked for something', () => {
    expect(onLoss({ ...free, open: false, request: null, sent: false })).toEqual({ kind: 'move-later' });
    expect(onLoss({ ...free, open: true, request: null, sent: false })).toEqual({ kind: 'replay' });
  });

  it('a conflict of something that may have committed before is passed on', () => {
    const decision = onConflict(
      { ...free, open: false, request: 'opaque', sent: true },
      { times: 1, most: 9, answerBegun: false },
    );
    expect(decision.kind).toBe('refuse');
  });
});
