/**
 * People of a directory (LDAP, OpenID Connect): their groups become roles, each time they sign in and again and again while they are here.
 * Who has left loses sessions, devices, passkeys and roles; who has no role left loses the sessions. A directory that does not answer changes
 * nothing: passkeys go on.
 */
import { CoequalError, codeOf, fail, type Log, reasonOf } from '@coequal/kernel';
import { z } from 'zod';
import type { Grant } from '../access/subject.ts';
import { type Asker, knownDevice, revokeMeans } from './devices.ts';
import { newHandle, type SignedIn } from './enrol.ts';
import { contradiction } from './grants.ts';
import { identityLimits } from './limits.ts';
import { actorOf, type IdentityPorts, nobody } from './ports.ts';
import type { Sessions } from './sessions.ts';
import type { SigningIn } from './sign-in.ts';
import type { Person } from './store.ts';
import { hashOf, newId, newToken } from './values.ts';

export type DirectoryEntry = {
  /** What stays when the name changes. */
  readonly external: string;
  readonly name: string;
  readonly display: string;
  readonly groups: readonly string[];
};

export type GroupRole = Grant & { readonly group: string };

export type Directory = {
  readonly source: 'ldap' | 'oidc';
  readonly roles: readonly GroupRole[];
  /** As they are there now; `gone`: not there any more. @throws DIRECTORY_FAILED */
  readonly look: (person: Person) => Promise<DirectoryEntry | 'gone'>;
};

export type PasswordDirectory = Directory & {
  /** Undefined: not these. @throws DIRECTORY_FAILED */
  readonly signIn: (name: string, password: string) => Promise<DirectoryEntry | undefined>;
};

/** A provider that browsers are sent to. */
export type WebDirectory = Directory & {
  /** @throws DIRECTORY_FAILED */
  readonly ask: (state: string) => Promise<{ readonly url: string; readonly verifier: string; readonly nonce: string }>;
  /** @throws DIRECTORY_FAILED, SIGN_IN_FAILED */
  readonly take: (
    query: string,
    asked: { readonly state: string; readonly verifier: string; readonly nonce: string },
  ) => Promise<{ readonly entry: DirectoryEntry; readonly token: string }>;
  /** With which it is asked again about them. */
  readonly keep: (person: string, token: string) => Promise<void>;
};

const webState = z.object({ verifier: z.string(), nonce: z.string() });

type Ports = IdentityPorts & { readonly log: Log };

export class Directories {
  readonly #ports: Ports;
  readonly #sessions: Sessions;
  readonly #signingIn: SigningIn;
  readonly #failing = new Set<string>();

  constructor(ports: Ports, sessions: Sessions, signingIn: SigningIn) {
    this.#ports = ports;
    this.#sessions = sessions;
    this.#signingIn = signingIn;
  }

