/** Identity whole, with an authenticator made of software: who comes in and how, and all the ways in which nobody does. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { identityLimits } from './limits.ts';
import { askToSign, checkSignature, takeSignature } from './signatures.ts';
import {
  Browser,
  comeIn,
  firstMember,
  type Member,
  nextMember,
  SoftAuthenticator,
  signIn,
  stepUp,
  type Tamper,
  type TryIdentity,
  tryIdentity,
} from './testing.ts';
import { codeOf, stepAt } from './totp.ts';
import { hashOf } from './values.ts';

let tried: TryIdentity;
beforeEach(async () => {
  tried = await tryIdentity();
});
afterEach(() => tried.close());

const code = (wanted: string) => expect.objectContaining({ code: wanted });
const minute = 60_000;
const subjectOf = ({ browser }: Pick<Member, 'browser'>) => tried.identity.identify(browser.request());

describe('the first one', () => {
  test('comes in with the code of the terminal, with roles that let others in and nothing else', async () => {
    expect(tried.identity.anybody()).toBe(false);
    const ann = await firstMember(tried);
    expect(tried.identity.anybody()).toBe(true);
    expect(subjectOf(ann)).toMatchObject({
      ...{ kind: 'person', name: 'ann' },
      session: { factor: 'passkey', lockedSince: null, device: { bound: true } },
    });
    const { grants } = subjectOf(ann) as { grants: readonly { role: string }[] };
    expect(grants.map(({ role }) => role).sort()).toEqual(['security-admin', 'viewer']);
    expect(ann.enrolled.recoveryCodes).toHaveLength(10);
    expect(await tried.identity.firstCode()).toBeUndefined();
  });

  test('is one: two with codes of the same start, and the later one is refused', async () => {
    const one = (await tried.identity.firstCode()) ?? '';
    const [first, second] = [new Browser(), new Browser('10.0.0.2')];
    const question = await tried.identity.enrolling.ask(one, { name: 'eve', display: 'eve' }, second.asker());
    await comeIn(tried, one, first, new SoftAuthenticator(), 'ann');
    const answer = { ceremony: question.ceremony, response: new SoftAuthenticator().create(question) };
    await expect(tried.identity.enrolling.take(one, answer, second.asker())).rejects.toEqual(code('CODE_REFUSED'));
    expect(tried.ports.store.people.list().map(({ name }) => name)).toEqual(['ann']);
  });

  test('needs the newest code, in time, and a name', async () => {
    const old = (await tried.identity.firstCode()) ?? '';
    const current = (await tried.identity.firstCode()) ?? '';
    const { enrolling } = tried.identity;
    const ask = (typed: string, name: string | undefined = 'ann') =>
      enrolling.ask(typed, name === '' ? undefined : { name, display: name }, new Browser().asker());
    await expect(ask(old)).rejects.toEqual(code('CODE_REFUSED'));
    await expect(ask('')).rejects.toEqual(code('CODE_REFUSED'));
    await expect(ask(current, '')).rejects.toEqual(code('REQUEST_INVALID'));
    await ask(current);
    tried.clock.atMs += identityLimits.enrolment.firstMs;
    await expect(ask(current)).rejects.toEqual(code('CODE_REFUSED'));
  });

  test('who guesses codes is stopped', async () => {
    const right = (await tried.identity.firstCode()) ?? '';
    const guess = (typed: string) =>
      tried.identity.enrolling.ask(typed, { name: 'eve', display: 'eve' }, new Browser('10.6.6.6').asker());
    for (let i = 0; i < identityLimits.attempts.pair; i += 1)
      await expect(guess('AAAA-AAAA-AAAA-AAAA')).rejects.toEqual(code('CODE_REFUSED'));
    await expect(guess(right)).rejects.toEqual(code('SIGN_IN_BLOCKED'));
  });
});

describe('passkeys', () => {
  test('sign in anywhere; a browser that is new becomes a device', async () => {
    const ann = await firstMember(tried);
    const phone = new Browser('10.0.0.9');
    await signIn(tried, phone, ann.authenticator);
    expect(subjectOf({ browser: phone })).toMatchObject({ name: 'ann' });
    expect(tried.ports.store.devices.of(ann.enrolled.person.id)).toHaveLength(2);
    await signIn(tried, phone, ann.authenticator);
    expect(tried.ports.store.devices.of(ann.enrolled.person.id)).toHaveLength(2);
  });

  const wrong: readonly (readonly [string, Tamper])[] = [
    ['another origin', { origin: 'http://localhost.evil.example:9620' }],
    ['another relying party', { rpId: 'evil.example' }],
    ['a user who was not verified', { userVerified: false }],
    ['another challenge', { challenge: Buffer.alloc(32).toString('base64url') }],
    ['the type of a registration', { type: 'webauthn.create' }],
    [
      'a changed signature',
      { signature: (bytes) => Buffer.from(bytes.map((byte, at) => (at === 20 ? byte ^ 1 : byte))) },
    ],
    ['a counter that went back', { counter: 0 }],
    ['somebody else’s handle', { userHandle: 'AAAA' }],
  ];
  test.each(wrong)('refused: %s', async (_, tamper) => {
    const ann = await firstMember(tried);
    const browser = new Browser();
    await expect(signIn(tried, browser, ann.authenticator, tamper)).rejects.toEqual(code('SIGN_IN_FAILED'));
    expect(tried.entries.at(-1)).toMatchObject({ action: 'identity.sign-in', result: 'refused' });
    expect(subjectOf({ browser })).toEqual(code('SIGN_IN_NEEDED'));
    await signIn(tried, browser, ann.authenticator);
  });

  test('a question is answered once, in time, and for what it was asked', async () => {
    const ann = await firstMember(tried);
    const { signingIn } = tried.identity;
    const question = await signingIn.askPasskey();
    const answer = { ceremony: question.ceremony, response: ann.authenticator.get(question) };
    await signingIn.takePasskey(answer, new Browser().asker());
    await expect(signingIn.takePasskey(answer, new Browser().asker())).rejects.toEqual(code('SIGN_IN_FAILED'));
    const late = await signingIn.askPasskey();
    tried.clock.atMs += identityLimits.ceremonyMs;
    const lateAnswer = { ceremony: late.ceremony, response: ann.authenticator.get(late) };
    await expect(signingIn.takePasskey(lateAnswer, new Browser().asker())).rejects.toEqual(code('SIGN_IN_FAILED'));
    const other = await signingIn.askPasskey();
    const crossed = { ceremony: other.ceremony, response: ann.authenticator.get(other) };
    await expect(signingIn.takeStepUp(ann.browser.live(tried), crossed)).rejects.toEqual(code('PASSKEY_REFUSED'));
  });

  test('whoever asks for many questions stops nobody, and bounds hold', async () => {
    const ann = await firstMember(tried);
    const old = await tried.identity.signingIn.askPasskey();
    const own = await tried.identity.signingIn.askStepUp(ann.browser.live(tried));
    tried.clock.atMs += 1_000;
    for (let i = 0; i < 30; i += 1) await tried.identity.signingIn.askPasskey();
    tried.ports.store.ceremonies.trim(20);
    await signIn(tried, new Browser(), ann.authenticator);
    const late = { ceremony: old.ceremony, response: ann.authenticator.get(old) };
    await expect(tried.identity.signingIn.takePasskey(late, new Browser().asker())).rejects.toEqual(
      code('SIGN_IN_FAILED'),
    );
    const answer = { ceremony: own.ceremony, response: ann.authenticator.get(own) };
    await tried.identity.signingIn.takeStepUp(ann.browser.live(tried), answer);
  });

  test('registration wants a verified user and this origin', async () => {
    const first = (await tried.identity.firstCode()) ?? '';
    for (const tamper of [{ userVerified: false }, { origin: 'https://evil.example' }, { rpId: 'evil.example' }]) {
      const browser = new Browser();
      const question = await tried.identity.enrolling.ask(first, { name: 'ann', display: 'Ann' }, browser.asker());
      const response = new SoftAuthenticator().create(question, tamper);
      await expect(
        tried.identity.enrolling.take(first, { ceremony: question.ceremony, response }, browser.asker()),
      ).rejects.toEqual(code('PASSKEY_REFUSED'));
    }
    expect(tried.identity.anybody()).toBe(false);
  });

  test('nobody steps up a session with somebody else’s passkey', async () => {
    const ann = await firstMember(tried);
    const bob = await nextMember(tried, ann, 'bob', ['operator']);
    const mixed = { ...ann, authenticator: bob.authenticator };
    await expect(stepUp(tried, mixed)).rejects.toEqual(code('PASSKEY_REFUSED'));
  });

  test('another one is added with a fresh factor, and the last one stays', async () => {
    const ann = await firstMember(tried);
    const { signingIn } = tried.identity;
    const [own] = tried.ports.store.passkeys.of(ann.enrolled.person.id);
    await expect(signingIn.removePasskey(ann.browser.live(tried), own?.id ?? '')).rejects.toEqual(
      code('PERSON_REFUSED'),
    );
    tried.clock.atMs += identityLimits.session.freshMs;
    expect(() => signingIn.askToAdd(ann.browser.live(tried))).toThrow(code('FACTOR_STALE'));
    await stepUp(tried, ann);
    const question = await signingIn.askToAdd(ann.browser.live(tried));
    const response = new SoftAuthenticator({ bound: false }).create(question);
    await signingIn.takeAdded(ann.browser.live(tried), { ceremony: question.ceremony, response }, 'Phone');
    expect(tried.ports.store.passkeys.of(ann.enrolled.person.id).map(({ bound }) => bound)).toEqual([true, false]);
    expect(subjectOf(ann)).toMatchObject({ session: { device: { bound: false } } });
    await signingIn.removePasskey(ann.browser.live(tried), own?.id ?? '');
    await expect(signIn(tried, new Browser(), ann.authenticator)).rejects.toEqual(code('SIGN_IN_FAILED'));
  });
});

describe('sessions', () => {
  test('are locked when nobody uses them, and end after half a day however busy', async () => {
    const ann = await firstMember(tried);
    tried.clock.atMs += identityLimits.session.idleMs - minute;
    expect(subjectOf(ann)).toMatchObject({ session: { lockedSince: null } });
    const usedMs = tried.clock.atMs;
    tried.clock.atMs += identityLimits.session.idleMs + minute;
    expect(subjectOf(ann)).toMatchObject({ session: { lockedSince: usedMs + identityLimits.session.idleMs } });
    expect(subjectOf(ann)).toMatchObject({ session: { lockedSince: usedMs + identityLimits.session.idleMs } });
    await stepUp(tried, ann);
    expect(subjectOf(ann)).toMatchObject({ session: { lockedSince: null, factorAt: tried.clock.atMs } });
    const endMs = 1_800_000_000_000 + identityLimits.session.mostMs;
    while (tried.clock.atMs < endMs - 10 * minute) {
      tried.clock.atMs += 10 * minute;
      expect(subjectOf(ann)).toMatchObject({ kind: 'person' });
    }
    tried.clock.atMs = endMs;
    expect(subjectOf(ann)).toEqual(code('SIGN_IN_NEEDED'));
  });

  test('open streams end with them, and when they are locked; looking is no use', async () => {
    const ann = await firstMember(tried);
    const { identify, sessions, signOut } = tried.identity;
    const look = () => identify(ann.browser.request(), true);
    for (let at = 0; at < identityLimits.session.idleMs; at += minute) {
      expect(look()).toMatchObject({ kind: 'person' });
      tried.clock.atMs += minute;
    }
    expect(look()).toEqual(code('SESSION_LOCKED'));
    await stepUp(tried, ann);
    expect(look()).toMatchObject({ kind: 'person' });
    await signOut(ann.browser.live(tried));
    expect(look()).toEqual(code('SIGN_IN_NEEDED'));
    expect(subjectOf(ann)).toEqual(code('SIGN_IN_NEEDED'));
    await signIn(tried, ann.browser, ann.authenticator);
    tried.clock.atMs += identityLimits.session.mostMs;
    sessions.sweep();
    expect(tried.ports.store.sessions.open()).toEqual([]);
  });

  test('a stolen cookie is worth nothing at another device', async () => {
    const ann = await firstMember(tried);
    const bob = await nextMember(tried, ann, 'bob', ['operator']);
    const thief = new Browser();
    thief.session = ann.browser.session;
    expect(subjectOf({ browser: thief })).toEqual(code('SIGN_IN_NEEDED'));
    thief.device = bob.browser.device;
    expect(subjectOf({ browser: thief })).toEqual(code('SIGN_IN_NEEDED'));
    const asBearer = { authorization: `Bearer ${ann.browser.session}`, cookie: '' };
    expect(tried.identity.identify(ann.browser.request('GET', asBearer))).toEqual(code('SIGN_IN_NEEDED'));
  });

  test('pages of others do nothing in somebody’s name', async () => {
    const ann = await firstMember(tried);
    const { identify } = tried.identity;
    expect(identify(ann.browser.request('POST'))).toMatchObject({ kind: 'person' });
    for (const headers of [
      { origin: 'https://evil.example' },
      { origin: undefined },
      { 'x-coequal': undefined },
      { 'sec-fetch-site': 'cross-site' },
      { host: 'evil.example' },
    ])
      expect(identify(ann.browser.request('POST', headers))).toEqual(code('REQUEST_FOREIGN'));
  });

  test('nothing that lets anybody in lies on disk', async () => {
    const ann = await firstMember(tried);
    const { secret } = await tried.identity.signingIn.makeTotp(ann.browser.live(tried));
    const files = ['platform.sqlite', 'platform.sqlite-wal'].map((name) =>
      readFileSync(join(tried.folder, name)).toString('latin1'),
    );
    const { session = '', device = '' } = ann.browser;
    const [recovery = ''] = ann.enrolled.recoveryCodes;
    for (const planted of [
      session,
      device,
      secret,
      recovery,
      recovery.replaceAll('-', ''),
      hashOf(recovery.replaceAll('-', '')),
    ])
      for (const file of files) expect(file.includes(planted)).toBe(false);
    for (const planted of [session, device, secret, recovery])
      expect(JSON.stringify(tried.entries)).not.toContain(planted);
  });
});

describe('without a passkey', () => {
  const totpOf = async (member: Member) => {
    const { secret } = await tried.identity.signingIn.makeTotp(member.browser.live(tried));
    const bits = [...secret].map((letter) =>
      'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(letter).toString(2).padStart(5, '0'),
    );
    const seed = Buffer.from((bits.join('').match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)));
    const now = (): string => codeOf(seed, stepAt(tried.clock.atMs));
    await tried.identity.signingIn.confirmTotp(member.browser.live(tried), now(), member.browser.source);
    tried.clock.atMs += 30_000;
    return now;
  };

  test('a one-time code is good once, and at a device that is known only', async () => {
    const ann = await firstMember(tried);
    const now = await totpOf(ann);
    const { signingIn } = tried.identity;
    const stranger = new Browser('10.0.0.7');
    await expect(signingIn.takeTotp('ann', now(), stranger.asker())).rejects.toEqual(code('SIGN_IN_FAILED'));
    ann.browser.keep(await signingIn.takeTotp('ANN', now(), ann.browser.asker()));
    expect(subjectOf(ann)).toMatchObject({ session: { factor: 'totp', device: { bound: false } } });
    await expect(signingIn.takeTotp('ann', now(), ann.browser.asker())).rejects.toEqual(code('SIGN_IN_FAILED'));
    tried.clock.atMs += 30_000;
    await signingIn.stepUpByTotp(ann.browser.live(tried), now(), '10.0.0.1');
  });

  test('a factor that is weaker than a passkey gives no access to others', async () => {
    const ann = await firstMember(tried);
    const now = await totpOf(ann);
    ann.browser.keep(await tried.identity.signingIn.takeTotp('ann', now(), ann.browser.asker()));
    const newcomer = { name: 'eve', display: 'Eve', grants: [] };
    await expect(tried.identity.people.add(ann.browser.live(tried), newcomer)).rejects.toEqual(code('FACTOR_STALE'));
    await expect(tried.identity.signingIn.makeTotp(ann.browser.live(tried))).rejects.toEqual(code('FACTOR_STALE'));
    expect(() => tried.identity.signingIn.askToAdd(ann.browser.live(tried))).toThrow(code('FACTOR_STALE'));
  });

  test('five wrong codes stop a source; the owner goes on at home, with code and passkey', async () => {
    const ann = await firstMember(tried);
    const now = await totpOf(ann);
    const { signingIn } = tried.identity;
    for (let source = 0; source < 10; source += 1) {
      const thief = new Browser(`10.6.6.${source}`);
      for (let i = 0; i < identityLimits.attempts.pair; i += 1)
        await signingIn.takeTotp('ann', '000000', thief.asker()).catch(() => undefined);
      await expect(signingIn.takeTotp('ann', '000000', thief.asker())).rejects.toEqual(code('SIGN_IN_BLOCKED'));
    }
    ann.browser.keep(await signingIn.takeTotp('ann', now(), ann.browser.asker()));
    await signIn(tried, new Browser('10.6.6.1'), ann.authenticator);
  });

  test('a name that is not there fails like one that is', async () => {
    await firstMember(tried);
    const { signingIn } = tried.identity;
    const tell = (name: string) => signingIn.takeRecovery(name, 'AAAA', new Browser().asker()).catch(String);
    expect(await tell('nobody')).toBe(await tell('ann'));
  });

  test('a recovery code is good once, and lets a new passkey be made', async () => {
    const ann = await firstMember(tried);
    const [first = '', second = ''] = ann.enrolled.recoveryCodes;
    const { signingIn } = tried.identity;
    const phone = new Browser('10.0.0.8');
    phone.keep(await signingIn.takeRecovery('ann', first.toLowerCase(), phone.asker()));
    await expect(signingIn.takeRecovery('ann', first, phone.asker())).rejects.toEqual(code('SIGN_IN_FAILED'));
    const question = await signingIn.askToAdd(phone.live(tried));
    const authenticator = new SoftAuthenticator();
    const answer = { ceremony: question.ceremony, response: authenticator.create(question) };
    await signingIn.takeAdded(phone.live(tried), answer, 'Phone');
    await signingIn.renewRecoveryCodes(phone.live(tried));
    await expect(signingIn.takeRecovery('ann', second, phone.asker())).rejects.toEqual(code('SIGN_IN_FAILED'));
  });

  test('two who use one recovery code at once: one comes in', async () => {
    const ann = await firstMember(tried);
    const [first = ''] = ann.enrolled.recoveryCodes;
    const both = await Promise.allSettled(
      [1, 2].map((n) => tried.identity.signingIn.takeRecovery('ann', first, new Browser(`10.0.2.${n}`).asker())),
    );
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  });
});

describe('people', () => {
  test('are added by a security-admin, not by others, and not with roles that exclude each other', async () => {
    const ann = await firstMember(tried);
    const bob = await nextMember(tried, ann, 'bob', ['operator', 'approver']);
    const { people } = tried.identity;
    const eve = (roles: readonly ('operator' | 'security-admin' | 'auditor')[]) => ({
      ...{ name: 'eve', display: 'Eve' },
      grants: roles.map((role) => ({ role, services: '*', sites: '*' }) as const),
    });
    await expect(people.add(bob.browser.live(tried), eve(['operator']))).rejects.toEqual(code('PERSON_REFUSED'));
    await expect(people.add(ann.browser.live(tried), eve(['operator', 'security-admin']))).rejects.toEqual(
      code('PERSON_REFUSED'),
    );
    await expect(people.add(ann.browser.live(tried), { ...eve([]), name: 'BOB' })).rejects.toEqual(
      code('PERSON_REFUSED'),
    );
    expect(() => people.listFor(bob.browser.live(tried))).toThrow(code('PERSON_REFUSED'));
    expect(people.listFor(ann.browser.live(tried)).map(({ person }) => person.name)).toEqual(['ann', 'bob']);
  });

  test('who is revoked loses sessions, streams, devices and passkeys at once', async () => {
    const ann = await firstMember(tried);
    const bob = await nextMember(tried, ann, 'bob', ['operator']);
    await tried.identity.people.revoke(ann.browser.live(tried), bob.enrolled.person);
    expect(tried.identity.identify(bob.browser.request(), true)).toEqual(code('SIGN_IN_NEEDED'));
    expect(subjectOf(bob)).toEqual(code('SIGN_IN_NEEDED'));
    await expect(signIn(tried, bob.browser, bob.authenticator)).rejects.toEqual(code('SIGN_IN_FAILED'));
    const [recovery = ''] = bob.enrolled.recoveryCodes;
    await expect(tried.identity.signingIn.takeRecovery('bob', recovery, bob.browser.asker())).rejects.toEqual(
      code('SIGN_IN_FAILED'),
    );
    expect(
      tried.entries.filter(({ action }) => action === 'identity.person.revoke').map(({ result }) => result),
    ).toEqual(['asked', 'done']);
    const held = tried.ports.store.grants.all().filter(({ person }) => person === bob.enrolled.person.id);
    expect(held).toMatchObject([{ role: 'operator', toMs: tried.clock.atMs, endedBy: 'ann' }]);
  });

  test('nobody changes their own access, and the last security-admin stays', async () => {
    const ann = await firstMember(tried);
    const { people } = tried.identity;
    const live = ann.browser.live(tried);
    const viewer = [{ role: 'viewer', services: '*', sites: '*' }] as const;
    await expect(people.give(live, ann.enrolled.person, viewer)).rejects.toEqual(code('PERSON_REFUSED'));
    await expect(people.revoke(live, ann.enrolled.person)).rejects.toEqual(code('PERSON_REFUSED'));
    const { person } = await people.add(live, {
      ...{ name: 'cy', display: 'Cy', grants: [{ role: 'security-admin', services: '*', sites: '*' }] },
    });
    await people.give(live, person, viewer);
    expect(tried.ports.store.grants.of(person.id, tried.clock.atMs).map(({ role }) => role)).toEqual(['viewer']);
  });

  test('a phone that was lost is revoked by another person, with its sessions and passkeys', async () => {
    const ann = await firstMember(tried);
    const bob = await nextMember(tried, ann, 'bob', ['approver']);
    const laptop = new Browser('10.0.3.3');
    const [first = ''] = bob.enrolled.recoveryCodes;
    laptop.keep(await tried.identity.signingIn.takeRecovery('bob', first, laptop.asker()));
    const phone = bob.browser.live(tried).device;
    await expect(
      tried.identity.people.revokeDevice(bob.browser.live(tried), ann.browser.live(tried).device.id),
    ).rejects.toEqual(code('PERSON_REFUSED'));
    await tried.identity.people.revokeDevice(ann.browser.live(tried), phone.id);
    expect(subjectOf(bob)).toEqual(code('SIGN_IN_NEEDED'));
    expect(subjectOf({ browser: laptop })).toMatchObject({ name: 'bob' });
    await expect(signIn(tried, new Browser(), bob.authenticator)).rejects.toEqual(code('SIGN_IN_FAILED'));
  });

  test('who has lost everything comes in anew by two: each has half of the code, and neither is enough', async () => {
    const ann = await firstMember(tried);
    const cy = await nextMember(tried, ann, 'cyan', ['security-admin']);
    const bob = await nextMember(tried, ann, 'bob', ['operator']);
    const { people } = tried.identity;
    await expect(people.invite(ann.browser.live(tried), bob.enrolled.person)).rejects.toEqual(code('PERSON_REFUSED'));
    const { id, half } = await people.askAnew(ann.browser.live(tried), bob.enrolled.person);
    const enrol = (typed: string) => comeIn(tried, typed, new Browser('10.0.4.4'), new SoftAuthenticator());
    await expect(enrol(half)).rejects.toEqual(code('CODE_REFUSED'));
    expect(() => people.askToAgree(ann.browser.live(tried), id)).toThrow(code('PERSON_REFUSED'));
    expect(() => people.askToAgree(bob.browser.live(tried), id)).toThrow(code('PERSON_REFUSED'));
    const question = await people.askToAgree(cy.browser.live(tried), id);
    const answer = { ceremony: question.ceremony, response: cy.authenticator.get(question) };
    const other = await people.agree(cy.browser.live(tried), id, answer);
    await expect(enrol(other)).rejects.toEqual(code('CODE_REFUSED'));
    await expect(enrol(`${other}${half}`)).rejects.toEqual(code('CODE_REFUSED'));
    expect(subjectOf(bob)).toMatchObject({ name: 'bob' });
    await enrol(`${half} ${other}`);
    expect(subjectOf(bob)).toEqual(code('SIGN_IN_NEEDED'));
    await expect(enrol(`${half} ${other}`)).rejects.toEqual(code('CODE_REFUSED'));
  });
});

describe('signatures', () => {
  const plan = { action: 'instance.restart', target: 'north-db-1', steps: [1, 2] };

  test('are kept, and hold years later without the platform', async () => {
    const ann = await firstMember(tried);
    const live = ann.browser.live(tried);
    const question = await askToSign(tried.ports, live, 'plan-approval', plan);
    const answer = { ceremony: question.ceremony, response: ann.authenticator.get(question) };
    const { id } = await takeSignature(tried.ports, live, 'plan-approval', plan, answer);
    const kept = await tried.identity.signature(id);
    if (kept === undefined) throw new Error('it is not there');
    const exported = JSON.parse(JSON.stringify(kept));
    expect(await checkSignature(exported)).toBeUndefined();
    const other = await firstKeyOf(await tryIdentity());
    for (const changed of [
      { document: kept.document.replace('north', 'south') },
      { purpose: 'plan-request' },
      { nonce: 'x' },
      { relyingParty: 'evil.example' },
      { origin: 'http://localhost:1' },
      { publicKey: other },
    ])
      expect(await checkSignature({ ...exported, ...changed })).toEqual(expect.any(String));
    await expect(takeSignature(tried.ports, live, 'plan-approval', plan, answer)).rejects.toEqual(
      code('PASSKEY_REFUSED'),
    );
  });

  test('are under what was shown, for what it was asked, by whom it was asked', async () => {
    const ann = await firstMember(tried);
    const bob = await nextMember(tried, ann, 'bob', ['approver']);
    const live = ann.browser.live(tried);
    const sign = async (purpose: 'plan-approval' | 'plan-request', document: object, by: Member = ann) => {
      const question = await askToSign(tried.ports, live, 'plan-approval', plan);
      const answer = { ceremony: question.ceremony, response: by.authenticator.get(question) };
      return takeSignature(tried.ports, by.browser.live(tried), purpose, document, answer);
    };
    await expect(sign('plan-approval', { ...plan, target: 'south-db-1' })).rejects.toEqual(code('PASSKEY_REFUSED'));
    await expect(sign('plan-request', plan)).rejects.toEqual(code('PASSKEY_REFUSED'));
    await expect(sign('plan-approval', plan, bob)).rejects.toEqual(code('PASSKEY_REFUSED'));
    await sign('plan-approval', { steps: [1, 2], target: 'north-db-1', action: 'instance.restart' });
  });

  const firstKeyOf = async (elsewhere: TryIdentity): Promise<string> => {
    const someone = await firstMember(elsewhere);
    const live = someone.browser.live(elsewhere);
    const question = await askToSign(elsewhere.ports, live, 'plan-approval', plan);
    const answer = { ceremony: question.ceremony, response: someone.authenticator.get(question) };
    const { publicKey } = await takeSignature(elsewhere.ports, live, 'plan-approval', plan, answer);
    elsewhere.close();
    return publicKey;
  };
});

describe('terminals', () => {
  const approve = async (member: Member, userCode: string) => {
    const { terminals } = tried.identity;
    const live = member.browser.live(tried);
    const question = await terminals.askToApprove(live, userCode, '10.0.0.1');
    const answer = { ceremony: question.ceremony, response: member.authenticator.get(question) };
    await terminals.approve(live, userCode, '10.0.0.1', answer);
  };
  const bearer = (token: string) =>
    tried.identity.identify({
      ...{ method: 'POST', remote: '127.0.0.1' },
      headers: { host: '127.0.0.1:9620', authorization: `Bearer ${token}` },
    });

  test('come in as who signed, once, and until the device is revoked', async () => {
    const ann = await firstMember(tried);
    const { terminals, people } = tried.identity;
    const { deviceCode, userCode } = terminals.ask('ann@north-1', '10.0.0.5');
    expect(await terminals.take(deviceCode)).toEqual({ state: 'waiting' });
    await approve(ann, userCode.toLowerCase());
    const answer = await terminals.take(deviceCode);
    if (answer.state !== 'approved') throw new Error(answer.state);
    await expect(terminals.take(deviceCode)).rejects.toEqual(code('CODE_REFUSED'));
    expect(bearer(answer.token)).toMatchObject({
      name: 'ann',
      session: { factor: 'passkey', device: { bound: true } },
    });
    expect(bearer(`${answer.token}x`)).toEqual(code('SIGN_IN_NEEDED'));
    const subject = bearer(answer.token) as { session: { device: { id: string } } };
    await people.revokeDevice(ann.browser.live(tried), subject.session.device.id);
    expect(bearer(answer.token)).toEqual(code('SIGN_IN_NEEDED'));
  });

  test('that are refused, late, guessed or approved twice do not', async () => {
    const ann = await firstMember(tried);
    const { terminals } = tried.identity;
    const refused = terminals.ask('x', '10.0.0.5');
    await terminals.deny(ann.browser.live(tried), refused.userCode, '10.0.0.1');
    expect(await terminals.take(refused.deviceCode)).toEqual({ state: 'denied' });
    await expect(approve(ann, refused.userCode)).rejects.toEqual(code('CODE_REFUSED'));
    await expect(terminals.take(refused.userCode)).rejects.toEqual(code('CODE_REFUSED'));
    const late = terminals.ask('x', '10.0.0.5');
    tried.clock.atMs += identityLimits.terminal.openMs;
    await stepUp(tried, ann);
    await expect(approve(ann, late.userCode)).rejects.toEqual(code('CODE_REFUSED'));
    await expect(terminals.take(late.deviceCode)).rejects.toEqual(code('CODE_REFUSED'));
    tried.clock.atMs += identityLimits.session.freshMs;
    const open = terminals.ask('x', '10.0.0.5');
    await expect(approve(ann, open.userCode)).rejects.toEqual(code('FACTOR_STALE'));
  });

  test('are so many at once, whoever asks', () => {
    const { terminals } = tried.identity;
    const { open, ofSource } = identityLimits.terminal;
    for (let i = 0; i < ofSource; i += 1) terminals.ask('x', '10.0.0.5');
    expect(() => terminals.ask('x', '10.0.0.5')).toThrow(code('IDENTITY_FULL'));
    for (let i = ofSource; i < open; i += 1) terminals.ask('x', `10.0.1.${i}`);
    expect(() => terminals.ask('x', '10.0.0.6')).toThrow(code('IDENTITY_FULL'));
  });
});
