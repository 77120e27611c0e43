/** When whom to tell: a night walked through, and properties over many nights. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { labelsOf, labelValue } from '../sample.ts';
import type { ToldAlert } from './alert.ts';
import {
  type GroupsState,
  type Notification,
  noGroups,
  type Receiver,
  reopened,
  settle,
  stepGroups,
  usualReceiver,
} from './grouping.ts';
import { parseMatchers } from './matchers.ts';

const second = 1_000;
const receiver: Receiver = {
  ...usualReceiver,
  name: 'team',
  groupBy: ['site'],
  groupWaitMs: 5 * second,
  groupIntervalMs: 60 * second,
  repeatIntervalMs: 3_600 * second,
};

const alert = (host: string, startsAtMs = 0, site = 'north'): ToldAlert => ({
  labels:
    labelsOf([
      ['alertname', 'Down'],
      ['host', host],
      ['site', site],
    ]) ?? [],
  annotations: [],
  startsAtMs,
  generatorUrl: '',
});
const hostOf = ({ labels }: ToldAlert): string => labelValue(labels, 'host');
const wordOf = ({ firing, resolved }: Notification): string =>
  `${firing.map(hostOf).join('')}${resolved.length > 0 ? `-${resolved.map(hostOf).join('')}` : ''}`;
const nobody = () => false;

/** Takes a state through times, and says at which seconds what was told. Everything is taken at once. */
class Night {
  state: GroupsState = noGroups;
  readonly receivers: readonly Receiver[];
  readonly told: string[] = [];
  constructor(...receivers: readonly Receiver[]) {
    this.receivers = receivers;
  }
  at(seconds: number, firing: readonly ToldAlert[], isMuted: Parameters<typeof stepGroups>[4] = nobody): this {
    const step = stepGroups(this.receivers, this.state, firing, seconds * second, isMuted);
    this.state = step.state;
    for (const one of step.due) {
      this.told.push(`${seconds} ${wordOf(one)}`);
      this.state = settle(this.state, one, 'told');
    }
    return this;
  }
}

describe('a group', () => {
  const [a, b] = [alert('a'), alert('b')];

  test('waits for more, is told together, and again when something changes', () => {
    const night = new Night(receiver).at(0, [a]).at(2, [a, b]).at(5, [a, b]).at(30, [a, b]).at(66, [a, b]);
    night.at(67, [a]).at(125, [a]).at(126, [a]).at(200, []);
    expect(night.told).toEqual(['5 ab', '126 a-b', '200 -a']);
    expect(night.state).toEqual(noGroups);
  });

  test('that is over before anybody was told is not told', () => {
    expect(new Night(receiver).at(0, [a]).at(3, []).at(5, []).told).toEqual([]);
  });

  test('that does not change is told again after its time', () => {
    const night = new Night(receiver).at(0, [a]);
    for (let at = 5; at <= 7_300; at += 5) night.at(at, [a]);
    expect(night.told.map((text) => Number(text.split(' ')[0]))).toEqual([5, 3_605, 7_205]);
  });

  test('of sites apart is told apart, and to each receiver whose matchers match', () => {
    const parsed = parseMatchers('site="south"');
    const south: Receiver = {
      ...receiver,
      name: 'south',
      matchers: parsed.ok ? parsed.matchers : [],
      sendResolved: false,
    };
    const night = new Night(receiver, south).at(0, [a, alert('c', 0, 'south')]).at(5, [a, alert('c', 0, 'south')]);
    expect([...night.told].sort()).toEqual(['5 a', '5 c', '5 c']);
    night.at(70, []).at(75, []);
    expect([...night.told].sort()).toEqual(['5 a', '5 c', '5 c', '70 -a', '70 -c']);
    expect(night.state).toEqual(noGroups);
  });

  test('with ... is each alert alone', () => {
    expect([...new Night({ ...receiver, groupBy: ['...'] }).at(0, [a, b]).at(5, [a, b]).told].sort()).toEqual([
      '5 a',
      '5 b',
    ]);
  });

  test('is not told of what is muted, but when it is muted no more', () => {
    const muted = () => true;
    const night = new Night(receiver).at(0, [a], muted).at(5, [a], muted).at(65, [a], muted).at(130, [a]);
    expect(night.told).toEqual(['130 a']);
    const inWork = new Night(receiver).at(0, [a]).at(5, [a]).at(66, [], muted).at(130, []);
    expect(inWork.told).toEqual(['5 a']);
    expect(inWork.state).toEqual(noGroups);
  });

  test('of an alert that fired long ago does not wait', () => {
    expect(new Night(receiver).at(100, [alert('a', 1_000)]).told).toEqual(['100 a']);
  });

  test('whose receiver is no more is dropped', () => {
    const night = new Night(receiver).at(0, [a]);
    expect(stepGroups([], night.state, [a], 10, nobody)).toEqual({ state: noGroups, due: [], nextMs: undefined });
  });
});

