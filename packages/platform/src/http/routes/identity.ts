/** Coming in, and what people do about themselves: enrolment, sign-in, step-up, passkeys, one-time codes, recovery codes, devices. */
import { displayName, me, passkeyAnswer, passkeyQuestion, personName } from '@coequal/contract';
import { fail } from '@coequal/kernel';
import { z } from 'zod';
import { sentCookies, signedInCookies, signedOutCookies } from '../../identity/cookies.ts';
import type { SignedIn } from '../../identity/enrol.ts';
import type { Identity } from '../../identity/identity.ts';
import type { Live } from '../../identity/sessions.ts';
import type { Route } from '../route.ts';
import { makeRoute } from './identity-route.ts';

const at = '/api/v1/identity';
const code = z.string().min(1).max(100);
const recoveryCodes = z.object({ recoveryCodes: z.array(z.string()) });
const signedIn = z.object({ id: z.string(), name: z.string() });
const idParams = z.object({ id: z.string().min(1).max(1_400) });

export const makeIdentityRoutes = (identity: Identity): readonly Route[] => {
  const { names } = identity;
  const { somebody } = makeRoute(identity);
  const entered = ({ person, token, deviceToken }: SignedIn) => ({
    value: { id: person.id, name: person.name },
    cookies: signedInCookies(names, token, deviceToken),
  });
  return [
    ...[...enrolment(identity, entered), ...signIn(identity, entered), ...byDirectory(identity, entered)],
    somebody({
      ...{ method: 'GET', path: `${at}/me`, summary: 'Who is signed in, and with what.', output: me },
      handle: async (live) => ({ value: meOf(identity, live) }),
    }),
    somebody({
      ...{ method: 'POST', path: `${at}/sign-out`, access: 'proof', summary: 'Ends the session.' },
      handle: async (live) => {
        await identity.signOut(live);
        return { value: undefined, cookies: signedOutCookies(names) };
      },
    }),
    somebody({
      ...{
        method: 'POST',
        path: `${at}/step-up/ask`,
        access: 'proof',
        summary: 'A question to a passkey, for a fresh factor.',
      },
      output: passkeyQuestion,
      handle: async (live) => ({ value: await questionOf(identity.signingIn.askStepUp(live)) }),
    }),
    somebody({
      ...{
        method: 'POST',
        path: `${at}/step-up`,
        access: 'proof',
        summary: 'Its answer: the session is fresh, and unlocked.',
      },
      body: passkeyAnswer,
      handle: async (live, { body }) => {
        await identity.signingIn.takeStepUp(live, body);
        return { value: undefined };
      },
    }),
    somebody({
      ...{ method: 'POST', path: `${at}/step-up/totp`, access: 'proof', summary: 'The same with a one-time code.' },
      body: z.strictObject({ code }),
      handle: async (live, { body, source }) => {
        await identity.signingIn.stepUpByTotp(live, body.code, source);
        return { value: undefined };
      },
    }),
    somebody({
      ...{ method: 'POST', path: `${at}/passkeys/ask`, summary: 'A question that makes another passkey.' },
      output: passkeyQuestion,
      handle: async (live) => ({ value: await questionOf(identity.signingIn.askToAdd(live)) }),
    }),
    somebody({
      ...{ method: 'POST', path: `${at}/passkeys`, summary: 'Its answer: the passkey is registered.' },
      ...{ body: passkeyAnswer, output: z.object({ id: z.string() }) },
      handle: async (live, { body, asker }) => ({
        value: { id: await identity.signingIn.takeAdded(live, body, asker.deviceName) },
      }),
    }),
    somebody({
      ...{ method: 'DELETE', path: `${at}/passkeys/:id`, summary: 'Revokes one’s own passkey, but not the last.' },
      params: idParams,
      handle: async (live, { params }) => {
        await identity.signingIn.removePasskey(live, params.id);
        return { value: undefined };
      },
    }),
    somebody({
      ...{ method: 'POST', path: `${at}/totp`, summary: 'A new seed for an authenticator app.' },
      output: z.object({ secret: z.string(), address: z.string() }),
      handle: async (live) => ({ value: await identity.signingIn.makeTotp(live) }),
    }),
    somebody({
      ...{ method: 'POST', path: `${at}/totp/confirm`, summary: 'Its first code: from now on it counts.' },
      body: z.strictObject({ code }),
      handle: async (live, { body, source }) => {
        await identity.signingIn.confirmTotp(live, body.code, source);
        return { value: undefined };
      },
    }),
    somebody({
      ...{ method: 'POST', path: `${at}/recovery-codes`, summary: 'New recovery codes; those of before are void.' },
      output: recoveryCodes,
      handle: async (live) => ({ value: { recoveryCodes: [...(await identity.signingIn.renewRecoveryCodes(live))] } }),
    }),
    somebody({
      ...{ method: 'DELETE', path: `${at}/devices/:id`, summary: 'Revokes a device, with its sessions and passkeys.' },
      params: idParams,
      handle: async (live, { params }) => {
        await identity.people.revokeDevice(live, params.id);
        return { value: undefined };
      },
    }),
  ];
};

type Entered = (signedIn: SignedIn) => {
  readonly value: { readonly id: string; readonly name: string };
  readonly cookies: readonly string[];
};

