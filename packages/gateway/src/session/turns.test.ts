import { expect, it } from 'vitest';
import { Turns } from './turns.ts';

const settled = () => new Promise((resolve) => setImmediate(resolve));

it('lets in so many at once, urgent ones first, each kind in order', async () => {
  const turns = new Turns(2);
  const seen: string[] = [];
  const ends = new Map<string, () => void>();
  const come = async (name: string, urgent: boolean): Promise<void> => {
    ends.set(name, await turns.take(urgent));
    seen.push(name);
  };
  for (const [name, urgent] of [
    ['a', false],
    ['b', false],
    ['c', false],
    ['d', true],
    ['e', false],
    ['f', true],
  ] as const)
    void come(name, urgent);
  await settled();
  expect(seen).toEqual(['a', 'b']);
  for (const name of ['a', 'd', 'f', 'c']) {
    ends.get(name)?.();
    // A second time is one too many, and lets nobody in.
    ends.get(name)?.();
    await settled();
  }
  expect(seen).toEqual(['a', 'b', 'd', 'f', 'c', 'e']);
  ends.get('b')?.();
  ends.get('e')?.();
  await Promise.all([come('g', false), come('h', false)]);
  expect(seen.slice(-2)).toEqual(['g', 'h']);
});
