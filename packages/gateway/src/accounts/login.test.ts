/** Log-ins by every method, and everything that keeps one out. Answers are made as clients make them. */
import { randomBytes } from 'node:crypto';
import { ed25519Answer, ed25519Hash, nativeAnswer, nativeAnswerFromStage1 } from '@coequal/mysql-wire';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseAccounts } from './account.ts';
import { type LoginRules, type Opening, openDoor, type Who } from './login.ts';

/** SHA1(SHA1('secret')) */
const hash = '*14E65567ABDB5135D0CFD9A70B3032C179A49EE7';
const native = { plugin: 'mysql_native_password', authentication_string: hash };
const ed25519 = { plugin: 'ed25519', authentication_string: ed25519Hash('secret') };
const sha2 = { plugin: 'caching_sha2_password', authentication_string: '$A$005$…' };

const who: Who = { user: 'a', address: '10.1.2.3', encrypted: true };

const rulesOf = (priv: object, change: Partial<LoginRules> = {}): LoginRules => ({
  accounts: parseAccounts([{ user: 'a', host: '%', priv: JSON.stringify(priv) }]),
  passwordOf: () => undefined,
  connectionsOf: () => 0,
  instanceTls: true,
  passwordLifetimeDays: 0,
  now: Date.UTC(2026, 0, 10),
  decoyKey: Buffer.from('a key for tests'),
  ...change,
});

const challenge = Buffer.from('0123456789abcdefghijklmnopqrstuv');

/** What comes of a log-in with this password. */
const logIn = (password: string, rules: LoginRules, from: Who = who): Opening => {
  const door = openDoor(from, rules);
  if (door.refusal !== null) return { kind: 'refused', error: door.refusal };
  const scramble = challenge.subarray(0, door.challengeBytes);
  switch (door.plugin) {
    case 'mysql_native_password':
      return door.check(nativeAnswer(password, scramble), scramble);
    case 'client_ed25519':
      return door.check(ed25519Answer(password, scramble), scramble);
    default:
      return door.check(Buffer.from(`${password}\0`), scramble);
  }
};

const errorOf = (opening: Opening): readonly [number, string] | undefined =>
  opening.kind === 'refused' ? [opening.error.number, opening.error.message] : undefined;

const sealed = (entries: Readonly<Record<string, string>>) => ({
  passwordOf: (name: string) => entries[name],
});

describe('a native password', () => {
  test('opens, and gives what is needed to log in elsewhere', () => {
    const opening = logIn('secret', rulesOf(native));
    if (opening.kind !== 'open' || opening.credential.kind !== 'native') throw new Error('not open');
    const scramble = randomBytes(20);
    expect(nativeAnswerFromStage1(opening.credential.stage1, scramble)).toEqual(nativeAnswer('secret', scramble));
  });

  test('that is wrong or left out does not', () => {
    expect(logIn('Secret', rulesOf(native))).toEqual({ kind: 'wrong' });
    expect(logIn('', rulesOf(native))).toEqual({ kind: 'wrong' });
  });

  test('that is empty opens an account without one, and nothing else does', () => {
    const rules = rulesOf({});
    expect(logIn('', rules)).toEqual({ kind: 'open', credential: { kind: 'native', stage1: Buffer.alloc(0) } });
    expect(logIn('secret', rules)).toEqual({ kind: 'wrong' });
  });

  test('does not open an account whose hash is none', () => {
    const rules = rulesOf({ plugin: 'mysql_native_password', authentication_string: 'invalid' });
    expect(logIn('', rules)).toEqual({ kind: 'wrong' });
    expect(logIn('invalid', rules)).toEqual({ kind: 'wrong' });
  });

  test('no answer but the right one opens', () => {
    const door = openDoor(who, rulesOf(native));
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (answer) => {
        expect(door.check(Buffer.from(answer), challenge.subarray(0, 20))).toEqual({ kind: 'wrong' });
      }),
    );
  });
});

