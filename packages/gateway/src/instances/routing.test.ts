/** Who is chosen: by tables, and that nobody is chosen who must not be. */
import type { InstanceState } from '@coequal/estate';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Candidate, choose } from './routing.ts';

const at = (name: string, rttMs: number, change: Partial<Candidate> = {}): Candidate => ({
  target: { name, site: `site-${name}`, host: name, port: 3_306, rttMs },
  state: 'serving',
  welcomes: true,
  readOnly: false,
  drained: false,
  sessions: 0,
  ...change,
});
const none: ReadonlySet<string> = new Set();
const chosen = (candidates: readonly Candidate[], avoid: readonly string[] = []): string | undefined =>
  choose(candidates, new Set(avoid))?.target.name;

test.each<[string, readonly Candidate[], string | undefined]>([
  ['the nearest', [at('b', 5), at('a', 0), at('c', 2)], 'a'],
  ['the first of equals', [at('a', 5), at('b', 5)], 'a'],
  ['among equals the one with fewer sessions', [at('a', 5, { sessions: 3 }), at('b', 5, { sessions: 2 })], 'b'],
  ['the nearest, however many sessions it has', [at('a', 0, { sessions: 900 }), at('b', 5)], 'a'],
  ['the next one when the nearest hangs', [at('a', 0, { state: 'silent' }), at('b', 5)], 'b'],
  ['the next one when a session has met trouble there', [at('a', 0, { welcomes: false }), at('b', 5)], 'b'],
  ['a serving one before a donor', [at('a', 0, { state: 'donating' }), at('b', 5)], 'b'],
  ['a serving one before a slow one', [at('a', 0, { state: 'slow' }), at('b', 5)], 'b'],
  ['a donor before nobody', [at('a', 0, { state: 'donating' }), at('b', 5, { state: 'gone' })], 'a'],
  ['one that can be written', [at('a', 0, { readOnly: true }), at('b', 5)], 'b'],
  ['a drained one only where no other serves', [at('a', 0, { drained: true }), at('b', 30)], 'b'],
  ['a drained one before nobody', [at('a', 0, { drained: true }), at('b', 30, { state: 'gone' })], 'a'],
  ['nobody when none serves', [at('a', 0, { state: 'isolated' }), at('b', 5, { state: 'joining' })], undefined],
  ['nobody of nobody', [], undefined],
])('%s', (_, candidates, name) => {
  expect(chosen(candidates)).toBe(name);
});

test('what is to be avoided comes last, even after what is drained, and before nobody', () => {
  const candidates = [at('a', 0), at('b', 5, { drained: true }), at('c', 30)];
  expect(chosen(candidates, ['a'])).toBe('c');
  expect(chosen(candidates, ['a', 'c'])).toBe('b');
  expect(chosen(candidates, ['a', 'b', 'c'])).toBe('a');
});

test('whoever is chosen serves, and no better one was left', () => {
  const states: readonly InstanceState[] = ['serving', 'slow', 'donating', 'catching-up', 'silent', 'gone', 'isolated'];
  const candidate = fc.record({
    rttMs: fc.constantFrom(0, 2, 30),
    state: fc.constantFrom(...states),
    welcomes: fc.boolean(),
    readOnly: fc.boolean(),
    drained: fc.boolean(),
    sessions: fc.integer({ min: 0, max: 3 }),
  });
  fc.assert(
    fc.property(fc.array(candidate, { maxLength: 6 }), (list) => {
      const candidates = list.map(({ rttMs, ...rest }, index) => at(`i${index}`, rttMs, rest));
      const best = choose(candidates, none);
      const usable = candidates.filter(
        (one) => one.welcomes && ['serving', 'slow', 'donating', 'catching-up'].includes(one.state),
      );
      if (best === undefined) expect(usable).toEqual([]);
      else {
        expect(usable).toContain(best);
        const plain = usable.filter((one) => one.state === 'serving' && !one.drained && !one.readOnly);
        if (plain.length > 0) expect(best.target.rttMs).toBe(Math.min(...plain.map(({ target }) => target.rttMs)));
      }
    }),
  );
});
