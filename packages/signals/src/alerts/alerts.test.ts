/** Silences, inhibition, matchers and the shapes of Alertmanager's API. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Labels, labelsOf } from '../sample.ts';
import { fingerprintOf } from './alert.ts';
import { gettableAlert, gettableSilence, mergeHeard, readAlerts, readSilence } from './api.ts';
import { inhibitedBy } from './inhibition.ts';
import { formatMatcher, type Matcher, matchesAll, parseMatchers } from './matchers.ts';
import { payloadOf, readWebhook } from './payload.ts';
import { endSilence, keptSilences, type Silence, silencedBy, silenceFault, silenceState } from './silences.ts';

const labels = (record: Readonly<Record<string, string>>): Labels => labelsOf(Object.entries(record)) ?? [];
const matchers = (text: string): readonly Matcher[] => {
  const parsed = parseMatchers(text);
  if (!parsed.ok) throw new Error(parsed.what);
  return parsed.matchers;
};

describe('matchers', () => {
  const own = labels({ instance: 'north-db-1', severity: 'critical' });
  test.each([
    ['severity="critical"', true],
    ['{severity="critical",instance=~"north-.*"}', true],
    ['severity=critical, instance!=south', true],
    ['instance=~"north"', false],
    ['instance!~"north.*"', false],
    ['site=""', true],
    ['site!=""', false],
    ['site=~".+"', false],
    ['site!~".+"', true],
    ['', true],
    ['{}', true],
    ['severity="critical",', true],
    ['instance=~"(?i)NORTH.*"', true],
  ])('%s: %s', (text, expected) => {
    expect(matchesAll(matchers(text), own)).toBe(expected);
  });

  test.each([
    ['a', 'is not a matcher'],
    ['1a="b"', 'is not a matcher'],
    ['a="b" c="d"', 'a comma is missing'],
    ['a=~"("', 'is not a regular expression'],
    ['a=~"(?=b)"', 'is not a regular expression'],
    ['a="b', 'is missing before'],
    [Array.from({ length: 51 }, (_, index) => `a${index}=b`).join(','), 'more than 50'],
  ])('%s is refused: %s', (text, what) => {
    expect(parseMatchers(text)).toEqual({ ok: false, what: expect.stringContaining(what) });
  });

  test('are read as they are written', () => {
    const matcher = fc.record({
      name: fc.constantFrom('a', 'b_c'),
      sign: fc.constantFrom('=', '!='),
      value: fc.string({ unit: 'grapheme' }),
    });
    fc.assert(
      fc.property(fc.array(matcher, { maxLength: 5 }), (list) => {
        expect(matchers(list.map(formatMatcher).join(', '))).toEqual(list);
      }),
    );
  });
});

describe('silences', () => {
  const silence: Silence = {
    id: '1',
    matchers: matchers('host="a"'),
    startsAtMs: 1_000,
    endsAtMs: 2_000,
    createdBy: 'kim',
    comment: 'change 12',
    updatedAtMs: 500,
  };

  test('hold from their beginning to before their end', () => {
    expect([999, 1_000, 1_999, 2_000].map((atMs) => silenceState(silence, atMs))).toEqual([
      'pending',
      'active',
      'active',
      'expired',
    ]);
    expect(silencedBy(labels({ host: 'a' }), [silence], 1_500)).toEqual([silence]);
    expect(silencedBy(labels({ host: 'b' }), [silence], 1_500)).toEqual([]);
    expect(silencedBy(labels({ host: 'a' }), [silence], 2_000)).toEqual([]);
  });

  test('end when somebody says so, and are forgotten long after', () => {
    expect(silenceState(endSilence(silence, 1_500), 1_500)).toBe('expired');
    expect(silenceState(endSilence(silence, 500), 1_500)).toBe('expired');
    expect(endSilence(silence, 3_000)).toBe(silence);
    expect(keptSilences([silence], 3_000)).toEqual([silence]);
    expect(keptSilences([silence], 10 * 86_400_000)).toEqual([]);
  });

  test.each([
    [{ matchers: [] }, 'one matcher at least'],
    [{ matchers: matchers('host=~".*"') }, 'everything'],
    [{ endsAtMs: 1_000 }, 'ends after it begins'],
    [{ startsAtMs: 100, endsAtMs: 600 }, 'ends in the future'],
    [{ createdBy: ' ' }, 'who wants it'],
    [{ comment: '' }, 'says why'],
    [{ matchers: [{ name: 'a b', sign: '=', value: 'x' }] as const }, 'cannot be the name'],
  ])('%j is refused: %s', (change, what) => {
    expect(silenceFault({ ...silence, ...change }, 700)).toContain(what);
    expect(silenceFault(silence, 700)).toBeUndefined();
  });

  test('are read and told in the shape of Alertmanager', () => {
    const body = {
      matchers: [
        { name: 'host', value: 'a', isRegex: false },
        { name: 'site', value: 'n.*', isRegex: true, isEqual: false },
      ],
      startsAt: '1970-01-01T00:00:01.000000001Z',
      endsAt: '1970-01-01T02:00:02+02:00',
      createdBy: 'kim',
      comment: 'change 12',
    };
    const read = readSilence(body, 1_500);
    expect(read).toEqual({
      ok: true,
      value: {
        id: undefined,
        matchers: matchers('host="a",site!~"n.*"'),
        startsAtMs: 1_500,
        endsAtMs: 2_000,
        createdBy: 'kim',
        comment: 'change 12',
      },
    });
    if (!read.ok) return;
    expect(gettableSilence({ ...read.value, id: '7', updatedAtMs: 1_500 }, 1_600)).toMatchObject({
      id: '7',
      status: { state: 'active' },
      endsAt: '1970-01-01T00:00:02.000Z',
      matchers: [
        { name: 'host', value: 'a', isRegex: false, isEqual: true },
        { name: 'site', value: 'n.*', isRegex: true, isEqual: false },
      ],
    });
    for (const bad of [{ ...body, endsAt: 'tomorrow' }, { ...body, matchers: 3 }, { ...body, comment: '' }, null])
      expect(readSilence(bad, 1_500).ok).toBe(false);
  });
});

describe('inhibition', () => {
  const rule = {
    source: matchers('alertname="SiteCutOff"'),
    target: matchers('severity=~"warning|critical"'),
    equal: ['site'],
  };
  const alert = (record: Readonly<Record<string, string>>) => ({ labels: labels(record) });
  const cutOff = alert({ alertname: 'SiteCutOff', site: 'north', severity: 'critical' });

  test('holds back what is of the same site', () => {
    expect(inhibitedBy(labels({ alertname: 'Down', site: 'north', severity: 'warning' }), [cutOff], [rule])).toEqual([
      cutOff,
    ]);
    expect(inhibitedBy(labels({ alertname: 'Down', site: 'south', severity: 'warning' }), [cutOff], [rule])).toEqual(
      [],
    );
    expect(inhibitedBy(labels({ alertname: 'Down', site: 'north', severity: 'info' }), [cutOff], [rule])).toEqual([]);
  });

  test('never holds back its own source, nor both of two that are source and target', () => {
    expect(inhibitedBy(cutOff.labels, [cutOff], [rule])).toEqual([]);
    const other = alert({ alertname: 'SiteCutOff', site: 'north', severity: 'critical', from: 'south' });
    expect(inhibitedBy(cutOff.labels, [cutOff, other], [rule])).toEqual([]);
  });

  test('takes a label that both lack as alike', () => {
    const source = alert({ alertname: 'SiteCutOff', severity: 'critical' });
    expect(inhibitedBy(labels({ alertname: 'Down', severity: 'warning' }), [source], [rule])).toEqual([source]);
  });
});

describe('alerts of others', () => {
  test('are read as Prometheus and vmalert send them', () => {
    const body = [
      {
        labels: { alertname: 'Down', host: 'a', empty: '' },
        annotations: { summary: 'x' },
        startsAt: '1970-01-01T00:00:10Z',
        endsAt: '1970-01-01T00:05:00Z',
        generatorURL: 'http://prometheus/graph',
      },
      { labels: { alertname: 'NoEnd' }, startsAt: '0001-01-01T00:00:00Z', endsAt: '0001-01-01T00:00:00Z' },
    ];
    expect(readAlerts(body, 20_000)).toEqual({
      ok: true,
      value: [
        {
          labels: labels({ alertname: 'Down', host: 'a' }),
          annotations: labels({ summary: 'x' }),
          startsAtMs: 10_000,
          endsAtMs: 300_000,
          generatorUrl: 'http://prometheus/graph',
        },
        {
          labels: labels({ alertname: 'NoEnd' }),
          annotations: [],
          startsAtMs: 20_000,
          endsAtMs: 320_000,
          generatorUrl: '',
        },
      ],
    });
  });

  test.each([
    [3, 'the body'],
    [[{}], '0.labels'],
    [[{ labels: {} }], 'has 0 labels'],
    [[{ labels: { a: '' } }], 'has 0 labels'],
    [[{ labels: { 'a b': 'c' } }], 'cannot be one'],
    [[{ labels: { a: 3 } }], '0.labels.a'],
    [[{ labels: { a: 'b' }, startsAt: 'soon' }], 'not a time'],
    [
      [{ labels: { a: 'b' }, startsAt: '2020-01-02T00:00:00Z', endsAt: '2020-01-01T00:00:00Z' }],
      'ends before it begins',
    ],
  ])('%j is refused: %s', (body, what) => {
    expect(readAlerts(body, 1)).toEqual({ ok: false, what: expect.stringContaining(what) });
  });

  test('told again they began when they were first told, and end by themselves', () => {
    const one = (startsAtMs: number, endsAtMs: number) => [
      { labels: labels({ alertname: 'A' }), annotations: [], startsAtMs, endsAtMs, generatorUrl: '' },
    ];
    let known = mergeHeard(new Map(), one(10, 100), 20);
    known = mergeHeard(known, one(50, 200), 60);
    expect([...known.values()].map(({ startsAtMs, endsAtMs }) => [startsAtMs, endsAtMs])).toEqual([[10, 200]]);
    expect(mergeHeard(known, [], 200).size).toBe(0);
    expect(mergeHeard(known, one(50, 70), 80).size).toBe(0);
    expect([...mergeHeard(known, one(300, 400), 350).values()][0]?.startsAtMs).toBe(300);
  });

  test('any body is read or refused in words', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (body) => {
        expect(typeof readAlerts(body, 5).ok).toBe('boolean');
        expect(typeof readSilence(body, 5).ok).toBe('boolean');
        readWebhook(body);
      }),
    );
  });
});

describe('what is told', () => {
  const alert = {
    labels: labels({ alertname: 'Down', host: 'a', site: 'north' }),
    annotations: labels({ summary: 'x', description: 'y' }),
    startsAtMs: 1_000,
    generatorUrl: 'https://ops/alerts',
  };
  const notification = {
    groupKey: 'k',
    receiver: 'team',
    groupLabels: labels({ alertname: 'Down' }),
    atMs: 5_000,
    firing: [alert],
    resolved: [{ ...alert, labels: labels({ alertname: 'Down', host: 'b', site: 'north' }), endsAtMs: 4_000 }],
  };

  test('is what Alertmanager would tell, and is read back', () => {
    const payload = payloadOf(notification, 'https://ops');
    expect(payload).toMatchObject({
      version: '4',
      status: 'firing',
      receiver: 'team',
      groupLabels: { alertname: 'Down' },
      commonLabels: { alertname: 'Down', site: 'north' },
      commonAnnotations: { summary: 'x', description: 'y' },
      truncatedAlerts: 0,
    });
    expect(payload.alerts.map(({ status, startsAt, endsAt }) => [status, startsAt, endsAt])).toEqual([
      ['firing', '1970-01-01T00:00:01.000Z', '0001-01-01T00:00:00Z'],
      ['resolved', '1970-01-01T00:00:01.000Z', '1970-01-01T00:00:04.000Z'],
    ]);
    expect(readWebhook(JSON.parse(JSON.stringify(payload)))).toEqual([
      { ...alert, endsAtMs: undefined },
      { ...notification.resolved[0], endsAtMs: 4_000 },
    ]);
    expect(payloadOf({ ...notification, firing: [] }, '').status).toBe('resolved');
    expect(readWebhook({ version: '3' })).toBeUndefined();
  });

  test('of a flood is cut, and says by how much', () => {
    const many = Array.from({ length: 700 }, (_, index) => ({ ...alert, labels: labels({ host: String(index) }) }));
    const payload = payloadOf({ ...notification, firing: many, resolved: [] }, '');
    expect([payload.alerts.length, payload.truncatedAlerts]).toEqual([500, 200]);
  });

  test('says who holds it back', () => {
    const silence = { id: '7', matchers: [], startsAtMs: 0, endsAtMs: 1, createdBy: 'a', comment: 'b', updatedAtMs: 0 };
    const about = { receivers: ['team'], silencedBy: [silence], inhibitedBy: [alert], atMs: 5_000 };
    expect(gettableAlert(alert, about)).toMatchObject({
      fingerprint: fingerprintOf(alert.labels),
      receivers: [{ name: 'team' }],
      status: { state: 'suppressed', silencedBy: ['7'], inhibitedBy: [fingerprintOf(alert.labels)] },
    });
    expect(gettableAlert(alert, { ...about, silencedBy: [], inhibitedBy: [] }).status.state).toBe('active');
  });
});
