/** The cookies of a browser: its session and its device. For TLS only, for this host only, out of reach of scripts; pure. */
import { identityLimits } from './limits.ts';
import type { Names } from './whence.ts';

export type Cookies = {
  readonly session: string | undefined;
  readonly device: string | undefined;
  /** Of a browser that was sent to a provider. */
  readonly oidc: string | undefined;
};

/** `__Host-` binds a cookie to TLS and to the very host; on `http://localhost` browsers refuse it. */
const nameOf = ({ secure }: Names, name: string): string => (secure ? `__Host-${name}` : name);

const sessionName = 'coequal';
const deviceName = 'coequal-device';
const oidcName = 'coequal-oidc';
const deviceSeconds = 400 * 24 * 3_600;

export const readCookies = (names: Names, header: string | undefined): Cookies => {
  const all = new Map<string, string | undefined>();
  for (const part of (header ?? '').split(';').slice(0, 100)) {
    const [name = '', value = ''] = part.trim().split('=', 2);
    // One that is there twice was put there by somebody else, and counts as none.
    all.set(name, all.has(name) || !/^[\w-]{10,200}$/.test(value) ? undefined : value);
  }
  const of = (name: string): string | undefined => all.get(nameOf(names, name));
  return { session: of(sessionName), device: of(deviceName), oidc: of(oidcName) };
};

const cookie = (names: Names, name: string, value: string, seconds: number, sameSite = 'Strict'): string =>
  [
    `${nameOf(names, name)}=${value}`,
    ...['Path=/', 'HttpOnly', `SameSite=${sameSite}`, `Max-Age=${seconds}`],
    ...(names.secure ? ['Secure'] : []),
  ].join('; ');

export const signedInCookies = (names: Names, token: string, deviceToken: string | undefined): readonly string[] => [
  cookie(names, sessionName, token, identityLimits.session.mostMs / 1_000),
  ...(deviceToken === undefined ? [] : [cookie(names, deviceName, deviceToken, deviceSeconds)]),
];

export const sentCookies = (names: Names, token: string): readonly string[] => [
  cookie(names, oidcName, token, identityLimits.ceremonyMs / 1_000),
];

/** The device stays known. */
export const signedOutCookies = (names: Names): readonly string[] => [cookie(names, sessionName, '', 0)];
