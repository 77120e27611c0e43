import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Outcome, Transaction } from '../history.ts';
import { must } from '../testing/must.ts';
import { clean, reconcile } from './reconcile.ts';
import type { Contents } from './schema.ts';

const accounts = 5;
const opening = {
  accounts: Array.from({ length: accounts }, (_, index) => ({ id: index + 1, opening: 1_000 })),
  transfers: ['old.1'],
};
const instances = ['north-1', 'south-1', 'east-1'];

type Attempt = {
  readonly from: number;
  readonly to: number;
  readonly amount: number;
  readonly outcome: Outcome;
  readonly took: boolean;
};

const attempt: fc.Arbitrary<Attempt> = fc
  .record({
    from: fc.integer({ min: 1, max: accounts }),
    step: fc.integer({ min: 1, max: accounts - 1 }),
    amount: fc.integer({ min: 1, max: 500 }),
    outcome: fc.constantFrom<Outcome>('ok', 'ok', 'ok', 'fail', 'info'),
    decided: fc.boolean(),
  })
  .map(({ from, step, amount, outcome, decided }) => ({
    from,
    to: ((from - 1 + step) % accounts) + 1,
    amount,
    outcome,
    took: outcome === 'ok' || (outcome === 'info' && decided),
  }));

const transactionOf = ({ from, to, amount, outcome }: Attempt, index: number): Transaction => ({
  id: `t.${index}`,
  process: 'p',
  site: 'north',
  instance: 'north-1',
  invoke: index,
  complete: index,
  operations: [['transfer', from, to, amount]],
  intent: `i${index}`,
  attempt: 1,
  outcome,
  ...(outcome === 'fail' ? { error: '1213' } : {}),
});

type Writable = {
  instance: string;
  accounts: { id: number; opening: number; balance: number; version: number }[];
  transfers: { id: string; from: number; to: number; amount: number; site: string; at: number }[];
  entries: { id: number; transfer: string; account: number; amount: number }[];
};

const book = (contents: Writable, id: string, { from, to, amount }: Pick<Attempt, 'from' | 'to' | 'amount'>): void => {
  if (!contents.transfers.some((row) => row.id === id))
    contents.transfers.push({ id, from, to, amount, site: 'north', at: 0 });
  for (const [account, cents] of [
    [from, -amount],
    [to, amount],
  ] as const) {
    contents.entries.push({ id: contents.entries.length + 1, transfer: id, account, amount: cents });
    const row = contents.accounts[account - 1];
    if (row !== undefined) {
      row.balance += cents;
      row.version += 1;
    }
  }
};

const held = (attempts: readonly Attempt[], instance: string): Writable => {
  const contents: Writable = {
    instance,
    accounts: opening.accounts.map((account) => ({ ...account, balance: account.opening, version: 0 })),
    transfers: [],
    entries: [],
  };
  book(contents, 'old.1', { from: 1, to: 2, amount: 10 });
  for (const [index, one] of attempts.entries()) if (one.took) book(contents, `t.${index}`, one);
  return contents;
};

const world = (attempts: readonly Attempt[]) => {
  const contents = instances.map((instance) => held(attempts, instance));
  return { transactions: attempts.map(transactionOf), contents };
};

/** A history with at least one attempt of the kind, and its index. */
const withOne = (wanted: (attempt: Attempt) => boolean) =>
  fc
    .array(attempt, { minLength: 1, maxLength: 30 })
    .filter((attempts) => attempts.some(wanted))
    .chain((attempts) =>
      fc.record({
        attempts: fc.constant(attempts),
        index: fc.constantFrom(...attempts.flatMap((one, index) => (wanted(one) ? [index] : []))),
        where: fc.subarray([0, 1, 2], { minLength: 1 }),
      }),
    );

const remove = (contents: Writable, id: string): void => {
  contents.transfers = contents.transfers.filter((row) => row.id !== id);
  contents.entries = contents.entries.filter((row) => row.transfer !== id);
};

const judge = (transactions: readonly Transaction[], contents: readonly Contents[]) =>
  reconcile(opening, transactions, contents);

