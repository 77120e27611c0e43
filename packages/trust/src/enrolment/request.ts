/**
 * What a process that enrols asks for: a certificate for a key that it made itself and that never leaves its host. Of a request only the
 * public key is believed, and only because the request is signed with its other half; the name in the certificate is the issuer's word.
 */
// The library of certificates builds on decorators, whose metadata has to be there before it is loaded.
import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import { type Clock, fail, reasonOf } from '@coequal/kernel';
import * as x509 from '@peculiar/x509';
import { type Authority, type CertificateUsage, issueFor } from '../certificates.ts';

const use = { name: 'ECDSA', namedCurve: 'P-256' };
const algorithm = { ...use, hash: 'SHA-256' };
/** A request for a key on P-256 has some 400 characters. */
const requestLimit = 4_096;
const dayMs = 86_400_000;

export type EnrolmentRequest = {
  /** PEM, PKCS#10 (RFC 2986). */
  readonly request: string;
  /** PEM, PKCS#8. A secret: it stays where it was made. */
  readonly key: string;
};

/** A new key and a request for a certificate of it. */
export const makeRequest = async (name: string): Promise<EnrolmentRequest> => {
  const keys = await webcrypto.subtle.generateKey(use, true, ['sign', 'verify']);
  const request = await x509.Pkcs10CertificateRequestGenerator.create(
    { name: [{ CN: [name] }], keys, signingAlgorithm: algorithm },
    webcrypto,
  );
  const bytes = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
  return {
    request: `${request.toString('pem').trim()}\n`,
    key: `${x509.PemConverter.encode(bytes, x509.PemConverter.PrivateKeyTag).trim()}\n`,
  };
};

export type Grant = {
  readonly commonName: string;
  readonly dnsNames: readonly string[];
  readonly lifetimeMs: number;
  readonly usage: CertificateUsage;
};

/** Answers a request with a certificate (PEM) for the names that the issuer says. Throws CERTIFICATE_REFUSED. */
export const answerRequest = async (
  authority: Authority,
  request: string,
  { commonName, dnsNames, lifetimeMs, usage }: Grant,
  clock: Clock,
): Promise<string> => {
  const publicKey = await keyOf(request);
  const names = { commonName, dnsNames, addresses: [], days: lifetimeMs / dayMs, usage };
  return issueFor(authority, names, publicKey, clock);
};

const keyOf = async (text: string): Promise<webcrypto.CryptoKey> => {
  if (text.length > requestLimit) throw refused(`a request has ${requestLimit} characters at most`);
  let request: x509.Pkcs10CertificateRequest;
  let isSigned = false;
  try {
    request = new x509.Pkcs10CertificateRequest(text);
    isSigned = await request.verify(webcrypto);
  } catch (error) {
    throw refused(`the request cannot be read (${reasonOf(error)})`, error);
  }
  if (!isSigned) throw refused('the request is not signed with the key that it names');
  const key = await request.publicKey.export(webcrypto);
  const { name, namedCurve } = { namedCurve: '', ...key.algorithm };
  if (name !== 'ECDSA' || namedCurve !== 'P-256') throw refused('the key of the request is not one on P-256');
  return key;
};

const refused = (reason: string, cause?: unknown) => fail('CERTIFICATE_REFUSED', { reason }, { cause });
