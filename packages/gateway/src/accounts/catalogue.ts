/**
 * The accounts as they were read last. Log-ins are decided on this copy; one that fails is decided again on a copy
 * that was read after it came in, so that a new password or a new account holds at once. Reading is limited: at
 * most one at a time, and one a second however many log-ins fail, which also makes guessing slow.
 */
import type { Clock } from '@coequal/kernel';
import { type Account, type AccountRow, parseAccounts } from './account.ts';

/** Between the beginnings of two readings. */
const betweenMs = 1_000;

export class AccountCatalogue {
  private readonly load: () => Promise<readonly AccountRow[]>;
  private readonly clock: Clock;
  private accounts: readonly Account[] = [];
  private startedAt = Number.NEGATIVE_INFINITY;
  private running: Promise<void> | undefined;
  private next: Promise<void> | undefined;

  constructor(load: () => Promise<readonly AccountRow[]>, clock: Clock) {
    this.load = load;
    this.clock = clock;
  }

  current(): readonly Account[] {
    return this.accounts;
  }

  /**
   * Resolves when accounts were read by a reading that began after this call. When it fails, so does this, and the
   * copy stays as it was. Calls that come while another waits for its turn share it.
   */
  refresh(): Promise<void> {
    this.next ??= this.turn();
    return this.next;
  }

  private async turn(): Promise<void> {
    // Whoever waits for the reading that runs hears of its failure; it does not spoil this one. With none running
    // this still lets the caller note that a turn is taken.
    await Promise.allSettled([this.running]);
    const restMs = this.startedAt + betweenMs - this.clock.monotonic();
    if (restMs > 0) await this.clock.sleep(restMs);
    this.next = undefined;
    this.startedAt = this.clock.monotonic();
    this.running = this.read();
    await this.running;
  }

  private async read(): Promise<void> {
    this.accounts = parseAccounts(await this.load());
  }
}
