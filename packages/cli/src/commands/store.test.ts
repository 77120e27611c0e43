import { expect, test } from 'vitest';
import { runIn } from '../testing.ts';

test('coequal store runs the program of the stores with its flags', async () => {
  const { code, calls } = await runIn(['store', '--config', 'a.yaml', '--name', 'north-1', '--check', '--json']);
  expect([code, calls]).toEqual([0, ['store --config a.yaml --name north-1 --check --json']]);
});

test('coequal store needs an estate', async () => {
  const { code, told, calls } = await runIn(['store']);
  expect([code, calls]).toEqual([2, []]);
  expect(told).toContain('--config FILE');
});
