/**
 * People and what they may do, as a security-admin with a fresh passkey changes it. Nobody changes their own access, and the last
 * security-admin stays. Whoever is revoked loses sessions, streams, devices and passkeys at once.
 */
import { CoequalError, codeOf, fail } from '@coequal/kernel';
import type { PublicKeyCredentialRequestOptionsJSON } from '@simplewebauthn/server';
import type { Grant } from '../access/subject.ts';
import { revokeDevice, revokeMeans } from './devices.ts';
import { firstHalf, inviteCode, newHandle, secondHalf } from './enrol.ts';
import { contradiction } from './grants.ts';
import { identityLimits } from './limits.ts';
import type { Question } from './passkeys.ts';
import { actorOf, type IdentityPorts } from './ports.ts';
import { holds, mustBeAdmin, mustBeFresh } from './proof.ts';
import type { Live, Sessions } from './sessions.ts';
import type { Answer } from './sign-in.ts';
import { askToSign, takeSignature } from './signatures.ts';
import type { Device, Enrolment, Passkey, Person } from './store.ts';
import { newId } from './values.ts';

export type PersonView = {
  readonly person: Person;
  readonly grants: readonly Grant[];
  readonly passkeys: readonly Passkey[];
  readonly devices: readonly Device[];
  readonly sessions: number;
};

export type NewPerson = { readonly name: string; readonly display: string; readonly grants: readonly Grant[] };

export class People {
  readonly #ports: IdentityPorts;
  readonly #sessions: Sessions;

  constructor(ports: IdentityPorts, sessions: Sessions) {
    this.#ports = ports;
    this.#sessions = sessions;
  }

