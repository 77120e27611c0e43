/**
 * Ways to prove who one is. A passkey does so alone, and tells nobody which accounts there are. A one-time code does together with a device
 * that is known; a recovery code is for whoever lost both, and lets a new passkey be added. All failures look alike from outside.
 */
import { randomBytes } from 'node:crypto';
import { CoequalError, fail } from '@coequal/kernel';
import type {
  PublicKeyCredentialCreationOptionsJSON,
  PublicKeyCredentialRequestOptionsJSON,
} from '@simplewebauthn/server';
import type { Factor } from '../access/subject.ts';
import type { Attempt, Attempts } from './attempts.ts';
import { type Asker, deviceOf, knownDevice } from './devices.ts';
import type { SignedIn } from './enrol.ts';
import { identityLimits } from './limits.ts';
import { askToAssert, askToRegister, type Question, takeAssertion, takeRegistration } from './passkeys.ts';
import { actorOf, type IdentityPorts, nobody } from './ports.ts';
import { mustBeFresh } from './proof.ts';
import { makeRecoveryCodes, takeRecoveryCode } from './recovery.ts';
import type { Live, Sessions } from './sessions.ts';
import type { Person } from './store.ts';
import { base32Of, seedBytes, stepOf, totpAddress } from './totp.ts';

const anybody = 'anybody';

export type Answer = { readonly ceremony: string; readonly response: unknown };

export class SigningIn {
  readonly #ports: IdentityPorts;
  readonly #sessions: Sessions;
  readonly #attempts: Attempts;

  constructor(ports: IdentityPorts, sessions: Sessions, attempts: Attempts) {
    this.#ports = ports;
    this.#sessions = sessions;
    this.#attempts = attempts;
  }

