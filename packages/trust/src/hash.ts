/** SHA-256, the one hash of evidence, configurations and fingerprints. Text is hashed as UTF-8. */
import { createHash } from 'node:crypto';

/** 64 lower-case hexadecimal digits. */
export const sha256Hex = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('hex');
