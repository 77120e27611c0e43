/** SHA-256, the one hash of evidence, configurations and fingerprints. Text is hashed as UTF-8. */
import { hash } from 'node:crypto';

/** 64 lower-case hexadecimal digits. */
export const sha256Hex = (data: string | Uint8Array): string => hash('sha256', data, 'hex');
