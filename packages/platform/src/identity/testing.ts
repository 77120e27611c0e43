/** For tests: identity on a database of its own with a clock that is set by hand, and an authenticator made of software. */
import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Clock, silentLog, systemClock } from '@coequal/kernel';
import type { AuditEntry } from '@coequal/trust';
import { isoCBOR } from '@simplewebauthn/server/helpers';
import { openDatabase } from '../store/adapters/database.ts';
import { makeIdentityStore } from './adapters/store.ts';
import { openVault } from './adapters/vault.ts';
import type { Asker } from './devices.ts';
import type { Enrolled } from './enrol.ts';
import { type Identity, type IdentityRequest, makeIdentity } from './identity.ts';
import type { IdentityPorts } from './ports.ts';
import type { Live } from './sessions.ts';
import { namesOf } from './whence.ts';

export const origin = 'http://localhost:9620';

export type TryIdentity = {
  readonly identity: Identity;
  readonly ports: IdentityPorts;
  readonly clock: Clock & { atMs: number };
  readonly entries: AuditEntry[];
  readonly folder: string;
  readonly close: () => void;
};

export const tryIdentity = async (
  more: { readonly url?: string; readonly trustedProxies?: readonly string[] } = {},
): Promise<TryIdentity> => {
  const folder = mkdtempSync(join(tmpdir(), 'coequal-identity-'));
  const database = openDatabase(folder);
  const clock = { ...systemClock, atMs: 1_800_000_000_000, now: (): number => clock.atMs };
  const entries: AuditEntry[] = [];
  const ports: IdentityPorts = {
    ...{ store: makeIdentityStore(database), vault: await openVault(folder, undefined, systemClock) },
    note: async (actor, action, target, result, details) =>
      void entries.push({ actor, action, target, result, ...(details === undefined ? {} : { details }) }),
    ...{ clock, names: namesOf(more.url, 9_620), title: 'try' },
  };
  const identity = makeIdentity(ports, { trustedProxies: more.trustedProxies ?? [], log: silentLog });
  const close = (): void => {
    database.close();
    rmSync(folder, { recursive: true });
  };
  return { identity, ports, clock, entries, folder, close };
};

/** A browser, by what it keeps. */
export class Browser {
  session: string | undefined;
  device: string | undefined;
  readonly source: string;

  constructor(source = '10.0.0.1') {
    this.source = source;
  }

  asker(): Asker {
    return { source: this.source, deviceToken: this.device, deviceName: 'Chrome on Linux' };
  }

  keep<T extends { readonly token: string; readonly deviceToken: string | undefined }>(given: T): T {
    this.session = given.token;
    this.device = given.deviceToken ?? this.device;
    return given;
  }

  request(method = 'GET', headers: IdentityRequest['headers'] = {}): IdentityRequest {
    const cookies = [`coequal=${this.session ?? ''}`, `coequal-device=${this.device ?? ''}`].join('; ');
    const safe = method === 'GET' ? {} : { origin, 'x-coequal': '1' };
    return { method, remote: '127.0.0.1', headers: { host: 'localhost:9620', cookie: cookies, ...safe, ...headers } };
  }

  live({ identity }: TryIdentity): Live {
    return identity.liveOf(this.request());
  }
}

export type Tamper = {
  readonly origin?: string;
  readonly rpId?: string;
  readonly userVerified?: boolean;
  readonly challenge?: string;
  readonly type?: string;
  readonly signature?: (signature: Buffer) => Buffer;
  readonly counter?: number;
  readonly userHandle?: string;
};

/** One authenticator with one key at most for each relying party. */
export class SoftAuthenticator {
  readonly #keys = new Map<string, { readonly key: KeyObject; readonly handle: string }>();
  readonly #bound: boolean;
  #counter = 0;

  constructor({ bound = true }: { readonly bound?: boolean } = {}) {
    this.#bound = bound;
  }

