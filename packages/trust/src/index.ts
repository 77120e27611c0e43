/** Trust: certificates, canonical JSON, signatures and hashes. */
export { type SecretFileOwner, writeSecretFile } from './adapters/secret-file.ts';
export { canonicalJson } from './canonical.ts';
export {
  type Authority,
  type CertificateRequest,
  type CertificateUsage,
  type Credentials,
  issueCertificate,
  makeAuthority,
} from './certificates.ts';
export { sha256Hex } from './hash.ts';
export { fingerprint, makeSigningKey, type SigningKey, sign, verify } from './signing.ts';
