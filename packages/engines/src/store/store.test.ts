/** What the store's supervisor decides, and what its front lets pass. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { judgeRequest } from './paths.ts';
import { settingsDigest, storeArguments } from './settings.ts';
import { judgeStore, pauseMs, storeLimits } from './states.ts';
import { lastWordsOf, readStoreFigures } from './words.ts';

const settings = {
  name: 'fine',
  program: '/usr/bin/victoria-metrics',
  folder: '/data/fine',
  address: '127.0.0.1',
  port: 8_428,
  retentionDays: 30,
  memoryBytes: 100_000_000,
  leaveFreeBytes: 200_000_000,
};

test('settings become arguments, and other settings are another process', () => {
  expect(storeArguments(settings)).toEqual(
    expect.arrayContaining([
      '-storageDataPath=/data/fine/data',
      '-httpListenAddr=127.0.0.1:8428',
      '-retentionPeriod=30d',
    ]),
  );
  expect(settingsDigest(settings)).toBe(settingsDigest({ ...settings }));
  expect(settingsDigest(settings)).not.toBe(settingsDigest({ ...settings, retentionDays: 31 }));
});

describe('the supervisor', () => {
  test.each([
    [{ kind: 'gone', lastWords: 'cannot open storage' }, 'waiting', 'restart', 'it ended: cannot open storage'],
    [{ kind: 'mute', what: 'ECONNREFUSED', forMs: 200_000, everAnswered: false }, 'starting', 'none', 'ECONNREFUSED'],
    [{ kind: 'mute', what: 'timeout', forMs: 301_000, everAnswered: false }, 'starting', 'restart', 'timeout'],
    [{ kind: 'mute', what: 'timeout', forMs: 10_000, everAnswered: true }, 'silent', 'none', 'no answer for 10 s'],
    [{ kind: 'mute', what: 'timeout', forMs: 31_000, everAnswered: true }, 'silent', 'restart', 'timeout'],
    [{ kind: 'answers', readOnly: false, freeBytes: 5 }, 'serving', 'none', 'it answers'],
    [{ kind: 'answers', readOnly: true, freeBytes: 5 * 2 ** 20 }, 'read-only', 'none', '5 MiB left'],
  ] as const)('says of %j that it is %s, action %s', (look, state, action, reason) => {
    expect(judgeStore(look)).toEqual({ state, action, reason: expect.stringContaining(reason) });
  });

  test('waits longer after each death, and never for ever', () => {
    const pauses = Array.from({ length: 100 }, (_, index) => pauseMs(index + 1));
    expect(pauses[0]).toBe(storeLimits.firstPauseMs);
    expect(pauses.every((pause, index) => pause >= (pauses[index - 1] ?? 0))).toBe(true);
    expect(pauses.at(-1)).toBe(storeLimits.longestPauseMs);
  });
});

test('figures and last words of VictoriaMetrics are read', () => {
  const page = 'vm_free_disk_space_bytes{path="/x"} 15695872\nvm_storage_is_read_only{path="/x"} 1\n';
  expect(readStoreFigures(page)).toEqual({ readOnly: true, freeBytes: 15_695_872 });
  expect(readStoreFigures('')).toEqual({ readOnly: false, freeBytes: undefined });
  const log =
    '2026-11-25T17:51:11.093Z\twarn\ta.go:1\tslow\n2026-11-25T17:51:11.093Z\tfatal\tb.go:2\tcannot open "x"\n';
  expect(lastWordsOf(log)).toBe('cannot open "x"');
  expect(lastWordsOf('nothing of note')).toBe('');
});

describe('the front', () => {
  test.each([
    ['POST', '/api/v1/write', true],
    ['GET', '/api/v1/write', 405],
    ['GET', '/api/v1/query?query=up', true],
    ['POST', '/api/v1/query_range', true],
    ['GET', '/api/v1/label/job/values', true],
    ['GET', '/health', true],
    ['GET', '/coequal/metrics', true],
    ['DELETE', '/health', 405],
    ['POST', '/api/v1/admin/tsdb/delete_series?match[]=up', 404],
    ['GET', '/api/v1/export?match[]=up', 404],
    ['GET', '/internal/resetRollupResultCache', 404],
    ['GET', '/api/v1/label/..%2Fadmin/values', 404],
    ['GET', '/api/v1//query', 404],
    ['GET', '/health/../api/v1/export', 404],
    ['GET', '//health', 404],
    ['GET', `/health?${'x'.repeat(70_000)}`, 414],
  ] as const)('%s %s: %s', (method, target, expected) => {
    const verdict = judgeRequest(method, target);
    expect(verdict.ok ? true : verdict.status).toBe(expected);
  });

  test('lets nothing pass that is not in its table, whatever is asked', () => {
    const part = fc.constantFrom(
      '/',
      'api',
      'v1',
      'write',
      'query',
      '..',
      '%2e',
      'label',
      'values',
      '?',
      '#',
      '\\',
      ' ',
    );
    fc.assert(
      fc.property(fc.array(part), (parts) => {
        const target = parts.join('');
        const verdict = judgeRequest('GET', target);
        if (verdict.ok)
          expect(target).toMatch(/^\/(api\/v1\/(query|label\/[a-z0-9_]+\/values)|health|metrics)(\?.*)?$/s);
      }),
      { numRuns: 2_000 },
    );
  });
});
