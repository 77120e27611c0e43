/**
 * The store of metrics as the platform uses it: asks it, keeps on disk what others sent until it has that too, and knows whether it can
 * be reached. Nothing here waits for it without a deadline.
 */
import { join } from 'node:path';
import { type Clock, type Log, reasonOf } from '@coequal/kernel';
import { encodeRemoteWrite, Outbox, type StoreClient, sendWaiting } from '@coequal/signals';
import { limits } from '../limits.ts';
import type { MetricsStore } from '../ports.ts';

export type OpenedStore = MetricsStore & { readonly close: () => Promise<void> };

export type StoreOptions = {
  readonly name: string;
  readonly client: StoreClient;
  readonly stateFolder: string;
  readonly clock: Clock;
  readonly log: Log;
};

export const openMetricsStore = async ({
  name,
  client,
  stateFolder,
  clock,
  log,
}: StoreOptions): Promise<OpenedStore> => {
  const outbox = await Outbox.open({
    folder: join(stateFolder, 'outbox'),
    limitBytes: limits.ingest.outboxBytes,
    segmentBytes: limits.ingest.outboxSegmentBytes,
  });
  const ended = new AbortController();
  let problem: string | null = null;
  let asked = false;
  const tell = (found: string | null): void => {
    if (found !== null && problem === null) log('warn', 'the store does not answer', { store: name, reason: found });
    if (found === null && problem !== null) log('info', 'the store answers again', { store: name });
    problem = found;
    asked = true;
  };
  const loop = async (): Promise<void> => {
    while (!ended.signal.aborted) {
      const { stopped } = await sendWaiting(outbox, client);
      const answer =
        stopped === undefined ? await client.instant('vector(1)', clock.now()) : { ok: false, what: stopped };
      tell(answer.ok ? null : 'what' in answer ? answer.what : 'no answer');
      await clock.sleep(limits.store.retryMs, ended.signal).catch(() => undefined);
    }
  };
  const running = loop().catch((error: unknown) =>
    log('error', 'the store is not served any more', { reason: reasonOf(error) }),
  );
  return {
    name,
    range: (query, fromMs, toMs, stepMs) => client.range(query, fromMs, toMs, stepMs),
    forward: (samples) => outbox.append(encodeRemoteWrite(samples)),
    state: () => ({ reachable: problem === null || !asked, problem, waiting: outbox.waiting }),
    close: async () => {
      ended.abort();
      await running;
      await outbox.close();
    },
  };
};
