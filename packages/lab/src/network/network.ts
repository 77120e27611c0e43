/**
 * The network between the sites of a lab. In full mode every site is a network namespace with links of its own to
 * every other site and to the hub (the daemon's namespace); in plain mode a site is a range of loopback
 * addresses. Invariants: a site's own loopback is never cut; what a partition drops is told by addresses
 * (`addresses.ts`), so that a database can be cut off while the clients beside it are not; whatever is made
 * lies in the daemon's namespaces and the given folder.
 *
 * Who connects from where: a server that connects to another site does not bind an address, so the routes' source
 * address is the database's (.1), and a partition of the database cuts it. Clients inside a site must bind `clientAddress`
 * (.100), or the same partition cuts them too.
 */
import { type Clock, fail, type Log } from '@coequal/kernel';
import { type Programs, runnerFor } from '../process/run.ts';
import {
  gatewayAddress,
  plainAddress,
  plainGatewayAddress,
  SITE_LIMIT,
  siteAddress,
  siteClientAddress,
} from './addresses.ts';
import { buildFabric, type Fabric } from './fabric.ts';
import { type Impairments, impairmentsOf, type OwnedCut } from './impairments.ts';
import type { RttOf } from './rtt.ts';

export type CutOptions = {
  /** All traffic of the site, its clients' and the hub's too; otherwise only its databases'. */
  readonly whole?: boolean;
  /** Only what leaves the site is lost; what others send arrives. */
  readonly oneWay?: boolean;
  /** Only between these two; the cut belongs to (and is undone with) the site it was asked for. */
  readonly between?: readonly [string, string];
};

export type LabNetwork = {
  readonly mode: 'full' | 'plain';
  /** What this network cannot do and why, a sentence each. */
  readonly limits: readonly string[];
  /** The address of a site's first, second … database host, from 1. */
  readonly address: (site: string, host: number) => string;
  readonly gatewayAddress: (site: string, gateway: number) => string;
  /** What clients inside the site bind to; undefined in plain mode, where it does not matter. */
  readonly clientAddress: (site: string) => string | undefined;
  /** Puts a program into a site. */
  readonly enter: (site: string, argv: readonly string[]) => string[];
  readonly cut: (site: string, options?: CutOptions) => Promise<void>;
  /** Undoes the cuts that were asked for this site, or all. */
  readonly uncut: (site?: string) => Promise<void>;
  /** Adds to every round trip from and to the site; 0 takes it away. */
  readonly setLatency: (site: string, addedRttMs: number) => Promise<void>;
  /** Share of the packets, each way, between the site and every other; 0 takes it away. */
  readonly setLoss: (site: string, percent: number) => Promise<void>;
  /** Undoes cuts, latency and loss of a site, or of all. */
  readonly clear: (site?: string) => Promise<void>;
  /** The round trip time that was asked for, without what a fault adds. */
  readonly rttMs: RttOf;
  /** The round trip time that was measured when the network was opened; undefined when it was not (plain mode). */
  readonly measuredRttMs: (a: string, b: string) => number | undefined;
  readonly close: () => Promise<void>;
};

export type NetworkOptions = {
  readonly sites: readonly string[];
  readonly rttMs: RttOf;
  readonly programs: Programs;
  /** Of the lab's own; namespaces and sockets lie in `net` below it. Sockets have short paths: keep it short. */
  readonly folder: string;
  readonly environment?: Readonly<Record<string, string | undefined>>;
  readonly log: Log;
  readonly clock: Clock;
};

/** Addresses of this machine's loopback, for machines that allow no namespaces. */
export const openPlainNetwork = (options: {
  readonly sites: readonly string[];
  readonly rttMs?: RttOf;
}): Promise<LabNetwork> => {
  const numberOf = numbering(options.sites);
  const impossible = (what: string) => async (): Promise<never> => {
    throw fail('FAULT_IMPOSSIBLE', {
      fault: what,
      reason: 'plain mode has one network for all sites',
      advice: 'Run the lab in full mode: as root, or where unprivileged user namespaces are allowed.',
    });
  };
  const nothing = async (): Promise<void> => {};
  return Promise.resolve({
    mode: 'plain',
    limits: [
      "Sites share this machine's loopback: no latency between them, and the faults partition, latency and loss cannot be made.",
    ],
    address: (site, host) => plainAddress(numberOf(site), host),
    gatewayAddress: (site, gateway) => plainGatewayAddress(numberOf(site), gateway),
    clientAddress: () => undefined,
    enter: (_, argv) => [...argv],
    cut: impossible('partition'),
    uncut: nothing,
    setLatency: impossible('latency'),
    setLoss: impossible('loss'),
    clear: nothing,
    // Whatever was asked for, these sites are no distance apart.
    rttMs: () => 0,
    measuredRttMs: () => undefined,
    close: nothing,
  });
};

