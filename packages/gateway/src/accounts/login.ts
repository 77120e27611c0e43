/**
 * Decides a log-in at the gateway against the database's own accounts: which proof is asked for, whether it is good,
 * and with what the gateway then logs in to any instance as this account. Pure: what was asked and answered comes in
 * as bytes.
 *
 * What it keeps true: nobody gets in who could not get in at an instance. An unknown user is asked the same, for
 * the same work, as some known one, and is told the same as for a wrong password; that an account is locked, has
 * expired or needs TLS is told only to who has proved to be it. The exception are accounts whose method cannot
 * work through the gateway (`unix_socket`, PAM, GSSAPI, or one that needs a password which is not in the sealed
 * store): they are told so at once, because nothing can be asked.
 *
 * Certificates of clients are not checked: an instance cannot see them through the gateway, so accounts with
 * REQUIRE X509, SUBJECT, ISSUER or CIPHER are refused and told why.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import {
  clearPlugin,
  ed25519Check,
  ed25519Hash,
  ed25519Plugin,
  isProblem,
  nativeCheck,
  nativePlugin,
  parseEd25519Hash,
  parseNativeHash,
  SERVER_ERROR,
  type ServerError,
} from '@coequal/mysql-wire';
import type { Account, Method } from './account.ts';
import { findAccount } from './find.ts';

export type Who = { readonly user: string; readonly address: string; readonly encrypted: boolean };

export type Refusal = ServerError & { readonly message: string };

/** With what the gateway logs in to instances: SHA1(password), or a password of the sealed store. */
export type Credential =
  | { readonly kind: 'native'; readonly stage1: Buffer }
  | { readonly kind: 'password'; readonly password: string };

export type Opening =
  | { readonly kind: 'open'; readonly credential: Credential }
  | { readonly kind: 'wrong' }
  | { readonly kind: 'refused'; readonly error: Refusal };

export type Door = {
  /** The client's method to ask for. */
  readonly plugin: string;
  /** Bytes of the challenge. */
  readonly challengeBytes: number;
  /** Said instead of asking; null: ask. */
  readonly refusal: Refusal | null;
  readonly check: (answer: Buffer, scramble: Buffer) => Opening;
  /** Connections that the account may have; 0: as many as come. */
  readonly connections: number;
  readonly privileged: boolean;
};

export type LoginRules = {
  readonly accounts: readonly Account[];
  /** The password in the sealed store, of `user@host` or else of `user`. */
  readonly passwordOf: (name: string) => string | undefined;
  /** Connections that a user may have by the estate; 0: as many as come. */
  readonly connectionsOf: (user: string) => number;
  /** Whether instances are reached over TLS: accounts with REQUIRE SSL cannot be used otherwise. */
  readonly instanceTls: boolean;
  /** The server's `default_password_lifetime`, days; 0: passwords do not expire by themselves. */
  readonly passwordLifetimeDays: number;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** A secret of this gateway, any bytes: decides which known account an unknown user looks like. */
  readonly decoyKey: Uint8Array;
};

export const openDoor = (who: Who, rules: LoginRules): Door => {
  const account = findAccount(rules.accounts, who.user, who.address);
  return account === undefined ? decoyDoor(who, rules) : doorOf(account, who, rules);
};

/** What one way of proving asks, and what a good answer gives. Undefined: the answer is not good. */
type Way = {
  readonly plugin: string;
  readonly challengeBytes: number;
  readonly check: (answer: Buffer, scramble: Buffer) => Credential | Refusal | undefined;
};

