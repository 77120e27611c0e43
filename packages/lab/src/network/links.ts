/**
 * The links between pairs of sites, one each, by the best means this machine has: netem in the kernel, wirefilter in
 * user space (in steps of a millisecond), or a plain link that cannot be slowed down. What cannot be done is said in `limit`, never pretended.
 */
import { open } from 'node:fs/promises';
import { codeOf } from '@coequal/kernel';
import type { Runner } from '../process/run.ts';
import { linkAddress, nextHop, siteAddress, siteNetwork } from './addresses.ts';

/** How packets between two sites are delayed. */
export type DelayMeans = 'netem' | 'wirefilter' | 'none';

export type MeansFound = {
  readonly means: DelayMeans;
  /** Why there is none, one sentence. */
  readonly limit?: string;
};

/** The interface of a site towards another. */
export const interfaceTo = (site: number): string => (site === 0 ? 'hub' : `site${site}`);

/** Tries the means in order of fidelity. Runs inside the daemon's namespaces. */
export const findDelayMeans = async (runner: Runner): Promise<MeansFound> => {
  const netem = await runner.attempt(['unshare', '--net', '--', runner.tool('tc'), ...netemArguments('lo', 1)]);
  if (netem.status === 0) return { means: 'netem' };
  const missing = ['wirefilter', 'vde_switch'].filter((name) => runner.programs.path(name) === undefined);
  if (missing.length > 0)
    return { means: 'none', limit: noDelay(`${missing.join(' and ')} (package vde2) was not found`) };
  const refused = await tunRefused();
  return refused === undefined ? { means: 'wirefilter' } : { means: 'none', limit: noDelay(refused) };
};

const noDelay = (reason: string): string =>
  `Links have no delay: this kernel has no netem, and ${reason}. Round trips between sites take a fraction of a millisecond.`;

const tunRefused = async (): Promise<string | undefined> => {
  try {
    await (await open('/dev/net/tun', 'r+')).close();
    return undefined;
  } catch (error) {
    return `/dev/net/tun cannot be opened (${codeOf(error) ?? 'unknown reason'})`;
  }
};

/** Delay of what leaves an interface, one way. The limit holds a full window even at long delays. */
export const netemArguments = (name: string, delayMs: number): readonly string[] => [
  'qdisc',
  'replace',
  'dev',
  name,
  'root',
  'netem',
  'limit',
  '100000',
  'delay',
  `${Math.round(delayMs * 1_000)}us`,
];

/** For `ip -batch`, in the hub: a pair of interfaces, one in each site. `place` names a site's namespace. */
export const plainLink = (a: number, b: number, place: (site: number) => string): string =>
  `link add ${interfaceTo(b)} address ${linkAddress(a, b)} netns ${place(a)} type veth peer name ${interfaceTo(a)} address ${linkAddress(b, a)} netns ${place(b)}`;

/** For `ip -batch`, inside a site: a tap towards another site, for wirefilter. */
export const tapLink = (site: number, peer: number): readonly string[] => [
  `tuntap add mode tap name ${interfaceTo(peer)}`,
  `link set ${interfaceTo(peer)} address ${linkAddress(site, peer)}`,
];

/**
 * For `ip -batch`, inside a site or the hub (0): brings an interface up with a fixed neighbour behind it, and routes the
 * other's network over it. `source` is the address that connections take that did not bind one.
 */
export const routeTo = (site: number, peer: number, source: string): readonly string[] => [
  `link set ${interfaceTo(peer)} addrgenmode none`,
  `link set ${interfaceTo(peer)} up`,
  `neigh add ${nextHop(peer)} lladdr ${linkAddress(peer, site)} nud permanent dev ${interfaceTo(peer)}`,
  `route add ${siteNetwork(peer)} via ${nextHop(peer)} dev ${interfaceTo(peer)} onlink src ${source}`,
];

/** Servers connect to each other without binding: their connections must come from the database's own address. */
export const databaseSource = (site: number): string => siteAddress(site, 1);
