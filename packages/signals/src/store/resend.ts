/**
 * Sends again what a store may have forgotten. A store says that it has a body when it has it in memory; what reaches its disk some seconds
 * later is gone when it is killed before. So bodies of the last seconds are kept, and when the store was away they are sent once
 * more before anything else. A store that keeps one sample of a time and series counts them once. Pure but for what it keeps.
 */
import type { Clock } from '@coequal/kernel';
import type { WriteOutcome } from './sending.ts';

type Write = (body: Uint8Array) => Promise<WriteOutcome>;

/** VictoriaMetrics writes what it took to disk within 5 s, and a little more when it is busy. */
const keepMs = 15_000;
const keepBytes = 16 * 2 ** 20;

/** A store that asks for patience is alive, and has what it took. */
const isAlive = /\banswers 429\b/;

/** `write`, and what it took shortly before it failed. Calls follow each other. */
export const resending = (write: Write, clock: Clock): Write => {
  const kept: { readonly body: Uint8Array; readonly atMs: number }[] = [];
  let bytes = 0;
  /** Of those kept, the first so many may be lost: they were taken before it failed. */
  let doubtful = 0;
  const forget = (): Uint8Array | undefined => {
    const first = kept.shift()?.body;
    bytes -= first?.length ?? 0;
    doubtful = Math.max(0, doubtful - 1);
    return first;
  };
  const attempt = async (body: Uint8Array): Promise<WriteOutcome> => {
    const answer = await write(body);
    if (answer.outcome === 'again' && !isAlive.test(answer.what)) doubtful = kept.length;
    return answer;
  };
  const keep = (body: Uint8Array): void => {
    kept.push({ body, atMs: clock.monotonic() });
    bytes += body.length;
    while (bytes > keepBytes) forget();
  };
  return async (body) => {
    while (doubtful === 0 && (kept[0]?.atMs ?? Number.POSITIVE_INFINITY) < clock.monotonic() - keepMs) forget();
    for (let first = kept[0]; doubtful > 0 && first !== undefined; first = kept[0]) {
      const answer = await attempt(first.body);
      if (answer.outcome === 'again') return answer;
      // It may be killed again before this is on its disk.
      forget();
      if (answer.outcome === 'taken') keep(first.body);
    }
    const answer = await attempt(body);
    if (answer.outcome === 'taken') keep(body);
    return answer;
  };
};
