/** `coequal diagnose` on files: the code that diagnoses is the real one. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runIn } from '../testing.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'coequal-diagnose-'));
  await writeFile(at('cases.ndjson'), casesText);
  await writeFile(at('cases.gz'), gzipSync(casesText));
  await writeFile(at('broken.ndjson'), '{"columns":["a"]}\n{"id":"x","causes":[],"rows":[[1,2]]}\n');
  await writeFile(at('other.json'), '{}');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const at = (name: string): string => join(folder, name);

/** Two causes that move different signals in rows 30 to 49 of 80; the noise is a fixed pattern. */
const rowsOf = (moved: number, salt: number) =>
  Array.from({ length: 80 }, (_, row) =>
    Array.from({ length: 6 }, (_, column) => {
      const noise = ((row * 7 + column * 13 + salt * 29 + ((row * row * (column + 3)) % 17)) % 11) / 11;
      const inside = row >= 30 && row < 50 && (column === 0 || column % 2 === moved);
      return 10 + noise + (inside ? 5 : 0);
    }),
  );
const cases = [0, 1].flatMap((moved) =>
  [1, 2, 3].map((salt) => ({
    id: `${moved}-${salt}`,
    causes: [moved === 0 ? 'even' : 'odd'],
    abnormal: Array.from({ length: 20 }, (_, index) => 30 + index),
    rows: rowsOf(moved, salt),
  })),
);
const casesText = [{ columns: ['latency', 'b', 'c', 'd', 'e', 'f'] }, ...cases]
  .map((line) => JSON.stringify(line))
  .join('\n');

const learned = async (): Promise<string> => {
  const ran = await runIn(['diagnose', 'learn', at('cases.ndjson'), '--out', at('knowledge.json')]);
  expect(ran).toMatchObject({ code: 0 });
  return at('knowledge.json');
};

describe('diagnose', () => {
  test('learns a knowledge file and says what is in it', async () => {
    const ran = await runIn(['diagnose', 'learn', at('cases.gz'), '--out', at('gz.json'), '--json']);
    expect(JSON.parse(ran.out)).toEqual({ incidents: 6, causes: ['even', 'odd'] });
    expect(await readFile(at('gz.json'), 'utf8')).toBe(await readFile(await learned(), 'utf8'));
    expect((await readdir(folder)).filter((name) => name.includes('unfinished'))).toEqual([]);
  });

  test('ranks causes, one line a case, with or without the window', async () => {
    const knowledge = await learned();
    for (const windows of [[], ['--windows', 'given']]) {
      const ran = await runIn(['diagnose', 'run', at('cases.gz'), '--knowledge', knowledge, '--json', ...windows]);
      const lines = ran.out
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line));
      expect(lines.map(({ id, causes }) => [id, causes[0].cause])).toEqual(
        cases.map(({ id, causes }) => [id, causes[0]]),
      );
      expect(lines.every(({ window, unknown }) => window[0] <= 32 && window[1] >= 48 && unknown < 0.5)).toBe(true);
    }
  });

  test('tells people cause, evidence and what was ruled out', async () => {
    const ran = await runIn(['diagnose', 'run', at('cases.ndjson'), '--knowledge', await learned()]);
    expect(ran.out).toMatch(/0-1: rows 30 to \d+: even \(\d+ %\)/);
    expect(ran.out).toMatch(/ {2}because \w+ above [\d.]+ \(otherwise about 1\d/);
  });

  test('adds to what a file knows', async () => {
    const knowledge = await learned();
    await writeFile(at('more.ndjson'), casesText.replaceAll('"id":"', '"id":"more-'));
    const ran = await runIn([
      'diagnose',
      'learn',
      at('more.ndjson'),
      '--knowledge',
      knowledge,
      '--out',
      at('all.json'),
      '--json',
    ]);
    expect(JSON.parse(ran.out).incidents).toBe(12);
  });

  test.each([
    ['a file that is not there', ['run', 'nowhere.ndjson', '--knowledge', 'KNOWLEDGE'], /There is no file .*nowhere/],
    [
      'a case out of order',
      ['learn', 'broken.ndjson', '--out', 'x.json'],
      /broken\.ndjson, line 2: row 0 has not 1 values/,
    ],
    [
      'a file that is no knowledge',
      ['run', 'cases.ndjson', '--knowledge', 'other.json'],
      /other\.json is not a knowledge file/,
    ],
    ['no knowledge', ['run', 'cases.ndjson'], /name it with --knowledge/],
    ['another window', ['run', 'cases.ndjson', '--knowledge', 'KNOWLEDGE', '--windows', 'x'], /It can be given, found/],
    [
      'a place that cannot be written',
      ['learn', 'cases.ndjson', '--out', 'none/x.json'],
      /The folder .*none cannot be written/,
    ],
  ])('refuses %s in one line', async (_, args, message) => {
    const knowledge = await learned();
    const paths = args.map((arg) => (arg === 'KNOWLEDGE' ? knowledge : /\.json|\.ndjson/.test(arg) ? at(arg) : arg));
    const ran = await runIn(['diagnose', ...paths]);
    expect(ran.code).toBe(2);
    expect(ran.out).toBe('');
    expect(ran.told.trimEnd().split('\n')).toHaveLength(1);
    expect(ran.told).toMatch(message);
  });
});

