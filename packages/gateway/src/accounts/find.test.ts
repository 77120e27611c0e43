/** Which account a client is: the order of host patterns, masks, everybody's accounts. The real server has the last word in `accounts.server.test.ts`. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseAccounts } from './account.ts';
import { compareSpecificity, findAccount, matchesHost } from './find.ts';

const accountsOf = (...names: readonly string[]) =>
  parseAccounts(
    names.map((name) => {
      const at = name.lastIndexOf('@');
      return { user: name.slice(0, at), host: name.slice(at + 1), priv: '{}' };
    }),
  );

const found = (user: string, address: string, ...names: readonly string[]): string | undefined => {
  const account = findAccount(accountsOf(...names), user, address);
  return account === undefined ? undefined : `${account.user}@${account.host}`;
};

describe('a host pattern', () => {
  test.each([
    ['%', '10.1.2.3', true],
    ['10.1.2.3', '10.1.2.3', true],
    ['10.1.2.3', '10.1.2.30', false],
    ['10.1.%', '10.1.2.3', true],
    ['10.1.%', '10.10.2.3', false],
    ['%.3', '10.1.2.3', true],
    ['10.%.2.%', '10.1.2.3', true],
    ['10.1.2._', '10.1.2.3', true],
    ['10.1.2._', '10.1.2.33', false],
    ['10.1.2.\\_', '10.1.2.3', false],
    ['10.1.2.0/255.255.255.0', '10.1.2.3', true],
    ['10.1.2.0/255.255.255.0', '10.1.3.3', false],
    ['10.1.2.3/255.255.255.0', '10.1.2.3', false],
    ['0.0.0.0/0.0.0.0', '10.1.2.3', false],
    ['10.1.2.0/24', '10.1.2.3', false],
    ['::1', '::1', true],
    ['2001:db8:%', '2001:db8::7', true],
    ['10.1.2.0/255.255.255.0', '2001:db8::7', false],
    ['localhost', '127.0.0.1', false],
    ['', '10.1.2.3', false],
    ['%%%', '', true],
  ])('%s against %s: %s', (pattern, address, expected) => {
    expect(matchesHost(pattern, address)).toBe(expected);
  });

  test('matches a name that the address is known by, in any case', () => {
    expect(matchesHost('APP%.example', '10.1.2.3', ['app1.EXAMPLE'])).toBe(true);
  });

  test('matches as a regular expression of it does', () => {
    const pattern = fc.array(fc.constantFrom('%', '_', '\\_', '\\%', '1', '.', 'a'), { maxLength: 10 });
    const text = fc.array(fc.constantFrom('1', '.', 'a', '_', '%'), { maxLength: 10 });
    fc.assert(
      fc.property(pattern, text, (pieces, characters) => {
        const expression = pieces
          .map((piece) => (piece === '%' ? '.*' : piece === '_' ? '.' : piece.slice(-1).replace(/[.%_]/, '\\$&')))
          .join('');
        const expected = new RegExp(`^${expression}$`, 's').test(characters.join(''));
        expect(matchesHost(pieces.join(''), characters.join(''))).toBe(expected);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('of several accounts', () => {
  test.each([
    ['an address before a pattern', '10.1.2.3', ['a@%', 'a@10.1.2.3'], 'a@10.1.2.3'],
    ['the longer pattern', '10.1.2.3', ['a@10.%', 'a@10.1.%', 'a@%'], 'a@10.1.%'],
    ['a single free character before any number', '10.1.2.3', ['a@10.1.2.%', 'a@10.1.2._'], 'a@10.1.2._'],
    ['the user before everybody when the host is the same', '10.1.2.3', ['@%', 'a@%'], 'a@%'],
    ['everybody at a more specific host', '10.1.2.3', ['@10.1.2.3', 'a@%'], '@10.1.2.3'],
    ['the user at a more specific host', '10.1.2.3', ['@%', 'a@10.%'], 'a@10.%'],
    ['everybody when the user is at another host', '10.1.2.3', ['@%', 'a@10.2.%'], '@%'],
    ['nobody', '10.1.2.3', ['b@%', 'a@10.2.%'], undefined],
  ])('%s', (_, address, names, expected) => {
    expect(found('a', address, ...names)).toBe(expected);
    expect(found('a', address, ...names.toReversed())).toBe(expected);
  });

  test('user names are told apart by case', () => {
    expect(found('A', '10.1.2.3', 'a@%')).toBeUndefined();
  });

  test('the order of accounts does not matter', () => {
    const hosts = fc.constantFrom(
      '%',
      '10.%',
      '10.1.%',
      '10.1.2.3',
      '%.3',
      '1_.1.2.3',
      '10.1.2.0/255.255.255.0',
      '%1%',
    );
    const accounts = fc.uniqueArray(fc.tuple(fc.constantFrom('', 'a'), hosts), { selector: String, maxLength: 16 });
    fc.assert(
      fc.property(accounts, fc.constantFrom('10.1.2.3', '10.1.9.9', '127.0.0.1'), (list, address) => {
        const names = list.map(([user, host]) => `${user}@${host}`);
        expect(found('a', address, ...names.toReversed())).toBe(found('a', address, ...names));
      }),
    );
  });

  test('specificity orders patterns, whatever they are', () => {
    const host = fc.string({ unit: fc.constantFrom('%', '_', '\\', '1', 'a', '.'), maxLength: 60 });
    fc.assert(
      fc.property(host, host, host, (one, two, three) => {
        expect(Math.sign(compareSpecificity(one, two))).toBe(0 - Math.sign(compareSpecificity(two, one)));
        const [low, middle, high] = [one, two, three].sort(compareSpecificity);
        expect(compareSpecificity(low ?? '', high ?? '')).toBeLessThanOrEqual(0);
        expect(compareSpecificity(low ?? '', middle ?? '')).toBeLessThanOrEqual(0);
      }),
    );
  });
});