const doorOf = (account: Account, who: Who, rules: LoginRules): Door => {
  const way = wayOf(account, who, rules);
  const own = account.maxUserConnections;
  const estate = rules.connectionsOf(who.user);
  const door = {
    connections: own > 0 && (estate === 0 || own < estate) ? own : estate,
    privileged: account.privileged,
  };
  if ('number' in way) {
    return { ...door, plugin: nativePlugin, challengeBytes: 20, refusal: way, check: () => ({ kind: 'wrong' }) };
  }
  return {
    ...door,
    plugin: way.plugin,
    challengeBytes: way.challengeBytes,
    refusal: null,
    check: (answer, scramble) => {
      const credential = way.check(answer, scramble);
      if (credential === undefined) return { kind: 'wrong' };
      if ('number' in credential) return { kind: 'refused', error: credential };
      return admitted(account, who, rules, credential);
    },
  };
};

/** The best of the account's methods that works through a gateway, or why none does. */
const wayOf = (account: Account, who: Who, rules: LoginRules): Way | Refusal => {
  const password = rules.passwordOf(`${account.user}@${account.host}`) ?? rules.passwordOf(who.user);
  const usable = account.methods.filter(isSound);
  const ways = (usable.length > 0 ? usable : account.methods).map((method) => wayOfMethod(method, who, password));
  const preferred = [nativePlugin, ed25519Plugin, clearPlugin];
  for (const plugin of preferred) {
    const found = ways.find((way) => !('number' in way) && way.plugin === plugin);
    if (found !== undefined) return found;
  }
  return ways.find((way) => 'number' in way) ?? denied(who, 'its way of authentication is unknown to the gateway');
};

/** Not one that was made to be satisfied by nobody. */
const isSound = ({ plugin, authentication }: Method): boolean =>
  plugin !== 'mysql_native_password' || !isProblem(parseNativeHash(authentication));

const wayOfMethod = (method: Method, who: Who, password: string | undefined): Way | Refusal => {
  switch (method.plugin) {
    case 'mysql_native_password':
      return nativeWay(method.authentication);
    case 'ed25519':
      return ed25519Way(method.authentication, who, password);
    case 'unix_socket':
      return denied(who, 'it uses unix_socket, which works on the host of an instance only, not through the gateway');
    case 'pam':
    case 'gssapi':
    case 'named_pipe':
      return unsupported(
        `it uses ${method.plugin}, which cannot pass through the gateway; connect to an instance, or give it another method`,
      );
    case 'mysql_old_password':
      return unsupported('it uses mysql_old_password, which is broken; give it a new password');
    default:
      return clearWay(method.plugin, who, password);
  }
};

const nativeWay = (authentication: string): Way => {
  const stage2 = parseNativeHash(authentication);
  return {
    plugin: nativePlugin,
    challengeBytes: 20,
    check: (answer, scramble) => {
      const known = isProblem(stage2) ? nobody : stage2;
      const checked = nativeCheck({ answer, scramble, stage2: known });
      return checked.ok ? { kind: 'native', stage1: checked.stage1 } : undefined;
    },
  };
};

/** No password has it: a stage 1 of the 20 bytes that an answer has would have to be found for it. */
const nobody = createHash('sha1').update('an account whose hash is not one').digest();

const ed25519Way = (authentication: string, who: Who, password: string | undefined): Way => ({
  plugin: ed25519Plugin,
  challengeBytes: 32,
  check: (answer, scramble) => {
    const publicKey = parseEd25519Hash(authentication);
    if (isProblem(publicKey) || !ed25519Check({ answer, scramble, publicKey })) return undefined;
    if (password === undefined) return notSealed(who);
    // A password that was changed since it was sealed would be refused by the instance, which would look like an outage.
    if (ed25519Hash(password) !== authentication) return sealedIsStale(who);
    return { kind: 'password', password };
  },
});

/** Methods of which the gateway knows no more than that a password satisfies them: caching_sha2_password, parsec. */
const clearWay = (plugin: string, who: Who, password: string | undefined): Way | Refusal => {
  if (!who.encrypted) return unsupported(`it uses ${plugin}, for which the gateway needs a connection with TLS`);
  if (password === undefined) return notSealed(who);
  return {
    plugin: clearPlugin,
    challengeBytes: 20,
    check: (answer) => {
      const given = answer.at(-1) === 0 ? answer.subarray(0, -1) : answer;
      return sameSecret(given, Buffer.from(password, 'utf8')) ? { kind: 'password', password } : undefined;
    },
  };
};

