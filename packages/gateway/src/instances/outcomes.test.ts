/** Fences: what their answers mean, and that the loop ends with the truth or says that it does not know. */
import type { Clock } from '@coequal/kernel';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Attempt,
  answerOf,
  askedEpoch,
  attemptOf,
  type Fence,
  fenceText,
  fenceUntilDecided,
  type OutcomeRow,
  outcomeKey,
  outcomeKeyBytes,
  parseOutcomeKey,
  readFences,
  recordSurelyRefused,
  retentionMs,
  verdictOf,
} from './outcomes.ts';

const session = (fill: number): Buffer => Buffer.alloc(24, fill);
const row = (change: Partial<OutcomeRow> = {}): OutcomeRow => ({
  epoch: 1,
  sequence: 0n,
  affected: 0n,
  insertId: 0n,
  ...change,
});

describe('a fenced row', () => {
  test.each([
    ['the write asked about', row({ sequence: 5n, affected: 3n, insertId: 9n }), 'committed'],
    ['a later one', row({ sequence: 6n }), 'committed'],
    ['an earlier one', row({ sequence: 4n }), 'absent'],
    ['none', row(), 'absent'],
  ])('that tells of %s', (_, told, kind) => {
    expect(verdictOf(told, 0, 5)).toMatchObject({ kind, epoch: 1 });
  });

  test('whose epoch was raised by more than this fence tells that somebody has asked', () => {
    expect(verdictOf(row({ epoch: 8 }), 7, 1)).toEqual({ kind: 'absent', epoch: 8, answeredElsewhere: false });
    expect(verdictOf(row({ epoch: 9 }), 7, 1)).toEqual({ kind: 'absent', epoch: 9, answeredElsewhere: true });
    expect(verdictOf(row({ epoch: askedEpoch + 1 }), 0, 1)).toMatchObject({ answeredElsewhere: true });
  });
});

describe('the key of an application', () => {
  const now = 1_800_000_000_000;
  const key = (sequence: number, issuedMs: number) => parseOutcomeKey(outcomeKey(session(7), sequence, issuedMs));

  test('says what it was made of, and nothing else is a key', () => {
    expect(key(3, now)).toEqual({ session: session(7), sequence: 3n, issuedMs: now });
    for (const length of [0, 24, outcomeKeyBytes - 1, outcomeKeyBytes + 1])
      expect(parseOutcomeKey(Buffer.alloc(length))).toBeUndefined();
  });

  test.each([
    ['a later write is there', row({ sequence: 4n }), now, 'committed'],
    ['the last one before the key is the last', row({ sequence: 3n, epoch: 2 }), now, 'not committed'],
    ['no row was there', row({ epoch: askedEpoch }), now, 'not committed'],
    ['no row was there, and a row might have been swept', row({ epoch: askedEpoch }), now - retentionMs, 'unknown'],
    ['the same, asked again', row({ epoch: askedEpoch + 4 }), now - retentionMs, 'unknown'],
    ['a row that is there, whatever the age of the key', row({ sequence: 3n }), now - retentionMs, 'not committed'],
  ] as const)('%s', (_, found, issuedMs, answer) => {
    const parsed = key(3, issuedMs);
    if (parsed === undefined) throw new Error('no key');
    expect(answerOf(found, parsed, now)).toBe(answer);
  });
});

describe('a failed attempt', () => {
  test.each([
    [{ kind: 'answer', errno: 1_213, reason: '' }, 'again'],
    [{ kind: 'answer', errno: 1_020, reason: '' }, 'again'],
    [{ kind: 'answer', errno: 1_205, reason: '' }, 'again'],
    [{ kind: 'answer', errno: 1_047, reason: '' }, 'elsewhere'],
    [{ kind: 'answer', errno: 1_180, reason: '' }, 'elsewhere'],
    [{ kind: 'answer', errno: 1_142, reason: '' }, 'never'],
    [{ kind: 'answer', errno: 1_146, reason: '' }, 'never'],
    [{ kind: 'lost', reason: '' }, 'elsewhere'],
    [{ kind: 'refused', reason: '' }, 'elsewhere'],
    [{ kind: 'deadline', reason: '' }, 'elsewhere'],
  ] as const)('%o is tried %s', (failure, kind) => {
    expect(attemptOf(failure).kind).toBe(kind);
  });

  test('of a record is a refusal for certain only where the engine says so', () => {
    expect([1_213, 1_020, 1_205, 1_048].every(recordSurelyRefused)).toBe(true);
    expect([1_180, 1_317, 1_969, 1_047, 1_053, 1_062].some(recordSurelyRefused)).toBe(false);
  });
});

