/** A change that somebody told, as an event: what was left out is filled in, and telling it again gives the same id. Pure. */
import { createHash } from 'node:crypto';
import { type ChangeEvent, changeNotice } from '@coequal/contract';

export type NoticeResult =
  | { readonly ok: true; readonly event: ChangeEvent }
  | { readonly ok: false; readonly what: string };

/** Without an id of its own a change that is told twice within this time is one change. */
const sameWithinMs = 10_000;

export const parseNotice = (
  text: string,
  home: { readonly host: string; readonly site: string },
  nowMs: number,
): NoticeResult => {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return { ok: false, what: 'the body is not JSON' };
    throw error;
  }
  const parsed = changeNotice.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const at = issue?.path.map(String).join('.') ?? '';
    return { ok: false, what: `${at === '' ? 'the body' : at}: ${issue?.message ?? 'is wrong'}` };
  }
  const { id, atMs = nowMs, change, text: words, place, by, source } = parsed.data;
  // A change without a place was made here.
  const where = Object.keys(place).length === 0 ? home : place;
  const own = JSON.stringify([change, words, where, by ?? '', source, Math.floor(atMs / sameWithinMs)]);
  return {
    ok: true,
    event: {
      kind: 'change',
      id: id ?? createHash('sha256').update(own).digest('hex').slice(0, 32),
      atMs,
      place: where,
      change,
      text: words,
      ...(by === undefined ? {} : { by }),
      source,
    },
  };
};
