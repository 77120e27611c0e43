/**
 * Identity as one value: who asks, and all that people do about themselves and each other. `identify` looks at a request and answers a
 * subject, or why there is none; nothing here decides what a subject may do with the estate.
 */
import { CoequalError, fail, type Log } from '@coequal/kernel';
import type { Subject } from '../access/subject.ts';
import { Attempts } from './attempts.ts';
import { type Cookies, readCookies } from './cookies.ts';
import { Directories, type PasswordDirectory, type WebDirectory } from './directory.ts';
import { Enrolling, firstCode } from './enrol.ts';
import { People } from './people.ts';
import type { IdentityPorts } from './ports.ts';
import { type Live, Sessions, terminalPrefix } from './sessions.ts';
import { SigningIn } from './sign-in.ts';
import { readSignature } from './signatures.ts';
import { Terminals } from './terminals.ts';
import { crossSite, makeWhence, one } from './whence.ts';

export type IdentityRequest = {
  readonly method: string;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** Address of the other end of the connection. */
  readonly remote: string;
};

export type Seen = { readonly source: string; readonly cookies: Cookies };

export type IdentitySettings = {
  readonly trustedProxies: readonly string[];
  readonly ldap?: PasswordDirectory | undefined;
  readonly oidc?: WebDirectory | undefined;
  readonly log: Log;
};

export type Identity = ReturnType<typeof makeIdentity>;

export const makeIdentity = (ports: IdentityPorts, settings: IdentitySettings) => {
  const { names, store } = ports;
  const sessions = new Sessions(ports);
  const attempts = new Attempts();
  const signingIn = new SigningIn(ports, sessions, attempts);
  const whence = makeWhence(names, settings.trustedProxies);

  /** Of any request, also of one by nobody. @throws REQUEST_FOREIGN */
  const see = ({ method, headers, remote }: IdentityRequest): Seen => {
    const from = whence(remote, headers);
    if (!from.ok) throw foreign(reasons[from.reason]);
    // Under a public name cookies are for that name alone: elsewhere there is no TLS.
    const counts = !names.secure || from.host.toLowerCase() === new URL(names.origin).host;
    const cookies = readCookies(names, counts ? one(headers['cookie']) : undefined);
    const crossed = crossSite(names, method, headers, cookies.session !== undefined || cookies.device !== undefined);
    if (crossed !== undefined) throw foreign(reasons[crossed]);
    return { source: from.source, cookies };
  };

  /** @throws REQUEST_FOREIGN, SIGN_IN_NEEDED */
  const liveOf = (request: IdentityRequest, looking = false): Live & Seen => {
    const seen = see(request);
    const bearer = bearerOf(request);
    const token = bearer ?? seen.cookies.session;
    const live =
      token === undefined ? undefined : sessions.find(token, bearer === undefined ? seen.cookies.device : undefined);
    if (live === undefined || (live.session.kind === 'terminal') !== (bearer !== undefined))
      throw fail('SIGN_IN_NEEDED', {});
    if (!looking) sessions.used(live);
    return { ...live, ...seen };
  };

  const foreign = (reason: string): CoequalError => fail('REQUEST_FOREIGN', { reason, origin: names.origin });

  return {
    names,
    sessions,
    see,
    /** Whom a request is from; undefined: it was meant for another, or comes from a page of another origin. */
    from: ({ remote, headers }: Pick<IdentityRequest, 'remote' | 'headers'>): string | undefined => {
      const from = whence(remote, headers);
      return from.ok && (headers['origin'] === undefined || headers['origin'] === names.origin)
        ? from.source
        : undefined;
    },
    liveOf,
    /**
     * Who asks, or why nobody does. `looking`: only to see whether a stream may go on, which is no use of the session, and not for one
     * that is locked.
     */
    identify: (request: IdentityRequest, looking = false): Subject | CoequalError => {
      try {
        const live = liveOf(request, looking);
        return looking && live.session.lockedMs !== null ? fail('SESSION_LOCKED', {}) : sessions.subjectOf(live);
      } catch (error) {
        if (error instanceof CoequalError && error.kind === 'user') return error;
        throw error;
      }
    },
    /** False: nobody was ever enrolled, and only that can be done. */
    anybody: (): boolean => store.people.count() > 0,
    /** While nobody is there: what the terminal shows. */
    firstCode: () => firstCode(ports),
    enrolling: new Enrolling(ports, sessions, attempts),
    signingIn,
    directories: new Directories({ ...ports, log: settings.log }, sessions, signingIn),
    ldap: settings.ldap,
    oidc: settings.oidc,
    people: new People(ports, sessions),
    /** Everybody there ever was, and every grant with its beginning and end. */
    given: () => ({ people: store.people.list(), grants: store.grants.all() }),
    terminals: new Terminals(ports, sessions, attempts),
    signature: (id: string) => readSignature(ports, id),
    /** Ends a session by whoever has it. */
    signOut: async ({ session, person }: Live): Promise<void> => {
      await ports.note(`person:${person.name}`, 'identity.sign-out', session.id, 'done');
      sessions.end(session.id, 'signed out');
    },
  };
};

/** A terminal's; other bearer tokens are for others to know. */
const bearerOf = ({ headers }: IdentityRequest): string | undefined => {
  const token = /^Bearer (\S{1,200})$/.exec(one(headers['authorization']) ?? '')?.[1];
  return token?.startsWith(terminalPrefix) ? token : undefined;
};

const reasons = {
  host: 'it names another host',
  plain: 'it came without TLS',
  forwarded: 'the proxy does not say whom it is for',
  origin: 'its origin is another, or is not told',
  site: 'another site sent it',
  header: 'it lacks the header X-Coequal: 1',
} as const;