  /** With a password of the directory. @throws SIGN_IN_FAILED, SIGN_IN_BLOCKED, DIRECTORY_FAILED */
  async signIn(directory: PasswordDirectory, name: string, password: string, asker: Asker): Promise<SignedIn> {
    const known = knownDevice(this.#ports, this.#ports.store.people.named(name), asker.deviceToken) !== undefined;
    let entry: DirectoryEntry | undefined;
    await this.#signingIn.counted({ source: asker.source, account: name, known }, 'ldap-password', async () => {
      entry = await directory.signIn(name, password);
      return entry !== undefined;
    });
    if (entry === undefined) throw fail('SIGN_IN_FAILED', {});
    return this.arrive(directory, entry, asker);
  }

  /** Where the browser goes, and what it has to have when it comes back. */
  async ask(directory: WebDirectory): Promise<{ readonly url: string; readonly token: string }> {
    const { store, clock } = this.#ports;
    const [state, token] = [newId('oidc'), newToken()];
    const { url, ...kept } = await directory.ask(state);
    store.ceremonies.add({
      ...{ id: state, purpose: 'oidc', owner: hashOf(token), challenge: '', data: JSON.stringify(kept) },
      endsMs: clock.now() + identityLimits.ceremonyMs,
    });
    store.ceremonies.trim(identityLimits.ceremonies);
    return { url, token };
  }

  /** @param token of the very browser that was sent. @throws SIGN_IN_FAILED, DIRECTORY_FAILED */
  async take(directory: WebDirectory, query: string, token: string | undefined, asker: Asker): Promise<SignedIn> {
    const { store, clock, note } = this.#ports;
    const state = new URLSearchParams(query).get('state') ?? '';
    const asked = store.ceremonies.take(state, 'oidc', hashOf(token ?? ''), clock.now());
    try {
      if (asked === undefined) throw fail('SIGN_IN_FAILED', {});
      const { entry, token: refresh } = await directory.take(query, {
        state,
        ...webState.parse(JSON.parse(asked.data)),
      });
      const signedIn = await this.arrive(directory, entry, asker);
      await directory.keep(signedIn.person.id, refresh);
      return signedIn;
    } catch (error) {
      if (codeOf(error) === 'SIGN_IN_FAILED')
        await note(nobody, 'identity.sign-in', 'a session', 'refused', { factor: 'oidc', source: asker.source });
      throw error;
    }
  }

  /** Somebody whom the directory has let in. @throws SIGN_IN_FAILED: they have no role here, or were revoked */
  async arrive(directory: Directory, entry: DirectoryEntry, asker: Asker): Promise<SignedIn> {
    const { store } = this.#ports;
    const factor = directory.source === 'ldap' ? 'ldap-password' : 'oidc';
    const found = store.people.external(directory.source, entry.external);
    const grants = grantsOf(directory, entry);
    if (grants.length === 0 || contradiction(grants) !== undefined || (found !== undefined && found.revokedMs !== null))
      throw await this.#refused(entry, factor, 'no role');
    const person = found ?? (await this.#added(directory, entry, factor));
    await this.#sync(person, grants);
    return this.#signingIn.enter(person, factor, false, asker);
  }

  /** Everybody of a directory once, one after the other. Answers how many were changed. */
  async round(directory: Directory, signal: AbortSignal): Promise<number> {
    const { store, log } = this.#ports;
    let changed = 0;
    for (const person of store.people.list()) {
      if (signal.aborted) break;
      if (person.source !== directory.source || person.revokedMs !== null) continue;
      try {
        if (await this.#looked(directory, person)) changed += 1;
        if (this.#failing.delete(directory.source))
          log('info', 'a directory answers again', { source: directory.source });
      } catch (error) {
        if (!(error instanceof CoequalError) || error.kind === 'bug') throw error;
        if (!this.#failing.has(directory.source))
          log('error', 'a directory does not answer', { source: directory.source, reason: reasonOf(error) });
        this.#failing.add(directory.source);
        // One that does not answer for this one does not for the next: the next round asks again.
        if (codeOf(error) === 'DIRECTORY_FAILED') break;
      }
    }
    return changed;
  }

  async #looked(directory: Directory, person: Person): Promise<boolean> {
    const entry = await directory.look(person);
    if (entry === 'gone') return this.#left(person);
    const grants = grantsOf(directory, entry);
    const given = contradiction(grants) === undefined ? grants : [];
    const changed = await this.#sync(person, given);
    if (given.length === 0) this.#sessions.endOf(person.id, 'no role left');
    return changed;
  }

  /** Whoever has left keeps a name in the record, and nothing to come in with. Should they come back, they begin anew. */
  async #left(person: Person): Promise<boolean> {
    const { store, clock, note } = this.#ports;
    const grants = store.grants.of(person.id, clock.now());
    const means = [...store.passkeys.of(person.id), ...store.devices.of(person.id)].filter(
      (one) => one.revokedMs === null,
    );
    if (grants.length + means.length + store.sessions.open(person.id).length === 0) return false;
    const by = `directory:${person.source}`;
    const told = [by, 'identity.person.leave', `person ${person.name}`] as const;
    await note(...told, 'asked');
    for (const { id } of grants) store.grants.end(id, clock.now(), by);
    revokeMeans(this.#ports, this.#sessions, person.id, 'left the directory');
    await note(...told, 'done');
    return true;
  }

  /** Roles of the directory alone: those that people gave stay. True: something changed. */
  async #sync(person: Person, grants: readonly Grant[]): Promise<boolean> {
    const { store, clock, note } = this.#ports;
    const by = `directory:${person.source}`;
    const held = store.grants.of(person.id, clock.now()).filter(({ source }) => source === 'directory');
    const wanted = new Map(grants.map((grant) => [keyOf(grant), grant]));
    const over = held.filter((grant) => !wanted.has(keyOf(grant)));
    for (const grant of held) wanted.delete(keyOf(grant));
    if (over.length === 0 && wanted.size === 0) return false;
    const details = { given: [...wanted.keys()].join(' '), taken: over.map(keyOf).join(' ') };
    await note(by, 'identity.person.grant', `person ${person.name}`, 'done', details);
    store.together(() => {
      for (const { id } of over) store.grants.end(id, clock.now(), by);
      for (const { role, services, sites } of wanted.values())
        store.grants.add({
          ...{ id: newId('grant'), person: person.id, role, services, sites, source: 'directory', givenBy: by },
          ...{ fromMs: clock.now(), toMs: null, endedBy: null },
        });
    });
    return true;
  }

  async #added({ source }: Directory, entry: DirectoryEntry, factor: string): Promise<Person> {
    const { store, clock, note } = this.#ports;
    if (store.people.count() >= identityLimits.people) throw await this.#refused(entry, factor, 'too many people');
    const { external, name, display } = entry;
    const person: Person = {
      ...{ id: newId('person'), handle: newHandle(), name, display, source, external },
      ...{ madeMs: clock.now(), revokedMs: null },
    };
    // Somebody of that name who came in otherwise is somebody else until a security-admin says so.
    if (!store.people.add(person)) throw await this.#refused(entry, factor, 'the name is taken');
    await note(actorOf(person), 'identity.enrol', `person ${name}`, 'done', { kind: source });
    return person;
  }

  async #refused({ name }: DirectoryEntry, factor: string, why: string): Promise<CoequalError> {
    await this.#ports.note(nobody, 'identity.sign-in', `person ${name}`, 'refused', { factor, why });
    return fail('SIGN_IN_FAILED', {});
  }
}

const grantsOf = ({ roles }: Directory, { groups }: DirectoryEntry): readonly Grant[] =>
  roles.filter(({ group }) => groups.includes(group)).map(({ role, services, sites }) => ({ role, services, sites }));

const keyOf = ({ role, services, sites }: Grant): string =>
  `${role}@${[services, sites].map((scope) => (scope === '*' ? '*' : scope.toSorted().join(','))).join('/')}`;
