/**
 * A person's signature under a document, by passkey. The challenge is the SHA-256 of a domain tag, the purpose, a nonce of ours and the
 * document in canonical JSON; all of it is kept with the answer and the public key, so that it can be checked again years
 * later, without this platform: `checkSignature` needs nothing but the value.
 */
import { createHash } from 'node:crypto';
import { CoequalError, fail, reasonOf } from '@coequal/kernel';
import { canonicalJson } from '@coequal/trust';
import { type PublicKeyCredentialRequestOptionsJSON, verifyAuthenticationResponse } from '@simplewebauthn/server';
import { z } from 'zod';
import { askToAssert, assertionOf, credentialOf, type Question, takeAssertion } from './passkeys.ts';
import { actorOf, type IdentityPorts } from './ports.ts';
import type { Live } from './sessions.ts';
import { newId, newToken } from './values.ts';

const tag = 'coequal-signature-1';

export const purposes = ['plan-request', 'plan-approval', 'terminal', 're-enrolment'] as const;
export type SignaturePurpose = (typeof purposes)[number];

const text = z.string().max(20_000);

export const signedDocument = z.strictObject({
  format: z.literal(tag),
  id: z.string().max(100),
  purpose: z.enum(purposes),
  person: z.strictObject({ id: z.string().max(100), name: z.string().max(200) }),
  atMs: z.number(),
  nonce: z.string().max(100),
  /** Canonical JSON of what was signed. */
  document: z.string().max(1_000_000),
  relyingParty: z.string().max(300),
  origin: z.string().max(300),
  /** COSE, base64url. */
  publicKey: text,
  /** The key cannot leave its authenticator. */
  bound: z.boolean(),
  assertion: z.unknown(),
});

export type SignedDocument = z.infer<typeof signedDocument>;

export const challengeOf = (purpose: SignaturePurpose, nonce: string, document: string): Buffer =>
  createHash('sha256').update(`${tag}\n${purpose}\n${nonce}\n${document}`).digest();

export const askToSign = async (
  ports: IdentityPorts,
  { session, person }: Live,
  purpose: SignaturePurpose,
  document: unknown,
): Promise<Question<PublicKeyCredentialRequestOptionsJSON>> => {
  const nonce = newToken();
  const canonical = canonicalJson(document);
  const challenge = challengeOf(purpose, nonce, canonical);
  return askToAssert(ports, 'sign', session.id, person, challenge, { purpose, nonce, document: canonical });
};

const asked = z.object({ purpose: z.enum(purposes), nonce: z.string(), document: z.string() });

/** @throws PASSKEY_REFUSED, also when it answers a question about something else */
export const takeSignature = async (
  ports: IdentityPorts,
  live: Live,
  purpose: SignaturePurpose,
  document: unknown,
  { ceremony: ceremonyId, response }: { readonly ceremony: string; readonly response: unknown },
): Promise<SignedDocument> => {
  const { store, vault, names, clock, note } = ports;
  const { ceremony, passkey, person, content } = await takeAssertion(
    ports,
    'sign',
    ceremonyId,
    live.session.id,
    response,
  );
  const meant = asked.parse(JSON.parse(ceremony.data));
  if (person.id !== live.person.id) throw fail('PASSKEY_REFUSED', { reason: 'it is the passkey of somebody else' });
  if (meant.purpose !== purpose || meant.document !== canonicalJson(document))
    throw fail('PASSKEY_REFUSED', { reason: 'something else was signed' });
  const signed: SignedDocument = {
    ...{ format: tag, id: newId('signature'), purpose, person: { id: person.id, name: person.name } },
    ...{ atMs: clock.now(), nonce: meant.nonce, document: meant.document },
    ...{ relyingParty: names.host, origin: names.origin, publicKey: content.publicKey, bound: passkey.bound },
    assertion: assertionOf(response),
  };
  await note(actorOf(person), 'identity.sign', signed.id, 'done', { purpose, bound: passkey.bound });
  const sealed = await vault.seal(JSON.stringify(signed), { table: 'signature', row: signed.id });
  store.signatures.add({
    ...{ id: signed.id, person: person.id, passkey: passkey.id, purpose, atMs: signed.atMs },
    ...{ document: signed.document, sealed },
  });
  return signed;
};

export const readSignature = async (
  { store, vault }: IdentityPorts,
  id: string,
): Promise<SignedDocument | undefined> => {
  const kept = store.signatures.get(id);
  if (kept === undefined) return undefined;
  return signedDocument.parse(JSON.parse(await vault.open(kept.sealed, { table: 'signature', row: id })));
};

/** Undefined: it holds. Else what is wrong with it. Whose key it is, the audit of that day says. */
export const checkSignature = async (signed: SignedDocument): Promise<string | undefined> => {
  try {
    const response = assertionOf(signed.assertion);
    const { verified } = await verifyAuthenticationResponse({
      response,
      expectedChallenge: challengeOf(signed.purpose, signed.nonce, signed.document).toString('base64url'),
      ...{ expectedOrigin: signed.origin, expectedRPID: signed.relyingParty, requireUserVerification: true },
      credential: credentialOf(response.id, signed, 0),
    });
    return verified ? undefined : 'The signature is wrong.';
  } catch (error) {
    if (error instanceof CoequalError && error.kind === 'bug') throw error;
    return reasonOf(error);
  }
};
