/** Reading accounts again: never two at once, at most one a second, and never a copy that is older than the question. */
import type { Clock } from '@coequal/kernel';
import { describe, expect, test } from 'vitest';
import { AccountCatalogue } from './catalogue.ts';

/** A clock whose sleepers wake when the test moves it. */
const handClock = () => {
  const state = { at: 0 };
  const sleepers: { until: number; wake: () => void }[] = [];
  const clock: Clock = {
    now: () => state.at,
    monotonic: () => state.at,
    sleep: (ms) => new Promise((resolve) => sleepers.push({ until: state.at + ms, wake: resolve })),
  };
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  };
  const move = async (ms: number): Promise<void> => {
    state.at += ms;
    for (const sleeper of sleepers.splice(0)) {
      if (sleeper.until <= state.at) sleeper.wake();
      else sleepers.push(sleeper);
    }
    await settle();
  };
  return { clock, move, settle };
};

/** Readings that the test finishes. */
const handLoad = () => {
  const readings: { finish: (user: string) => void; fail: (error: Error) => void }[] = [];
  const load = () =>
    new Promise<readonly { user: string; host: string; priv: string }[]>((resolve, reject) => {
      readings.push({ finish: (user) => resolve([{ user, host: '%', priv: '{}' }]), fail: reject });
    });
  return { load, readings };
};

describe('the accounts', () => {
  test('are read once for all who wait, and again only a second later', async () => {
    const { clock, move, settle } = handClock();
    const { load, readings } = handLoad();
    const catalogue = new AccountCatalogue(load, clock);
    const first = catalogue.refresh();
    await settle();
    expect(readings).toHaveLength(1);
    // These came when the reading had begun: what it reads may be older than they are.
    const second = [catalogue.refresh(), catalogue.refresh()];
    readings[0]?.finish('a');
    await first;
    expect(catalogue.current().map(({ user }) => user)).toEqual(['a']);
    await move(999);
    expect(readings).toHaveLength(1);
    await move(1);
    expect(readings).toHaveLength(2);
    readings[1]?.finish('b');
    await Promise.all(second);
    expect(catalogue.current().map(({ user }) => user)).toEqual(['b']);
  });

  test('stay as they were when a reading fails, and whoever comes next is not told of it', async () => {
    const { clock, move, settle } = handClock();
    const { load, readings } = handLoad();
    const catalogue = new AccountCatalogue(load, clock);
    const first = catalogue.refresh();
    await settle();
    readings[0]?.finish('a');
    await first;
    const second = catalogue.refresh();
    await move(1_000);
    const third = catalogue.refresh();
    readings[1]?.fail(new Error('no instance'));
    await expect(second).rejects.toThrow('no instance');
    expect(catalogue.current().map(({ user }) => user)).toEqual(['a']);
    await move(1_000);
    readings[2]?.finish('c');
    await third;
    expect(catalogue.current().map(({ user }) => user)).toEqual(['c']);
  });
});
