/**
 * Partitions and packet loss as packet filter rules. Pure: from the cuts in force to the text for `nft -f -`.
 *
 * All rules drop on arrival, at the receiver: for the sender the packet is simply lost on the way, as on a real
 * network. (A drop on the way out would be told to the sender's own kernel, which then retries sooner.) So a site that is cut off
 * in one direction has rules at everybody else. Packets are dropped whatever the state of their connection, and
 * never rejected: connections stall, they do not break. The loopback interface of a site is never touched.
 */
import { databaseRange, HUB_NETWORK, siteNetwork } from './addresses.ts';

/** Sites are numbers from 1; 0 is the hub, where the lab's daemon and this machine's users come from. */
export type Cut = {
  readonly site: number;
  /** All traffic of the site, also its clients' and the hub's; otherwise only its databases'. */
  readonly whole: boolean;
  /** Only what leaves the site is lost. */
  readonly oneWay: boolean;
  /** Towards these sites only; undefined: all others, and with `whole` the hub too. */
  readonly towards?: readonly number[];
};

export type Loss = {
  /** The interface on which the packets arrive. */
  readonly interface: string;
  readonly percent: number;
};

/** The whole rule set of one place: replaces, in one transaction, whatever was there before. */
export const ruleSet = (
  place: number,
  sites: readonly number[],
  cuts: readonly Cut[],
  losses: readonly Loss[],
): string => {
  const drops = cuts.flatMap((cut) => dropsAt(place, sites, cut));
  const chances = losses.filter(({ percent }) => percent > 0).map(lossRule);
  return [
    // Naming the table first makes the delete succeed also where there was none.
    'table inet coequal',
    'delete table inet coequal',
    'table inet coequal {',
    '  chain arriving {',
    '    type filter hook prerouting priority -300; policy accept;',
    '    iifname "lo" accept',
    ...[...new Set([...drops, ...chances])].map((rule) => `    ${rule}`),
    '  }',
    // Sites talk over their own links; nothing may take a way around through the hub or a third site.
    '  chain passing {',
    '    type filter hook forward priority 0; policy drop;',
    '  }',
    '}',
    '',
  ].join('\n');
};

const dropsAt = (place: number, sites: readonly number[], cut: Cut): readonly string[] => {
  const others = cut.towards ?? [...(cut.whole ? [0] : []), ...sites.filter((site) => site !== cut.site)];
  if (place === cut.site) return cut.oneWay ? [] : others.map((other) => drop(other, cut, 'to'));
  return others.includes(place) ? [drop(cut.site, cut, 'from')] : [];
};

/** At the cut site: what arrives from another. Elsewhere: what arrives from the cut site. */
const drop = (from: number, cut: Cut, direction: 'to' | 'from'): string => {
  if (cut.whole) return `ip saddr ${networkOf(from)} drop`;
  return direction === 'to'
    ? `ip saddr ${networkOf(from)} ip daddr ${databaseRange(cut.site)} drop`
    : `ip saddr ${databaseRange(cut.site)} drop`;
};

const networkOf = (site: number): string => (site === 0 ? HUB_NETWORK : siteNetwork(site));

/** In hundredths of a percent, the finest share that the filter is asked for. */
const lossRule = (loss: Loss): string => {
  const share = Math.max(1, Math.round(loss.percent * 100));
  // All of it is said plainly: a comparison that is always true is refused.
  const chance = share >= 10_000 ? '' : `numgen random mod 10000 < ${share} `;
  return `iifname "${loss.interface}" ${chance}drop`;
};

/** What is lost on a link whose two ends each lose their share, in percent. */
export const combinedLoss = (a: number, b: number): number => 100 * (1 - (1 - a / 100) * (1 - b / 100));
