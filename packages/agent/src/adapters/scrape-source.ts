/** An exporter as a source. */
import type { Clock } from '@coequal/kernel';
import { estateLabels, Relabeler, Scraper } from '@coequal/signals/collecting';
import { gatewayDeadlineMs, longestScrapeMs } from '../limits.ts';
import type { ScrapeTarget } from '../settings.ts';
import type { Source } from '../source.ts';

/** Room for the scraper to tell its own failure before it counts as one that hangs. */
const graceMs = 200;

export const scrapeSource = (target: ScrapeTarget, clock: Clock): Source => {
  const deadlineMs = Math.min(longestScrapeMs, target.everyMs * (gatewayDeadlineMs / 1_000));
  const scraper = new Scraper({ ...target, files: target, clock, deadlineMs });
  const labels = estateLabels(target.labels);
  const [told, own] = [new Relabeler(labels), new Relabeler(labels)];
  return {
    collector: target.job === 'coequal_gateway' ? 'gateway' : 'scrape',
    target:
      target.job === 'coequal_gateway'
        ? (target.labels['instance'] ?? '')
        : `${target.job}/${target.labels['instance']}`,
    everyMs: target.everyMs,
    deadlineMs: deadlineMs + graceMs,
    collect: async (timeMs, signal) => {
      const { samples, points, families, problems } = await scraper.scrape(timeMs, signal);
      return { samples: [...told.samples(samples), ...own.points(points, timeMs)], families, problems };
    },
    close: async () => scraper.close(),
  };
};
