/**
 * How people come in: with a code that is good once. The first one's is shown on the terminal of the machine while nobody is there; others
 * get theirs from a security-admin; who has lost everything gets half of one from each of two people, so that neither can
 * take the account over.
 */
import { randomBytes } from 'node:crypto';
import { fail } from '@coequal/kernel';
import type { PublicKeyCredentialCreationOptionsJSON } from '@simplewebauthn/server';
import { z } from 'zod';
import type { Attempts } from './attempts.ts';
import { type Asker, deviceOf, revokeMeans } from './devices.ts';
import { firstGrants } from './grants.ts';
import { identityLimits } from './limits.ts';
import { askToRegister, type Question, takeRegistration } from './passkeys.ts';
import { actorOf, type IdentityPorts, nobody } from './ports.ts';
import { makeRecoveryCodes } from './recovery.ts';
import type { Sessions } from './sessions.ts';
import type { Enrolment, Person } from './store.ts';
import { hashOf, newCode, newId, plainCode, sameText } from './values.ts';

const wholeLetters = 16;
const halfLetters = 12;

export type SignedIn = {
  readonly person: Person;
  readonly token: string;
  /** New for the browser; undefined: it has it. */
  readonly deviceToken: string | undefined;
};

export type Enrolled = SignedIn & { readonly recoveryCodes: readonly string[] };

/** While nobody is there: a code for the first one. It takes the place of the one before. */
export const firstCode = async (ports: IdentityPorts): Promise<string | undefined> => {
  const { store, note } = ports;
  if (store.people.count() > 0) return undefined;
  const code = newCode(wholeLetters);
  await note(nobody, 'identity.enrolment.first', 'the first person', 'noted');
  store.enrolments.drop('first', null);
  store.enrolments.add(
    enrolmentOf(ports, 'first', null, 'terminal', plainCode(code), identityLimits.enrolment.firstMs),
  );
  return code;
};

/** For a person that was added. The one before is void. */
export const inviteCode = (ports: IdentityPorts, person: Person, by: string): string => {
  const code = newCode(wholeLetters);
  ports.store.enrolments.drop('link', person.id);
  ports.store.enrolments.add(
    enrolmentOf(ports, 'link', person.id, by, plainCode(code), identityLimits.enrolment.linkMs),
  );
  return code;
};

/** The first half, for whoever asks; it is worth nothing until somebody else has agreed. */
export const firstHalf = (ports: IdentityPorts, person: Person, by: string) => {
  const half = newCode(halfLetters);
  ports.store.enrolments.drop('again', person.id);
  const enrolment = enrolmentOf(ports, 'again', person.id, by, plainCode(half), identityLimits.enrolment.againMs);
  ports.store.enrolments.add(enrolment);
  return { id: enrolment.id, half };
};

/** Undefined: somebody agreed already, or it is over. */
export const secondHalf = (ports: IdentityPorts, enrolment: Enrolment, by: string): string | undefined => {
  const half = newCode(halfLetters);
  const endsMs = ports.clock.now() + identityLimits.enrolment.againMs;
  return ports.store.enrolments.second(enrolment.id, by, hashOf(plainCode(half)), endsMs) ? half : undefined;
};

const enrolmentOf = (
  { clock }: IdentityPorts,
  kind: Enrolment['kind'],
  person: string | null,
  askedBy: string,
  code: string,
  lastsMs: number,
): Enrolment => ({
  ...{ id: newId('enrolment'), person, kind, askedBy, firstHash: hashOf(code), secondHash: null, secondBy: null },
  ...{ madeMs: clock.now(), endsMs: clock.now() + lastsMs, usedMs: null },
});

const ceremonyData = z.object({
  person: z.object({ id: z.string(), handle: z.string(), name: z.string(), display: z.string() }),
});

export type Newcomer = { readonly name: string; readonly display: string };

export class Enrolling {
  readonly #ports: IdentityPorts;
  readonly #sessions: Sessions;
  readonly #attempts: Attempts;

  constructor(ports: IdentityPorts, sessions: Sessions, attempts: Attempts) {
    this.#ports = ports;
    this.#sessions = sessions;
    this.#attempts = attempts;
  }

