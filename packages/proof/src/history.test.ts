import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Completion,
  formatLine,
  formatTransaction,
  type Invocation,
  mergeHistories,
  parseHistory,
  type Transaction,
} from './history.ts';

const invocation: Invocation = {
  type: 'invoke',
  id: 'a.1',
  process: 'north-r-1',
  site: 'north',
  instance: 'north-1',
  at: 1_000,
  operations: [['transfer', 1, 2, 300]],
  intent: 'a',
  attempt: 1,
};
const completion: Completion = { type: 'complete', id: 'a.1', at: 3_000, outcome: 'ok' };

const scalar = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null));
const json = fc.oneof(scalar, fc.array(scalar, { maxLength: 3 }));
const operation = fc
  .tuple(fc.string(), fc.array(json, { maxLength: 3 }))
  .map(([name, values]) => [name, ...values] as const);
const transaction: fc.Arbitrary<Transaction> = fc
  .record({
    id: fc.uuid(),
    process: fc.string({ minLength: 1 }),
    site: fc.string({ minLength: 1 }),
    instance: fc.string({ minLength: 1 }),
    invoke: fc.nat(),
    took: fc.option(fc.nat()),
    operations: fc.array(operation, { maxLength: 3 }),
    outcome: fc.constantFrom('ok', 'fail', 'info'),
  })
  .map(({ took, outcome, ...rest }) => ({
    ...rest,
    complete: took === null ? null : rest.invoke + took,
    outcome: took === null ? 'info' : outcome,
  }));
const transactions = fc.uniqueArray(transaction, { selector: ({ id }) => id, maxLength: 10 });

describe('a history', () => {
  test('joins an invocation and its completion to one transaction', () => {
    const { transactions } = parseHistory(formatLine(invocation) + formatLine(completion), 'h');
    expect(transactions).toEqual([
      {
        id: 'a.1',
        process: 'north-r-1',
        site: 'north',
        instance: 'north-1',
        invoke: 1_000,
        complete: 3_000,
        operations: [['transfer', 1, 2, 300]],
        outcome: 'ok',
        intent: 'a',
        attempt: 1,
      },
    ]);
  });

  test('takes what was seen from the completion', () => {
    const seen: Completion = { ...completion, operations: [['r', 1, 700]] };
    expect(parseHistory(formatLine(invocation) + formatLine(seen), 'h').transactions[0]?.operations).toEqual([
      ['r', 1, 700],
    ]);
  });

  test('reads an invocation without an answer as info', () => {
    const [open] = parseHistory(formatLine(invocation), 'h').transactions;
    expect(open).toMatchObject({ complete: null, outcome: 'info', error: 'NO_ANSWER' });
  });

  test('forgives one last line that is cut off, and says so', () => {
    const text = formatLine(invocation) + formatLine(completion).slice(0, 20);
    expect(parseHistory(text, 'h')).toMatchObject({ torn: true, transactions: [{ outcome: 'info' }] });
    expect(parseHistory(formatLine(invocation), 'h').torn).toBe(false);
  });

  test.each([
    ['not JSON before the end', `{"type":\n${formatLine(invocation)}`, 1, 'not JSON'],
    ['something that is no object', '[]\n', 1, 'not a JSON object'],
    ['an unknown type', `{"type":"begin"}`, 1, '"type" must be one of'],
    ['a missing field', formatLine(invocation).replace('"site":"north",', ''), 1, '"site" must be a text'],
    ['a number as text', formatLine(invocation).replace('"at":1000', '"at":"1000"'), 1, '"at" must be a number'],
    [
      'an operation without a name',
      formatLine(invocation).replace('[["transfer",1,2,300]]', '[[1]]'),
      1,
      '"operations" must be',
    ],
    [
      'an unknown outcome',
      formatLine(invocation) + formatLine(completion).replace('"ok"', '"maybe"'),
      2,
      '"outcome" must be',
    ],
    ['a completion of nothing', formatLine(completion), 1, 'without having begun'],
    [
      'a second completion',
      formatLine(invocation) + formatLine(completion) + formatLine(completion),
      3,
      'completes twice',
    ],
    ['a second invocation', formatLine(invocation) + formatLine(invocation), 2, 'already on record'],
    [
      'an end before the beginning',
      formatLine(invocation) + formatLine({ ...completion, at: 5 }),
      2,
      'before it begins',
    ],
    ['another version', '{"type":"header","format":"coequal-history","version":2}', 1, 'the only version'],
  ])('refuses %s, with the line', (_, text, line, reason) => {
    expect(() => parseHistory(`${text}\n`, 'some.ndjson')).toThrow(
      expect.objectContaining({
        code: 'HISTORY_INVALID',
        message: expect.stringMatching(new RegExp(`^some.ndjson, line ${line}: .*${reason}`)),
      }),
    );
  });

  test('survives being written and read', () => {
    fc.assert(
      fc.property(transactions, (all) => {
        const read = parseHistory(all.map(formatTransaction).join(''), 'h');
        expect(read.transactions).toEqual([...all].sort((a, b) => a.invoke - b.invoke));
        expect(read.torn).toBe(false);
      }),
    );
  });

  test('cut anywhere, is what was complete before the cut', () => {
    fc.assert(
      fc.property(transactions, fc.nat(), (all, cut) => {
        const text = all.map(formatTransaction).join('');
        const at = cut % (text.length + 1);
        const read = parseHistory(text.slice(0, at), 'h');
        expect(read.transactions.length).toBeGreaterThanOrEqual(text.slice(0, at).split('\n').length - 1);
        const known = new Set(all.map(({ id }) => id));
        expect(read.transactions.every(({ id }) => known.has(id))).toBe(true);
      }),
    );
  });

  test('of several ledgers is one, in the order of invocation', () => {
    const early = parseHistory(formatLine({ ...invocation, id: 'b', at: 5 }), 'a');
    const late = parseHistory(formatLine(invocation), 'b');
    expect(mergeHistories([late, early]).transactions.map(({ id }) => id)).toEqual(['b', 'a.1']);
  });
});

