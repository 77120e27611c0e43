/**
 * What identity keeps, as those who use it see it. What may happen once only (a code, a challenge, a step of a one-time code) is taken in
 * one statement that says whether this call was the one.
 */
import type { Factor, Grant } from '../access/subject.ts';

export type PersonSource = 'local' | 'oidc' | 'ldap';

export type Person = {
  readonly id: string;
  /** What they type, unique however it is written. */
  readonly name: string;
  readonly display: string;
  /** What passkeys know them by: random, and no name. */
  readonly handle: string;
  readonly source: PersonSource;
  /** Their id in the directory. */
  readonly external: string | null;
  readonly madeMs: number;
  readonly revokedMs: number | null;
};

/** Never deleted: who could have done what on a given day is asked years later. */
export type HeldGrant = Grant & {
  readonly id: string;
  readonly person: string;
  readonly source: 'person' | 'directory';
  readonly givenBy: string;
  readonly fromMs: number;
  readonly toMs: number | null;
  readonly endedBy: string | null;
};

export type Device = {
  readonly id: string;
  readonly person: string;
  readonly name: string;
  readonly tokenHash: string;
  readonly madeMs: number;
  readonly seenMs: number;
  readonly revokedMs: number | null;
};

export type Passkey = {
  readonly id: string;
  readonly person: string;
  /** Where it was registered. */
  readonly device: string | null;
  readonly name: string;
  readonly sealed: string;
  readonly counter: number;
  /** It cannot leave its authenticator. */
  readonly bound: boolean;
  readonly madeMs: number;
  readonly usedMs: number | null;
  readonly revokedMs: number | null;
};

export type Totp = { readonly sealed: string; readonly lastStep: number; readonly confirmed: boolean };
export type RecoveryCode = { readonly id: string; readonly sealed: string };

export type Session = {
  readonly id: string;
  readonly tokenHash: string;
  readonly kind: 'browser' | 'terminal';
  readonly person: string;
  readonly device: string;
  readonly factor: Factor;
  readonly factorMs: number;
  /** The factor was a passkey that cannot leave its authenticator. */
  readonly bound: boolean;
  readonly source: string;
  readonly madeMs: number;
  readonly seenMs: number;
  readonly lockedMs: number | null;
  readonly endsMs: number;
  readonly endedMs: number | null;
  readonly endedWhy: string | null;
};

/** A question to a passkey that waits for its answer. */
export type Ceremony = {
  readonly id: string;
  readonly purpose: string;
  /** Whose answer it has to be: a session, an enrolment, or nobody's in particular. */
  readonly owner: string;
  readonly challenge: string;
  /** JSON. */
  readonly data: string;
  readonly endsMs: number;
};

export type Enrolment = {
  readonly id: string;
  readonly person: string | null;
  /** `first`: nobody is there yet; `link`: a new person; `again`: one who lost everything, with a half of the code from each of two. */
  readonly kind: 'first' | 'link' | 'again';
  readonly firstHash: string;
  readonly secondHash: string | null;
  readonly askedBy: string;
  readonly secondBy: string | null;
  readonly madeMs: number;
  readonly endsMs: number;
  readonly usedMs: number | null;
};

export type Terminal = {
  readonly id: string;
  readonly deviceHash: string;
  readonly userHash: string;
  readonly client: string;
  readonly source: string;
  readonly state: 'waiting' | 'approved' | 'denied' | 'taken';
  readonly person: string | null;
  readonly bound: boolean;
  readonly factorMs: number;
  readonly endsMs: number;
};

export type KeptSignature = {
  readonly id: string;
  readonly person: string;
  readonly passkey: string;
  readonly purpose: string;
  readonly atMs: number;
  /** What was signed: canonical JSON. */
  readonly document: string;
  readonly sealed: string;
};

