/**
 * The drills' schedules: what is broken when, as a pure function of name, seed, length and sites. The same seed gives
 * the same disaster. Times are milliseconds since the start of the load and mean "not before": a step that waits for
 * the databases holds the later ones up.
 */
import { assert, type Random, seededRandom } from '@coequal/kernel';
import type { Fault, GatewayFaultKind } from '../arena.ts';

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
  | 'gateway-kill'
  | 'gateway-hang'
  | 'gateway-stop'
  | 'gateway-restart'
  | 'commit-kill'
  | 'single-faults'
  | 'batch'
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
  | { readonly kind: 'restart-clients'; readonly atMs: number; readonly site: string }
  /** Lets the load work for so long, counted from the end of the step before. */
  | { readonly kind: 'rest'; readonly atMs: number; readonly ms: number }
  /** From now on the clients of each site work at this rate; null: as fast as answers come. */
  | { readonly kind: 'load'; readonly atMs: number; readonly ratePerSecond: number | null }
  /** The rest is left out once so many COMMITs were in flight at faults. */
  | { readonly kind: 'enough'; readonly atMs: number; readonly commits: number }
  /** One statement that changes every row of a large table, sent to a gateway of this site. */
  | { readonly kind: 'batch'; readonly atMs: number; readonly site: string };

export type Schedule = { readonly seconds: number; readonly steps: readonly Step[] };

export type ScheduleOptions = {
  readonly seed: number;
  readonly seconds: number;
  readonly sites: readonly string[];
  /** How many faults, for the drills that go in rounds; as many as fit the length unless told. */
  readonly faults?: number;
  /** Rounds until so many COMMITs were in flight at faults. */
  readonly commits?: number;
};

/** Less would leave no time to see the load before, the disaster and the way back. */
export const shortestSeconds = 10;

export const scheduleOf = (name: DrillName, options: ScheduleOptions): Schedule => {
  const { seconds, sites } = options;
  assert(seconds >= shortestSeconds, `a drill takes at least ${shortestSeconds} seconds`);
  assert(sites.length > 0, 'a drill needs sites');
  const random = seededRandom(options.seed);
  return { seconds, steps: stepsOf(name, seconds * 1_000, options, random) };
};

const stepsOf = (name: DrillName, totalMs: number, options: ScheduleOptions, random: Random): readonly Step[] => {
  const { sites } = options;
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
    case 'gateway-kill':
    case 'gateway-hang':
    case 'gateway-stop':
    case 'gateway-restart':
      return gatewayFault(name, totalMs, options, random);
    case 'commit-kill':
      return commitKill(totalMs, options, random);
    case 'single-faults':
      return singleFaults(totalMs, options, random);
    case 'batch':
      return [{ kind: 'batch', atMs: totalMs * 0.4, site: pick(sites, random) }];
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

/** The first gateway of one site, which is the one that clients prefer. */
const gatewayFault = (
  kind: GatewayFaultKind,
  totalMs: number,
  { sites }: ScheduleOptions,
  random: Random,
): readonly Step[] => {
  const fault: Fault = { kind, site: pick(sites, random), gateway: 1 };
  const atMs = jitter(totalMs * 0.3, random);
  const healMs = jitter(totalMs * 0.6, random);
  return [
    { kind: 'inject', atMs, faults: [fault] },
    { kind: 'heal', atMs: healMs, sites: [fault.site] },
    { kind: 'await-serving', atMs: healMs, sites: [fault.site] },
  ];
};

/** A round of one fault: long enough to find the others serving without the victim, and the victim whole again. */
const roundMs = 6_000;
const firstRoundMs = 2_000;
/** When as many rounds as it takes are wanted, no more than this. */
const roundLimit = 5_000;

/**
 * One database after the other, one fault at a time: what a gateway promises to hide. Each is held for longer than the slowest
 * pause that is promised.
 */
const singleFaults = (totalMs: number, options: ScheduleOptions, random: Random): readonly Step[] =>
  times(options.faults ?? Math.max(1, Math.floor((totalMs - firstRoundMs) / roundMs)), (index) => {
    const site = pick(options.sites, random);
    return [
      { kind: 'rest', atMs: index === 0 ? firstRoundMs : 0, ms: 500 + random.below(1_000) },
      { kind: 'inject', atMs: 0, faults: [faultOf(pick(kinds, random), false, site)] },
      { kind: 'rest', atMs: 0, ms: 1_500 + random.below(1_500) },
      { kind: 'heal', atMs: 0, sites: [site] },
      { kind: 'await-serving', atMs: 0, sites: [site] },
    ];
  });

/** Between faults a trickle, so that what has to be accounted for at the end stays small; before each of them, all at once. */
const trickle = 10;
const hardKinds: readonly Breaking[] = ['kill', 'hang', 'partition'];

const commitKill = (totalMs: number, options: ScheduleOptions, random: Random): readonly Step[] => {
  const { commits } = options;
  const asFit = Math.max(1, Math.floor((totalMs - firstRoundMs) / roundMs));
  const rounds = options.faults ?? (commits === undefined ? asFit : Math.min(roundLimit, commits));
  return times(rounds, (index) => {
    const site = pick(options.sites, random);
    return [
      ...(commits === undefined ? [] : [{ kind: 'enough', atMs: 0, commits } as const]),
      { kind: 'load', atMs: index === 0 ? firstRoundMs : 0, ratePerSecond: null },
      { kind: 'rest', atMs: 0, ms: 300 + random.below(500) },
      { kind: 'inject', atMs: 0, faults: [faultOf(pick(hardKinds, random), false, site)] },
      { kind: 'rest', atMs: 0, ms: 1_200 + random.below(800) },
      { kind: 'load', atMs: 0, ratePerSecond: trickle },
      { kind: 'heal', atMs: 0, sites: [site] },
      { kind: 'await-serving', atMs: 0, sites: [site] },
    ];
  });
};

const times = (count: number, make: (index: number) => readonly Step[]): readonly Step[] =>
  Array.from({ length: count }, (_, index) => make(index)).flat();

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