/** Lines as a drill writes them: of ten faults with a cause named for sure nine are right, of ten with a doubtful one three. */
const drilled = (): string => {
  const suspect = (cause: string, confidence: number) => ({
    ...{ cause, place: { site: 'north' }, confidence, sinceMs: 0, evidence: [] },
    witnesses: [{ witness: 'detail', weight: confidence, text: 'it was seen' }],
  });
  const fault = (confidence: number, rank: number | null) => ({
    ...{ type: 'fault', kind: 'kill', rank },
    suspects: [
      { ...suspect('slow disk', confidence), right: rank === 1 },
      { ...suspect('backup', 0.05), right: rank === 2 },
    ],
  });
  const lines = Array.from({ length: 10 }, (_, index) => [
    fault(0.92, index === 0 ? 2 : 1),
    fault(0.42, index < 3 ? 1 : null),
  ]).flat();
  return [...lines, { type: 'occasion', seed: 1, healthyMs: 1, falseIncidents: [] }]
    .map((line) => JSON.stringify(line))
    .join('\n');
};

describe('calibration', () => {
  test('says how often the first cause was right, by what it said of itself, and draws it', async () => {
    await writeFile(at('faults.ndjson'), drilled());
    const ran = await runIn(['diagnose', 'calibration', at('faults.ndjson'), '--picture', at('c.svg'), '--json']);
    const { incidents, right, error, reliability } = JSON.parse(ran.out);
    expect([incidents, right]).toEqual([20, 0.6]);
    expect(error).toBeCloseTo((0.02 + 0.12) / 2, 5);
    expect(reliability).toMatchObject([
      { cases: 10, right: 0.3 },
      { cases: 10, right: 0.9 },
    ]);
    expect((await readFile(at('c.svg'), 'utf8')).match(/<circle/g)).toHaveLength(2);
    const told = await runIn(['diagnose', 'calibration', at('faults.ndjson')]);
    expect(told.out).toMatch(/Of 20 incidents the first cause was right in 60 %.*\n {2}told 42 %, right 30 %/);
  });

  test('what it says is learned into weights', async () => {
    await writeFile(at('faults.ndjson'), drilled());
    const ran = await runIn(['diagnose', 'weigh', at('faults.ndjson'), '--out', at('weights.json'), '--json']);
    const { incidents, brierBefore, brierAfter } = JSON.parse(ran.out);
    expect(incidents).toBe(20);
    expect(brierAfter).toBeLessThan(brierBefore + 0.02);
  });

  test.each([
    ['nothing', '', /no incident has suspects/],
    ['no JSON', '{', /line 1.*not JSON/],
    ['something else', '{"type":"fault","suspects":7}', /line 1.*it is neither an incident nor a fault/],
    ['suspects that are none', '{"type":"fault","rank":1,"suspects":[{"cause":"x"}]}', /neither an incident/],
  ])('refuses %s', async (_, text, reason) => {
    await writeFile(at('faults-wrong.ndjson'), text);
    const ran = await runIn(['diagnose', 'calibration', at('faults-wrong.ndjson')]);
    expect([ran.code, ran.out]).toEqual([2, '']);
    expect(ran.told).toMatch(reason);
  });
});
