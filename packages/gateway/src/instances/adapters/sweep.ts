/**
 * Keeps the table of outcomes small: rows of sessions that nobody can ask about go soon after their session, all others
 * when they are too old to be asked about. In small flights, found without locks, so that nobody waits for it. That it meets a
 * conflict or a lost instance is no trouble: the rows are still there next time.
 */
import { randomInt } from 'node:crypto';
import { type Clock, type Log, reasonOf } from '@coequal/kernel';
import type { Directory } from '../directory.ts';
import { literal, retentionMs } from '../outcomes.ts';
import { bytesOf } from '../rows.ts';
import { sessionIdBytes } from '../schema.ts';
import type { Administration } from './administration.ts';

export type Sweeper = {
  readonly forget: (session: Buffer) => void;
  readonly sweep: () => Promise<number>;
  readonly close: () => void;
};

export type SweeperOptions = {
  readonly directory: Pick<Directory, 'choose'>;
  readonly administration: Administration;
  readonly clock: Clock;
  readonly log: Log;
};

const sweepEveryMs = 3_600_000;
const flightRows = 200;
const flightMs = 10_000;
/** Sessions that have ended are gathered for so long. */
const gatherMs = 2_000;
/** More than this are left to their age. */
const forgottenAtMost = 20_000;

export const openSweeper = ({ directory, administration, clock, log }: SweeperOptions): Sweeper => {
  const closing = new AbortController();
  const forgotten: Buffer[] = [];
  let gathering = false;

  const run = async (text: string) => {
    const instance = directory.choose();
    if (instance === undefined) return undefined;
    return administration.run(instance.name, text, { deadlineMs: flightMs, signal: closing.signal });
  };

  const remove = async (sessions: readonly Buffer[], condition: string): Promise<boolean> => {
    const text = `DELETE FROM coequal.outcome WHERE session IN (${sessions.map(literal).join(', ')})${condition}`;
    try {
      return (await run(text)) !== undefined;
    } catch (error) {
      log('debug', 'rows of outcomes were not removed', { reason: reasonOf(error), rows: sessions.length });
      return false;
    }
  };

  const removeForgotten = async (): Promise<void> => {
    while (forgotten.length > 0 && !closing.signal.aborted)
      if (!(await remove(forgotten.splice(0, flightRows), ''))) return;
  };

  const gather = async (): Promise<void> => {
    gathering = true;
    try {
      await clock.sleep(gatherMs, closing.signal);
      await removeForgotten();
    } catch (error) {
      if (!closing.signal.aborted) throw error;
    } finally {
      gathering = false;
    }
  };

  /** At a moment of its own in every hour, so that gateways that were started together do not sweep together. */
  const cycle = async (): Promise<void> => {
    let waitMs = randomInt(sweepEveryMs);
    while (!closing.signal.aborted) {
      try {
        await clock.sleep(waitMs, closing.signal);
        const removed = await sweep();
        if (removed > 0) log('info', 'old rows of outcomes were removed', { rows: removed });
      } catch (error) {
        if (!closing.signal.aborted) log('warn', 'outcomes could not be swept', { reason: reasonOf(error) });
      }
      waitMs = sweepEveryMs;
    }
  };

  const sweep = async (): Promise<number> => {
    let removed = 0;
    // Session ids begin with the time of their making: all old rows lie at the beginning.
    let after = Buffer.alloc(sessionIdBytes);
    const before = Buffer.alloc(sessionIdBytes);
    before.writeBigUInt64BE(BigInt(Math.max(0, Math.trunc(clock.now() - retentionMs))));
    const old = `at < CURRENT_TIMESTAMP(3) - INTERVAL ${retentionMs / 1_000} SECOND`;
    while (!closing.signal.aborted) {
      const results = await run(
        `SELECT session FROM coequal.outcome WHERE session > ${literal(after)} AND session < ${literal(before)} AND ${old}
         ORDER BY session LIMIT ${flightRows}`,
      );
      const sessions = (results?.[0] ?? []).flatMap((row) => bytesOf(row, 'session') ?? []);
      const last = sessions.at(-1);
      if (last === undefined) return removed;
      after = Buffer.from(last);
      if (await remove(sessions, ` AND ${old}`)) removed += sessions.length;
    }
    return removed;
  };

  void cycle();
  return {
    forget: (session) => {
      if (closing.signal.aborted || forgotten.length >= forgottenAtMost) return;
      forgotten.push(session);
      if (!gathering) void gather();
    },
    sweep,
    close: () => closing.abort(),
  };
};
