/**
 * The drills' schedules: what is broken when, as a pure function of name, seed, length and sites. The same seed gives
 * the same disaster. Times are milliseconds since the start of the load and mean "not before": a step that waits for
 * the databases holds the later ones up.
 */
import { assert, type Random, seededRandom } from '@coequal/kernel';
import type { Fault } from '../arena.ts';

export type DrillName =
  | 'instance-kill'
  | 'instance-hang'
  | 'instance-partition'
  | 'instance-stop'
  | 'site-kill'
  | 'site-hang'
  | 'site-partition'
  | 'city-loss'
  | 'rolling-restart'
  | 'full-outage'
  | 'mixed';

export type Step =
  | { readonly kind: 'inject'; readonly atMs: number; readonly faults: readonly Fault[] }
  /** Undoes the faults of these sites; returns when the arena has begun to. */
  | { readonly kind: 'heal'; readonly atMs: number; readonly sites: readonly string[] }
  | { readonly kind: 'await-serving'; readonly atMs: number; readonly sites: readonly string[] }
  /** Until these sites, alive as they are, refuse to serve. */
  | { readonly kind: 'await-stopped'; readonly atMs: number; readonly sites: readonly string[] }
  | { readonly kind: 'full-outage'; readonly atMs: number }
  | { readonly kind: 'force-primary'; readonly atMs: number; readonly site: string }
  /** New clients in a site whose clients died. */
  | { readonly kind: 'restart-clients'; readonly atMs: number; readonly site: string };

export type Schedule = { readonly seconds: number; readonly steps: readonly Step[] };

/** Less would leave no time to see the load before, the disaster and the way back. */
export const shortestSeconds = 10;

export const scheduleOf = (
  name: DrillName,
  options: { readonly seed: number; readonly seconds: number; readonly sites: readonly string[] },
): Schedule => {
  const { seconds, sites } = options;
  assert(seconds >= shortestSeconds, `a drill takes at least ${shortestSeconds} seconds`);
  assert(sites.length > 0, 'a drill needs sites');
  const random = seededRandom(options.seed);
  return { seconds, steps: stepsOf(name, seconds * 1_000, sites, random) };
};

const stepsOf = (name: DrillName, totalMs: number, sites: readonly string[], random: Random): readonly Step[] => {
  switch (name) {
    case 'instance-kill':
    case 'site-kill':
      return single('kill', name === 'site-kill', totalMs, sites, random);
    case 'instance-hang':
    case 'site-hang':
      return single('hang', name === 'site-hang', totalMs, sites, random);
    case 'instance-partition':
    case 'site-partition':
      return single('partition', name === 'site-partition', totalMs, sites, random);
    case 'instance-stop':
      return single('stop', false, totalMs, sites, random);
    case 'city-loss':
      return cityLoss(totalMs, sites, random);
    case 'rolling-restart':
      return rollingRestart(totalMs, sites, random);
    case 'full-outage':
      return [
        { kind: 'full-outage', atMs: jitter(totalMs * 0.4, random) },
        { kind: 'await-serving', atMs: 0, sites },
      ];
    case 'mixed':
      return mixed(totalMs, sites, random);
  }
};

type Breaking = 'kill' | 'hang' | 'partition' | 'stop';

/** A third before, a third broken, a third to see it whole again. */
const single = (
  kind: Breaking,
  whole: boolean,
  totalMs: number,
  sites: readonly string[],
  random: Random,
): readonly Step[] =>
  breakAndHeal(kind, whole, pick(sites, random), jitter(totalMs * 0.3, random), jitter(totalMs * 0.6, random));

const breakAndHeal = (kind: Breaking, whole: boolean, site: string, atMs: number, healMs: number): readonly Step[] => [
  { kind: 'inject', atMs, faults: [faultOf(kind, whole, site)] },
  { kind: 'heal', atMs: healMs, sites: [site] },
  { kind: 'await-serving', atMs: healMs, sites: [site] },
  ...restarted(kind, whole, site, healMs),
];

const faultOf = (kind: Breaking, whole: boolean, site: string): Fault => ({ kind, site, ...(whole ? { whole } : {}) });

const restarted = (kind: Breaking, whole: boolean, site: string, atMs: number): readonly Step[] =>
  kind === 'kill' && whole ? [{ kind: 'restart-clients', atMs, site }] : [];

/** All sites but one go at the same moment. The one that is left must stop, until a person decides. */
const cityLoss = (totalMs: number, sites: readonly string[], random: Random): readonly Step[] => {
  const survivor = pick(sites, random);
  const gone = sites.filter((site) => site !== survivor);
  const lossMs = jitter(totalMs * 0.25, random);
  const decisionMs = totalMs * 0.5;
  return [
    { kind: 'inject', atMs: lossMs, faults: gone.map((site) => faultOf('kill', true, site)) },
    { kind: 'await-stopped', atMs: lossMs, sites: [survivor] },
    { kind: 'force-primary', atMs: decisionMs, site: survivor },
    { kind: 'await-serving', atMs: decisionMs, sites: [survivor] },
    { kind: 'heal', atMs: totalMs * 0.65, sites: gone },
    { kind: 'await-serving', atMs: totalMs * 0.65, sites: gone },
    ...gone.map((site): Step => ({ kind: 'restart-clients', atMs: totalMs * 0.65, site })),
  ];
};

/** One site after the other, each only when the one before serves again. */
const rollingRestart = (totalMs: number, sites: readonly string[], random: Random): readonly Step[] => {
  const shareMs = (totalMs * 0.75) / sites.length;
  const start = random.below(sites.length);
  const order = sites.map((_, index) => sites[(start + index) % sites.length] ?? '');
  return order.flatMap((site, index) =>
    breakAndHeal('stop', false, site, totalMs * 0.15 + shareMs * index, totalMs * 0.15 + shareMs * (index + 0.25)),
  );
};

/** A fault about every eight seconds, one site at a time, each healed before the next: a majority always lives. */
const mixedEveryMs = 8_000;
/** One round in eight is everything at once. */
const mixedOutageShare = 1 / 8;
const kinds: readonly Breaking[] = ['kill', 'hang', 'partition', 'stop'];

const mixed = (totalMs: number, sites: readonly string[], random: Random): readonly Step[] => {
  const startMs = Math.min(3_000, totalMs * 0.2);
  const rounds = Math.max(1, Math.floor((totalMs - startMs) / mixedEveryMs));
  return Array.from({ length: rounds }, (_, index) => startMs + index * mixedEveryMs).flatMap((atMs) =>
    mixedRound(atMs, sites, random),
  );
};

const mixedRound = (roundMs: number, sites: readonly string[], random: Random): readonly Step[] => {
  const atMs = roundMs + random.next() * 1_000;
  if (random.next() < mixedOutageShare) {
    return [
      { kind: 'full-outage', atMs },
      { kind: 'await-serving', atMs, sites },
    ];
  }
  const kind = pick(kinds, random);
  // A site whose machines are stopped in order is an instance stopped in order: there is no whole of it.
  const whole = kind !== 'stop' && random.next() < 0.4;
  return breakAndHeal(kind, whole, pick(sites, random), atMs, atMs + 1_500 + random.next() * 2_500);
};

const pick = <T>(from: readonly T[], random: Random): T => {
  const picked = from[random.below(from.length)];
  assert(picked !== undefined, 'there is something to pick from');
  return picked;
};

/** Up to a tenth later, so that faults do not always meet the same moment of the load. */
const jitter = (ms: number, random: Random): number => ms * (1 + random.next() / 10);
