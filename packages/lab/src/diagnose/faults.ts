/**
 * The faults that the drill `diagnose` makes, and what the platform ought to say of each: the cause by its name in the catalogue of
 * `@coequal/diagnosis`, and where. Memory is not among them: while no quota bounds it, a process that takes it hurts nobody. Every class is
 * made equally often; the seed decides order, sites and, in every second round, how strong each is. Pure.
 */

import { type Random, seededRandom } from '@coequal/kernel';
import type { Fault } from '@coequal/proof';

/** What the cause is to be placed at: one thing of the site, all of it, or the service. */
export type Where = 'instance' | 'gateway' | 'site' | 'service';

export type FaultClass = {
  readonly cause: string;
  readonly where: Where;
  readonly fault: Omit<Fault, 'site'>;
  /** Bounds of the amount in rounds that vary it; otherwise it is the fault's own, or its usual one. */
  readonly amounts?: readonly [least: number, most: number];
};

export const faultClasses: readonly FaultClass[] = [
  { cause: 'instance crashed', where: 'instance', fault: { kind: 'kill' } },
  { cause: 'instance stopped', where: 'instance', fault: { kind: 'stop' } },
  { cause: 'instance frozen', where: 'instance', fault: { kind: 'hang' } },
  { cause: 'site cut off', where: 'site', fault: { kind: 'partition' } },
  { cause: 'one-way partition', where: 'site', fault: { kind: 'partition', oneWay: true } },
  { cause: 'network latency', where: 'site', fault: { kind: 'latency', amount: 60 }, amounts: [30, 150] },
  { cause: 'packet loss', where: 'site', fault: { kind: 'loss', amount: 6 }, amounts: [4, 12] },
  { cause: 'slow disk', where: 'instance', fault: { kind: 'slow-disk' } },
  { cause: 'disk full', where: 'instance', fault: { kind: 'full-disk' } },
  { cause: 'clock offset', where: 'instance', fault: { kind: 'clock', amount: 120 }, amounts: [5, 3_600] },
  { cause: 'gateway crashed', where: 'gateway', fault: { kind: 'gateway-kill' } },
  { cause: 'gateway frozen', where: 'gateway', fault: { kind: 'gateway-hang' } },
  { cause: 'gateway stopped', where: 'gateway', fault: { kind: 'gateway-stop' } },
  { cause: 'CPU taken by another process', where: 'site', fault: { kind: 'cpu' }, amounts: [2, 6] },
  { cause: 'idle transaction holds locks', where: 'instance', fault: { kind: 'lock' } },
  { cause: 'expensive statement', where: 'instance', fault: { kind: 'bad-query' }, amounts: [3, 8] },
  { cause: 'missing index', where: 'service', fault: { kind: 'missing-index' } },
  { cause: 'load spike', where: 'site', fault: { kind: 'spike' }, amounts: [400, 1_200] },
  { cause: 'backup', where: 'instance', fault: { kind: 'backup' }, amounts: [1, 4] },
  { cause: 'large transaction', where: 'instance', fault: { kind: 'batch' }, amounts: [40_000, 150_000] },
  { cause: 'blocking schema change', where: 'service', fault: { kind: 'ddl' } },
  { cause: 'connections exhausted', where: 'instance', fault: { kind: 'connections' }, amounts: [300, 800] },
  { cause: 'setting changed', where: 'instance', fault: { kind: 'setting' } },
  { cause: 'slow applier', where: 'instance', fault: { kind: 'applier' } },
  { cause: 'hot row conflicts', where: 'service', fault: { kind: 'hot-row' }, amounts: [4, 12] },
  { cause: 'failed log-ins', where: 'instance', fault: { kind: 'login-storm' }, amounts: [30, 200] },
  { cause: 'site lost', where: 'site', fault: { kind: 'kill', whole: true } },
];

/** One fault at one site, and perhaps another one at the same moment elsewhere. */
export type PlannedFault = FaultClass & {
  readonly fault: Fault;
  /** Its amount was drawn, and is not the one that rules were written by. */
  readonly varied?: true;
  readonly also?: FaultClass & { readonly fault: Fault };
};

/** So many faults, in rounds that hold every class once, each in an order and at sites of its own. Every second round varies the amounts. */
export const planFaults = (
  runs: number,
  seed: number,
  sites: readonly string[],
  classes: readonly FaultClass[] = faultClasses,
): readonly PlannedFault[] => {
  const random = seededRandom(seed);
  const planned: PlannedFault[] = [];
  if (classes.length === 0 || sites.length === 0) return planned;
  for (let round = 0; planned.length < runs; round += 1)
    for (const entry of shuffled(classes, random)) {
      const varies = round % 2 === 1 && entry.amounts !== undefined;
      const one = placed(varies ? drawn(entry, random) : entry, pick(sites, random), random);
      if (planned.length < runs) planned.push(varies ? { ...one, varied: true } : one);
    }
  return planned;
};

/** Faults that leave every other site its database and its network, so that they can come on top of any other. */
const companions: ReadonlySet<string> = new Set([
  ...['gateway-kill', 'gateway-hang', 'gateway-stop', 'cpu', 'lock', 'bad-query', 'backup', 'login-storm'],
]);

/** Two faults at once, of different classes, at different sites. None where there are fewer than two sites. */
export const planPairs = (pairs: number, seed: number, sites: readonly string[]): readonly PlannedFault[] => {
  const random = seededRandom(seed);
  const second = faultClasses.filter(({ fault }) => companions.has(fault.kind));
  if (sites.length < 2) return [];
  return Array.from({ length: pairs }, () => {
    const [here = '', there = ''] = shuffled(sites, random);
    const one = placed(pick(faultClasses, random), here, random);
    const others = second.filter(({ cause }) => cause !== one.cause);
    return { ...one, also: placed(pick(others, random), there, random) };
  });
};

const placed = (entry: FaultClass, site: string, random: Random): FaultClass & { readonly fault: Fault } => {
  const gateway = entry.where === 'gateway' ? { gateway: 1 + random.below(2) } : {};
  return { ...entry, fault: { ...entry.fault, ...gateway, site } };
};

const drawn = (entry: FaultClass, random: Random): FaultClass => {
  const [least, most] = entry.amounts ?? [0, 0];
  return { ...entry, fault: { ...entry.fault, amount: least + random.below(most - least + 1) } };
};

const pick = <T>(list: readonly T[], random: Random): T => {
  const one = list[random.below(list.length)];
  if (one === undefined) throw new RangeError('nothing to pick from');
  return one;
};

const shuffled = <T>(list: readonly T[], random: Random): readonly T[] => {
  const left = [...list];
  const order: T[] = [];
  while (left.length > 0) order.push(...left.splice(random.below(left.length), 1));
  return order;
};
