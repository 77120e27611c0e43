/** The drill `diagnose`: its plan, its judgement of a fault, and its sums, as values; and its course against a platform that is played. */
import type { Incident, RankedCause } from '@coequal/contract';
import { type Clock, fail } from '@coequal/kernel';
import { describe, expect, test } from 'vitest';
import { drillDiagnosis, type Healthy } from './drill.ts';
import { faultClasses, type PlannedFault, planFaults, planPairs } from './faults.ts';
import { isRight, judgeFault, type Sight, type Verdict } from './judge.ts';
import { summarise } from './summary.ts';

const sites = ['north', 'south', 'west'];

describe('the plan', () => {
  test('holds every class equally often, and is the same for the same seed', () => {
    const plan = planFaults(2 * faultClasses.length, 7, sites);
    expect(plan).toEqual(planFaults(2 * faultClasses.length, 7, sites));
    expect(plan).not.toEqual(planFaults(2 * faultClasses.length, 8, sites));
    for (const { cause } of faultClasses) expect(plan.filter((each) => each.cause === cause)).toHaveLength(2);
    expect(plan.every(({ fault }) => sites.includes(fault.site))).toBe(true);
  });

  test('draws how strong a fault is in every second round, inside its bounds', () => {
    const plan = planFaults(2 * faultClasses.length, 7, sites);
    const [first, second] = [plan.slice(0, faultClasses.length), plan.slice(faultClasses.length)];
    expect(first.some(({ varied }) => varied)).toBe(false);
    expect(second.filter(({ varied }) => varied)).toHaveLength(
      faultClasses.filter(({ amounts }) => amounts !== undefined).length,
    );
    for (const { varied, amounts, fault } of second) {
      if (varied !== true) continue;
      expect(fault.amount).toBeGreaterThanOrEqual(amounts?.[0] ?? 0);
      expect(fault.amount).toBeLessThanOrEqual(amounts?.[1] ?? 0);
    }
  });

  test('of pairs has two classes at two sites, of which the second spares what the others need', () => {
    const pairs = planPairs(200, 3, sites);
    expect(pairs).toEqual(planPairs(200, 3, sites));
    for (const { cause, fault, also } of pairs) {
      expect(also?.cause).not.toBe(cause);
      expect(also?.fault.site).not.toBe(fault.site);
      expect(['kill', 'hang', 'stop', 'partition', 'full-disk']).not.toContain(also?.fault.kind);
    }
    expect(planPairs(3, 1, ['north'])).toEqual([]);
  });

  test('without sites or classes there is none', () => {
    expect(planFaults(5, 1, [])).toEqual([]);
    expect(planFaults(5, 1, sites, [])).toEqual([]);
  });
});

const planned: PlannedFault = {
  cause: 'idle transaction holds locks',
  where: 'instance',
  fault: { kind: 'lock', site: 'north' },
};
const causeAt = (cause: string, place: RankedCause['place'], confidence = 0.9): RankedCause => ({
  ...{ cause, place, confidence, sinceMs: 0, evidence: [], witnesses: [] },
});
const rightCause = causeAt(planned.cause, { instance: 'north-db-1', host: 'north-1', site: 'north' });
const wrongCause = causeAt('load spike', { site: 'north' });
const sight = (atMs: number, causes: readonly RankedCause[], id = 'a'): Sight => ({
  ...{ atMs, causes, sentence: 'Since then.' },
  incident: { id, detectedMs: 12_000, title: `incident ${id}` },
});

describe('a cause is right', () => {
  test('by its name and its site', () => {
    expect(isRight(planned, rightCause)).toBe(true);
    expect(isRight(planned, causeAt(planned.cause, { instance: 'south-db-1' }))).toBe(false);
    expect(isRight(planned, causeAt(planned.cause, { instance: 'north-db-1', site: 'south' }))).toBe(false);
    expect(isRight(planned, causeAt(planned.cause, {}))).toBe(false);
    expect(isRight(planned, wrongCause)).toBe(false);
  });

  test('of the service, wherever it is placed', () => {
    expect(isRight({ ...planned, where: 'service' }, causeAt(planned.cause, { service: 'bank' }))).toBe(true);
  });
});

describe('the judgement of a fault', () => {
  test('counts from the moment it was in force, and the right cause from when it stayed first', () => {
    const sights = [
      sight(12_500, []),
      sight(13_000, [rightCause, wrongCause]),
      sight(14_000, [wrongCause, rightCause]),
      sight(16_000, [rightCause, wrongCause]),
    ];
    const verdict = judgeFault(planned, 10_000, sights, new Map());
    expect(verdict).toMatchObject({ incidents: 1, incidentMs: 2_000, causeMs: 3_000, rightMs: 6_000, rank: 1 });
  });

  test('without an incident, with a wrong cause at the end, with incidents that came while it healed', () => {
    expect(judgeFault(planned, 10_000, [], new Map())).toMatchObject({ incidents: 0, incidentMs: null, rank: null });
    const wrong = judgeFault(planned, 10_000, [sight(13_000, [wrongCause, rightCause])], new Map([['b', 'later']]));
    expect(wrong).toMatchObject({ incidents: 2, rightMs: null, rank: 2 });
  });
});

