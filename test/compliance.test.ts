/** The table of a standard's requirements: it leaves no number out, every line says where or why, and names only what is there. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const text = readFileSync(`${root}docs/compliance/asvs.md`, 'utf8');
const lines = [...text.matchAll(/^\| (\d+\.\d+\.\d+) \| (.+?) \| (.+?) \| (.+?) \|$/gm)].map(
  ([, number = '', asked = '', state = '', where = '']) => ({ number, asked, state, where }),
);

/**
 * How many requirements each section of OWASP ASVS 5.0.0 has at level 2 (for authentication, sessions and access control: at level 3). They
 * are numbered from 1, and those of higher levels stand last in their section.
 */
const sections: Readonly<Record<string, number>> = {
  ...{ '1.1': 2, '1.2': 9, '1.3': 11, '1.4': 3, '1.5': 2, '2.1': 3, '2.2': 3, '2.3': 4, '2.4': 1, '3.2': 2, '3.3': 4 },
  ...{ '3.4': 6, '3.5': 5, '3.7': 2, '4.1': 3, '4.2': 1, '4.3': 2, '4.4': 4, '5.1': 1, '5.2': 3, '5.3': 2, '5.4': 3 },
  ...{ '6.1': 3, '6.2': 12, '6.3': 8, '6.4': 6, '6.5': 8, '6.6': 4, '6.7': 2, '6.8': 4, '7.1': 3, '7.2': 4, '7.3': 2 },
  ...{ '7.4': 5, '7.5': 3, '7.6': 2, '8.1': 4, '8.2': 4, '8.3': 3, '8.4': 2, '9.1': 3, '9.2': 4, '10.1': 2, '10.2': 2 },
  ...{ '10.3': 4, '10.4': 11, '10.5': 5, '10.6': 2, '10.7': 3, '11.1': 2, '11.2': 3, '11.3': 3, '11.4': 4, '11.5': 1 },
  ...{ '11.6': 1, '12.1': 3, '12.2': 2, '12.3': 4, '13.1': 1, '13.2': 5, '13.3': 2, '13.4': 5, '14.1': 2, '14.2': 4 },
  ...{ '14.3': 3, '15.1': 3, '15.2': 3, '15.3': 7, '16.1': 1, '16.2': 5, '16.3': 4, '16.4': 3, '16.5': 3, '17.1': 1 },
  ...{ '17.2': 4, '17.3': 2 },
};

test('no requirement is left out, and none is there twice', () => {
  const wanted = Object.entries(sections).flatMap(([section, count]) =>
    Array.from({ length: count }, (_, index) => `${section}.${index + 1}`),
  );
  expect(lines.map(({ number }) => number).toSorted()).toEqual(wanted.toSorted());
});

test('every line says whether it is met, and what is met is shown by code or a document', () => {
  for (const { number, asked, state, where } of lines) {
    expect(['met', 'partly', 'not met', 'n/a'], number).toContain(state);
    expect(asked.length * where.length, number).toBeGreaterThan(0);
  }
});

test('every file that is named is there', () => {
  const named = lines.flatMap(({ where }) =>
    [...where.matchAll(/`([\w./-]+\.(?:ts|md|json|js|html))`/g)].map(([, path = '']) => path),
  );
  expect(named.length).toBeGreaterThan(150);
  expect(named.filter((path) => !existsSync(`${root}${path}`))).toEqual([]);
});

test('the sums are those of the lines', () => {
  const [, heads = '', sums = ''] = /^(\| met .+ \|)\n\|[-|]+\|\n(\| .+ \|)$/m.exec(text) ?? [];
  const cells = (row: string): readonly string[] =>
    row
      .split('|')
      .map((cell) => cell.trim())
      .filter((cell) => cell !== '');
  const told = Object.fromEntries(cells(heads).map((state, index) => [state, Number(cells(sums)[index])]));
  const counted = Object.fromEntries(
    cells(heads).map((state) => [state, lines.filter((line) => line.state === state).length]),
  );
  expect(told).toEqual(counted);
  expect(Object.values(counted).reduce((sum, count) => sum + count, 0)).toBe(lines.length);
});
