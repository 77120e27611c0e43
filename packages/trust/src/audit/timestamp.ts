/**
 * Time stamps (RFC 3161): requests, and tokens checked to the authority. A token is CMS (RFC 5652) around "this hash was there at this
 * time"; it counts when it was signed by a certificate for time stamping that the named authority issued, over our hash. Pure.
 */
import { createHash, verify, X509Certificate } from 'node:crypto';
import { decodeDer, encodeDer, encodeInteger, encodeOid, type Node, oidOf, tags } from './der.ts';

const oids = {
  sha256: '2.16.840.1.101.3.4.2.1',
  signedData: '1.2.840.113549.1.7.2',
  timeStampInfo: '1.2.840.113549.1.9.16.1.4',
  contentType: '1.2.840.113549.1.9.3',
  messageDigest: '1.2.840.113549.1.9.4',
  signingCertificate: '1.2.840.113549.1.9.16.2.12',
  signingCertificateV2: '1.2.840.113549.1.9.16.2.47',
  timeStamping: '1.3.6.1.5.5.7.3.8',
} as const;

const digests: Readonly<Record<string, string>> = {
  [oids.sha256]: 'sha256',
  '2.16.840.1.101.3.4.2.2': 'sha384',
  '2.16.840.1.101.3.4.2.3': 'sha512',
};

/** @param hashHex SHA-256 in hexadecimal @param nonce random; the answer has to repeat it */
export const timeStampRequest = (hashHex: string, nonce: Uint8Array): Buffer =>
  encodeDer(
    tags.sequence,
    encodeInteger(Uint8Array.of(1)),
    encodeDer(
      tags.sequence,
      encodeDer(tags.sequence, encodeOid(oids.sha256), encodeDer(tags.null)),
      encodeDer(tags.octetString, Buffer.from(hashHex, 'hex')),
    ),
    encodeInteger(nonce),
    // certReq: without the certificate a token could not be checked years later.
    encodeDer(tags.boolean, Uint8Array.of(0xff)),
  );

export type TimeStamp = {
  readonly atMs: number;
  readonly hashHex: string;
  readonly nonceHex: string | undefined;
  /** Of the certificate that signed. */
  readonly signer: string;
};

/** The token of an answer, or why there is none. */
export const tokenOfAnswer = (answer: Uint8Array): Buffer | string => {
  const [status, token] = decodeDer(answer)?.children ?? [];
  const code = status?.children[0];
  if (code?.tag !== tags.integer) return 'its answer is not that of a time-stamping authority';
  const number = code.content[0] ?? -1;
  if (number > 1) return `it refused (status ${number})`;
  return token === undefined ? 'its answer holds no token' : Buffer.from(token.whole);
};

/** The time stamp that a token proves, or why it proves none. @param authorities certificates in PEM that are trusted */
export const checkToken = (token: Uint8Array, authorities: readonly string[]): TimeStamp | string => {
  try {
    const parts = partsOf(token);
    if (typeof parts === 'string') return parts;
    const info = infoOf(parts.content);
    if (info === undefined) return 'it holds no time';
    return (
      signatureProblem(parts, info.atMs, authorities) ?? {
        ...info,
        signer: parts.signer.subject.replaceAll('\n', ', '),
      }
    );
  } catch (error) {
    // Certificates and keys of the token are read by node:crypto, which throws at what it cannot read.
    return `it cannot be read (${error instanceof Error ? error.message : 'unknown'})`;
  }
};

type Parts = {
  readonly content: Buffer;
  readonly certificates: readonly X509Certificate[];
  readonly signer: X509Certificate;
  readonly digest: string;
  readonly attributes: Node;
  readonly signature: Buffer;
};

const partsOf = (token: Uint8Array): Parts | string => {
  const [type, wrapper] = decodeDer(token)?.children ?? [];
  if (type === undefined || type.tag !== tags.oid || oidOf(type.content) !== oids.signedData)
    return 'it is not CMS signed data';
  const fields = wrapper?.children[0]?.children ?? [];
  const encapsulated = fields[2];
  const [contentType, content] = encapsulated?.children ?? [];
  if (contentType === undefined || oidOf(contentType.content) !== oids.timeStampInfo)
    return 'it holds something else than a time stamp';
  const bytes = content?.children[0];
  if (bytes?.tag !== tags.octetString) return 'it holds nothing';
  const certificates = (fields.find(({ tag }) => tag === 0xa0)?.children ?? []).map(
    ({ whole }) => new X509Certificate(whole),
  );
  const signers = fields.findLast(({ tag }) => tag === tags.set)?.children ?? [];
  const [signerInfo] = signers;
  if (signers.length !== 1 || signerInfo === undefined) return 'it has not exactly one signer';
  const [, issuerAndSerial, digestAlgorithm, attributes, , signature] = signerInfo.children;
  const digest = digests[oidOf(digestAlgorithm?.children[0]?.content ?? new Uint8Array())];
  if (digest === undefined) return 'it uses a hash that is not accepted (SHA-256, SHA-384 and SHA-512 are)';
  if (attributes?.tag !== 0xa0 || signature?.tag !== tags.octetString)
    return 'its signature has another form than RFC 3161 wants';
  const serial = Buffer.from(issuerAndSerial?.children[1]?.content ?? [])
    .toString('hex')
    .replace(/^(00)+/, '');
  const signer = certificates.find(
    (one) =>
      one.serialNumber
        .toLowerCase()
        .replace(/^(00)+/, '')
        .padStart(serial.length, '0') === serial,
  );
  if (signer === undefined) return 'the certificate that signed it is not in it';
  return {
    content: Buffer.from(bytes.content),
    certificates,
    signer,
    digest,
    attributes,
    signature: Buffer.from(signature.content),
  };
};

