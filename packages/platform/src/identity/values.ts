/** Tokens, codes and ids: what is random about them, and what of them is kept. Tokens are kept as hashes only. */
import { randomBytes, randomInt, timingSafeEqual } from 'node:crypto';
import { sha256Hex } from '@coequal/trust';

/** 256 bits. */
export const newToken = (): string => randomBytes(32).toString('base64url');

/** Tokens and codes have enough randomness of their own: a plain hash cannot be searched. */
export const hashOf = (token: string): string => sha256Hex(token);

export const newId = (kind: string): string => `${kind}-${randomBytes(10).toString('hex')}`;

/** No two letters that look alike. */
const alphabet = '23456789ABCDEFGHJKMNPQRSTUVWXYZ';

/** To be typed by people: groups of four, 4.9 bits a letter. */
export const newCode = (letters: number): string => {
  const text = Array.from({ length: letters }, () => alphabet[randomInt(alphabet.length)]).join('');
  return (text.match(/.{1,4}/g) ?? []).join('-');
};

/** As it was made, however it was typed. */
export const plainCode = (typed: string): string => typed.toUpperCase().replaceAll(/[^0-9A-Z]/g, '');

export const hashOfCode = (typed: string): string => hashOf(plainCode(typed));

export const sameText = (left: string, right: string): boolean => {
  const [a, b] = [Buffer.from(left), Buffer.from(right)];
  return a.length === b.length && timingSafeEqual(a, b);
};
