/** Rows of mysql.global_priv as 10.11 writes them, and rows that nobody should have written. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Account, parseAccounts } from './account.ts';

const of = (priv: string, user = 'a', host = '%'): Account => {
  const [account] = parseAccounts([{ user, host, priv }]);
  if (account === undefined) throw new Error('no account');
  return account;
};

const hash = '*B69027D44F6E5EDC07F1AEAD1477967B16F28227';

describe('an account', () => {
  test('with a native password', () => {
    const priv = `{"access":0,"version_id":101119,"plugin":"mysql_native_password","authentication_string":"${hash}","password_last_changed":1795608351}`;
    expect(of(priv)).toEqual({
      user: 'a',
      host: '%',
      methods: [{ plugin: 'mysql_native_password', authentication: hash }],
      locked: false,
      expired: false,
      passwordChangedAt: 1_795_608_351,
      tls: 'none',
      maxUserConnections: 0,
      privileged: false,
    });
  });

  test('without a method has a native one without a password, and all rights are all rights', () => {
    const account = of('{"access":18446744073709551615}');
    expect(account.methods).toEqual([{ plugin: 'mysql_native_password', authentication: '' }]);
    expect(account.privileged).toBe(true);
  });

  test('with several methods has them in order', () => {
    const methods = (list: string) =>
      of(`{"plugin":"mysql_native_password","authentication_string":"${hash}","auth_or":${list}}`).methods.map(
        ({ plugin }) => plugin,
      );
    expect(methods('[{"plugin":"unix_socket"},{}]')).toEqual(['unix_socket', 'mysql_native_password']);
    expect(methods('[{},{"plugin":"ed25519","authentication_string":"x"}]')).toEqual([
      'mysql_native_password',
      'ed25519',
    ]);
  });

  test('is locked, expired, or its password lives for some days', () => {
    expect(of('{"account_locked":true}').locked).toBe(true);
    expect(of('{"password_last_changed":0,"password_lifetime":-1}')).toMatchObject({ expired: true });
    expect(of('{"password_last_changed":5,"password_lifetime":3}')).toMatchObject({
      expired: false,
      passwordLifetimeDays: 3,
    });
    expect(of('{"password_lifetime":-1}').passwordLifetimeDays).toBeUndefined();
  });

  test.each([
    ['{}', 'none'],
    ['{"ssl_type":0}', 'none'],
    ['{"ssl_type":1}', 'any'],
    ['{"ssl_type":2}', 'x509'],
    ['{"ssl_type":3,"x509_subject":"s"}', 'specified'],
    ['{"ssl_type":9}', 'specified'],
    ['{"ssl_type":"x"}', 'specified'],
  ])('%s requires %s', (priv, tls) => {
    expect(of(priv).tls).toBe(tls);
  });

  test.each([
    ['{"access":4294967296,"version_id":101119}', true],
    ['{"access":32768,"version_id":101119}', false],
    ['{"access":32768,"version_id":101009}', true],
    ['{"access":0}', false],
    ['{"authentication_string":"\\"access\\":4294967296"}', false],
  ])('%s may end sessions of others: %s', (priv, privileged) => {
    expect(of(priv).privileged).toBe(privileged);
  });

  test('of no host is one of every host, and a role is none', () => {
    expect(of('{}', 'a', '').host).toBe('%');
    expect(parseAccounts([{ user: 'r', host: '', priv: '{"is_role":true}' }])).toEqual([]);
  });

  test.each(['', '[]', 'null', '5', '{', '{"plugin":5}', '{"auth_or":5}', '{"auth_or":[5]}', '{"auth_or":[]}'])(
    'whose row is %s opens for nobody',
    (priv) => {
      const { methods } = of(priv);
      expect(methods.map(({ authentication }) => authentication)).toEqual(['invalid']);
    },
  );

  test('can be read from any JSON', () => {
    fc.assert(
      fc.property(fc.json(), (priv) => {
        for (const { methods } of parseAccounts([{ user: 'a', host: '%', priv }])) expect(methods).not.toEqual([]);
      }),
    );
  });
});
