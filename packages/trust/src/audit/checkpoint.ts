/**
 * A checkpoint: the signed statement of a chain that its record `sequence` has the hash `head`. Whoever holds one outside of the chain
 * (another chain, a write-once folder, a time stamp) can show that records up to it were changed or cut, also against
 * somebody who has the key. Pure.
 */
import { z } from 'zod';
import { canonicalJson } from '../canonical.ts';
import { sha256Hex } from '../hash.ts';
import { sign, verify } from '../signing.ts';
import { type AuditDetails, chainPattern } from './record.ts';

const statement = {
  chain: z.string().regex(chainPattern),
  sequence: z.int().min(1),
  head: z.string().regex(/^[0-9a-f]{64}$/),
  at: z.iso.datetime(),
  /** Records so far that are not the chain's own: checkpoints that differ in nothing else need no witness. */
  entries: z.int().min(0),
};

const checkpoint = z.strictObject({ ...statement, signature: z.base64() });

/** As it is handed out: with the key that made it, for whoever does not know it yet. */
const anchored = checkpoint.extend({ key: z.string().max(1_000) });

export type Statement = z.infer<z.ZodObject<typeof statement>>;
export type Checkpoint = z.infer<typeof checkpoint>;
export type AnchoredCheckpoint = z.infer<typeof anchored>;

const bytesOf = ({ chain, sequence, head, at, entries }: Statement): Buffer =>
  Buffer.from(`coequal audit checkpoint 1\n${canonicalJson({ chain, sequence, head, at, entries })}`);

/** A public key on one line (the base64 of its SPKI), as records and anchors hold it. */
export const keyOfPem = (publicPem: string): string => publicPem.replaceAll(/-----[^-]+-----|\s/g, '');

export const pemOfKey = (key: string): string => `-----BEGIN PUBLIC KEY-----\n${key}\n-----END PUBLIC KEY-----\n`;

/** What a time stamp is taken of. */
export const stampedHash = (one: Statement): string => sha256Hex(bytesOf(one));

export const signCheckpoint = (one: Statement, privatePem: string): Checkpoint => ({
  ...one,
  signature: Buffer.from(sign(privatePem, bytesOf(one))).toString('base64'),
});

export const isSignedBy = (one: Checkpoint, publicPem: string): boolean =>
  verify(publicPem, bytesOf(one), Buffer.from(one.signature, 'base64'));

/** As details of a record. */
export const detailsOf = (one: Checkpoint | AnchoredCheckpoint): AuditDetails => ({ ...one });

/** Undefined: the details are of no checkpoint. */
export const checkpointOf = (details: AuditDetails | undefined): Checkpoint | undefined => {
  const { key: _, ...rest } = details ?? {};
  return checkpoint.safeParse(rest).data;
};

export const parseAnchored = (text: string): AnchoredCheckpoint | undefined => {
  try {
    return anchored.safeParse(JSON.parse(text)).data;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
};