export type IdentityStore = {
  /** All of it, or nothing. */
  readonly together: (work: () => void) => void;
  readonly people: {
    /** False: the name, or the id in the directory, is taken. */
    readonly add: (person: Person) => boolean;
    readonly get: (id: string) => Person | undefined;
    readonly named: (name: string) => Person | undefined;
    readonly external: (source: PersonSource, external: string) => Person | undefined;
    readonly byHandle: (handle: string) => Person | undefined;
    readonly list: () => readonly Person[];
    readonly count: () => number;
    readonly revoke: (id: string, ms: number) => boolean;
  };
  readonly grants: {
    readonly add: (grant: HeldGrant) => void;
    readonly of: (person: string, atMs: number) => readonly HeldGrant[];
    readonly all: () => readonly HeldGrant[];
    readonly end: (id: string, ms: number, by: string) => boolean;
  };
  readonly devices: {
    readonly add: (device: Device) => void;
    readonly get: (id: string) => Device | undefined;
    readonly byToken: (hash: string) => Device | undefined;
    readonly of: (person: string) => readonly Device[];
    readonly seen: (id: string, ms: number) => void;
    readonly revoke: (id: string, ms: number) => boolean;
  };
  readonly passkeys: {
    readonly add: (passkey: Passkey) => boolean;
    readonly get: (id: string) => Passkey | undefined;
    readonly of: (person: string) => readonly Passkey[];
    /** False: it was used with this counter or a later one meanwhile. */
    readonly used: (id: string, before: number, counter: number, ms: number) => boolean;
    readonly revoke: (id: string, ms: number) => boolean;
  };
  readonly totp: {
    readonly put: (person: string, totp: Totp) => void;
    readonly get: (person: string) => Totp | undefined;
    /** False: this step, or a later one, was used. */
    readonly take: (person: string, step: number) => boolean;
    readonly remove: (person: string) => boolean;
  };
  readonly recovery: {
    readonly replace: (person: string, codes: readonly RecoveryCode[]) => void;
    readonly unused: (person: string) => readonly RecoveryCode[];
    readonly take: (id: string, ms: number) => boolean;
  };
  readonly sessions: {
    readonly add: (session: Session) => void;
    readonly get: (id: string) => Session | undefined;
    readonly byToken: (hash: string) => Session | undefined;
    readonly open: (person?: string) => readonly Session[];
    readonly seen: (id: string, ms: number) => void;
    readonly lock: (id: string, ms: number) => void;
    readonly factor: (id: string, factor: Factor, bound: boolean, ms: number) => void;
    readonly end: (id: string, ms: number, why: string) => boolean;
  };
  readonly ceremonies: {
    readonly add: (ceremony: Ceremony) => void;
    /** Of those that anybody may ask for, the oldest beyond a number go: whoever asks for many shortens the time of all, and stops nobody. */
    readonly trim: (most: number) => void;
    /** Takes it away: it is answered once. */
    readonly take: (id: string, purpose: string, owner: string, nowMs: number) => Ceremony | undefined;
  };
  readonly enrolments: {
    readonly add: (enrolment: Enrolment) => void;
    readonly get: (id: string) => Enrolment | undefined;
    readonly byCode: (firstHash: string) => Enrolment | undefined;
    readonly second: (id: string, by: string, hash: string, endsMs: number) => boolean;
    readonly take: (id: string, nowMs: number) => boolean;
    /** Those that nobody used yet end. */
    readonly drop: (kind: Enrolment['kind'], person: string | null) => void;
  };
  readonly terminals: {
    readonly add: (terminal: Terminal) => void;
    readonly count: (nowMs: number, source?: string) => number;
    readonly byDevice: (hash: string) => Terminal | undefined;
    readonly byUser: (hash: string) => Terminal | undefined;
    readonly decide: (
      id: string,
      state: 'approved' | 'denied',
      person: string,
      bound: boolean,
      nowMs: number,
    ) => boolean;
    readonly take: (id: string, nowMs: number) => boolean;
  };
  /** With which a provider is asked again about a person. */
  readonly directoryTokens: {
    readonly put: (person: string, sealed: string) => void;
    readonly get: (person: string) => string | undefined;
  };
  readonly signatures: {
    readonly add: (signature: KeptSignature) => void;
    readonly get: (id: string) => KeptSignature | undefined;
  };
  readonly prune: (nowMs: number, keptMs: number) => void;
};