describe('a decision', () => {
  const doubt: Completion = { ...completion, outcome: 'info', error: 'CONNECTION_LOST', committing: 2_500 };
  const decision = { type: 'decide', id: 'a.1', at: 9_000, verdict: 'committed', by: 'north-gateway-2' } as const;
  const lines = (...all: Parameters<typeof formatLine>[0][]): string => all.map(formatLine).join('');

  test('settles a doubt, and outlives merging', () => {
    const [transaction] = parseHistory(lines(invocation, doubt, decision), 'h').transactions;
    const { type: _, id: __, ...said } = decision;
    expect(transaction).toMatchObject({ outcome: 'info', committing: 2_500, decision: said });
    if (transaction === undefined) throw new Error('no transaction');
    expect(parseHistory(formatTransaction(transaction), 'h').transactions).toEqual([transaction]);
  });

  test.each([
    ['of what was not in doubt', lines(invocation, completion, decision)],
    ['of what has no answer yet', lines(invocation, decision)],
    ['of what never began', lines(decision)],
    ['for a second time', lines(invocation, doubt, decision, decision)],
    ['that says nothing', lines(invocation, doubt) + JSON.stringify({ ...decision, verdict: 'perhaps' })],
  ])('%s is refused', (_, text) => {
    expect(() => parseHistory(`${text}\n`, 'h')).toThrow(expect.objectContaining({ code: 'HISTORY_INVALID' }));
  });

  test('keeps the way and the style of a client', () => {
    const [transaction] = parseHistory(lines({ ...invocation, via: 'gateway', style: 'legacy' }), 'h').transactions;
    expect(transaction).toMatchObject({ via: 'gateway', style: 'legacy' });
  });
});
