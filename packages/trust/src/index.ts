/** Trust: certificates, canonical JSON, signatures, hashes, keys, what is sealed with them, and the audit. */
export { readPrivate } from './adapters/private-file.ts';
export {
  changeSealedStore,
  readSealedStore,
  type SealedStorePaths,
  upgradeSealedStore,
} from './adapters/sealed-store.ts';
export { type SecretFileOwner, writeSecretFile } from './adapters/secret-file.ts';
export {
  type Chain,
  openChain,
} from './audit/adapters/chain.ts';
export { AuditKeeper } from './audit/adapters/keeper.ts';
export { recordsOf } from './audit/adapters/segments.ts';
export { type AuditVerdict, type ChainVerdict, verifyAudit } from './audit/adapters/verify-folder.ts';
export { csvHead, csvLine, htmlFoot, htmlHead, htmlLine } from './audit/export.ts';
export type { AuditDetails, AuditEntry, AuditRecord, AuditWriter } from './audit/record.ts';
export { canonicalJson } from './canonical.ts';
export {
  type Authority,
  type CertificateRequest,
  type CertificateUsage,
  type Credentials,
  issueCertificate,
  makeAuthority,
} from './certificates.ts';
export { certificateLifetimeMs, isRenewalDue, standingOf, type Validity, validityOf } from './enrolment/lifetime.ts';
export { agentHostName, agentOfCertificate, lineName } from './enrolment/names.ts';
export { answerRequest, makeRequest } from './enrolment/request.ts';
export { sha256Hex } from './hash.ts';
export {
  ensureKey,
  makeRing,
  moveRing,
  openRing,
  type RingStatus,
  retireKey,
  retireVersions,
  rewrapRing,
  ringStatus,
  rotateDataKeys,
} from './keys/adapters/key-ring.ts';
export type { KeyPorts } from './keys/adapters/providers.ts';
export { openFile, sealFile } from './keys/adapters/sealed-file.ts';
export { type ProviderSettings, providerSettings, purposePattern, tenantPattern } from './keys/ring.ts';
export type { Opened, Secrets } from './sealed.ts';
export { fingerprint, makeSigningKey, type SigningKey, sign, verify } from './signing.ts';
