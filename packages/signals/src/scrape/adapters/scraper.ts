/**
 * Reads an exporter of Prometheus' text format or OpenMetrics over HTTP. A scrape that fails gives what Prometheus gives then: `up`
 * 0 and how long it took. Broken lines of a text that came are problems, and the other lines are kept.
 */
import { type Clock, reasonOf } from '@coequal/kernel';
import { formatOfContentType, parseExposition } from '../../exposition/parse.ts';
import type { Family, Point, Sample } from '../../sample.ts';
import { HttpPeer, type PeerFiles } from './http-peer.ts';

export type ScraperOptions = {
  readonly url: string;
  readonly clock: Clock;
  readonly deadlineMs: number;
  /** More samples than this fail the scrape: an exporter gone wild must not flood the store. */
  readonly samples: number;
  readonly files?: PeerFiles;
  readonly tokenFile?: string | undefined;
  readonly user?: string | undefined;
  readonly passwordFile?: string | undefined;
};

export type Scraped = {
  /** What the exporter told; times of its own are kept. */
  readonly samples: readonly Sample[];
  /** `up`, `scrape_duration_seconds`, `scrape_samples_scraped`. */
  readonly points: readonly Point[];
  readonly families: readonly Family[];
  readonly problems: readonly string[];
};

/** A text of this size has far more samples than anybody keeps once a second. */
const answerBytes = 32 * 2 ** 20;
const accept = 'application/openmetrics-text;version=1.0.0;q=0.9,text/plain;version=0.0.4;q=0.8,*/*;q=0.1';

export class Scraper {
  readonly #options: ScraperOptions;
  readonly #peer: HttpPeer;

  constructor(options: ScraperOptions) {
    this.#options = options;
    this.#peer = new HttpPeer(options);
  }

  /** `timeMs`: of samples that carry no time of their own. */
  async scrape(timeMs: number, signal: AbortSignal): Promise<Scraped> {
    const { clock, deadlineMs, samples: limit } = this.#options;
    const startedMs = clock.monotonic();
    const seconds = (): number => (clock.monotonic() - startedMs) / 1_000;
    const answer = await this.#peer.exchange({
      method: 'GET',
      path: '',
      headers: { accept },
      deadlineMs,
      answerBytes,
      signal,
    });
    if (!answer.ok) return failed(answer.what, seconds());
    if (answer.status !== 200) return failed(`it answers ${answer.status}`, seconds());
    const format = formatOfContentType(answer.contentType);
    const { samples, families, problems, problemCount } = parseExposition(answer.body, { timeMs, format });
    if (samples.length > limit) return failed(`it has ${samples.length} samples, and ${limit} are taken`, seconds());
    if (samples.length === 0 && problemCount > 0)
      return failed(`nothing of it can be read: ${problems[0]?.what}`, seconds());
    const told = problems.slice(0, 3).map(({ line, what }) => `line ${line}: ${what}`);
    const more = problemCount > told.length ? [`and ${problemCount - told.length} more lines`] : [];
    return { samples, points: ownPoints(1, seconds(), samples.length), families, problems: [...told, ...more] };
  }

  close(): void {
    this.#peer.close();
  }
}

const failed = (what: string, seconds: number): Scraped => ({
  samples: [],
  points: ownPoints(0, seconds, 0),
  families: [],
  problems: [reasonOf(what)],
});

const ownPoints = (up: number, seconds: number, scraped: number): readonly Point[] => [
  { name: 'up', labels: [], value: up },
  { name: 'scrape_duration_seconds', labels: [], value: seconds },
  { name: 'scrape_samples_scraped', labels: [], value: scraped },
];
