/** A reading statement that any instance may answer: the best one is asked, then the others, until the deadline. */
import type { Clock } from '@coequal/kernel';
import type { Directory } from '../directory.ts';
import type { Row } from '../rows.ts';
import type { Administration } from './administration.ts';
import { failureOf } from './sql.ts';

export type AnyInstance = {
  readonly directory: Pick<Directory, 'choose' | 'untilServing'>;
  readonly administration: Administration;
  readonly clock: Clock;
};

/** An instance gets this long before the next one is asked. */
const attemptMs = 2_000;
const pauseMs = 20;

/**
 * The rows of the last statement. Rejects with the failure of the last attempt, at once where every instance would
 * answer with the same error.
 */
export const onAnyInstance = async (
  { directory, administration, clock }: AnyInstance,
  text: string,
  deadlineMs: number,
): Promise<readonly Row[]> => {
  const untilMs = clock.monotonic() + deadlineMs;
  const failed = new Set<string>();
  let last: unknown = new Error('no instance serves');
  for (let leftMs = deadlineMs; leftMs > 0; leftMs = untilMs - clock.monotonic()) {
    const target = directory.choose(failed) ?? (await directory.untilServing(leftMs));
    if (target === undefined) break;
    try {
      const results = await administration.run(target.name, text, { deadlineMs: Math.min(attemptMs, leftMs) });
      return results.at(-1) ?? [];
    } catch (error) {
      last = error;
      const failure = failureOf(error);
      if (failure.kind === 'answer' && !passing.has(failure.errno)) break;
      failed.add(target.name);
      await clock.sleep(pauseMs);
    }
  }
  throw last;
};

/** Errors that another instance, or the same one a moment later, does not give: no majority, a conflict, shutting down. */
const passing: ReadonlySet<number> = new Set([1_020, 1_040, 1_047, 1_053, 1_205, 1_213, 1_317, 1_927]);