describe('an ed25519 signature', () => {
  test('opens with the password of the sealed store', () => {
    const rules = rulesOf(ed25519, sealed({ a: 'secret' }));
    expect(logIn('secret', rules)).toEqual({ kind: 'open', credential: { kind: 'password', password: 'secret' } });
    expect(logIn('wrong', rules)).toEqual({ kind: 'wrong' });
  });

  test('says that the store has no password, or an old one, only to who has the right one', () => {
    expect(errorOf(logIn('secret', rulesOf(ed25519)))?.[1]).toContain('no password');
    expect(errorOf(logIn('secret', rulesOf(ed25519, sealed({ a: 'old' }))))?.[1]).toContain('not its password');
    expect(logIn('wrong', rulesOf(ed25519))).toEqual({ kind: 'wrong' });
    expect(logIn('wrong', rulesOf(ed25519, sealed({ a: 'old' })))).toEqual({ kind: 'wrong' });
  });

  test('the password of user and host comes first', () => {
    const rules = rulesOf(ed25519, sealed({ 'a@%': 'secret', a: 'of another host' }));
    expect(logIn('secret', rules).kind).toBe('open');
  });
});

describe('other methods', () => {
  test('take the password itself over TLS, and compare it with the sealed store', () => {
    const rules = rulesOf(sha2, sealed({ a: 'secret' }));
    expect(openDoor(who, rules).plugin).toBe('mysql_clear_password');
    expect(logIn('secret', rules)).toEqual({ kind: 'open', credential: { kind: 'password', password: 'secret' } });
    expect(logIn('wrong', rules)).toEqual({ kind: 'wrong' });
    expect(logIn('', rules)).toEqual({ kind: 'wrong' });
  });

  test('are refused without TLS or without a sealed password', () => {
    const open = { ...who, encrypted: false };
    expect(errorOf(logIn('secret', rulesOf(sha2, sealed({ a: 'secret' })), open))).toEqual([
      1251,
      expect.stringContaining('TLS'),
    ]);
    expect(errorOf(logIn('secret', rulesOf(sha2)))).toEqual([1045, expect.stringContaining('credential set')]);
  });

  test.each([
    ['unix_socket', 1045],
    ['pam', 1251],
    ['gssapi', 1251],
    ['mysql_old_password', 1251],
  ])('%s is refused with its name, error %i', (plugin, number) => {
    const error = errorOf(logIn('secret', rulesOf({ plugin }, sealed({ a: 'secret' }))));
    expect(error).toEqual([number, expect.stringContaining(plugin)]);
  });

  test('of several the one that works through a gateway is asked', () => {
    const rules = (methods: readonly object[], own: object = native) => rulesOf({ ...own, auth_or: methods });
    expect(logIn('secret', rules([{ plugin: 'unix_socket' }, {}])).kind).toBe('open');
    expect(openDoor(who, rules([ed25519, {}])).plugin).toBe('mysql_native_password');
    const invalid = { plugin: 'mysql_native_password', authentication_string: 'invalid' };
    expect(openDoor(who, rules([{}, ed25519], invalid)).plugin).toBe('client_ed25519');
    expect(errorOf(logIn('', rules([{ plugin: 'unix_socket' }, {}], { plugin: 'pam' })))?.[1]).toContain('unix_socket');
  });
});