test('a flight is one statement, the same whatever the order of its fences', () => {
  const fences: readonly Fence[] = [3, 1, 2].map((fill) => ({
    session: session(fill),
    epoch: fill,
    token: Buffer.alloc(8, fill),
  }));
  const text = fenceText(fences);
  expect(text).toBe(fenceText([...fences].reverse()));
  expect(text).not.toContain(';');
  expect(text.match(/X'[0-9a-f]{48}', \d+, 0, 0, 0, X'[0-9a-f]{16}'/g)).toHaveLength(3);
});

test('rows are found by their sessions, numbers beyond the exact ones too', () => {
  const rows = readFences([
    [{ session: session(9), epoch: 2, sequence: '18446744073709551615', affected: '-1', insert_id: '0' }, { other: 1 }],
  ]);
  expect(rows.get(session(9).toString('hex'))).toEqual({
    epoch: 2,
    sequence: 2n ** 64n - 1n,
    affected: -1n,
    insertId: 0n,
  });
  expect(rows.size).toBe(1);
});

describe('the loop', () => {
  /** Time passes only by waiting, or by attempts. */
  const virtualClock = (): Clock & { pass: (ms: number) => void } => {
    let nowMs = 0;
    return {
      now: () => nowMs,
      monotonic: () => nowMs,
      sleep: (ms) => {
        nowMs += Math.max(1, ms);
        return Promise.resolve();
      },
      pass: (ms) => {
        nowMs += ms;
      },
    };
  };
  const fence: Fence = { session: session(1), epoch: 1, token: Buffer.alloc(8, 1) };
  const attempts: Readonly<Record<string, Attempt>> = {
    row: { kind: 'row', row: row() },
    again: { kind: 'again', reason: 'a conflict' },
    elsewhere: { kind: 'elsewhere', reason: 'it was lost' },
    never: { kind: 'never', reason: 'denied' },
  };

  const run = async (script: readonly string[], serving: readonly string[], avoid: readonly string[] = []) => {
    const clock = virtualClock();
    const asked: string[] = [];
    const ends = await fenceUntilDecided(
      {
        clock,
        choose: (not) => serving.find((name) => !not.has(name)) ?? serving[0],
        untilServing: (deadlineMs) => {
          clock.pass(deadlineMs);
          return Promise.resolve(undefined);
        },
        attempt: (instance) => {
          const attempt = attempts[script[asked.length] ?? 'elsewhere'];
          if (attempt === undefined) throw new Error('no such attempt');
          asked.push(instance);
          clock.pass(10);
          return Promise.resolve(attempt);
        },
        pauseMs: () => 5,
      },
      fence,
      { avoid: new Set(avoid), deadlineMs: 1_000 },
    );
    return { ends, asked, tookMs: clock.monotonic() };
  };

  test('asks the same instance again after a conflict, another one after a loss, and all of them in turn', async () => {
    const { ends, asked } = await run(['again', 'elsewhere', 'elsewhere', 'elsewhere', 'row'], ['a', 'b', 'c']);
    expect(asked).toEqual(['a', 'a', 'b', 'c', 'a']);
    expect(ends).toMatchObject({ kind: 'row', instance: 'a' });
  });

  test('asks what is to be avoided only where nothing else is left', async () => {
    expect((await run(['row'], ['a', 'b'], ['a'])).asked).toEqual(['b']);
    expect((await run(['row'], ['a'], ['a'])).asked).toEqual(['a']);
  });

  test('says why it does not know', async () => {
    expect((await run(['never'], ['a'])).ends).toEqual({ kind: 'undecided', reason: 'a: denied' });
    expect((await run([], [])).ends).toEqual({ kind: 'undecided', reason: 'no instance serves' });
    expect((await run([], ['a'])).ends).toEqual({ kind: 'undecided', reason: 'a: it was lost' });
  });

  test('ends at its deadline whatever happens, and never claims a row that was not answered', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom('again', 'elsewhere', 'row', 'never'), { maxLength: 200 }),
        fc.subarray(['a', 'b', 'c']),
        async (script, serving) => {
          const { ends, asked, tookMs } = await run(script, serving);
          expect(tookMs).toBeLessThan(1_100);
          const last = script[asked.length - 1];
          expect(ends.kind === 'row').toBe(asked.length > 0 && last === 'row');
        },
      ),
    );
  });

  test('ends when nobody waits any more', async () => {
    const aborted = AbortSignal.abort();
    const ends = await fenceUntilDecided(
      {
        clock: virtualClock(),
        choose: () => 'a',
        untilServing: () => Promise.resolve(undefined),
        attempt: () => Promise.resolve({ kind: 'row', row: row() }),
        pauseMs: () => 1,
      },
      fence,
      { avoid: new Set(), deadlineMs: 1_000, signal: aborted },
    );
    expect(ends).toEqual({ kind: 'undecided', reason: 'the session has ended' });
  });
});