  askPasskey(): Promise<Question<PublicKeyCredentialRequestOptionsJSON>> {
    return askToAssert(this.#ports, 'sign-in', anybody, undefined);
  }

  /** @throws SIGN_IN_FAILED */
  async takePasskey(answer: Answer, asker: Asker): Promise<SignedIn> {
    const ports = this.#ports;
    try {
      const { person, passkey } = await takeAssertion(ports, 'sign-in', answer.ceremony, anybody, answer.response);
      return await this.enter(person, 'passkey', passkey.bound, asker);
    } catch (error) {
      if (!(error instanceof CoequalError) || error.code !== 'PASSKEY_REFUSED') throw error;
      const details = { factor: 'passkey', source: asker.source };
      await ports.note(nobody, 'identity.sign-in', 'a session', 'refused', details);
      throw fail('SIGN_IN_FAILED', {}, { cause: error });
    }
  }

  /** A one-time code, at a device that this person was seen with. @throws SIGN_IN_FAILED, SIGN_IN_BLOCKED */
  takeTotp(name: string, code: string, asker: Asker): Promise<SignedIn> {
    return this.#guarded(name, 'totp', asker, async (person) => {
      const known = knownDevice(this.#ports, person, asker.deviceToken) !== undefined;
      return known && (await this.#totpFits(person, code));
    });
  }

  /** @throws SIGN_IN_FAILED, SIGN_IN_BLOCKED */
  takeRecovery(name: string, code: string, asker: Asker): Promise<SignedIn> {
    return this.#guarded(name, 'recovery', asker, (person) => takeRecoveryCode(this.#ports, person.id, code));
  }

  askStepUp({ session, person }: Live): Promise<Question<PublicKeyCredentialRequestOptionsJSON>> {
    return askToAssert(this.#ports, 'step-up', session.id, person);
  }

  /** @throws PASSKEY_REFUSED */
  async takeStepUp({ session, person }: Live, answer: Answer): Promise<void> {
    const { note } = this.#ports;
    const asserted = await takeAssertion(this.#ports, 'step-up', answer.ceremony, session.id, answer.response);
    if (asserted.person.id !== person.id)
      throw fail('PASSKEY_REFUSED', { reason: 'it is the passkey of somebody else' });
    await note(actorOf(person), 'identity.step-up', session.id, 'done', { factor: 'passkey' });
    this.#sessions.proved(session, 'passkey', asserted.passkey.bound);
  }

  /** @throws SIGN_IN_FAILED, SIGN_IN_BLOCKED */
  async stepUpByTotp({ session, person }: Live, code: string, source: string): Promise<void> {
    const { note } = this.#ports;
    await this.counted({ source, account: person.name, known: true }, 'totp', () => this.#totpFits(person, code));
    await note(actorOf(person), 'identity.step-up', session.id, 'done', { factor: 'totp' });
    this.#sessions.proved(session, 'totp', false);
  }

  /** A seed for an authenticator app; it counts from its first code on. */
  async makeTotp(live: Live): Promise<{ readonly secret: string; readonly address: string }> {
    const { store, vault, note, title } = this.#ports;
    mustBeFresh(this.#ports, live, ['passkey']);
    const { person } = live;
    const seed = randomBytes(seedBytes);
    const sealed = await vault.seal(seed.toString('base64url'), { table: 'totp', row: person.id });
    await note(actorOf(person), 'identity.totp.make', `person ${person.name}`, 'done');
    store.totp.put(person.id, { sealed, lastStep: 0, confirmed: false });
    return { secret: base32Of(seed), address: totpAddress(seed, `Coequal ${title}`, person.name) };
  }

  /** @throws SIGN_IN_FAILED, SIGN_IN_BLOCKED */
  async confirmTotp({ person }: Live, code: string, source: string): Promise<void> {
    const attempt = { source, account: person.name, known: true };
    await this.counted(attempt, 'totp', () => this.#totpFits(person, code, true));
    await this.#ports.note(actorOf(person), 'identity.totp.confirm', `person ${person.name}`, 'done');
  }

  async renewRecoveryCodes(live: Live): Promise<readonly string[]> {
    mustBeFresh(this.#ports, live, ['passkey']);
    const { person } = live;
    await this.#ports.note(actorOf(person), 'identity.recovery.make', `person ${person.name}`, 'done');
    return makeRecoveryCodes(this.#ports, person.id);
  }

  /** Another passkey. Who came from the directory may make the first one so; who lost theirs comes with a recovery code. */
  askToAdd(live: Live): Promise<Question<PublicKeyCredentialCreationOptionsJSON>> {
    const { store } = this.#ports;
    const own = store.passkeys.of(live.person.id).filter(({ revokedMs }) => revokedMs === null);
    mustBeFresh(this.#ports, live, [
      'passkey',
      'recovery',
      ...(own.length === 0 ? (['oidc', 'ldap-password'] as const) : []),
    ]);
    if (own.length >= identityLimits.passkeys)
      throw fail('IDENTITY_FULL', {
        ...{ what: 'passkeys of one person', most: identityLimits.passkeys },
        advice: 'Remove one first.',
      });
    return askToRegister(this.#ports, 'add', live.person, live.session.id, {});
  }

  /** @throws PASSKEY_REFUSED */
  async takeAdded({ session, person, device }: Live, answer: Answer, name: string): Promise<string> {
    const { store, note } = this.#ports;
    const { passkey } = await takeRegistration(this.#ports, 'add', answer.ceremony, session.id, answer.response);
    await note(actorOf(person), 'identity.passkey.add', passkey.id, 'done', { bound: passkey.bound });
    if (!store.passkeys.add({ ...passkey, person: person.id, device: device.id, name }))
      throw fail('PASSKEY_REFUSED', { reason: 'it is registered already' });
    this.#sessions.proved(session, 'passkey', passkey.bound);
    return passkey.id;
  }

  /** @throws PERSON_REFUSED for the last one */
  async removePasskey(live: Live, id: string): Promise<void> {
    const { store, clock, note } = this.#ports;
    const { person } = live;
    mustBeFresh(this.#ports, live, ['passkey']);
    const own = store.passkeys.of(person.id).filter(({ revokedMs }) => revokedMs === null);
    if (!own.some((one) => one.id === id) || own.length === 1)
      throw fail('PERSON_REFUSED', {
        reason: own.length === 1 ? 'This is the last passkey' : 'There is no such passkey',
        advice: 'Add another one first, or look at the list.',
      });
    await note(actorOf(person), 'identity.passkey.revoke', id, 'done');
    store.passkeys.revoke(id, clock.now());
  }

  /** Whoever has proved who they are gets a session at this device. */
  async enter(person: Person, factor: Factor, bound: boolean, asker: Asker): Promise<SignedIn> {
    const ports = this.#ports;
    const { source } = asker;
    await ports.note(actorOf(person), 'identity.sign-in', `person ${person.name}`, 'done', { factor, source });
    const { device, token: deviceToken } = await deviceOf(ports, this.#sessions, person, asker);
    const opening = { person, device, factor, factorMs: ports.clock.now(), bound, kind: 'browser', source } as const;
    return { person, token: this.#sessions.open(opening).token, deviceToken };
  }

  /** Something that could be guessed, for an account by its name. @throws SIGN_IN_FAILED, SIGN_IN_BLOCKED */
  async #guarded(
    name: string,
    factor: Factor,
    asker: Asker,
    fits: (person: Person) => Promise<boolean>,
  ): Promise<SignedIn> {
    const found = this.#ports.store.people.named(name);
    const person = found?.revokedMs === null ? found : undefined;
    const known = knownDevice(this.#ports, person, asker.deviceToken) !== undefined;
    await this.counted({ source: asker.source, account: name, known }, factor, async () =>
      person === undefined ? false : fits(person),
    );
    if (person === undefined) throw fail('SIGN_IN_FAILED', {});
    return this.enter(person, factor, false, asker);
  }

  /** Something that could be guessed: counted, and refused in the same words. @throws SIGN_IN_FAILED, SIGN_IN_BLOCKED */
  async counted(attempt: Attempt, factor: Factor, fits: () => Promise<boolean>): Promise<void> {
    const { clock, note } = this.#ports;
    const bound = this.#attempts.blocked(attempt, clock.now());
    const { source, account } = attempt;
    const refuse = (why: string) =>
      note(nobody, 'identity.sign-in', `person ${account}`, 'refused', { factor, source, why });
    if (bound !== undefined) {
      await refuse(`too many of this ${bound}`);
      throw fail('SIGN_IN_BLOCKED', {});
    }
    // Counted before it is looked at: whoever sends many at once is counted as often.
    this.#attempts.failed(attempt, clock.now());
    if (!(await fits())) {
      await refuse('wrong');
      throw fail('SIGN_IN_FAILED', {});
    }
    this.#attempts.succeeded(attempt);
  }

  async #totpFits({ id }: Person, code: string, first = false): Promise<boolean> {
    const { store, vault, clock } = this.#ports;
    const totp = store.totp.get(id);
    if (totp === undefined || totp.confirmed === first) return false;
    const seed = Buffer.from(await vault.open(totp.sealed, { table: 'totp', row: id }), 'base64url');
    const step = stepOf(seed, code, clock.now(), totp.lastStep);
    return step !== undefined && store.totp.take(id, step);
  }
}
