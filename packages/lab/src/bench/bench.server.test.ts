/** One bench for real: a lab and a plain instance come and go, and nothing of them is left. */
import { expect, test } from 'vitest';
import { listLabs } from '../client.ts';
import { type BenchFigure, runBench } from './bench.ts';

test('memory is measured beside a plain instance, and both are gone afterwards', async () => {
  const figures: BenchFigure[] = [];
  const tell = { figure: (figure: BenchFigure) => figures.push(figure), progress: () => undefined };
  const others = new Set((await listLabs()).map(({ name }) => name));
  await runBench(['memory'], { runs: 1 }, tell, new AbortController().signal);
  expect(figures).toHaveLength(1);
  expect(figures[0]).toMatchObject({ name: 'memory/lab', unit: 'MB', peer: 'one plain instance', spread: { runs: 1 } });
  // Three servers and what holds them together weigh more than one server, which weighs something.
  expect(figures[0]?.peer_value).toBeGreaterThan(10);
  expect(figures[0]?.ratio).toBeGreaterThan(1);
  expect(figures[0]?.detail).toMatchObject({ mariadbd_mb: expect.any(Number), node_mb: expect.any(Number) });
  expect((await listLabs()).filter(({ name }) => name.startsWith('bench-') && !others.has(name))).toEqual([]);
}, 120_000);

test('an interrupted bench rejects and leaves no lab', async () => {
  const interruption = new AbortController();
  const others = new Set((await listLabs()).map(({ name }) => name));
  const tell = { figure: () => undefined, progress: () => interruption.abort() };
  await expect(runBench(['memory'], { runs: 5 }, tell, interruption.signal)).rejects.toMatchObject({
    name: 'AbortError',
  });
  expect((await listLabs()).filter(({ name }) => name.startsWith('bench-') && !others.has(name))).toEqual([]);
}, 120_000);
