/**
 * What is wrong with the network at the moment: cuts, added latency and loss, by site. Knows what is in force and has the
 * fabric carry it out, one change at a time. Invariant: a change that could not be carried out is not
 * remembered as being in force.
 */
import { fail } from '@coequal/kernel';
import type { Fabric } from './fabric.ts';
import { interfaceTo } from './links.ts';
import { type Cut, combinedLoss, ruleSet } from './rules.ts';

/** Sites are numbers from 1. A cut is owned by the site it was asked for. */
export type OwnedCut = Cut & { readonly owner: number };

export type Impairments = {
  readonly cut: (cut: OwnedCut) => Promise<void>;
  readonly uncut: (owner: number | undefined) => Promise<void>;
  readonly setLatency: (site: number, addedRttMs: number) => Promise<void>;
  readonly setLoss: (site: number, percent: number) => Promise<void>;
};

type InForce = { readonly cuts: readonly OwnedCut[]; readonly loss: ReadonlyMap<number, number> };

export const impairmentsOf = (fabric: Fabric): Impairments => {
  let inForce: InForce = { cuts: [], loss: new Map() };
  const added = new Map<number, number>();
  let turn: Promise<unknown> = Promise.resolve();
  const inTurn = (change: () => Promise<void>): Promise<void> => {
    const result = turn.then(change);
    turn = result.catch(() => undefined);
    return result;
  };
  const setRules = (change: (before: InForce) => InForce): Promise<void> =>
    inTurn(async () => {
      const next = change(inForce);
      await Promise.all([0, ...fabric.sites].map((place) => fabric.setRules(place, rulesAt(fabric, place, next))));
      inForce = next;
    });
  return {
    cut: (cut) => setRules((before) => ({ ...before, cuts: [...before.cuts, cut] })),
    uncut: (owner) =>
      setRules((before) => ({
        ...before,
        cuts: before.cuts.filter((cut) => owner !== undefined && cut.owner !== owner),
      })),
    setLoss: (site, percent) => setRules((before) => ({ ...before, loss: new Map([...before.loss, [site, percent]]) })),
    setLatency: (site, addedRttMs) =>
      inTurn(async () => {
        const own = fabric.links.filter(({ a, b }) => a === site || b === site);
        if (addedRttMs > 0) needDelay(fabric, own);
        const both = new Map([...added, [site, addedRttMs]]);
        await Promise.all(own.map((link) => link.setAddedRtt((both.get(link.a) ?? 0) + (both.get(link.b) ?? 0))));
        added.set(site, addedRttMs);
      }),
  };
};

const rulesAt = (fabric: Fabric, place: number, { cuts, loss }: InForce): string => {
  const losses = fabric.sites
    .filter((peer) => place !== 0 && peer !== place)
    .map((peer) => ({
      interface: interfaceTo(peer),
      percent: combinedLoss(loss.get(place) ?? 0, loss.get(peer) ?? 0),
    }));
  return ruleSet(place, fabric.sites, cuts, losses);
};

const needDelay = (fabric: Fabric, links: Fabric['links']): void => {
  if (links.some(({ means }) => means !== 'none')) return;
  throw fail('FAULT_IMPOSSIBLE', {
    fault: 'latency',
    reason:
      fabric.limit?.replace(/\.$/, '') ??
      'its links were made without delay, because a round trip time of 0 was asked for',
    advice:
      fabric.limit === undefined
        ? 'Start the lab with a round trip time, such as --rtt 1ms.'
        : 'Run as root, or on a kernel with netem (the module sch_netem).',
  });
};
