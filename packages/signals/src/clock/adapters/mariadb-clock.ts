/** Asks a MariaDB or MySQL server for its time: its process may see another clock than the host does. */
import type { Clock } from '@coequal/kernel';
import { Deadline, Link } from '../../database/adapters/link.ts';
import { numberOf } from '../../database/answer.ts';
import { isLogInRefused, type MariadbTarget, openMariadbSession } from '../../mariadb/adapters/session.ts';
import type { ClockAnswer } from '../offset.ts';

/** SYSDATE is the time of the call, NOW that of the statement's begin, which is the same here; without a time zone between. */
const question = 'SELECT UNIX_TIMESTAMP(SYSDATE(6))';

export class MariadbClock {
  readonly #link: Link;
  readonly #clock: Clock;
  readonly #deadlineMs: number;

  constructor(target: MariadbTarget, clock: Clock, deadlineMs: number) {
    this.#clock = clock;
    this.#deadlineMs = deadlineMs;
    this.#link = new Link({ clock, isLogInRefused, open: (signal) => openMariadbSession(target, signal) });
  }

  /** Or in words why there is no answer. */
  async ask(): Promise<ClockAnswer | string> {
    const deadline = new Deadline(this.#clock, this.#deadlineMs);
    try {
      const unready = await this.#link.ready(deadline);
      if (unready !== undefined) return unready.kind === 'silent' ? 'it does not answer' : unready.reason;
      const askedMs = this.#clock.now();
      const started = this.#clock.monotonic();
      const answer = await this.#link.ask(question, [], deadline);
      const roundTripMs = this.#clock.monotonic() - started;
      if (answer.kind !== 'rows') return answer.kind === 'silent' ? 'it does not answer' : answer.reason;
      const seconds = numberOf(answer.rows[0]?.[0]);
      return seconds === undefined ? 'it answers without a time' : { askedMs, roundTripMs, theirsMs: seconds * 1_000 };
    } finally {
      deadline.over();
    }
  }

  async close(): Promise<void> {
    await this.#link.close();
  }
}
