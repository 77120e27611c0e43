/**
 * A small certificate authority: it issues the certificates with which the instances of an estate know each
 * other and clients know them. ECDSA on P-256, the curve that every TLS library in use accepts. An authority is
 * plain PEM text; where its key is kept, and who may use it, is for the caller (`adapters/secret-file.ts` writes
 * it readable by its owner alone). Revocation is not here: certificates are short-lived or the authority is renewed.
 */
// The library of certificates builds on decorators, whose metadata has to be there before it is loaded.
import 'reflect-metadata';
import { randomBytes, webcrypto } from 'node:crypto';
import { isIP } from 'node:net';
import { type Clock, fail, reasonOf } from '@coequal/kernel';
import * as x509 from '@peculiar/x509';

/** A certificate and its private key (PKCS#8), both PEM. The key is a secret. */
export type Credentials = { readonly certificate: string; readonly key: string };

export type Authority = Credentials & { readonly name: string };

export type CertificateUsage = 'server' | 'client' | 'both';

export type CertificateRequest = {
  readonly commonName: string;
  readonly dnsNames: readonly string[];
  /** IPv4 or IPv6 addresses, in numbers. */
  readonly addresses: readonly string[];
  readonly days: number;
  /** Members of a Galera group speak as server and client with one certificate: `both`. */
  readonly usage: CertificateUsage;
};

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const dayMs = 86_400_000;

/** A certificate is valid from a day before it was issued: hosts whose clock is behind must accept it too. */
const skewMs = dayMs;

/** Makes an authority with a key of its own that signs certificates for `days`. */
export const makeAuthority = async (
  name: string,
  options: { readonly days: number; readonly clock: Clock },
): Promise<Authority> => {
  checkName(name);
  const keys = await makeKeys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: serialNumber(),
      name: [{ CN: [name] }],
      ...validity(options.clock, options.days),
      signingAlgorithm: algorithm,
      keys,
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey, false, webcrypto),
      ],
    },
    webcrypto,
  );
  return { name, certificate: pem(certificate), key: await privatePem(keys.privateKey) };
};

/** Issues a certificate with a new key. It never outlives its authority. Throws CERTIFICATE_REFUSED. */
export const issueCertificate = async (
  authority: Authority,
  request: CertificateRequest,
  clock: Clock,
): Promise<Credentials> => {
  const keys = await makeKeys();
  const certificate = await issueFor(authority, request, keys.publicKey, clock);
  return { certificate, key: await privatePem(keys.privateKey) };
};

/** Issues a certificate for a key that somebody else holds. It never outlives its authority. Throws CERTIFICATE_REFUSED. */
export const issueFor = async (
  authority: Authority,
  request: CertificateRequest,
  publicKey: webcrypto.CryptoKey,
  clock: Clock,
): Promise<string> => {
  checkRequest(request);
  const issuer = await readAuthority(authority);
  const { notBefore, notAfter } = validity(clock, request.days);
  if (issuer.certificate.notAfter.getTime() <= clock.now()) throw refused('the authority itself has expired');
  const certificate = await x509.X509CertificateGenerator.create(
    {
      serialNumber: serialNumber(),
      subject: [{ CN: [request.commonName] }],
      issuer: issuer.certificate.subjectName,
      notBefore,
      notAfter: new Date(Math.min(notAfter.getTime(), issuer.certificate.notAfter.getTime())),
      publicKey,
      signingKey: issuer.signingKey,
      signingAlgorithm: algorithm,
      extensions: await leafExtensions(request, publicKey, issuer.certificate.publicKey),
    },
    webcrypto,
  );
  return pem(certificate);
};

const leafExtensions = async (
  request: CertificateRequest,
  subjectKey: webcrypto.CryptoKey,
  issuerKey: x509.PublicKey,
): Promise<x509.Extension[]> => {
  const names: x509.JsonGeneralNames = [
    ...request.dnsNames.map((value) => ({ type: 'dns' as const, value })),
    ...request.addresses.map((value) => ({ type: 'ip' as const, value })),
  ];
  return [
    new x509.BasicConstraintsExtension(false, undefined, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
    new x509.ExtendedKeyUsageExtension([...purposes[request.usage]], false),
    ...(names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension(names, false)]),
    await x509.SubjectKeyIdentifierExtension.create(subjectKey, false, webcrypto),
    await x509.AuthorityKeyIdentifierExtension.create(issuerKey, false, webcrypto),
  ];
};

const purposes: Readonly<Record<CertificateUsage, readonly string[]>> = {
  server: [x509.ExtendedKeyUsage.serverAuth],
  client: [x509.ExtendedKeyUsage.clientAuth],
  both: [x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth],
};

const makeKeys = async (): Promise<webcrypto.CryptoKeyPair> =>
  await webcrypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']);

const readAuthority = async (authority: Authority) => {
  try {
    const [bytes] = x509.PemConverter.decode(authority.key);
    if (bytes === undefined) throw new Error('there is no key in its PEM');
    const use = { name: 'ECDSA', namedCurve: 'P-256' };
    const signingKey = await webcrypto.subtle.importKey('pkcs8', bytes, use, false, ['sign']);
    return { certificate: new x509.X509Certificate(authority.certificate), signingKey };
  } catch (error) {
    throw refused(`the authority's files cannot be read (${reasonOf(error)})`, error);
  }
};

const validity = (clock: Clock, days: number) => {
  if (!(days > 0 && days <= 36_500)) throw refused(`${days} days is not a duration of 1 to 36,500 days`);
  const now = clock.now();
  return { notBefore: new Date(now - skewMs), notAfter: new Date(now + days * dayMs) };
};

/** 127 random bits that are positive and never shortened, so that every serial number is unique and 16 bytes long. */
const serialNumber = (): string => {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString('hex');
};

const checkRequest = (request: CertificateRequest): void => {
  checkName(request.commonName);
  for (const name of request.dnsNames) {
    if (!/^(\*\.)?[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9])?$/i.test(name)) throw refused(`"${name}" is not a host name`);
  }
  for (const address of request.addresses) {
    if (isIP(address) === 0) throw refused(`"${address}" is not an IP address`);
  }
};

/** X.520 allows 64 characters in a common name; control characters have no place in one. */
const checkName = (name: string): void => {
  if (!/^[^\p{Cc}]{1,64}$/u.test(name)) throw refused(`"${name}" is not a name of 1 to 64 characters`);
};

const pem = (certificate: x509.X509Certificate): string => `${certificate.toString('pem').trim()}\n`;

const privatePem = async (key: webcrypto.CryptoKey): Promise<string> => {
  const bytes = await webcrypto.subtle.exportKey('pkcs8', key);
  return `${x509.PemConverter.encode(bytes, x509.PemConverter.PrivateKeyTag).trim()}\n`;
};

const refused = (reason: string, cause?: unknown) => fail('CERTIFICATE_REFUSED', { reason }, { cause });