describe('two gateways, an application and a session', () => {
  /**
   * The database as the engine promises it to be: one row, changed by whole transactions in one order. Every fence raises the
   * epoch unless it is the same fence; a record is refused under an old epoch.
   */
  type Act =
    | { readonly kind: 'record' }
    | { readonly kind: 'fence'; readonly lostAnswer: boolean }
    | { readonly kind: 'ask' }
    | { readonly kind: 'late' };
  const act: fc.Arbitrary<Act> = fc.oneof(
    fc.constant<Act>({ kind: 'record' }),
    fc.boolean().map((lostAnswer): Act => ({ kind: 'fence', lostAnswer })),
    fc.constant<Act>({ kind: 'ask' }),
    fc.constant<Act>({ kind: 'late' }),
  );

  test('what was answered once stays true, and nothing commits twice', () => {
    fc.assert(
      fc.property(fc.array(act, { maxLength: 40 }), (acts) => {
        let stored: { epoch: number; sequence: number; fence: number } | undefined;
        let holds = 0;
        let sequence = 1;
        let tokens = 0;
        const late: { epoch: number; sequence: number }[] = [];
        const committed = new Set<number>();
        const absent = new Set<number>();
        const record = (epoch: number, number: number): boolean => {
          if (stored === undefined) stored = { epoch, sequence: number, fence: 0 };
          else if (stored.epoch !== epoch) return false;
          else stored.sequence = number;
          expect(absent.has(number)).toBe(false);
          committed.add(number);
          return true;
        };
        const raise = (epoch: number, token: number) => {
          if (stored === undefined) stored = { epoch, sequence: 0, fence: token };
          else if (stored.fence !== token) stored = { ...stored, epoch: stored.epoch + 1, fence: token };
          return row({ epoch: stored.epoch, sequence: BigInt(stored.sequence) });
        };
        for (const one of acts) {
          if (one.kind === 'record') {
            late.push({ epoch: holds, sequence });
            if (record(holds, sequence)) sequence += 1;
          }
          // What hung in an instance that was given up wakes now.
          if (one.kind === 'late') {
            const old = late.find((each) => !committed.has(each.sequence));
            if (old !== undefined) record(old.epoch, old.sequence);
          }
          if (one.kind === 'ask') {
            tokens += 1;
            const told = raise(askedEpoch, tokens);
            if (Number(told.sequence) < sequence) absent.add(sequence);
          }
          if (one.kind === 'fence') {
            tokens += 1;
            if (one.lostAnswer) raise(holds + 1, tokens);
            const verdict = verdictOf(raise(holds + 1, tokens), holds, sequence);
            if (verdict.kind === 'undecided') throw new Error('decided');
            holds = verdict.epoch;
            if (verdict.kind === 'committed') sequence += 1;
            else {
              absent.add(sequence);
              // Told elsewhere or not: the next attempt has a new number.
              sequence += 1;
            }
          }
        }
      }),
    );
  });
});