  /** @param newcomer of whoever is first: how they are called. @throws CODE_REFUSED, SIGN_IN_BLOCKED, REQUEST_INVALID */
  async ask(
    code: string,
    newcomer: Newcomer | undefined,
    asker: Asker,
  ): Promise<Question<PublicKeyCredentialCreationOptionsJSON>> {
    const enrolment = await this.#enrolmentOf(code, asker);
    const person = this.#personOf(enrolment) ?? newPerson(this.#ports, newcomer);
    const { id, handle, name, display } = person;
    return askToRegister(this.#ports, 'enrol', person, enrolment.id, { person: { id, handle, name, display } });
  }

  /** @throws CODE_REFUSED, PASSKEY_REFUSED */
  async take(
    code: string,
    answer: { readonly ceremony: string; readonly response: unknown },
    asker: Asker,
  ): Promise<Enrolled> {
    const ports = this.#ports;
    const { store, clock, note } = ports;
    const enrolment = await this.#enrolmentOf(code, asker);
    const { data, passkey } = await takeRegistration(ports, 'enrol', answer.ceremony, enrolment.id, answer.response);
    const asked = ceremonyData.parse(JSON.parse(data)).person;
    const person: Person = this.#personOf(enrolment) ?? {
      ...asked,
      ...{ source: 'local', external: null, madeMs: clock.now(), revokedMs: null },
    };
    const { kind } = enrolment;
    const told = [actorOf(person), 'identity.enrol', `person ${person.name}`] as const;
    await note(...told, 'asked', { kind, source: asker.source });
    store.together(() => {
      if (!store.enrolments.take(enrolment.id, clock.now())) throw fail('CODE_REFUSED', {});
      if (kind === 'first') this.#addFirst(person);
    });
    if (kind === 'again') revokeMeans(ports, this.#sessions, person.id, 'enrolled anew');
    const { device, token: deviceToken } = await deviceOf(ports, this.#sessions, person, asker);
    if (!store.passkeys.add({ ...passkey, person: person.id, device: device.id, name: asker.deviceName }))
      throw fail('PASSKEY_REFUSED', { reason: 'it is registered already' });
    const recoveryCodes = await makeRecoveryCodes(ports, person.id);
    const { token } = this.#sessions.open({
      ...{ person, device, factor: 'passkey', factorMs: clock.now(), bound: passkey.bound },
      ...{ kind: 'browser', source: asker.source },
    });
    await note(...told, 'done', { kind, source: asker.source });
    return { person, token, deviceToken, recoveryCodes };
  }

  #addFirst(person: Person): void {
    const { store, clock } = this.#ports;
    // Two that hold codes of the same start: the one who is later is not the first.
    if (store.people.count() > 0 || !store.people.add(person)) throw fail('CODE_REFUSED', {});
    for (const grant of firstGrants)
      store.grants.add({
        ...grant,
        ...{ id: newId('grant'), person: person.id, source: 'person', givenBy: 'first enrolment' },
        ...{ fromMs: clock.now(), toMs: null, endedBy: null },
      });
  }

  #personOf({ person }: Enrolment): Person | undefined {
    if (person === null) return undefined;
    const found = this.#ports.store.people.get(person);
    if (found === undefined || found.revokedMs !== null) throw fail('CODE_REFUSED', {});
    return found;
  }

  async #enrolmentOf(typed: string, { source }: Asker): Promise<Enrolment> {
    const { store, clock, note } = this.#ports;
    const nowMs = clock.now();
    // A code has enough randomness of its own, and no account that others could be locked out of.
    const attempt = { source, account: 'code', known: true };
    if (this.#attempts.blocked(attempt, nowMs) !== undefined) throw fail('SIGN_IN_BLOCKED', {});
    const code = plainCode(typed);
    const halves = code.length === 2 * halfLetters ? [code.slice(0, halfLetters), code.slice(halfLetters)] : [code];
    const found = store.enrolments.byCode(hashOf(halves[0] ?? ''));
    const fits =
      found !== undefined &&
      (found.kind === 'again') === (halves.length === 2) &&
      (found.kind !== 'again' || (found.secondHash !== null && sameText(hashOf(halves[1] ?? ''), found.secondHash))) &&
      found.usedMs === null &&
      found.endsMs > nowMs &&
      (found.kind !== 'first' || store.people.count() === 0);
    if (fits) {
      return found;
    }
    this.#attempts.failed(attempt, nowMs);
    await note(nobody, 'identity.enrol', 'an enrolment', 'refused', { source });
    throw fail('CODE_REFUSED', {});
  }
}

const newPerson = ({ clock }: IdentityPorts, newcomer: Newcomer | undefined): Person => {
  if (newcomer === undefined)
    throw fail('REQUEST_INVALID', { what: 'Whoever is enrolled first says how they are called: `name` is missing.' });
  return {
    ...{ id: newId('person'), handle: newHandle(), ...newcomer, source: 'local', external: null },
    ...{ madeMs: clock.now(), revokedMs: null },
  };
};

/** What passkeys know a person by. */
export const newHandle = (): string => randomBytes(32).toString('base64url');