describe('the judgement of two faults at once', () => {
  const also = { cause: 'backup', where: 'instance', fault: { kind: 'backup', site: 'south' } } as const;
  const pair: PlannedFault = { ...planned, also };
  const otherCause = causeAt('backup', { instance: 'south-db-1' });
  const rankOf = (...sights: readonly Sight[]) => judgeFault(pair, 10_000, sights, new Map()).rank;

  test('is right when each stands first in an incident of its own, or both in front of one', () => {
    expect(rankOf(sight(13_000, [rightCause]), sight(14_000, [otherCause], 'b'))).toBe(1);
    expect(rankOf(sight(13_000, [otherCause, rightCause, wrongCause]))).toBe(1);
  });

  test('counts the later one, and is wrong when one of them was never named', () => {
    expect(rankOf(sight(13_000, [otherCause, wrongCause, rightCause]))).toBe(2);
    expect(rankOf(sight(13_000, [rightCause, wrongCause]))).toBeNull();
  });

  test('keeps what was suspected and which of it was right, for what learns from it', () => {
    const { suspects } = judgeFault(pair, 10_000, [sight(13_000, [otherCause, wrongCause, rightCause])], new Map());
    expect(suspects.map(({ cause, right }) => [cause, right])).toEqual([
      ['backup', true],
      ['load spike', false],
      [planned.cause, true],
    ]);
  });

  test('has the time when both stood', () => {
    const sights = [sight(13_000, [rightCause]), sight(15_000, [otherCause], 'b')];
    expect(judgeFault(pair, 10_000, sights, new Map())).toMatchObject({
      causeMs: 3_000,
      rightMs: 5_000,
      also: 'backup',
    });
  });
});

const verdictOf = (changes: Partial<Verdict>): Verdict => ({
  ...judgeFault(planned, 10_000, [sight(13_000, [rightCause])], new Map()),
  ...changes,
});

describe('the sums', () => {
  test('a fault without an incident counts as wrong, and not into the times', () => {
    const summary = summarise(
      [
        verdictOf({}),
        verdictOf({ rank: 3, confidence: 0.3 }),
        verdictOf({ incidents: 0, rank: null, incidentMs: null, confidence: null, amount: 7 }),
        verdictOf({ also: 'backup', rank: 2 }),
      ],
      60_000,
      1,
    );
    expect(summary.top1).toBeCloseTo(1 / 3);
    expect(summary.top3).toBeCloseTo(2 / 3);
    expect(summary).toMatchObject({ faults: 3, oneIncident: 2, missed: 1, healthyMs: 60_000, falseIncidents: 1 });
    expect(summary.pairs).toEqual({ faults: 1, top1: 0, top3: 1 });
    expect(summary.varied).toEqual({ faults: 1, top1: 0, top3: 0 });
    expect(summary.incidentMs).toEqual({ median: 2_000, p95: 2_000, largest: 2_000 });
    expect(summary.reliability.map(({ faults }) => faults)).toEqual([1, 1]);
  });

  test('of nothing are nothing', () => {
    expect(summarise([], 0, 0)).toMatchObject({ faults: 0, top1: 0, incidentMs: null, causes: [], reliability: [] });
  });
});

/** A clock that moves when it is slept on, and a platform that sees what is broken after two seconds. */
const stage = () => {
  let now = 1_000_000;
  let broken: { readonly atMs: number } | undefined;
  const incidents: Incident[] = [];
  const clock: Clock = {
    now: () => now,
    monotonic: () => now,
    sleep: async (ms) => {
      now += ms;
    },
  };
  const look = (): void => {
    if (broken !== undefined && incidents.length === 0 && now >= broken.atMs + 2_000)
      incidents.push({
        ...{
          id: 'one',
          state: 'open',
          severity: 'critical',
          title: 'Locks',
          place: {},
          places: [],
          alerts: [],
          timeline: [],
        },
        ...{ startedMs: broken.atMs, detectedMs: now },
        diagnosis: { atMs: now, window: null, sentence: 'It is so.', causes: [rightCause], ruledOut: [], unknown: 0 },
      });
    if (broken === undefined)
      for (const [index, each] of incidents.entries()) incidents[index] = { ...each, state: 'resolved' };
  };
  const platform = {
    incidentsSince: async (fromMs: number) => {
      look();
      return incidents.filter(({ state, detectedMs }) => state !== 'resolved' || detectedMs >= fromMs);
    },
  };
  return {
    ports: {
      platform,
      clock,
      tell: () => undefined,
      signal: new AbortController().signal,
      fault: async ({ kind }: { readonly kind: string }) => {
        if (kind === 'clock') throw fail('FAULT_IMPOSSIBLE', { fault: kind, reason: 'no library', advice: 'Get it.' });
        broken = { atMs: now };
      },
      heal: async () => {
        broken = undefined;
      },
    },
  };
};

test('the drill waits for quiet, breaks, watches, heals, and tells what could not be made', async () => {
  const { ports } = stage();
  const told: (Verdict | Healthy)[] = [];
  const { skipped } = await drillDiagnosis(
    [planned, { ...planned, cause: 'clock offset', fault: { kind: 'clock', site: 'west' } }],
    { holdMs: 10_000, quietMs: 5_000, healthyMs: 90_000 },
    ports,
    async (line) => {
      told.push(line);
    },
  );
  const healthy = told.filter((line) => line.type === 'healthy');
  expect(healthy.map(({ forMs }) => forMs)).toEqual([5_000, 5_000, 60_000, 30_000]);
  expect(healthy.flatMap(({ falseIncidents }) => falseIncidents)).toEqual([]);
  const verdicts = told.filter((line) => line.type === 'fault');
  expect(verdicts).toMatchObject([{ kind: 'lock', incidents: 1, rank: 1 }]);
  expect(verdicts[0]?.incidentMs).toBeGreaterThan(0);
  expect(skipped).toMatchObject([{ kind: 'clock' }]);
});
