/**
 * Events of changes that a collector saw. What several members of a group tell of one and the same change has one identifier: of the
 * service, what was changed, and the time cut to half minutes. (One in the middle of the cut is told twice, which is less wrong than two
 * changes told as one.) Restarts are found by the uptime.
 */
import { createHash } from 'node:crypto';
import type { ChangeEvent, ChangeKind, Place } from '@coequal/contract';

const timeCutMs = 30_000;
const textLimit = 300;

/** Where the change was made, and what of that is the same for every member of the group. */
export type Whereabouts = { readonly place: Place; readonly instance: string; readonly grouped: boolean };

/** Of the whole service where the group shares it, of the instance otherwise. */
const sharedPlace = ({ place, grouped }: Whereabouts): Place =>
  grouped && place.service !== undefined ? { service: place.service } : place;

export const changeEvent = (
  where: Whereabouts,
  kind: ChangeKind,
  text: string,
  key: string,
  atMs: number,
  more: { readonly shared?: boolean; readonly by?: string; readonly source: string },
): ChangeEvent => {
  const shared = more.shared === true && where.grouped && where.place.service !== undefined;
  const owner = shared ? `service ${where.place.service}` : `instance ${where.instance}`;
  const digest = createHash('sha256').update(`${owner}\n${kind}\n${key}`).digest('hex').slice(0, 24);
  return {
    kind: 'change',
    id: `${kind}:${digest}:${shared ? Math.floor(atMs / timeCutMs) : Math.round(atMs)}`,
    atMs,
    place: shared ? sharedPlace(where) : where.place,
    change: kind,
    text: text.length > textLimit ? `${text.slice(0, textLimit - 1)}…` : text,
    ...(more.by === undefined ? {} : { by: more.by.slice(0, 200) }),
    source: more.source,
  };
};

/**
 * Seconds since the server began: a value below what must have passed since the reading before means that it began anew. Only with a
 * new connection, which a restart ends for certain: the server's clock may be set, and then the uptime jumps by itself.
 */
export class RestartWatch {
  #before: { readonly uptime: number; readonly readMs: number; readonly connects: number } | undefined;

  /** `monotonicMs`: of a clock that nobody sets. `connects`: how many connections there were. True for a restart since the reading before. */
  step(uptime: number, monotonicMs: number, connects: number): boolean {
    const before = this.#before;
    this.#before = { uptime, readMs: monotonicMs, connects };
    if (before === undefined || before.connects === connects) return false;
    // Whole seconds on both ends, and a reading may be late.
    return uptime < before.uptime + (monotonicMs - before.readMs) / 1_000 - 3;
  }
}
