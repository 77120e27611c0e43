/** The keys of services whose engine is `external`: anything that shows its metrics to Prometheus. */
import { z } from 'zod';
import { certificateFiles, jobRule, scrapeUrlRule, userRule } from './schema-agents.ts';
import { duration, name, path, text } from './schema-values.ts';

const selectorRule = {
  pattern:
    /^[a-zA-Z_:][a-zA-Z0-9_:]*(\{[a-zA-Z_][a-zA-Z0-9_]*="[^"\\{}\n]*"(, ?[a-zA-Z_][a-zA-Z0-9_]*="[^"\\{}\n]*")*\})?$/,
  message: 'is not the name of a signal',
  advice: 'Write its name, and labels with `=` where one name has several: `redis_db_keys{db="db0"}`.',
};

const signal = (description: string, example: string) => text(description, selectorRule, example).optional();

const signals = z
  .strictObject({
    up: signal('Is 1 while the engine answers. Without it an instance is up when its exporter answers.', 'redis_up'),
    connections: signal('Connections of clients now.', 'redis_connected_clients'),
    mostConnections: signal('How many connections it takes.', 'redis_config_maxclients'),
    work: signal('Counts what it does for its clients.', 'redis_commands_processed_total'),
    errors: signal('Counts what failed.', 'redis_rejected_connections_total'),
    latency: signal('Seconds that a request takes, now.', 'app_request_seconds'),
    latencySum: signal('Counts the seconds of all requests; with `latencyCount`.', 'app_request_seconds_sum'),
    latencyCount: signal('Counts the requests; with `latencySum`.', 'app_request_seconds_count'),
  })
  .describe('Which of its exporter’s signals says what; several of one name are added.');

const second = 1_000;

const scrape = z
  .strictObject({
    url: text('Where the exporter shows its metrics.', scrapeUrlRule, 'http://127.0.0.1:9121/metrics'),
    every: duration('How often.', { least: second, most: 60 * second }, '1s').prefault('1s'),
    samples: z
      .int()
      .min(1)
      .max(200_000)
      .default(20_000)
      .describe('With more samples than this a scrape counts as failed.'),
    user: text('User for basic authentication.', userRule, 'scraper').optional(),
    passwordFile: path('File with the password of `user`.', '/etc/coequal/scraper.password').optional(),
    tokenFile: path('File with a bearer token.', '/etc/coequal/scraper.token').optional(),
    ...certificateFiles,
  })
  .describe('Its exporter, in the format of Prometheus or OpenMetrics.');

const instance = z
  .strictObject({
    name: name('Name of the instance, unique in the estate.', 'cache-north'),
    host: name('Name of the host it runs on.', 'north-1'),
    watchedFrom: name(
      'Name of the host whose agent asks the exporter; that of the instance unless given.',
      'north-2',
    ).optional(),
    scrape,
  })
  .describe('One process of the engine.');

/** `services[]` with `engine: external` */
export const externalService = z
  .strictObject({
    name: name('Name of the service, unique in the estate.', 'cache'),
    engine: z.literal('external').describe('An engine that Coequal watches and does not run.'),
    product: text('What it is; the label `job` of its signals.', jobRule, 'redis').default('external'),
    signals: signals.prefault({}),
    instances: z.array(instance).min(1).max(64).describe('Its instances.'),
  })
  .describe('A service of any engine, watched through its exporters.');
