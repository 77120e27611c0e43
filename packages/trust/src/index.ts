/** Trust: certificates, canonical JSON, signatures, hashes and the sealed store. */
export { changeSealedStore, readSealedStore, type SealedStorePaths } from './adapters/sealed-store.ts';
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
export type { Opened, Secrets } from './sealed.ts';
export { fingerprint, makeSigningKey, type SigningKey, sign, verify } from './signing.ts';
