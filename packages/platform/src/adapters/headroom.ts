/**
 * Whether the remaining sites could carry the peak of the last days without each one, asked of the store now and then. "No" is an alert,
 * but only of a store that has seen a day at least: what was measured for an hour has no peak.
 */
import { headroom, headroomAlert, headroomQueries, type SiteHeadroom } from '@coequal/diagnosis';
import type { Estate, Service } from '@coequal/estate';
import { type Clock, type Log, reasonOf } from '@coequal/kernel';
import type { StoreClient } from '@coequal/signals';
import type { Headroom } from '../ports.ts';
import { findingKey } from '../watch/finding.ts';

export type HeadroomWatch = Headroom & { readonly close: () => Promise<void> };

const firstMs = 20_000;
const everyMs = 10 * 60_000;
const enoughMs = 24 * 3_600_000;

export const watchHeadroom = (estate: Estate, client: StoreClient, clock: Clock, log: Log): HeadroomWatch => {
  const ended = new AbortController();
  let answers: readonly SiteHeadroom[] = [];
  let seenMs = 0;
  let sinceMs = 0;
  const loop = async (): Promise<void> => {
    let waitMs = firstMs;
    while (!ended.signal.aborted) {
      await clock.sleep(waitMs, ended.signal).catch((error: unknown) => {
        if (!ended.signal.aborted) throw error;
      });
      if (ended.signal.aborted) return;
      waitMs = everyMs;
      const found: SiteHeadroom[] = [];
      for (const service of estate.services) found.push(...(await askedOf(estate, service, client, clock)));
      answers = found;
      seenMs = await historyMs(client, clock);
      sinceMs = clock.now();
    }
  };
  const running = loop().catch((error: unknown) =>
    log('error', 'headroom is not watched any more', { reason: reasonOf(error) }),
  );
  return {
    answers: () => answers,
    findings: () =>
      (seenMs < enoughMs ? [] : answers).flatMap((answer) => {
        const alert = headroomAlert(answer, sinceMs);
        if (alert === undefined) return [];
        const { name, source, labels, severity, summary, startedMs, place } = alert;
        return [{ key: findingKey(source, name, labels), name, source, labels, severity, summary, startedMs, place }];
      }),
    close: async () => {
      ended.abort();
      await running;
    },
  };
};

const askedOf = async (
  estate: Estate,
  service: Service,
  client: StoreClient,
  clock: Clock,
): Promise<readonly SiteHeadroom[]> => {
  const peaks = new Map<ReturnType<typeof headroomQueries>[number]['resource'], number>();
  for (const { resource, promql } of headroomQueries(estate, service)) {
    const value = await peakOf(client, promql, clock.now());
    if (value !== undefined) peaks.set(resource, value);
  }
  return headroom({ estate, service, peaks });
};

/** For how long the store knows this estate; 0: not at all. */
const historyMs = async (client: StoreClient, clock: Clock): Promise<number> => {
  const nowMs = clock.now();
  const first = await peakOf(client, 'min(min_over_time(timestamp(mysql_up)[7d:1h]))', nowMs);
  return first === undefined ? 0 : nowMs - first * 1_000;
};

const peakOf = async (client: StoreClient, promql: string, atMs: number): Promise<number | undefined> => {
  const result = await client.instant(promql, atMs);
  const value = result.ok ? result.series[0]?.values[0] : undefined;
  return value !== undefined && Number.isFinite(value) ? value : undefined;
};
