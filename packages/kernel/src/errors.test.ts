/** Errors say what happened and what to do; foreign values are described, never trusted. */
import { describe, expect, it } from 'vitest';
import { CoequalError, codeOf, fail, isErrorCode, reasonOf } from './errors.ts';

describe('fail', () => {
  it('fills message and advice with the details, and keeps code, kind and cause', () => {
    const cause = new Error('EADDRINUSE');
    const error = fail('PORT_BUSY', { port: 3306, address: '10.77.1.1', subject: 'north-db-1' }, { cause });
    expect(error).toBeInstanceOf(CoequalError);
    expect(error.message).toBe('Port 3306 on 10.77.1.1 is already in use.');
    expect(error.advice).toContain('north-db-1');
    expect(error).toMatchObject({ code: 'PORT_BUSY', kind: 'operational', retry: true, cause });
  });

  it('shows a detail that is missing instead of hiding it', () => {
    expect(fail('PORT_BUSY', { port: 1 }).message).toContain('{address}');
  });

  it('does not read a detail as a template of its own', () => {
    expect(fail('FILE_MISSING', { path: '{advice}', advice: 'x' }).message).toBe('There is no file {advice}.');
  });
});

describe('errors from elsewhere', () => {
  it('have a code when Node gave one', () => {
    expect(codeOf(Object.assign(new Error('x'), { code: 'ENOENT' }))).toBe('ENOENT');
    expect(codeOf('ENOENT')).toBeUndefined();
  });

  it('have a reason of one line, whatever was thrown', () => {
    expect(reasonOf(new Error('a\n   b'))).toBe('a b');
    expect(reasonOf(undefined)).toBe('undefined');
  });

  it('are not taken for ours by a name that every object has', () => {
    expect(isErrorCode('PORT_BUSY')).toBe(true);
    expect(isErrorCode('toString')).toBe(false);
    expect(isErrorCode(7)).toBe(false);
  });
});
