/** The pure parts of identity: codes of time, bounds for being wrong, where requests come from, which roles go together, cookies. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Attempts } from './attempts.ts';
import { readCookies, signedInCookies } from './cookies.ts';
import { contradiction } from './grants.ts';
import { identityLimits } from './limits.ts';
import { base32Of, codeOf, stepAt, stepOf, totpAddress } from './totp.ts';
import { newCode, plainCode } from './values.ts';
import { crossSite, makeWhence, namesOf } from './whence.ts';

const seed = Buffer.from('12345678901234567890');

describe('one-time codes', () => {
  test('are those of RFC 6238', () => {
    const codes = [59, 1_111_111_109, 1_111_111_111, 1_234_567_890, 2_000_000_000, 20_000_000_000];
    expect(codes.map((seconds) => codeOf(seed, stepAt(seconds * 1_000)))).toEqual([
      '287082',
      '081804',
      '050471',
      '005924',
      '279037',
      '353130',
    ]);
  });

  test('hold for a step to each side, and each once', () => {
    const nowMs = 1_800_000_000_000;
    const now = stepAt(nowMs);
    expect([-2, -1, 0, 1, 2].map((off) => stepOf(seed, codeOf(seed, now + off), nowMs, 0))).toEqual([
      ...[undefined, now - 1, now, now + 1, undefined],
    ]);
    expect(stepOf(seed, codeOf(seed, now), nowMs, now)).toBeUndefined();
    expect(stepOf(seed, codeOf(seed, now - 1), nowMs, now)).toBeUndefined();
    for (const wrong of ['', '0', '12345x', '1234567', '１２３４５６'])
      expect(stepOf(seed, wrong, nowMs, 0)).toBeUndefined();
  });

  test('seeds are written as apps read them (RFC 4648)', () => {
    expect(['', 'f', 'fo', 'foo', 'foob', 'fooba', 'foobar'].map((text) => base32Of(Buffer.from(text)))).toEqual([
      ...['', 'MY', 'MZXQ', 'MZXW6', 'MZXW6YQ', 'MZXW6YTB', 'MZXW6YTBOI'],
    ]);
    expect(totpAddress(seed, 'Coequal bank', 'a&b')).toMatch(
      /^otpauth:\/\/totp\/Coequal%20bank:a%26b\?secret=[A-Z2-7]+&/,
    );
  });
});

describe('being wrong', () => {
  const nowMs = 1_000_000;
  const attempt = (source: string, account: string, known = false) => ({ source, account, known });

  test('a source that is wrong too often about an account is stopped, and another is not', () => {
    const attempts = new Attempts();
    for (let i = 0; i < identityLimits.attempts.pair; i += 1) attempts.failed(attempt('a', 'Ann'), nowMs);
    expect(attempts.blocked(attempt('a', 'ann'), nowMs)).toBe('pair');
    expect(attempts.blocked(attempt('b', 'ann'), nowMs)).toBeUndefined();
    expect(attempts.blocked(attempt('a', 'bob'), nowMs)).toBeUndefined();
    expect(attempts.blocked(attempt('a', 'ann'), nowMs + identityLimits.attempts.windowMs)).toBeUndefined();
  });

  test('nobody is locked out at a device that is known by what others do in their name', () => {
    const attempts = new Attempts();
    for (let i = 0; i < 1_000; i += 1) attempts.failed(attempt(`source-${i}`, 'ann'), nowMs);
    expect(attempts.blocked(attempt('new', 'ann'), nowMs)).toBe('account');
    expect(attempts.blocked(attempt('home', 'ann', true), nowMs)).toBeUndefined();
  });

  test('a source that tries many accounts is stopped; being right is no failure', () => {
    const attempts = new Attempts();
    for (let i = 0; i < 500; i += 1) {
      attempts.failed(attempt('office', `person-${i}`), nowMs);
      attempts.succeeded(attempt('office', `person-${i}`));
    }
    expect(attempts.blocked(attempt('office', 'ann'), nowMs)).toBeUndefined();
    for (let i = 0; i < identityLimits.attempts.source; i += 1) attempts.failed(attempt('x', `person-${i}`), nowMs);
    expect(attempts.blocked(attempt('x', 'ann'), nowMs)).toBe('source');
  });
});

describe('where a request comes from', () => {
  const names = namesOf('https://coequal.bank.example', 9_620);
  const whence = makeWhence(names, ['127.0.0.1', '10.9.0.0/16', 'fd00::/8']);
  const forwarded = { host: 'coequal.bank.example', 'x-forwarded-proto': 'https', 'x-forwarded-for': '203.0.113.9' };

  test('what a trusted proxy says counts, up to the first hop that is none', () => {
    expect(whence('127.0.0.1', forwarded)).toMatchObject({ ok: true, source: '203.0.113.9' });
    expect(whence('::ffff:127.0.0.1', forwarded)).toMatchObject({ ok: true, source: '203.0.113.9' });
    const chain = { ...forwarded, 'x-forwarded-for': '1.2.3.4, 203.0.113.9, 10.9.1.1, fd00::1' };
    expect(whence('10.9.3.3', chain)).toMatchObject({ ok: true, source: '203.0.113.9' });
  });

  test('what anybody else says does not', () => {
    expect(whence('192.0.2.7', { ...forwarded, host: 'localhost' })).toMatchObject({ ok: true, source: '192.0.2.7' });
    expect(whence('192.0.2.7', forwarded)).toEqual({ ok: false, reason: 'plain' });
  });

  test.each([
    ['another host', { host: 'evil.example' }, 'host'],
    ['no host', { host: undefined }, 'host'],
    ['a forwarded host of another', { 'x-forwarded-host': 'evil.example' }, 'host'],
    ['a host that ends alike', { host: 'coequal.bank.example.evil.example' }, 'host'],
    ['another port', { host: 'coequal.bank.example:8443' }, 'host'],
    ['no TLS', { 'x-forwarded-proto': 'http' }, 'plain'],
    ['two protocols', { 'x-forwarded-proto': 'http, https' }, 'plain'],
    ['nobody it is for', { 'x-forwarded-for': undefined }, 'forwarded'],
    ['no address', { 'x-forwarded-for': 'unknown' }, 'forwarded'],
    ['proxies only', { 'x-forwarded-for': '10.9.0.1' }, 'forwarded'],
  ])('refused: %s', (_, more, reason) => {
    expect(whence('127.0.0.1', { ...forwarded, ...more })).toEqual({ ok: false, reason });
  });

  test('a page of somebody else is known by origin, site, or a header that it cannot set', () => {
    const own = { origin: names.origin, 'sec-fetch-site': 'same-origin', 'x-coequal': '1' };
    expect(crossSite(names, 'POST', own, true)).toBeUndefined();
    expect(crossSite(names, 'POST', {}, false)).toBeUndefined();
    expect(crossSite(names, 'GET', {}, true)).toBeUndefined();
    expect(crossSite(names, 'POST', { ...own, origin: 'https://evil.example' }, true)).toBe('origin');
    expect(crossSite(names, 'POST', { ...own, origin: 'null' }, false)).toBe('origin');
    expect(crossSite(names, 'POST', { ...own, origin: undefined }, true)).toBe('origin');
    expect(crossSite(names, 'DELETE', { ...own, 'sec-fetch-site': 'same-site' }, true)).toBe('site');
    expect(crossSite(names, 'PUT', { ...own, 'x-coequal': undefined }, true)).toBe('header');
    expect(crossSite(names, 'GET', { origin: 'https://evil.example' }, true)).toBe('origin');
  });
});

test('who gives access does not act, and who checks changes nothing', () => {
  const of = (...roles: readonly ('viewer' | 'operator' | 'approver' | 'security-admin' | 'auditor')[]) =>
    contradiction(roles.map((role) => ({ role })));
  expect(of('viewer', 'operator', 'approver')).toBeUndefined();
  expect(of('viewer', 'security-admin')).toBeUndefined();
  expect(of('viewer', 'auditor')).toBeUndefined();
  for (const role of ['operator', 'approver'] as const) {
    expect(of(role, 'security-admin')).toBeDefined();
    expect(of('auditor', 'viewer', role)).toBeDefined();
  }
  expect(of('auditor', 'security-admin')).toBeDefined();
});

describe('cookies', () => {
  test('are for TLS and the very host, but on http://localhost', () => {
    const [session = '', device = ''] = signedInCookies(namesOf('https://coequal.example', 1), 'token', 'device');
    for (const one of [session, device]) {
      expect(one).toMatch(/^__Host-coequal/);
      for (const part of ['Path=/', 'HttpOnly', 'SameSite=Strict', 'Secure']) expect(one.split('; ')).toContain(part);
      expect(one).not.toMatch(/Domain/i);
    }
    const [plain = ''] = signedInCookies(namesOf(undefined, 9_620), 'token', undefined);
    expect(plain).toMatch(/^coequal=token; /);
    expect(plain).not.toMatch(/Secure/);
  });

  test('one that is there twice counts as none', () => {
    const names = namesOf(undefined, 9_620);
    const value = 'a'.repeat(43);
    expect(readCookies(names, `x=1; coequal=${value}`)).toEqual({ session: value, device: undefined, oidc: undefined });
    expect(readCookies(names, `coequal=${value}; coequal=${value}`).session).toBeUndefined();
    expect(readCookies(namesOf('https://a.example', 1), `coequal=${value}`).session).toBeUndefined();
  });

  test('whatever is sent as cookies is read without trouble', () => {
    const names = namesOf(undefined, 9_620);
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => void readCookies(names, text)));
  });
});

test('codes are typed as people type', () => {
  const code = newCode(16);
  expect(code).toMatch(/^([2-9A-HJKMNP-Z]{4}-){3}[2-9A-HJKMNP-Z]{4}$/);
  expect(plainCode(` ${code.toLowerCase().replaceAll('-', ' ')} `)).toBe(plainCode(code));
});
