/**
 * How many sessions each account has in the whole gateway, and with which worker: so that a limit holds over all
 * workers, and a worker that dies takes its sessions out of the count.
 */
import { ConnectionCounter } from '../accounts/limits.ts';

export type AccountCounts = {
  /** Counts one more, unless the account has reached the limit; 0 is none. */
  readonly admit: (worker: number, user: string, limit: number) => boolean;
  /** Counts one more in any case: a session that moved was admitted before. */
  readonly rejoin: (worker: number, user: string) => void;
  readonly leave: (worker: number, user: string) => void;
  readonly dropWorker: (worker: number) => void;
  readonly of: (user: string) => number;
};

export const makeAccountCounts = (): AccountCounts => {
  const all = new ConnectionCounter();
  const workers = new Map<number, Map<string, number>>();
  const rejoin = (worker: number, user: string): void => {
    const own = workers.get(worker) ?? new Map<string, number>();
    workers.set(worker, own.set(user, (own.get(user) ?? 0) + 1));
    all.rejoin(user);
  };
  return {
    admit: (worker, user, limit) => {
      if (limit > 0 && all.of(user) >= limit) return false;
      rejoin(worker, user);
      return true;
    },
    rejoin,
    leave: (worker, user) => {
      const own = workers.get(worker);
      const count = own?.get(user) ?? 0;
      if (own === undefined || count === 0) return;
      if (count === 1) own.delete(user);
      else own.set(user, count - 1);
      all.leave(user);
    },
    dropWorker: (worker) => {
      for (const [user, count] of workers.get(worker) ?? []) for (let i = 0; i < count; i += 1) all.leave(user);
      workers.delete(worker);
    },
    of: (user) => all.of(user),
  };
};