  /** For whoever gives access, and for auditors. @throws PERSON_REFUSED */
  listFor({ person, session }: Live): readonly PersonView[] {
    if (session.lockedMs !== null) throw fail('SESSION_LOCKED', {});
    if (!holds(this.#ports, person.id, 'security-admin') && !holds(this.#ports, person.id, 'auditor'))
      throw refused('Only a security-admin or an auditor may see all people', 'Ask one of them.');
    return this.#ports.store.people.list().map((each) => this.view(each));
  }

  /** What they have beside passkeys. */
  spares({ id }: Person): { readonly totp: boolean; readonly recoveryCodesLeft: number } {
    const { totp, recovery } = this.#ports.store;
    return { totp: totp.get(id)?.confirmed === true, recoveryCodesLeft: recovery.unused(id).length };
  }

  view(person: Person): PersonView {
    const { store, clock } = this.#ports;
    return {
      person,
      grants: store.grants.of(person.id, clock.now()),
      passkeys: store.passkeys.of(person.id).filter(({ revokedMs }) => revokedMs === null),
      devices: store.devices.of(person.id).filter(({ revokedMs }) => revokedMs === null),
      sessions: store.sessions.open(person.id).length,
    };
  }

  /** By id or name. @throws PERSON_UNKNOWN */
  named(name: string): Person {
    const { people } = this.#ports.store;
    const found = people.get(name) ?? people.named(name);
    if (found === undefined) throw fail('PERSON_UNKNOWN', { name });
    return found;
  }

  /** Answers the code that they come in with. */
  async add(
    live: Live,
    { name, display, grants }: NewPerson,
  ): Promise<{ readonly person: Person; readonly code: string }> {
    mustBeAdmin(this.#ports, live);
    mustAgree(grants);
    const { store, clock } = this.#ports;
    if (store.people.count() >= identityLimits.people)
      throw fail('IDENTITY_FULL', { what: 'people', most: identityLimits.people, advice: 'Ask for a larger bound.' });
    const person: Person = {
      ...{ id: newId('person'), handle: newHandle(), name, display, source: 'local', external: null },
      ...{ madeMs: clock.now(), revokedMs: null },
    };
    const code = await this.#recorded(live, 'person.add', person, { roles: rolesText(grants) }, () => {
      let made = '';
      store.together(() => {
        if (!store.people.add(person)) throw refused(`There is a person named ${name} already`, 'Choose another name.');
        this.#give(person.id, grants, live.person.name);
        made = inviteCode(this.#ports, person, live.person.id);
      });
      return made;
    });
    return { person, code };
  }

  /** A new code for somebody who never came in. @throws PERSON_REFUSED for others: these need two people */
  async invite(live: Live, person: Person): Promise<string> {
    mustBeAdmin(this.#ports, live);
    mustBeThere(person);
    if (this.#ports.store.passkeys.of(person.id).length > 0)
      throw refused(
        `${person.name} was enrolled before, so one person is not enough`,
        'Ask for enrolment anew, and let another security-admin agree.',
      );
    return this.#recorded(live, 'person.invite', person, {}, () => inviteCode(this.#ports, person, live.person.id));
  }

  /** For somebody who has lost everything: the first half of a code. */
  async askAnew(live: Live, person: Person): Promise<{ readonly id: string; readonly half: string }> {
    mustBeAdmin(this.#ports, live);
    mustBeThere(person);
    mustBeOther(live, person);
    return this.#recorded(live, 'person.re-enrol.ask', person, {}, () =>
      firstHalf(this.#ports, person, live.person.id),
    );
  }

  /** What the second one signs. */
  askToAgree(live: Live, id: string): Promise<Question<PublicKeyCredentialRequestOptionsJSON>> {
    return askToSign(this.#ports, live, 're-enrolment', this.#anew(live, id).document);
  }

  /** The other half, for another one than who asked, under their signature. */
  async agree(live: Live, id: string, answer: Answer): Promise<string> {
    const { enrolment, person, document } = this.#anew(live, id);
    await takeSignature(this.#ports, live, 're-enrolment', document, answer);
    return this.#recorded(live, 'person.re-enrol.agree', person, {}, () => {
      const half = secondHalf(this.#ports, enrolment, live.person.id);
      if (half === undefined) throw fail('CODE_REFUSED', {});
      return half;
    });
  }

  /** @throws PERSON_REFUSED: oneself, or the last security-admin */
  async revoke(live: Live, person: Person): Promise<void> {
    mustBeAdmin(this.#ports, live);
    mustBeOther(live, person);
    mustBeThere(person);
    this.#mustNotBeLast(person);
    await this.#recorded(live, 'person.revoke', person, {}, () =>
      revokePerson(this.#ports, this.#sessions, person, live.person.name),
    );
  }

  async give(live: Live, person: Person, grants: readonly Grant[]): Promise<void> {
    mustBeAdmin(this.#ports, live);
    mustBeOther(live, person);
    mustBeThere(person);
    mustAgree(grants);
    if (!grants.some(({ role }) => role === 'security-admin')) this.#mustNotBeLast(person);
    await this.#recorded(live, 'person.grant', person, { roles: rolesText(grants) }, () =>
      this.#ports.store.together(() => {
        this.#take(person.id, live.person.name);
        this.#give(person.id, grants, live.person.name);
      }),
    );
  }

  /** One's own device, or, for a security-admin, anybody's: a phone that was lost. */
  async revokeDevice(live: Live, id: string): Promise<void> {
    const { store } = this.#ports;
    const device = store.devices.get(id);
    const person = device === undefined ? undefined : store.people.get(device.person);
    if (person?.id !== live.person.id) mustBeAdmin(this.#ports, live);
    else mustBeFresh(this.#ports, live, ['passkey', 'totp', 'recovery']);
    if (device === undefined || person === undefined || device.revokedMs !== null)
      throw refused('There is no such device', 'Look at the list of devices.');
    await this.#recorded(live, 'device.revoke', person, { device: id }, () =>
      revokeDevice(this.#ports, this.#sessions, id),
    );
  }

  #anew(live: Live, id: string): { readonly enrolment: Enrolment; readonly person: Person; readonly document: object } {
    mustBeAdmin(this.#ports, live);
    const { store, clock } = this.#ports;
    const enrolment = store.enrolments.get(id);
    const person = enrolment?.person == null ? undefined : store.people.get(enrolment.person);
    const open = enrolment?.kind === 'again' && enrolment.usedMs === null && enrolment.endsMs > clock.now();
    if (enrolment === undefined || person === undefined || !open) throw fail('CODE_REFUSED', {});
    mustBeOther(live, person);
    if (enrolment.askedBy === live.person.id)
      throw refused('Whoever asked cannot agree as well', 'Let another security-admin agree.');
    const { askedBy } = enrolment;
    return { enrolment, person, document: { enrolment: id, person: person.id, name: person.name, askedBy } };
  }

  #give(person: string, grants: readonly Grant[], by: string): void {
    for (const { role, services, sites } of grants)
      this.#ports.store.grants.add({
        ...{ id: newId('grant'), person, role, services, sites, source: 'person', givenBy: by },
        ...{ fromMs: this.#ports.clock.now(), toMs: null, endedBy: null },
      });
  }

  #take(person: string, by: string): void {
    const { store, clock } = this.#ports;
    for (const { id } of store.grants.of(person, clock.now())) store.grants.end(id, clock.now(), by);
  }

  #mustNotBeLast(person: Person): void {
    const { store } = this.#ports;
    const isAdmin = ({ id }: Person): boolean => holds(this.#ports, id, 'security-admin');
    if (!isAdmin(person)) return;
    const others = store.people
      .list()
      .filter(({ id, revokedMs }) => id !== person.id && revokedMs === null && store.passkeys.of(id).length > 0);
    if (!others.some(isAdmin)) throw refused(`${person.name} is the last security-admin`, 'Enrol another one first.');
  }

  async #recorded<T>(
    live: Live,
    action: string,
    person: Person,
    details: Readonly<Record<string, string>>,
    run: () => T,
  ): Promise<T> {
    const { note } = this.#ports;
    const told = [actorOf(live.person), `identity.${action}`, `person ${person.name}`] as const;
    await note(...told, 'asked', details);
    let answer: T;
    try {
      answer = run();
    } catch (error) {
      const refusal = error instanceof CoequalError && error.kind === 'user';
      await note(...told, refusal ? 'refused' : 'failed', { ...details, code: codeOf(error) ?? 'BUG' });
      throw error;
    }
    await note(...told, 'done', details);
    return answer;
  }
}

/** Also for those who have left the directory. */
export const revokePerson = (ports: IdentityPorts, sessions: Sessions, person: Person, by: string): void => {
  const { store, clock } = ports;
  store.people.revoke(person.id, clock.now());
  for (const { id } of store.grants.of(person.id, clock.now())) store.grants.end(id, clock.now(), by);
  store.enrolments.drop('link', person.id);
  store.enrolments.drop('again', person.id);
  revokeMeans(ports, sessions, person.id, 'revoked');
};

const refused = (reason: string, advice: string) => fail('PERSON_REFUSED', { reason, advice });

const mustBeThere = ({ name, revokedMs }: Person): void => {
  if (revokedMs !== null) throw refused(`${name} was revoked`, 'Add them anew under another name.');
};

const mustBeOther = (live: Live, person: Person): void => {
  if (live.person.id === person.id)
    throw refused('Nobody changes their own access', 'Let another security-admin do it.');
};

const mustAgree = (grants: readonly Grant[]): void => {
  const pair = contradiction(grants);
  if (pair !== undefined)
    throw refused(`One person cannot be ${pair[0]} and ${pair[1]}`, 'Give these roles to different people.');
};

const rolesText = (grants: readonly Grant[]): string =>
  grants.map(({ role, services, sites }) => `${role}@${scopeText(services)}/${scopeText(sites)}`).join(' ');
const scopeText = (scope: Grant['services']): string => (scope === '*' ? '*' : scope.join(','));
