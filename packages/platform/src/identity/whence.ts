/**
 * Where a request comes from and what it was meant for. What proxies say of it counts only when the connection comes from a proxy that the
 * estate trusts; otherwise it is what somebody wrote into a header. Also whether a page of another origin sent it. Pure.
 */
import { BlockList, isIP } from 'node:net';
import { isLoopback } from '@coequal/estate';

export type Names = {
  /** What browsers call the platform, like `https://coequal.bank.example`. */
  readonly origin: string;
  /** Of a passkey: the host of the origin. */
  readonly host: string;
  /** Cookies are for TLS only, but for `http://localhost`. */
  readonly secure: boolean;
};

/** @param url the public name; undefined: only browsers on the machine itself come here */
export const namesOf = (url: string | undefined, port: number): Names => {
  const { origin, hostname, protocol } = new URL(url ?? `http://localhost:${port}`);
  return { origin, host: hostname, secure: protocol === 'https:' };
};

export type Whence =
  | { readonly ok: true; readonly source: string; readonly host: string }
  | { readonly ok: false; readonly reason: 'host' | 'plain' | 'forwarded' };

type HeaderValues = Readonly<Record<string, string | readonly string[] | undefined>>;

export const makeWhence = (names: Names, trustedProxies: readonly string[]) => {
  const trusted = new BlockList();
  for (const range of trustedProxies) addRange(trusted, range);
  const isTrusted = (address: string): boolean => {
    const plain = plainAddress(address);
    const family = isIP(plain);
    return family !== 0 && trusted.check(plain, family === 4 ? 'ipv4' : 'ipv6');
  };
  return (remote: string, headers: HeaderValues): Whence => {
    if (!isTrusted(remote)) {
      const host = one(headers['host']) ?? '';
      if (!isOurs(names, host)) return { ok: false, reason: 'host' };
      // By its public name it is reached with TLS, and that ends at a proxy.
      if (names.secure && isPublic(names, host)) return { ok: false, reason: 'plain' };
      return { ok: true, source: plainAddress(remote), host };
    }
    const host = one(headers['x-forwarded-host']) ?? one(headers['host']) ?? '';
    if (!isOurs(names, host)) return { ok: false, reason: 'host' };
    // A proxy that took it without TLS would hand the session to whoever listens.
    if (names.secure && one(headers['x-forwarded-proto']) !== 'https') return { ok: false, reason: 'plain' };
    const source = sourceOf(one(headers['x-forwarded-for']), isTrusted);
    return source === undefined ? { ok: false, reason: 'forwarded' } : { ok: true, source, host };
  };
};

/** The last hop that is no proxy of ours: what stands before it was written by whoever that is. */
const sourceOf = (chain: string | undefined, isTrusted: (address: string) => boolean): string | undefined => {
  const hops = (chain ?? '').split(',').map((hop) => plainAddress(hop.trim()));
  const found = hops.findLast((hop) => !isTrusted(hop));
  return found !== undefined && isIP(found) !== 0 ? found : undefined;
};

const isPublic = ({ origin }: Names, host: string): boolean => host.toLowerCase() === new URL(origin).host;

/** The public name, or loopback by any of its names: commands and probes on the machine itself. */
const isOurs = (names: Names, host: string): boolean => {
  const given = host.toLowerCase();
  if (isPublic(names, given)) return true;
  const name = given.startsWith('[') ? given.slice(1, given.indexOf(']')) : (given.split(':')[0] ?? '');
  return name === 'localhost' || isLoopback(name);
};

/**
 * Why a request may come from a page of somebody else; undefined: it does not. Browsers send `Origin` with everything that changes
 * something, and let no foreign page set our header.
 */
export const crossSite = (
  { origin: own }: Names,
  method: string,
  headers: HeaderValues,
  byCookie: boolean,
): 'origin' | 'site' | 'header' | undefined => {
  const origin = one(headers['origin']);
  if (origin !== undefined && origin !== own) return 'origin';
  const site = one(headers['sec-fetch-site']);
  if (method === 'GET' || method === 'HEAD') return undefined;
  if (site !== undefined && site !== 'same-origin') return 'site';
  if (!byCookie) return undefined;
  if (origin === undefined) return 'origin';
  return one(headers['x-coequal']) === '1' ? undefined : 'header';
};

/** Only one may be given: two mean that somebody hopes for each side to read another. */
export const one = (value: string | readonly string[] | undefined): string | undefined =>
  typeof value === 'string' ? value : undefined;

const plainAddress = (address: string): string => address.replace(/^::ffff:(?=\d+\.)/, '');

const addRange = (list: BlockList, range: string): void => {
  const [address = '', bits] = range.split('/');
  const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
  if (bits === undefined) list.addAddress(address, family);
  else list.addSubnet(address, Number(bits), family);
};
