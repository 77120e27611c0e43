import { expect, test } from 'vitest';
import { type Held, judge, parseSaid, type Said } from './verdict.ts';

const ok = (n: number): Said => ({ kind: 'ok', n });
const error = (n: number | null, code = '2013'): Said => ({ kind: 'error', n, code, message: 'gone' });
const held = (entries: readonly (readonly [number, number])[], inTransactions: number, alone: number): Held => ({
  entries: new Map(entries),
  inTransactions,
  alone,
});

test('the words of programs, of sysbench, and nothing else', () => {
  expect(parseSaid('ok 17')).toEqual(ok(17));
  expect(parseSaid('conflict 3')).toEqual({ kind: 'conflict', n: 3 });
  expect(parseSaid('error 4 2013 Lost connection')).toEqual({
    kind: 'error',
    n: 4,
    code: '2013',
    message: 'Lost connection',
  });
  expect(parseSaid("FATAL: mysql_drv_query() returned error 2013 (Lost connection) for query 'COMMIT'")).toEqual({
    kind: 'error',
    n: null,
    code: '2013',
    message: "(Lost connection) for query 'COMMIT'",
  });
  expect(parseSaid('done')).toEqual({ kind: 'done' });
  expect(parseSaid('Threads started!')).toBeUndefined();
});

test('all there once is nothing lost and nothing doubled', () => {
  const verdict = judge(
    [ok(0), ok(1), ok(2), ok(3), { kind: 'done' }],
    held(
      [
        [0, 1],
        [1, 1],
        [3, 1],
      ],
      2,
      1,
    ),
    false,
  );
  expect(verdict).toMatchObject({
    acknowledged: 4,
    errors: 0,
    errorCodes: null,
    inDoubt: 0,
    lost: 0,
    doubled: 0,
    torn: 0,
  });
});

test('an acknowledged entry or update that is not there is lost', () => {
  expect(judge([ok(0), ok(1), ok(2)], held([[0, 1]], 1, 0), false)).toMatchObject({ lost: 2, doubled: 0 });
});

test('an entry or update that is there twice is doubled', () => {
  const found = held(
    [
      [0, 1],
      [1, 2],
    ],
    1,
    2,
  );
  expect(judge([ok(0), ok(1), ok(2)], found, false)).toMatchObject({ lost: 0, doubled: 2 });
});

test('what ended in an error may be there or not, but not twice', () => {
  const said = [ok(0), error(1), error(2), ok(3)];
  const entries = [
    [0, 1],
    [3, 1],
  ] as const;
  expect(judge(said, held(entries, 2, 0), false)).toMatchObject({
    inDoubt: 2,
    lost: 0,
    doubled: 0,
    errorCodes: '2013 (2)',
  });
  expect(judge(said, held([...entries, [1, 1]], 2, 1), false)).toMatchObject({ lost: 0, doubled: 0 });
  expect(judge(said, held([...entries, [1, 2]], 2, 2), false)).toMatchObject({ lost: 0, doubled: 2 });
});

test('a program that was cut off may have had one more in flight', () => {
  const found = held(
    [
      [0, 1],
      [1, 1],
    ],
    1,
    0,
  );
  expect(judge([ok(0)], found, true)).toMatchObject({ inDoubt: 1, doubled: 0 });
  expect(judge([ok(0)], found, false)).toMatchObject({ inDoubt: 0, doubled: 1 });
  expect(judge([ok(0), ok(1), error(null)], found, true)).toMatchObject({ inDoubt: 2 });
});

test('half a transaction is torn', () => {
  expect(judge([ok(0)], held([[0, 1]], 2, 0), false)).toMatchObject({ torn: 1 });
});
