/**
 * The faults that the drill `diagnose` makes, and what the platform ought to say of each: the cause by its name in the catalogue of
 * `@coequal/diagnosis`, and where. Memory is not among them: while no quota bounds it, a process that takes it hurts nobody. Pure. Every class is made equally often; the seed decides order and sites.
 */

import { type Random, seededRandom } from '@coequal/kernel';
import type { Fault } from '@coequal/proof';

/** What the cause is to be placed at: one thing of the site, all of it, or the service. */
export type Where = 'instance' | 'gateway' | 'site' | 'service';

export type FaultClass = {
  readonly cause: string;
  readonly where: Where;
  readonly fault: Omit<Fault, 'site'>;
};

export const faultClasses: readonly FaultClass[] = [
  { cause: 'instance crashed', where: 'instance', fault: { kind: 'kill' } },
  { cause: 'instance stopped', where: 'instance', fault: { kind: 'stop' } },
  { cause: 'instance frozen', where: 'instance', fault: { kind: 'hang' } },
  { cause: 'site cut off', where: 'site', fault: { kind: 'partition' } },
  { cause: 'one-way partition', where: 'site', fault: { kind: 'partition', oneWay: true } },
  { cause: 'network latency', where: 'site', fault: { kind: 'latency', amount: 60 } },
  { cause: 'packet loss', where: 'site', fault: { kind: 'loss', amount: 6 } },
  { cause: 'slow disk', where: 'instance', fault: { kind: 'slow-disk' } },
  { cause: 'disk full', where: 'instance', fault: { kind: 'full-disk' } },
  { cause: 'clock offset', where: 'instance', fault: { kind: 'clock', amount: 120 } },
  { cause: 'gateway crashed', where: 'gateway', fault: { kind: 'gateway-kill' } },
  { cause: 'gateway frozen', where: 'gateway', fault: { kind: 'gateway-hang' } },
  { cause: 'gateway stopped', where: 'gateway', fault: { kind: 'gateway-stop' } },
  { cause: 'CPU taken by another process', where: 'site', fault: { kind: 'cpu' } },
  { cause: 'idle transaction holds locks', where: 'instance', fault: { kind: 'lock' } },
  { cause: 'expensive statement', where: 'instance', fault: { kind: 'bad-query' } },
  { cause: 'missing index', where: 'service', fault: { kind: 'missing-index' } },
  { cause: 'load spike', where: 'site', fault: { kind: 'spike' } },
  { cause: 'backup', where: 'instance', fault: { kind: 'backup' } },
  { cause: 'large transaction', where: 'instance', fault: { kind: 'batch' } },
  { cause: 'blocking schema change', where: 'service', fault: { kind: 'ddl' } },
  { cause: 'connections exhausted', where: 'instance', fault: { kind: 'connections' } },
  { cause: 'setting changed', where: 'instance', fault: { kind: 'setting' } },
  { cause: 'slow applier', where: 'instance', fault: { kind: 'applier' } },
  { cause: 'hot row conflicts', where: 'service', fault: { kind: 'hot-row' } },
  { cause: 'failed log-ins', where: 'instance', fault: { kind: 'login-storm' } },
  { cause: 'site lost', where: 'site', fault: { kind: 'kill', whole: true } },
];

export type PlannedFault = FaultClass & { readonly fault: Fault };

/** So many faults, in rounds that hold every class once, each in an order and at sites of its own. */
export const planFaults = (
  runs: number,
  seed: number,
  sites: readonly string[],
  classes: readonly FaultClass[] = faultClasses,
): readonly PlannedFault[] => {
  const random = seededRandom(seed);
  const planned: PlannedFault[] = [];
  while (planned.length < runs && classes.length > 0 && sites.length > 0)
    for (const entry of shuffled(classes, random)) {
      const site = sites[random.below(sites.length)] ?? '';
      const gateway = entry.where === 'gateway' ? { gateway: 1 + random.below(2) } : {};
      if (planned.length < runs) planned.push({ ...entry, fault: { ...entry.fault, ...gateway, site } });
    }
  return planned;
};

const shuffled = <T>(list: readonly T[], random: Random): readonly T[] => {
  const left = [...list];
  const order: T[] = [];
  while (left.length > 0) order.push(...left.splice(random.below(left.length), 1));
  return order;
};