/** In the same time whatever the texts and their lengths are. */
const sameSecret = (one: Uint8Array, other: Uint8Array): boolean =>
  timingSafeEqual(createHash('sha256').update(one).digest(), createHash('sha256').update(other).digest());

/** It is the account. In the server's order: TLS, the lock, the password's age. */
const admitted = (account: Account, who: Who, rules: LoginRules, credential: Credential): Opening => {
  const refused = (error: Refusal): Opening => ({ kind: 'refused', error });
  if (account.tls === 'any' && !who.encrypted) return { kind: 'wrong' };
  if (account.tls === 'any' && !rules.instanceTls)
    return refused(denied(who, 'it requires TLS, and the gateway reaches the instances without'));
  if (account.tls === 'x509' || account.tls === 'specified')
    return refused(denied(who, 'it requires a certificate of the client or a cipher, which the gateway cannot check'));
  if (account.locked)
    return refused({ ...SERVER_ERROR.accountLocked, message: 'Access denied, this account is locked' });
  if (hasExpired(account, rules))
    return refused({
      ...SERVER_ERROR.mustChangePasswordLogin,
      message: 'Your password has expired. To log in you must change it using a client that supports expired passwords',
    });
  if (account.maxUserConnections < 0)
    return refused({
      ...SERVER_ERROR.userLimitReached,
      message: `User '${who.user}' has exceeded the 'max_user_connections' resource (current value: ${account.maxUserConnections})`,
    });
  return { kind: 'open', credential };
};

const dayMs = 86_400_000;

const hasExpired = (account: Account, rules: LoginRules): boolean => {
  if (account.expired) return true;
  const days = account.passwordLifetimeDays ?? rules.passwordLifetimeDays;
  if (days === 0 || account.passwordChangedAt === undefined) return false;
  return Math.floor((rules.now - account.passwordChangedAt * 1_000) / dayMs) >= days;
};

/**
 * Nobody knows this user here. It looks like one of the known accounts, always the same one for the same name: it is
 * asked what that one is asked, its answer is checked against that one, and the result is thrown away.
 */
const decoyDoor = (who: Who, rules: LoginRules): Door => {
  const likely = rules.accounts.filter(({ methods }) => methods.some(({ plugin }) => asked.has(plugin)));
  const draw = createHmac('sha256', rules.decoyKey).update(who.user).digest().readUInt32BE(0);
  const like = likely[draw % Math.max(1, likely.length)];
  const way = like === undefined ? nativeWay('invalid') : wayOf(like, who, rules);
  const { plugin, challengeBytes, check } = 'number' in way ? nativeWay('invalid') : way;
  return {
    plugin,
    challengeBytes,
    refusal: null,
    check: (answer, scramble) => {
      check(answer, scramble);
      return { kind: 'wrong' };
    },
    connections: rules.connectionsOf(who.user),
    privileged: false,
  };
};

/** Methods of accounts that an unknown user may look like. */
const asked: ReadonlySet<string> = new Set(['mysql_native_password', 'ed25519']);

const denied = ({ user, address }: Who, why: string): Refusal => ({
  ...SERVER_ERROR.accessDenied,
  message: `Access denied for user '${user}'@'${address}': ${why}`,
});

const unsupported = (why: string): Refusal => ({
  ...SERVER_ERROR.notSupportedAuthMode,
  message: `The gateway cannot log this account in: ${why}`,
});

const notSealed = (who: Who): Refusal =>
  denied(who, `the gateway has no password of it to log in with; store it with \`coequal gateway credential set\``);

const sealedIsStale = (who: Who): Refusal =>
  denied(
    who,
    'the password that the gateway has of it is not its password; store it anew with `coequal gateway credential set`',
  );
