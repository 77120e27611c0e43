import type { Clock } from '@coequal/kernel';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { resending } from './resend.ts';
import type { WriteOutcome } from './sending.ts';

/** A store that keeps in memory what it took, has it on disk after `diskMs`, and forgets the rest when it is killed. */
class ForgetfulStore {
  nowMs = 0;
  away = false;
  readonly #memory: { readonly body: number; readonly atMs: number }[] = [];
  readonly disk = new Set<number>();
  writes = 0;
  readonly clock: Clock = { now: () => this.nowMs, monotonic: () => this.nowMs, sleep: async () => undefined };
  write = async (body: Uint8Array): Promise<WriteOutcome> => {
    if (this.away) return { outcome: 'again', what: 'ECONNREFUSED' };
    this.writes += 1;
    this.#memory.push({ body: body[0] ?? 0, atMs: this.nowMs });
    return { outcome: 'taken' };
  };
  pass(ms: number): void {
    this.nowMs += ms;
    while ((this.#memory[0]?.atMs ?? Infinity) <= this.nowMs - 5_000) this.disk.add(this.#memory.shift()?.body ?? -1);
  }
  kill(): void {
    this.away = true;
    this.#memory.length = 0;
  }
}

test('what was taken shortly before the store was killed is sent again when it is back', async () => {
  const store = new ForgetfulStore();
  const write = resending(store.write, store.clock);
  for (let body = 0; body < 20; body += 1) {
    await write(new Uint8Array([body]));
    store.pass(1_000);
  }
  store.kill();
  expect((await write(new Uint8Array([20]))).outcome).toBe('again');
  store.away = false;
  expect((await write(new Uint8Array([20]))).outcome).toBe('taken');
  store.pass(10_000);
  expect([...store.disk].sort((a, b) => a - b)).toEqual(Array.from({ length: 21 }, (_, body) => body));
  // Those of the last 15 seconds, and no more.
  expect(store.writes).toBe(21 + 15);
});

test('whatever happens, nothing that was taken is missing in the end', async () => {
  const step = fc.record({ kill: fc.boolean(), back: fc.boolean(), ms: fc.integer({ min: 0, max: 2_000 }) });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 100 }), async (steps) => {
      const store = new ForgetfulStore();
      const write = resending(store.write, store.clock);
      const taken: number[] = [];
      for (const [body, { kill, back, ms }] of steps.entries()) {
        if (kill) store.kill();
        // The sender comes at least once while the store is away: otherwise nobody could know.
        const first = await write(new Uint8Array([body]));
        if (first.outcome === 'taken') taken.push(body);
        if (back) store.away = false;
        store.pass(ms);
      }
      store.away = false;
      await write(new Uint8Array([200]));
      store.pass(10_000);
      expect(taken.filter((body) => !store.disk.has(body))).toEqual([]);
    }),
    { numRuns: 500 },
  );
});

test('a store that only asks for patience is sent nothing again', async () => {
  const store = new ForgetfulStore();
  let busy = false;
  const write = resending(
    async (body) => (busy ? { outcome: 'again', what: 'the store answers 429: later' } : await store.write(body)),
    store.clock,
  );
  for (const body of [1, 2, 3]) await write(new Uint8Array([body]));
  busy = true;
  await write(new Uint8Array([4]));
  busy = false;
  await write(new Uint8Array([4]));
  expect(store.writes).toBe(4);
});

test('a body that the store refuses is not sent again', async () => {
  let writes = 0;
  const write = resending(async () => {
    writes += 1;
    return writes === 1
      ? { outcome: 'refused', what: '400' }
      : writes === 2
        ? { outcome: 'again', what: '' }
        : { outcome: 'taken' };
  }, new ForgetfulStore().clock);
  for (const body of [1, 2, 2]) await write(new Uint8Array([body]));
  expect(writes).toBe(3);
});
