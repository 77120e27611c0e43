/**
 * Once-only requests: what came with an `Idempotency-Key` is done once, and its answer is given again to whoever sends the same once more.
 * A key belongs to one asker and one path. A request that failed may be tried again with its key; of one that was begun and
 * has no end (the process died) nobody knows, and that is said.
 */
import { createHash } from 'node:crypto';
import { fail } from '@coequal/kernel';
import { z } from 'zod';
import { limits } from '../limits.ts';
import type { OnceStore } from '../store/port.ts';
import type { Headers, RawAnswer } from './route.ts';

type Body = Extract<RawAnswer, { readonly kind: 'body' }>;
const kept = z.object({ status: z.number(), type: z.string(), body: z.string() });
const { keyLength, forMs, kept: mostKept } = limits.http.once;

export type Once = {
  readonly subject: string;
  /** Method and path. */
  readonly request: string;
  readonly key: string;
  readonly body: Uint8Array;
};

/** Undefined: none was sent. @throws REQUEST_INVALID */
export const onceKeyOf = (headers: Headers): string | undefined => {
  const given = headers['idempotency-key'];
  if (given === undefined) return undefined;
  if (typeof given === 'string' && given.length <= keyLength && /^[\x21-\x7e]+$/.test(given)) return given;
  throw fail('REQUEST_INVALID', { what: `An idempotency key has 1 to ${keyLength} visible ASCII characters.` });
};

/** @throws IDEMPOTENCY_KEY_REUSED, IDEMPOTENCY_PENDING, and what `run` throws */
export const doOnce = async (
  store: OnceStore,
  { subject, request, key, body }: Once,
  nowMs: number,
  run: () => Promise<RawAnswer>,
): Promise<{ readonly answer: RawAnswer; readonly again: boolean }> => {
  store.prune(nowMs - forMs, mostKept);
  const digest = createHash('sha256').update(body).digest('hex');
  const known = store.get(subject, request, key);
  if (known !== undefined && known.digest !== digest) throw fail('IDEMPOTENCY_KEY_REUSED', {});
  if (known?.answer === null) throw fail('IDEMPOTENCY_PENDING', {});
  if (known !== undefined) return { answer: { kind: 'body', ...kept.parse(JSON.parse(known.answer)) }, again: true };
  store.begin(subject, request, key, digest, nowMs);
  try {
    const answer = await run();
    store.end(subject, request, key, JSON.stringify(asKept(answer)));
    return { answer, again: false };
  } catch (error) {
    store.forget(subject, request, key);
    throw error;
  }
};

const asKept = (answer: RawAnswer): Omit<Body, 'kind'> => {
  if (answer.kind !== 'body') return { status: answer.kind === 'empty' ? answer.status : 200, type: '', body: '' };
  const { status, type, body } = answer;
  return { status, type, body };
};