const signatureProblem = (parts: Parts, atMs: number, authorities: readonly string[]): string | undefined => {
  const { content, attributes, digest, signature, signer } = parts;
  const type = attributeOf(attributes, oids.contentType)?.content;
  if (type === undefined || oidOf(type) !== oids.timeStampInfo) return 'its signature is over something else';
  const hash = attributeOf(attributes, oids.messageDigest)?.content;
  if (hash === undefined || !createHash(digest).update(content).digest().equals(hash))
    return 'its signature is over another content';
  if (!namesSigner(attributes, signer)) return 'its signature names another certificate';
  // What is signed are the attributes as a SET, which is not how they are tagged inside.
  const signed = Buffer.from(attributes.whole);
  signed[0] = tags.set;
  if (!verify(digest, signed, signer.publicKey, signature)) return 'its signature does not fit';
  return trustProblem(parts, atMs, authorities);
};

const attributeOf = (attributes: Node, oid: string): Node | undefined =>
  attributes.children.find(({ children }) => children[0] !== undefined && oidOf(children[0].content) === oid)
    ?.children[1]?.children[0];

/** RFC 2634 and RFC 5035: the hash of the certificate is under the signature, so that it cannot be exchanged for another with its key. */
const namesSigner = (attributes: Node, signer: X509Certificate): boolean => {
  const second = attributeOf(attributes, oids.signingCertificateV2)?.children[0]?.children[0]?.children;
  const first = attributeOf(attributes, oids.signingCertificate)?.children[0]?.children[0]?.children;
  const named = (second ?? first)?.find(({ tag }) => tag === tags.octetString)?.content;
  const given =
    second?.[0]?.tag === tags.sequence ? digests[oidOf(second[0].children[0]?.content ?? new Uint8Array())] : 'sha256';
  const digest = second === undefined ? 'sha1' : given;
  if (named === undefined || digest === undefined) return false;
  return createHash(digest).update(signer.raw).digest().equals(named);
};

const longestPath = 5;

const trustProblem = (
  { signer, certificates }: Parts,
  atMs: number,
  authorities: readonly string[],
): string | undefined => {
  const roots = authorities.map((pem) => new X509Certificate(pem));
  if (!(signer.keyUsage ?? []).includes(oids.timeStamping)) return 'its certificate is not one for time stamping';
  let current = signer;
  for (let length = 0; length < longestPath; length += 1) {
    if (atMs < Date.parse(current.validFrom) || atMs > Date.parse(current.validTo))
      return `the certificate ${current.subject.replaceAll('\n', ', ')} was not valid at the time it names`;
    if (roots.some((root) => root.fingerprint256 === current.fingerprint256)) return undefined;
    const child = current;
    const issuer = [...roots, ...certificates].find(
      (one) =>
        one.ca && one.fingerprint256 !== child.fingerprint256 && child.checkIssued(one) && child.verify(one.publicKey),
    );
    if (issuer === undefined) return 'its certificate is not of the authority that is trusted';
    current = issuer;
  }
  return 'its certificate is too far from the authority that is trusted';
};

/** TSTInfo: version, policy, imprint, serial number, time, then what is optional. */
const infoOf = (content: Uint8Array): Omit<TimeStamp, 'signer'> | undefined => {
  const [, , imprint, , time, ...optional] = decodeDer(content)?.children ?? [];
  const algorithm = imprint?.children[0]?.children[0];
  if (algorithm === undefined || oidOf(algorithm.content) !== oids.sha256) return undefined;
  const hash = imprint?.children[1]?.content;
  const atMs = time?.tag === tags.generalizedTime ? timeOf(Buffer.from(time.content).toString('latin1')) : undefined;
  if (hash?.length !== 32 || atMs === undefined) return undefined;
  const nonce = optional.find(({ tag }) => tag === tags.integer)?.content;
  return {
    atMs,
    hashHex: Buffer.from(hash).toString('hex'),
    nonceHex:
      nonce === undefined
        ? undefined
        : Buffer.from(nonce)
            .toString('hex')
            .replace(/^00(?=[89a-f])/, ''),
  };
};

const timeOf = (text: string): number | undefined => {
  const match = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:\.(\d{1,9}))?Z$/.exec(text);
  if (match === null) return undefined;
  const [, year, month, day, hour, minute, second, fraction = '0'] = match;
  const at = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}.${fraction.slice(0, 3).padEnd(3, '0')}Z`);
  return Number.isFinite(at) ? at : undefined;
};
