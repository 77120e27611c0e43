import { expect, test } from 'vitest';
import { byProgram, fieldMb, totalMb } from './memory.ts';

const size = (program: string, rssMb: number, pssMb: number | null) => ({ program, rssMb, pssMb });

test('memory is counted by share only where every process can be', () => {
  expect(totalMb([size('a', 10, 6), size('b', 20, 12)])).toBe(18);
  expect(totalMb([size('a', 10, 6), size('b', 20, null)])).toBe(30);
  expect(totalMb([])).toBe(0);
});

test('programs are summed, the largest first', () => {
  const sizes = [size('node', 10, 6), size('mariadbd', 200, 160), size('node', 10, 6.04)];
  expect(Object.entries(byProgram(sizes))).toEqual([
    ['mariadbd_mb', 160],
    ['node_mb', 12],
  ]);
});

test('a field of a status file is read in megabytes, and not by a part of its name', () => {
  const text = 'Pss_Anon:            900 kB\nPss:                 1000 kB\nRss: oops\n';
  expect(fieldMb(text, 'Pss')).toBe(1.024);
  expect(fieldMb(text, 'Rss')).toBeUndefined();
  expect(fieldMb(text, 'Swap')).toBeUndefined();
});
