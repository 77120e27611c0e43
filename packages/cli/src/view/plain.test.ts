/** The view without a terminal. */
import { expect, test } from 'vitest';
import { plainView } from './plain.ts';
import { calmSnapshot, troubledSnapshot } from './testing.ts';

test('one status line every five seconds, and every event once', () => {
  const lines: string[] = [];
  const view = plainView((line) => lines.push(line.slice('00:00:00 '.length)));
  for (let half = 0; half <= 12; half += 1) view({ ...calmSnapshot, at: calmSnapshot.at + half * 500 });
  expect(lines).toEqual([
    'Serving.',
    ...Array(2).fill(
      'north serving 412 tx/s, longest pause 48 ms (directly 61 ms) · south serving 412 tx/s, longest pause 48 ms (directly 61 ms) · west serving 412 tx/s, longest pause 48 ms (directly 61 ms) · money exact, 37,035 acknowledged, 0 missing',
    ),
  ]);
});

test('trouble is told in words, on lines that hold no control characters', () => {
  const lines: string[] = [];
  plainView((line) => lines.push(line))(troubledSnapshot);
  expect(lines).toHaveLength(4);
  expect(lines[1]).toMatch(/north: The database was killed\.$/);
  expect(lines[3]).toMatch(
    /north gone 0 tx\/s, longest pause 2\.0 s \(directly 2\.0 s\) \(killed\) · south isolated .*MONEY NOT EXACT/,
  );
  expect(lines.join('')).not.toMatch(/\p{Cc}/u);
});