describe('who proved to be the account is still kept out', () => {
  const open = { ...who, encrypted: false };
  test.each<[string, object, Who, number, Partial<LoginRules>?]>([
    ['when it is locked', { account_locked: true }, who, 4151],
    ['when its password has expired', { password_last_changed: 0 }, who, 1862],
    [
      'when its password is older than it may be',
      { password_last_changed: 1_767_225_600, password_lifetime: 9 },
      who,
      1862,
    ],
    [
      'when it is older than any may be',
      { password_last_changed: 1_767_225_600 },
      who,
      1862,
      { passwordLifetimeDays: 5 },
    ],
    ['when it has to show a certificate', { ssl_type: 2 }, who, 1045],
    ['when it has to show a certain certificate', { ssl_type: 3 }, who, 1045],
    ['when instances are reached without the TLS it requires', { ssl_type: 1 }, who, 1045, { instanceTls: false }],
    ['when it may have no connections', { max_user_connections: -1 }, who, 1226],
  ])('%s', (_, more, from, number, change) => {
    const rules = rulesOf({ ...native, ...more }, change);
    expect(errorOf(logIn('secret', rules, from))?.[0]).toBe(number);
    expect(logIn('wrong', rules, from)).toEqual({ kind: 'wrong' });
  });

  test('when it requires TLS and came without, as if the password were wrong: as the server has it', () => {
    const rules = rulesOf({ ...native, ssl_type: 1 });
    expect(logIn('secret', rules, open)).toEqual({ kind: 'wrong' });
    expect(logIn('secret', rules).kind).toBe('open');
  });

  test('but not a day before its password expires, nor when it never does', () => {
    const of = (lifetime: number) => ({ ...native, password_last_changed: 1_767_225_600, password_lifetime: lifetime });
    expect(logIn('secret', rulesOf(of(10), { passwordLifetimeDays: 5 })).kind).toBe('open');
    expect(logIn('secret', rulesOf(of(0), { passwordLifetimeDays: 5 })).kind).toBe('open');
  });
});

describe('a user that nobody knows', () => {
  const stranger = { ...who, user: 'stranger' };

  test('is asked like a known one and never gets in, with whatever password', () => {
    for (const priv of [native, ed25519, {}]) {
      const rules = rulesOf(priv, sealed({ a: 'secret', stranger: 'secret' }));
      expect(openDoor(stranger, rules).plugin).toBe(openDoor(who, rules).plugin);
      expect(openDoor(stranger, rules).challengeBytes).toBe(openDoor(who, rules).challengeBytes);
      for (const password of ['', 'secret', 'x']) expect(logIn(password, rules, stranger)).toEqual({ kind: 'wrong' });
    }
  });

  test('looks the same every time, and not all look like one', () => {
    const accounts = parseAccounts([
      { user: 'a', host: '%', priv: JSON.stringify(native) },
      { user: 'b', host: '%', priv: JSON.stringify(ed25519) },
      { user: 'c', host: '%', priv: '{"plugin":"unix_socket"}' },
    ]);
    const rules = rulesOf({}, { accounts });
    const plugins = Array.from({ length: 40 }, (_, index) => {
      const from = { ...who, user: `stranger-${index}` };
      expect(openDoor(from, rules).plugin).toBe(openDoor(from, rules).plugin);
      expect(openDoor(from, rules).refusal).toBeNull();
      return openDoor(from, rules).plugin;
    });
    expect(new Set(plugins)).toEqual(new Set(['mysql_native_password', 'client_ed25519']));
  });

  test('is asked something when there are no accounts at all', () => {
    const rules = rulesOf({}, { accounts: [] });
    expect(openDoor(who, rules)).toMatchObject({ plugin: 'mysql_native_password', refusal: null });
    expect(logIn('', rules)).toEqual({ kind: 'wrong' });
  });

  test('is not everybody: an account of everybody lets in under any name', () => {
    const accounts = parseAccounts([{ user: '', host: '%', priv: JSON.stringify(native) }]);
    expect(logIn('secret', rulesOf({}, { accounts }), stranger).kind).toBe('open');
  });
});

test('the fewer connections of the account and of the estate are allowed', () => {
  const limit = (own: number, estate: number) =>
    openDoor(who, rulesOf({ ...native, max_user_connections: own }, { connectionsOf: () => estate })).connections;
  expect([limit(0, 0), limit(3, 0), limit(0, 5), limit(3, 5), limit(5, 3)]).toEqual([0, 3, 5, 3, 3]);
});
