import { describe, expect, test } from 'vitest';
import { judge, LinkFailure, worthKeeping } from './link.ts';

const answer = (code: string) => new LinkFailure('answer', code, '');

describe('the judgement of a failure', () => {
  test.each(['1213', '1020'])('%s is rolled back for certain, before and in COMMIT', (code) => {
    expect(judge(answer(code), false)).toBe('conflict');
    expect(judge(answer(code), true)).toBe('conflict');
  });

  test.each([
    ['1047', answer('1047')],
    ['1205', answer('1205')],
    ['1180', answer('1180')],
    ['a lost connection', new LinkFailure('lost', 'CONNECTION_LOST', '')],
    ['a deadline', new LinkFailure('deadline', 'DEADLINE_PASSED', '')],
    // Codes of a session that was lost are names of ours; a number there must not pass for the server's word.
    ['a lost connection that looks like a conflict', new LinkFailure('lost', '1213', '')],
  ])('%s is not done before COMMIT, and in doubt in it', (_, failure) => {
    expect(judge(failure, false)).toBe('not-done');
    expect(judge(failure, true)).toBe('in-doubt');
  });

  test('only conflicts and lock waits leave the session worth keeping', () => {
    expect(['1213', '1020', '1205', '1047', '1180', '1290'].filter((code) => worthKeeping(answer(code)))).toEqual([
      '1213',
      '1020',
      '1205',
    ]);
    expect(worthKeeping(new LinkFailure('deadline', 'DEADLINE_PASSED', ''))).toBe(false);
  });
});
