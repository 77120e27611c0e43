import { expect, test } from 'vitest';
import { spreadOf } from './runs.ts';

test('the spread of runs leaves out what was not seen', () => {
  expect(spreadOf([5, null, 1, 3])).toEqual({ runs: 3, median: 3, smallest: 1, largest: 5 });
  expect(spreadOf([null])).toBeNull();
});
