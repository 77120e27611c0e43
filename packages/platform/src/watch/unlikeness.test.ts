/** A host that does what it never did is told, and opens an incident only where it is beyond doubt; one whose load wanders is like itself. */
import { seededRandom } from '@coequal/kernel';
import { LiveWindow, usualWindow } from '@coequal/signals';
import { expect, test } from 'vitest';
import { startMs, tell, tryPlaces } from '../testing.ts';
import type { Finding } from './finding.ts';
import { Unlikeness } from './unlikeness.ts';

const width = 30;
const nobody: ReadonlySet<string> = new Set();

/** A host whose levels and counters follow two loads that wander and jump; `broken` moves some of them alone. */
const hostOf = (seed: number) => {
  const random = seededRandom(seed);
  const normal = (): number => Array.from({ length: 12 }, () => random.next()).reduce((sum, each) => sum + each, -6);
  const shares = Array.from({ length: width }, () => [random.next(), random.next()] as const);
  const totals = new Float64Array(width);
  const window = new LiveWindow({ ...usualWindow, seconds: 120 });
  const unlikeness = new Unlikeness(tryPlaces(), window);
  let [second, first, other] = [startMs / 1_000, 0, 0];
  return (seconds: number, broken = 0, drifting = nobody): readonly (readonly Finding[])[] =>
    Array.from({ length: seconds }, () => {
      second += 1;
      first = 0.98 * first + 0.2 * normal();
      other = 0.95 * other + 0.3 * normal();
      const jump = Math.floor(second / 900) % 2;
      const values = Object.fromEntries(
        shares.map(([a, b], index) => {
          const level = 200 + 20 * (a * (first + jump) + b * other) + 2 * normal() - (index < 6 ? broken : 0);
          totals[index] = (totals[index] ?? 0) + level;
          return index % 2 === 0
            ? [`mysql_global_status_threads_running_${index}`, level]
            : [`node_figure_${index}_total`, totals[index] ?? 0];
        }),
      );
      tell(window, second, { host: 'north-1', instance: 'north-1', job: 'node', site: 'north' }, values);
      return unlikeness.look(second * 1_000 + 900, drifting);
    });
};

const learned = 3_000;

test('hours of load that wanders and jumps say nothing', { timeout: 120_000 }, () => {
  const run = hostOf(1);
  expect(run(learned + 7_200).flat()).toEqual([]);
});

test('what it never did is told after some moments, with what it is about, and is over when it is over', () => {
  const run = hostOf(3);
  run(learned);
  const during = run(90, 150);
  expect(during.slice(0, 15).flat()).toEqual([]);
  const told = during.at(-1);
  expect(told).toMatchObject([
    { name: 'HostUnlikeItself', severity: 'info', place: { host: 'north-1', site: 'north' } },
  ]);
  expect(told?.[0]?.summary).toMatch(
    /north-1 is unlike itself in (mysql_global_status_threads_running|node_figure)_\d/,
  );
  expect(run(60).at(-1)).toEqual([]);
});

test('it opens an incident only beyond doubt, and where indicators leave their course as well', () => {
  const severities = (looks: readonly (readonly Finding[])[]) => new Set(looks.flat().map(({ severity }) => severity));
  const alone = hostOf(4);
  alone(learned);
  expect(severities(alone(150, 5_000))).toEqual(new Set(['info']));
  const both = hostOf(4);
  both(learned);
  const looks = both(150, 5_000, new Set(['north-1']));
  expect(severities(looks.slice(0, 55))).toEqual(new Set(['info']));
  expect(severities(looks.slice(-10))).toEqual(new Set(['warning']));
  const elsewhere = hostOf(4);
  elsewhere(learned);
  expect(severities(elsewhere(150, 5_000, new Set(['south-1'])))).toEqual(new Set(['info']));
});
