/**
 * Which account a client is, by its user name and address: the one that the server itself would pick. The server
 * takes the most specific host pattern that matches, among the accounts of that user and those of everybody;
 * an account of everybody wins only when its pattern is more specific.
 *
 * Names of hosts are not looked up: instances run with `skip_name_resolve`. Where they do not, a name that the
 * address is known by can be passed in.
 */
import { isIPv4 } from 'node:net';
import type { Account } from './account.ts';

/** How long a host's name may be in the server's tables. */
const longestHost = 255;

/**
 * `address`: as the server sees it in the PROXY header, IPv4 in its plain form. Undefined: the server would say that
 * the host may not connect or that the user is unknown; a client is told the same as for a wrong password.
 */
export const findAccount = (
  accounts: readonly Account[],
  user: string,
  address: string,
  names: readonly string[] = [],
): Account | undefined => {
  let own: Account | undefined;
  let everybodys: Account | undefined;
  for (const account of accounts) {
    if (account.user !== user && account.user !== '') continue;
    if (!matchesHost(account.host, address, names)) continue;
    if (account.user === user && (own === undefined || compareOfOneUser(account, own) < 0)) own = account;
    if (account.user === '' && (everybodys === undefined || compareOfOneUser(account, everybodys) < 0))
      everybodys = account;
  }
  if (own === undefined || everybodys === undefined) return own ?? everybodys;
  return compareSpecificity(everybodys.host, own.host) < 0 ? everybodys : own;
};

export const matchesHost = (pattern: string, address: string, names: readonly string[] = []): boolean => {
  const masked = maskOf(pattern);
  // A mask of zeros is none, as for the server.
  if (masked !== undefined && masked.mask !== 0 && isIPv4(address))
    return (numberOf(address) & masked.mask) >>> 0 === masked.network;
  return (
    matchesPattern(pattern, address) || names.some((name) => matchesPattern(pattern.toLowerCase(), name.toLowerCase()))
  );
};

const maskOf = (pattern: string): { readonly network: number; readonly mask: number } | undefined => {
  const [network = '', mask = '', more] = pattern.split('/');
  if (more !== undefined || !isIPv4(network) || !isIPv4(mask)) return undefined;
  return { network: numberOf(network), mask: numberOf(mask) };
};

const numberOf = (address: string): number =>
  address.split('.').reduce((number, part) => (number * 256 + Number(part)) >>> 0, 0);

/**
 * `%` for any characters, `_` for one, a backslash takes the next one as it is. Iterative, and at most quadratic:
 * the pattern comes from whoever makes accounts, the text from whoever connects.
 */
const matchesPattern = (pattern: string, text: string): boolean => {
  let at = 0;
  let of = 0;
  let star = -1;
  let resume = 0;
  while (at < text.length) {
    const wild = pattern[of];
    const escaped = wild === '\\' && of + 1 < pattern.length;
    if (wild === '%') {
      star = of++;
      resume = at;
    } else if (wild !== undefined && ((wild === '_' && !escaped) || (escaped ? pattern[of + 1] : wild) === text[at])) {
      of += escaped ? 2 : 1;
      at++;
    } else if (star >= 0) {
      of = star + 1;
      at = ++resume;
    } else {
      return false;
    }
  }
  while (pattern[of] === '%') of++;
  return of === pattern.length;
};

/** Below 0: `one` comes first. The server breaks ties by the host's bytes, the greater first. */
const compareOfOneUser = (one: Account, other: Account): number =>
  compareSpecificity(one.host, other.host) ||
  -Buffer.compare(Buffer.from(one.host, 'utf8'), Buffer.from(other.host, 'utf8'));

/** Below 0: `one` is more specific, that is, fewer hosts match it. */
export const compareSpecificity = (one: string, other: string): number => {
  const [left, right] = [generality(one), generality(other)];
  for (const [index, value] of left.entries()) {
    const difference = value - (right[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
};

/**
 * How many hosts match a pattern, in numbers to be compared one after the other. What counts is how many characters
 * a `%` may stand for at most, and how many single characters are free; whichever is more decides. Last, what the
 * server keeps for old times' sake: how many characters stand before the first wildcard, the fewer first.
 */
const generality = (pattern: string): readonly number[] => {
  let plain = 0;
  let ones = 0;
  let manies = 0;
  let prefix = 0;
  for (let at = 0; at < pattern.length; at++) {
    const character = pattern[at];
    if (character === '%' || character === '_') {
      if (ones === 0 && manies === 0) prefix = plain;
      if (character === '_') ones++;
      else if (pattern[at - 1] !== '%' || at === 0) manies++;
    } else {
      if (character === '\\' && at + 1 < pattern.length) at++;
      plain++;
    }
  }
  const [many, one] = [Math.min(manies, 31), Math.min(ones, 31)];
  const free = many > 0 ? longestHost - plain - one : 0;
  return free > one ? [2 * free + 1, many, one, prefix] : [2 * one, free, many, prefix];
};
