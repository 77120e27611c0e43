import { expect, test } from 'vitest';
import { haproxyConfiguration } from './gateway-peers.ts';
import { parseSysbench } from './gateway-sysbench.ts';

const summary = `SQL statistics:
    transactions:                        8700   (8692.38 per sec.)
    queries:                             8700   (8692.38 per sec.)
    ignored errors:                      3      (3.00 per sec.)
Latency (ms):
         50th percentile:                        0.04
`;

test('the summary of sysbench, with the middle of its histogram', () => {
  expect(parseSysbench(summary)).toEqual({ perSecond: 8692.38, queriesPerSecond: 8692.38, p50Ms: 0.04, conflicts: 3 });
  const histogram = `       value  ------------- distribution ------------- count
       0.040 |*                                        10
       0.042 |**************************************** 40
       0.043 |*********************                    50
`;
  expect(parseSysbench(histogram + summary)?.p50Ms).toBeCloseTo(0.042, 6);
  expect(parseSysbench('FATAL: unable to connect')).toBeUndefined();
});

test('HAProxy checks every instance, nearest first, and leaves from its own address', () => {
  const at = (instance: string, host: string) => ({
    ...{ instance, site: 'a', host, port: 3306, user: 'u', password: 'p', database: 'd' },
  });
  const text = haproxyConfiguration({
    instances: [at('one', '10.0.0.1'), at('two', '10.0.0.2')],
    address: '10.0.0.9',
    ports: [1, 2],
  });
  expect(text).toMatch(
    /listen first\n {2}bind 10\.0\.0\.9:1\n {2}balance first\n {2}source 10\.0\.0\.9\n {2}server one /,
  );
  expect(text).toMatch(/listen leastconn\n {2}bind 10\.0\.0\.9:2\n {2}balance leastconn/);
  expect(text.match(/server \w+ \S+ check/g)).toHaveLength(4);
});
