/**
 * Passkeys (WebAuthn level 3): questions with a challenge that is answered once, and what is kept of a key. The user is always verified, by
 * the authenticator itself. Public keys are sealed; the library checks the answers.
 */
import { randomBytes } from 'node:crypto';
import { CoequalError, fail, reasonOf } from '@coequal/kernel';
import {
  type AuthenticationResponseJSON,
  generateAuthenticationOptions,
  generateRegistrationOptions,
  type PublicKeyCredentialCreationOptionsJSON,
  type PublicKeyCredentialRequestOptionsJSON,
  type RegistrationResponseJSON,
  verifyAuthenticationResponse,
  verifyRegistrationResponse,
} from '@simplewebauthn/server';
import { z } from 'zod';
import { identityLimits } from './limits.ts';
import type { IdentityPorts } from './ports.ts';
import type { Ceremony, Passkey, Person } from './store.ts';
import { newId } from './values.ts';

export type Purpose = 'enrol' | 'add' | 'sign-in' | 'step-up' | 'sign';

export type Question<T> = { readonly ceremony: string; readonly options: T };

/** What of a key is sealed. */
const keyContent = z.object({ publicKey: z.string(), transports: z.array(z.string()), aaguid: z.string() });
export type KeyContent = z.infer<typeof keyContent>;

export type Registered = {
  readonly data: string;
  /** To be completed with whose it is. */
  readonly passkey: Omit<Passkey, 'person' | 'device' | 'name'>;
};

export type Asserted = {
  readonly ceremony: Ceremony;
  readonly passkey: Passkey;
  readonly person: Person;
  readonly content: KeyContent;
};

export const askToRegister = async (
  ports: IdentityPorts,
  purpose: 'enrol' | 'add',
  who: Pick<Person, 'id' | 'handle' | 'name' | 'display'>,
  owner: string,
  data: object,
): Promise<Question<PublicKeyCredentialCreationOptionsJSON>> => {
  const challenge = randomBytes(32);
  const options = await generateRegistrationOptions({
    ...{ rpName: `Coequal ${ports.title}`, rpID: ports.names.host, userName: who.name, userDisplayName: who.display },
    ...{ userID: new Uint8Array(Buffer.from(who.handle, 'base64url')), challenge: new Uint8Array(challenge) },
    ...{ timeout: identityLimits.ceremonyMs, attestationType: 'none' },
    excludeCredentials: ports.store.passkeys
      .of(who.id)
      .filter(({ revokedMs }) => revokedMs === null)
      .map(({ id }) => ({ id })),
    authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
  });
  return { ceremony: keep(ports, purpose, owner, challenge, data), options };
};

/** @throws PASSKEY_REFUSED */
export const takeRegistration = async (
  ports: IdentityPorts,
  purpose: 'enrol' | 'add',
  ceremonyId: string,
  owner: string,
  response: unknown,
): Promise<Registered> => {
  const ceremony = take(ports, ceremonyId, purpose, owner);
  const { registrationInfo } = await refusing(() =>
    verifyRegistrationResponse({
      response: registrationAnswer.parse(response) as RegistrationResponseJSON,
      expectedChallenge: ceremony.challenge,
      expectedOrigin: ports.names.origin,
      expectedRPID: ports.names.host,
      requireUserVerification: true,
    }),
  );
  if (registrationInfo === undefined) throw refused('it does not fit');
  const { credential, aaguid, credentialDeviceType } = registrationInfo;
  const content: KeyContent = {
    ...{ publicKey: Buffer.from(credential.publicKey).toString('base64url'), aaguid },
    transports: (credential.transports ?? []).map(String),
  };
  return {
    data: ceremony.data,
    passkey: {
      ...{ id: credential.id, counter: credential.counter, bound: credentialDeviceType === 'singleDevice' },
      sealed: await ports.vault.seal(JSON.stringify(content), { table: 'passkey', row: credential.id }),
      ...{ madeMs: ports.clock.now(), usedMs: null, revokedMs: null },
    },
  };
};

/** @param person whose keys may answer; undefined: any, so that nobody learns who is there */
export const askToAssert = async (
  ports: IdentityPorts,
  purpose: 'sign-in' | 'step-up' | 'sign',
  owner: string,
  person: Person | undefined,
  challenge: Uint8Array = randomBytes(32),
  data: object = {},
): Promise<Question<PublicKeyCredentialRequestOptionsJSON>> => {
  const own = person === undefined ? [] : ports.store.passkeys.of(person.id).filter((one) => one.revokedMs === null);
  if (person !== undefined && own.length === 0) throw refused('there is no passkey');
  const options = await generateAuthenticationOptions({
    ...{ rpID: ports.names.host, challenge: new Uint8Array(challenge), userVerification: 'required' },
    timeout: identityLimits.ceremonyMs,
    ...(person === undefined ? {} : { allowCredentials: own.map(({ id }) => ({ id })) }),
  });
  return { ceremony: keep(ports, purpose, owner, challenge, data), options };
};