const enrolment = (identity: Identity, entered: Entered): readonly Route[] => {
  const { anyone } = makeRoute(identity);
  return [
    anyone({
      ...{ method: 'POST', path: `${at}/enrol/ask`, summary: 'With the code of an enrolment: makes a passkey.' },
      body: z.strictObject({ code, name: personName.optional(), display: displayName.optional() }),
      output: passkeyQuestion,
      handle: async ({ body, asker }) => {
        const { name, display } = body;
        const newcomer = name === undefined ? undefined : { name, display: display ?? name };
        return { value: await questionOf(identity.enrolling.ask(body.code, newcomer, asker)) };
      },
    }),
    anyone({
      ...{ method: 'POST', path: `${at}/enrol`, summary: 'Its answer: the person is in, with recovery codes.' },
      body: z.strictObject({ code, ...passkeyAnswer.shape }),
      output: signedIn.extend(recoveryCodes.shape),
      handle: async ({ body, asker }) => {
        const enrolled = await identity.enrolling.take(body.code, body, asker);
        const { value, cookies } = entered(enrolled);
        return { value: { ...value, recoveryCodes: [...enrolled.recoveryCodes] }, cookies };
      },
    }),
  ];
};

const signIn = (identity: Identity, entered: Entered): readonly Route[] => {
  const { anyone } = makeRoute(identity);
  const byCode = z.strictObject({ name: personName, code });
  return [
    anyone({
      ...{
        method: 'POST',
        path: `${at}/sign-in/ask`,
        summary: 'A question that any passkey of this platform answers.',
      },
      output: passkeyQuestion,
      handle: async () => ({ value: await questionOf(identity.signingIn.askPasskey()) }),
    }),
    anyone({
      ...{ method: 'POST', path: `${at}/sign-in`, summary: 'Its answer: a session.' },
      ...{ body: passkeyAnswer, output: signedIn },
      handle: async ({ body, asker }) => entered(await identity.signingIn.takePasskey(body, asker)),
    }),
    anyone({
      ...{ method: 'POST', path: `${at}/sign-in/totp`, summary: 'With a one-time code, at a device that is known.' },
      ...{ body: byCode, output: signedIn },
      handle: async ({ body, asker }) => entered(await identity.signingIn.takeTotp(body.name, body.code, asker)),
    }),
    anyone({
      ...{ method: 'POST', path: `${at}/sign-in/recovery`, summary: 'With a recovery code, to add a passkey.' },
      ...{ body: byCode, output: signedIn },
      handle: async ({ body, asker }) => entered(await identity.signingIn.takeRecovery(body.name, body.code, asker)),
    }),
  ];
};

const byDirectory = (identity: Identity, entered: Entered): readonly Route[] => {
  const { names, directories, ldap, oidc } = identity;
  const { anyone } = makeRoute(identity);
  const missing = (what: string) => fail('ROUTE_UNKNOWN', { path: `${at}/sign-in/${what}` });
  return [
    anyone({
      ...{ method: 'GET', path: `${at}/sign-in/ways`, summary: 'How people may sign in, beside passkeys.' },
      output: z.object({ password: z.boolean(), oidc: z.boolean() }),
      handle: async () => ({ value: { password: ldap !== undefined, oidc: oidc !== undefined } }),
    }),
    anyone({
      ...{ method: 'POST', path: `${at}/sign-in/password`, summary: 'With a password of the directory (LDAP).' },
      body: z.strictObject({ name: personName, password: z.string().min(1).max(500) }),
      output: signedIn,
      handle: async ({ body, asker }) => {
        if (ldap === undefined) throw missing('password');
        return entered(await directories.signIn(ldap, body.name, body.password, asker));
      },
    }),
    anyone({
      ...{
        method: 'POST',
        path: `${at}/sign-in/oidc/ask`,
        summary: 'Where the browser goes to sign in (OpenID Connect).',
      },
      output: z.object({ url: z.string() }),
      handle: async () => {
        if (oidc === undefined) throw missing('oidc/ask');
        const { url, token } = await directories.ask(oidc);
        return { value: { url }, cookies: sentCookies(names, token) };
      },
    }),
    anyone({
      ...{ method: 'POST', path: `${at}/sign-in/oidc`, summary: 'What it came back with.' },
      body: z.strictObject({ query: z.string().min(1).max(8_000) }),
      output: signedIn,
      handle: async ({ body, cookies, asker }) => {
        if (oidc === undefined) throw missing('oidc');
        return entered(await directories.take(oidc, body.query, cookies.oidc, asker));
      },
    }),
  ];
};

/** Options are WebAuthn's own JSON. */
export const questionOf = async (
  asked: Promise<{ readonly ceremony: string; readonly options: object }>,
): Promise<z.input<typeof passkeyQuestion>> => {
  const { ceremony, options } = await asked;
  return { ceremony, options: { ...options } };
};

const meOf = (identity: Identity, live: Live): z.input<typeof me> => {
  const { person, session, device } = live;
  const { grants, passkeys, devices } = identity.people.view(person);
  return {
    ...{ id: person.id, name: person.name, display: person.display },
    grants: grants.map(({ role, services, sites }) => ({ role, services: scopeOf(services), sites: scopeOf(sites) })),
    session: {
      ...{ factor: session.factor, factorAtMs: session.factorMs, lockedSinceMs: session.lockedMs },
      ...{ endsMs: session.endsMs, deviceBound: session.bound },
    },
    ...identity.people.spares(person),
    passkeys: [...passkeys],
    devices: devices.map((one) => ({ ...one, here: one.id === device.id })),
  };
};

export const scopeOf = (scope: '*' | readonly string[]): '*' | string[] => (scope === '*' ? '*' : [...scope]);