test('what nobody took is told again, also over a restart, and what changed meanwhile with it', () => {
  const [a, b] = [alert('a'), alert('b')];
  const begun = stepGroups([receiver], noGroups, [a], 0, nobody);
  expect(begun.nextMs).toBe(5 * second);
  const first = stepGroups([receiver], begun.state, [a], 5 * second, nobody);
  expect(first.due.map(wordOf)).toEqual(['a']);
  // While it is being sent it is not sent again.
  expect(stepGroups([receiver], first.state, [a, b], 90 * second, nobody).due).toEqual([]);
  const again = settle(first.state, first.due[0] as Notification, 'again');
  expect(stepGroups([receiver], again, [a, b], 66 * second, nobody).due.map(wordOf)).toEqual(['ab']);
  const restarted: GroupsState = reopened(JSON.parse(JSON.stringify(first.state)));
  const repeated = stepGroups([receiver], restarted, [b], 6 * second, nobody);
  expect(repeated.due.map(wordOf)).toEqual(['b']);
  // Settling what is not being sent any more changes nothing.
  expect(settle(repeated.state, first.due[0] as Notification, 'told')).toBe(repeated.state);
});

test('over any night: nobody is told too often, too late, twice, or not at all', () => {
  const hosts = ['a', 'b', 'c'] as const;
  const stepSeconds = 5;
  const moment = fc.record({ firing: fc.subarray([...hosts]), restarts: fc.boolean(), fails: fc.boolean() });
  fc.assert(
    fc.property(fc.array(moment, { maxLength: 80 }), (night) => {
      let state: GroupsState = noGroups;
      const since = new Map<string, number>();
      let standing = new Set<string>();
      let lastMs: number | undefined;
      const quiet = Array.from({ length: 40 }, () => ({ firing: [] as string[], restarts: false, fails: false }));
      for (const [index, { firing, restarts, fails }] of [...night, ...quiet].entries()) {
        const atMs = index * stepSeconds * second;
        for (const host of hosts) {
          if (!firing.includes(host)) since.delete(host);
          else if (!since.has(host)) since.set(host, atMs);
        }
        if (restarts) state = reopened(JSON.parse(JSON.stringify(state)));
        const alerts = firing.map((host) => alert(host, since.get(host)));
        const step = stepGroups([receiver], state, alerts, atMs, nobody);
        state = step.state;
        for (const one of step.due) {
          if (lastMs !== undefined) expect(atMs - lastMs).toBeGreaterThanOrEqual(fails ? 0 : receiver.groupIntervalMs);
          // What is told to be over was told to fire.
          for (const host of one.resolved.map(hostOf)) expect(standing).toContain(host);
          expect(one.firing.map(hostOf).sort()).toEqual([...firing].sort());
          state = settle(state, one, fails ? 'again' : 'told');
          if (fails) continue;
          standing = new Set(one.firing.map(hostOf));
          // A group that is gone may come anew at once.
          lastMs = standing.size === 0 ? undefined : atMs;
        }
        // Not too late: what fires for so long was told, but for failures.
        for (const [host, from] of since)
          if (atMs - from > receiver.groupWaitMs + 2 * receiver.groupIntervalMs && night.every((each) => !each.fails))
            expect(standing).toContain(host);
      }
      // In the end everybody knows that it is over, and nothing is kept.
      expect([...standing]).toEqual([]);
      expect(state).toEqual(noGroups);
    }),
    { numRuns: 300 },
  );
});

test('a flood of groups is one group from some point on, and none is lost', () => {
  const flood = Array.from({ length: 5_200 }, (_, index) => alert(String(index), 0, `site-${index}`));
  const begun = stepGroups([receiver], noGroups, flood, 0, nobody);
  const groups = Object.values(begun.state.groups);
  expect(groups.length).toBe(5_001);
  expect(groups.reduce((sum, { alerts }) => sum + Object.keys(alerts).length, 0)).toBe(5_200);
});
