/** Services of other engines in the estate file: what is filled in, and for every way of being wrong the place and the words. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { estateOrThrow, parseEstate } from './parse.ts';
import { formatProblem } from './problem.ts';

const file = readFileSync(new URL('../../../estates/three-centres.yaml', import.meta.url), 'utf8');
const host = estateOrThrow(file, 'e.yaml').sites[0]?.hosts[0]?.name ?? '';

/** The first service of the file, so that the places of the others move. */
const withService = (service: string, more = ''): string =>
  `${file.replace(/^services:\n/m, `services:\n  - {${service}}\n`)}\n${more}`;

const messagesOf = (text: string): readonly string[] => {
  const result = parseEstate(text);
  return (result.ok ? result.warnings : result.problems).map((problem) => formatProblem('coequal.yaml', problem));
};

const instance = `name: cache-1, host: ${host}, scrape: {url: "http://127.0.0.1:9121/metrics"}`;
const cache = `name: cache, engine: external, instances: [{${instance}}]`;

test('what the file leaves out is filled in, and signals may be chosen by labels', () => {
  const signals = `{up: redis_up, work: 'keys{db="db0", kind="a"}'}`;
  const estate = estateOrThrow(withService(`${cache}, signals: ${signals}`), 'e');
  expect(estate.services).toHaveLength(1);
  expect(estate.externals).toEqual([
    {
      ...{ name: 'cache', engine: 'external', product: 'external' },
      signals: {
        up: { name: 'redis_up', where: [] },
        work: {
          name: 'keys',
          where: [
            ['db', 'db0'],
            ['kind', 'a'],
          ],
        },
      },
      instances: [
        {
          ...{ name: 'cache-1', host },
          scrape: { url: 'http://127.0.0.1:9121/metrics', everyMs: 1_000, samples: 20_000 },
        },
      ],
    },
  ]);
});

test('without an agent on its host nobody watches it, which is said', () => {
  expect(messagesOf(withService(cache)).join('\n')).toMatch(
    new RegExp(`Nobody watches \`cache-1\`: host \`${host}\` has no agent`),
  );
  expect(messagesOf(withService(cache, `agents:\n  - {host: ${host}}\n`)).join('\n')).not.toContain('Nobody');
});

const twice = 'latency: a, latencySum: b, latencyCount: c';
test.each([
  ['another engine', cache.replace('external', 'oracle'), /`services\[0\]\.engine` cannot be `oracle`.*`galera`/s],
  ['a key of the other kind', `${cache}, database: bank`, /There is no key `database` in `services\[0\]`/],
  ['no exporter', `name: cache, engine: external, instances: [{name: a, host: ${host}}]`, /scrape.* is missing/],
  ['no instances', 'name: cache, engine: external, instances: []', /`services\[0\]\.instances` is empty/],
  ['an unknown host', cache.replace(`host: ${host}`, 'host: nowhere'), /There is no host `nowhere`/],
  ['an expression', `${cache}, signals: {up: 'rate(x[1m])'}`, /`rate\(x\[1m\]\)` is not the name of a signal/],
  ['half a latency', `${cache}, signals: {latencySum: a}`, /has only one half of its latency/],
  ['two latencies', `${cache}, signals: {${twice}}`, /has its latency twice/],
  ['a name that is taken', cache.replace('cache-1', 'bank-north'), /A second instance or arbitrator is named/],
  ['a job of the agent', `${cache}, product: node`, /The product of `cache` cannot be `node`/],
  ['a user alone', cache.replace('metrics"', 'metrics", user: x'), /has a user without a password/],
  ['a slow exporter', cache.replace('metrics"', 'metrics", every: 10min'), /`10min` is out of range/],
])('%s is refused, where the file says it', (_, service, words) => {
  expect(messagesOf(withService(service, `agents:\n  - {host: ${host}}\n`)).join('\n')).toMatch(words);
});