/** Opens the network inside the daemon's namespaces; what was made is undone when it fails. */
export const openNetwork = async (options: NetworkOptions): Promise<LabNetwork> => {
  const { sites } = options;
  const nameOf = (site: number): string => sites[site - 1] ?? '';
  const fabric = await buildFabric({
    sites: sites.length,
    rttMs: (a, b) => options.rttMs(nameOf(a), nameOf(b)),
    runner: runnerFor(options.programs, options.environment),
    folder: `${options.folder}/net`,
    clock: options.clock,
    log: options.log,
  });
  return fullNetwork(options, fabric, impairmentsOf(fabric));
};

const fullNetwork = ({ sites, rttMs }: NetworkOptions, fabric: Fabric, impairments: Impairments): LabNetwork => {
  const numberOf = numbering(sites);
  const { setLatency, setLoss } = impairments;
  const numberOrAll = (site: string | undefined) => (site === undefined ? undefined : numberOf(site));
  return {
    mode: 'full',
    limits: fabric.limit === undefined ? [] : [fabric.limit],
    address: (site, host) => siteAddress(numberOf(site), host),
    gatewayAddress: (site, gateway) => gatewayAddress(numberOf(site), gateway),
    clientAddress: (site) => siteClientAddress(numberOf(site)),
    enter: (site, argv) => fabric.enter(numberOf(site), argv),
    cut: (site, cut = {}) => impairments.cut(ownedCut(numberOf(site), cut, numberOf)),
    uncut: (site) => impairments.uncut(numberOrAll(site)),
    setLatency: (site, addedRttMs) => setLatency(numberOf(site), addedRttMs),
    setLoss: (site, percent) => setLoss(numberOf(site), percent),
    clear: async (site) => {
      await impairments.uncut(numberOrAll(site));
      for (const number of site === undefined ? fabric.sites : [numberOf(site)]) {
        await setLoss(number, 0);
        await setLatency(number, 0);
      }
    },
    // Where links cannot be delayed, the sites are no distance apart, whatever was asked for.
    rttMs: fabric.limit === undefined ? rttMs : () => 0,
    measuredRttMs: (a, b) => {
      const [low, high] = [numberOf(a), numberOf(b)].sort((x, y) => x - y);
      return fabric.links.find((link) => link.a === low && link.b === high)?.measuredRttMs;
    },
    close: fabric.close,
  };
};

const ownedCut = (owner: number, options: CutOptions, numberOf: (site: string) => number): OwnedCut => {
  const base = { owner, whole: options.whole ?? false, oneWay: options.oneWay ?? false };
  if (options.between === undefined) return { ...base, site: owner };
  const [a, b] = options.between.map(numberOf);
  if (a === undefined || b === undefined || a === b) {
    throw fail('FAULT_IMPOSSIBLE', {
      fault: 'partition',
      reason: 'a site cannot be cut off from itself',
      advice: 'Name two different sites, such as --between north,south.',
    });
  }
  // One way means: what leaves the site that was named is lost; of a pair without it, what leaves the first.
  const site = b === owner ? b : a;
  return { ...base, site, towards: [site === a ? b : a] };
};

/** Sites are numbered from 1 in the order of the list; an unknown name is an error. */
const numbering = (sites: readonly string[]): ((site: string) => number) => {
  if (sites.length > SITE_LIMIT) {
    throw fail('COMMAND_USAGE', {
      problem: `A lab has at most ${SITE_LIMIT} sites, not ${sites.length}.`,
      help: 'coequal lab up --help',
    });
  }
  return (site) => {
    const number = sites.indexOf(site) + 1;
    if (number === 0) throw fail('SITE_UNKNOWN', { site, sites: sites.join(', ') });
    return number;
  };
};