  create({ options }: { readonly options: object }, tamper: Tamper = {}): Record<string, unknown> {
    const { challenge, user, rp } = options as { challenge: string; user: { id: string }; rp: { id: string } };
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const id = randomBytes(16);
    const name = id.toString('base64url');
    this.#keys.set(name, { key: privateKey, handle: user.id });
    const { x = '', y = '' } = publicKey.export({ format: 'jwk' });
    const cose = isoCBOR.encode(
      new Map<number, number | Uint8Array>([
        ...([
          [1, 2],
          [3, -7],
          [-1, 1],
        ] as const),
        [-2, new Uint8Array(Buffer.from(x, 'base64url'))],
        [-3, new Uint8Array(Buffer.from(y, 'base64url'))],
      ]),
    );
    const length = Buffer.alloc(2);
    length.writeUInt16BE(id.length);
    const data = Buffer.concat([this.#head(tamper.rpId ?? rp.id, tamper, 0x40), Buffer.alloc(16), length, id, cose]);
    const attestation = isoCBOR.encode(
      new Map<string, unknown>([
        ['fmt', 'none'],
        ['attStmt', new Map()],
        ['authData', new Uint8Array(data)],
      ]) as Parameters<typeof isoCBOR.encode>[0],
    );
    const response = {
      clientDataJSON: clientData('webauthn.create', challenge, tamper).toString('base64url'),
      attestationObject: Buffer.from(attestation).toString('base64url'),
      transports: ['internal'],
    };
    return { id: name, rawId: name, type: 'public-key', clientExtensionResults: {}, response };
  }

  get({ options }: { readonly options: object }, tamper: Tamper = {}): Record<string, unknown> {
    const { challenge, rpId } = options as { challenge: string; rpId: string };
    const [name, kept] = [...this.#keys].at(-1) ?? [];
    if (name === undefined || kept === undefined) throw new Error('there is no key');
    const client = clientData('webauthn.get', challenge, tamper);
    const data = this.#head(tamper.rpId ?? rpId, tamper, 0);
    const digest = createHash('sha256').update(client).digest();
    const signature = sign('sha256', Buffer.concat([data, digest]), kept.key);
    const response = {
      clientDataJSON: client.toString('base64url'),
      authenticatorData: data.toString('base64url'),
      signature: (tamper.signature?.(signature) ?? signature).toString('base64url'),
      userHandle: tamper.userHandle ?? kept.handle,
    };
    return { id: name, rawId: name, type: 'public-key', clientExtensionResults: {}, response };
  }

  #head(rpId: string, { userVerified = true, counter }: Tamper, more: number): Buffer {
    this.#counter += 1;
    const flags = 0x01 | (userVerified ? 0x04 : 0) | (this.#bound ? 0 : 0x18) | more;
    const tail = Buffer.alloc(5);
    tail.writeUInt8(flags);
    tail.writeUInt32BE(counter ?? this.#counter, 1);
    return Buffer.concat([createHash('sha256').update(rpId).digest(), tail]);
  }
}

const clientData = (type: string, challenge: string, tamper: Tamper): Buffer =>
  Buffer.from(
    JSON.stringify({
      ...{ type: tamper.type ?? type, challenge: tamper.challenge ?? challenge, origin: tamper.origin ?? origin },
      crossOrigin: false,
    }),
  );

/** Somebody comes in with a code. */
export const comeIn = async (
  { identity }: TryIdentity,
  code: string,
  browser: Browser,
  authenticator: SoftAuthenticator,
  name?: string,
): Promise<Enrolled> => {
  const newcomer = name === undefined ? undefined : { name, display: name };
  const question = await identity.enrolling.ask(code, newcomer, browser.asker());
  const answer = { ceremony: question.ceremony, response: authenticator.create(question) };
  return browser.keep(await identity.enrolling.take(code, answer, browser.asker()));
};

export type Member = {
  readonly browser: Browser;
  readonly authenticator: SoftAuthenticator;
  readonly enrolled: Enrolled;
};

export const firstMember = async (tried: TryIdentity, name = 'ann'): Promise<Member> => {
  const [browser, authenticator] = [new Browser(), new SoftAuthenticator()];
  const code = (await tried.identity.firstCode()) ?? '';
  return { browser, authenticator, enrolled: await comeIn(tried, code, browser, authenticator, name) };
};

type Role = 'viewer' | 'operator' | 'approver' | 'security-admin' | 'auditor';

export const nextMember = async (
  tried: TryIdentity,
  by: Member,
  name: string,
  roles: readonly Role[],
): Promise<Member> => {
  const [browser, authenticator] = [new Browser(`10.0.1.${name.length}`), new SoftAuthenticator()];
  const grants = roles.map((role) => ({ role, services: '*', sites: '*' }) as const);
  const { code } = await tried.identity.people.add(by.browser.live(tried), { name, display: name, grants });
  return { browser, authenticator, enrolled: await comeIn(tried, code, browser, authenticator) };
};

export const stepUp = async (
  tried: TryIdentity,
  { browser, authenticator }: Member,
  tamper: Tamper = {},
): Promise<void> => {
  const live = browser.live(tried);
  const question = await tried.identity.signingIn.askStepUp(live);
  const response = authenticator.get(question, tamper);
  await tried.identity.signingIn.takeStepUp(live, { ceremony: question.ceremony, response });
};

export const signIn = async (
  { identity }: TryIdentity,
  browser: Browser,
  authenticator: SoftAuthenticator,
  tamper: Tamper = {},
): Promise<void> => {
  const question = await identity.signingIn.askPasskey();
  const answer = { ceremony: question.ceremony, response: authenticator.get(question, tamper) };
  browser.keep(await identity.signingIn.takePasskey(answer, browser.asker()));
};