describe('reconciliation', () => {
  test('finds nothing where nothing is wrong, and counts every outcome', () => {
    fc.assert(
      fc.property(fc.array(attempt, { maxLength: 40 }), (attempts) => {
        const { transactions, contents } = world(attempts);
        const found = judge(transactions, contents);
        expect(clean(found)).toBe(true);
        expect(found.findings).toEqual([]);
        const count = (outcome: Outcome) => attempts.filter((one) => one.outcome === outcome).length;
        expect(found).toMatchObject({
          acknowledged: count('ok'),
          conflicts: count('fail'),
          inDoubt: count('info'),
          decided: count('info'),
          rpo: { transactions: 0, amount: 0 },
        });
      }),
    );
  });

  test('finds every acknowledged transaction that is absent anywhere, and its money', () => {
    fc.assert(
      fc.property(
        withOne((one) => one.outcome === 'ok'),
        ({ attempts, index, where }) => {
          const { transactions, contents } = world(attempts);
          for (const one of where) remove(must(contents[one]), `t.${index}`);
          const found = judge(transactions, contents);
          expect(found).toMatchObject({
            lost: 1,
            rpo: { transactions: 1, amount: attempts[index]?.amount },
            balanceExact: false,
          });
          expect(found.findings.find(({ kind }) => kind === 'lost')).toMatchObject({
            subject: `t.${index}`,
            instance: where.map((one) => instances[one]).join(', '),
          });
          if (where.length < 3) expect(found.diverged).toBeGreaterThanOrEqual(3);
        },
      ),
    );
  });

  test('finds a transfer that was done twice', () => {
    fc.assert(
      fc.property(
        withOne((one) => one.took),
        ({ attempts, index }) => {
          const { transactions, contents } = world(attempts);
          for (const one of contents) book(one, `t.${index}`, must(attempts[index]));
          const found = judge(transactions, contents);
          expect(found).toMatchObject({ doubled: 1, lost: 0, diverged: 0, balanceExact: true });
          expect(clean(found)).toBe(false);
        },
      ),
    );
  });

  test('finds what was done although the client was told that it was not', () => {
    fc.assert(
      fc.property(
        withOne((one) => one.outcome === 'fail'),
        ({ attempts, index }) => {
          const { transactions, contents } = world(attempts);
          for (const one of contents) book(one, `t.${index}`, must(attempts[index]));
          expect(judge(transactions, contents)).toMatchObject({ doubled: 1, lost: 0, diverged: 0 });
        },
      ),
    );
  });

  test('finds an intent that took effect by two attempts', () => {
    fc.assert(
      fc.property(
        withOne((one) => one.took),
        ({ attempts, index }) => {
          const again = [...attempts, must(attempts[index])];
          const { transactions, contents } = world(again);
          const renamed = transactions.map((one, at) =>
            at === attempts.length ? { ...one, intent: `i${index}` } : one,
          );
          const found = judge(renamed, contents);
          expect(found).toMatchObject({ doubled: 1, lost: 0, balanceExact: true });
          expect(found.findings.map(({ kind }) => kind)).toEqual(['repeated']);
        },
      ),
    );
  });

  test('finds every row that differs, in any table', () => {
    const change = fc.constantFrom<(contents: Writable) => void>(
      (contents) => {
        must(contents.accounts[0]).version += 1;
      },
      (contents) => {
        must(contents.transfers[0]).at = 7;
      },
      (contents) => {
        must(contents.entries[0]).id = 1_000;
      },
    );
    fc.assert(
      fc.property(fc.array(attempt, { maxLength: 10 }), change, fc.nat(2), (attempts, alter, where) => {
        const { transactions, contents } = world(attempts);
        alter(must(contents[where]));
        const found = judge(transactions, contents);
        expect(found.diverged).toBeGreaterThanOrEqual(1);
        expect(found.lost + found.doubled).toBe(0);
        expect(clean(found)).toBe(false);
      }),
    );
  });

  test('finds a transfer that is only half there', () => {
    fc.assert(
      fc.property(
        withOne((one) => one.outcome === 'ok'),
        ({ attempts, index, where }) => {
          const { transactions, contents } = world(attempts);
          for (const one of where) {
            const { entries } = must(contents[one]);
            entries.splice(
              entries.findIndex(({ transfer }) => transfer === `t.${index}`),
              1,
            );
          }
          expect(judge(transactions, contents)).toMatchObject({ damaged: 1, lost: 1, balanceExact: false });
        },
      ),
    );
  });

  test('finds a transfer that nobody asked for, and one from before that is gone', () => {
    const { transactions, contents } = world([]);
    for (const one of contents) book(one, 'stranger.1', { from: 1, to: 2, amount: 5 });
    expect(judge(transactions, contents)).toMatchObject({ unexplained: 1, lost: 0 });
    for (const one of contents) remove(one, 'old.1');
    expect(judge(transactions, contents)).toMatchObject({ lost: 1 });
  });

  test('does not call a doubt decided while instances disagree about it', () => {
    fc.assert(
      fc.property(
        withOne((one) => one.outcome === 'info' && one.took),
        fc.nat(2),
        ({ attempts, index }, where) => {
          const { transactions, contents } = world(attempts);
          remove(must(contents[where]), `t.${index}`);
          const found = judge(transactions, contents);
          expect(found.inDoubt - found.decided).toBe(1);
          expect(found.lost).toBe(0);
          expect(found.diverged).toBeGreaterThan(0);
        },
      ),
    );
  });

  test('finds money that appeared or went', () => {
    const { transactions, contents } = world([]);
    for (const one of contents) {
      must(one.accounts[0]).balance += 1;
    }
    expect(judge(transactions, contents)).toMatchObject({ balanceExact: false, diverged: 0 });
  });

  test('does not call books balanced that nobody could read', () => {
    expect(judge([], []).balanceExact).toBe(false);
  });
});