/** @throws PASSKEY_REFUSED */
export const takeAssertion = async (
  ports: IdentityPorts,
  purpose: 'sign-in' | 'step-up' | 'sign',
  ceremonyId: string,
  owner: string,
  answer: unknown,
): Promise<Asserted> => {
  const { store, names, clock } = ports;
  const ceremony = take(ports, ceremonyId, purpose, owner);
  const response = assertionOf(answer);
  const passkey = store.passkeys.get(response.id);
  const person = passkey === undefined ? undefined : store.people.get(passkey.person);
  if (passkey === undefined || person === undefined || passkey.revokedMs !== null || person.revokedMs !== null)
    throw refused('this passkey is not known here, or not any more');
  const { userHandle } = response.response;
  if (userHandle !== undefined && userHandle !== person.handle) throw refused('it names somebody else');
  const content = await contentOf(ports, passkey);
  const { verified, authenticationInfo } = await refusing(() =>
    verifyAuthenticationResponse({
      ...{ response, expectedChallenge: ceremony.challenge, expectedOrigin: names.origin, expectedRPID: names.host },
      credential: credentialOf(passkey.id, content, passkey.counter),
      requireUserVerification: true,
    }),
  );
  if (!verified) throw refused('its signature is wrong');
  if (!store.passkeys.used(passkey.id, passkey.counter, authenticationInfo.newCounter, clock.now()))
    throw refused('it was used by somebody else at the same time');
  return { ceremony, passkey, person, content };
};

export const credentialOf = (id: string, { publicKey }: Pick<KeyContent, 'publicKey'>, counter: number) => ({
  ...{ id, counter },
  publicKey: new Uint8Array(Buffer.from(publicKey, 'base64url')),
});

/** @throws PASSKEY_REFUSED */
export const assertionOf = (answer: unknown): AuthenticationResponseJSON => {
  const parsed = assertionAnswer.safeParse(answer);
  if (!parsed.success) throw refused('it has another shape');
  return parsed.data as AuthenticationResponseJSON;
};

const contentOf = async ({ vault }: IdentityPorts, { id, sealed }: Passkey): Promise<KeyContent> =>
  keyContent.parse(JSON.parse(await vault.open(sealed, { table: 'passkey', row: id })));

const keep = (
  { store, clock }: IdentityPorts,
  purpose: Purpose,
  owner: string,
  challenge: Uint8Array,
  data: object,
) => {
  const id = newId('ceremony');
  const endsMs = clock.now() + identityLimits.ceremonyMs;
  store.ceremonies.add({
    ...{ id, purpose, owner, endsMs, data: JSON.stringify(data) },
    challenge: Buffer.from(challenge).toString('base64url'),
  });
  store.ceremonies.trim(identityLimits.ceremonies);
  return id;
};

const take = ({ store, clock }: IdentityPorts, id: string, purpose: Purpose, owner: string): Ceremony => {
  const found = store.ceremonies.take(id, purpose, owner, clock.now());
  if (found === undefined) throw refused('its question was answered, is over, or was asked of somebody else');
  return found;
};

/** What the library finds wrong with an answer is the asker's, not our bug. Its messages name shapes and values of the answer only. */
const refusing = async <T>(check: () => Promise<T>): Promise<T> => {
  try {
    return await check();
  } catch (error) {
    if (error instanceof CoequalError) throw error;
    const reason = error instanceof z.ZodError ? 'it has another shape' : reasonOf(error).slice(0, 200);
    throw fail('PASSKEY_REFUSED', { reason }, { cause: error });
  }
};

const refused = (reason: string): CoequalError => fail('PASSKEY_REFUSED', { reason });

const base64url = z
  .string()
  .max(16_384)
  .regex(/^[\w-]*$/);
const id = z
  .string()
  .max(1_400)
  .regex(/^[\w-]+$/);
const shared = { id, rawId: id, type: z.literal('public-key'), clientExtensionResults: z.object({}).default({}) };

const registrationAnswer = z.object({
  ...shared,
  response: z.object({
    ...{ clientDataJSON: base64url, attestationObject: base64url },
    transports: z.array(z.string().max(40)).max(10).optional(),
  }),
});

const assertionAnswer = z.object({
  ...shared,
  response: z.object({
    ...{ clientDataJSON: base64url, authenticatorData: base64url, signature: base64url },
    userHandle: base64url.nullish().transform((handle) => handle ?? undefined),
  }),
});
