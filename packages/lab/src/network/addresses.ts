/**
 * The lab's address plan. Pure. Full mode: 10.77.<site>.<n>, the hub (the daemon's own network) is site 0. Plain mode:
 * the same plan below 127.77, which every Linux machine answers on without any set-up. Sites and hosts count from 1.
 *
 * What an address stands for is told by its last number, and partitions go by it: 1–8 are database hosts,
 * 100 is what clients inside the site bind to, 101–104 are kept for gateways.
 */

/** Sites that fit the plan; a lab has far fewer. */
export const SITE_LIMIT = 99;
/** Database hosts of one site. */
export const HOST_LIMIT = 8;
export const GATEWAY_LIMIT = 4;
const CLIENT_NUMBER = 100;

export const HUB_ADDRESS = '10.77.0.1';
export const HUB_NETWORK = '10.77.0.0/24';

export const siteAddress = (site: number, host: number): string => `10.77.${site}.${host}`;
export const siteNetwork = (site: number): string => `10.77.${site}.0/24`;
export const plainAddress = (site: number, host: number): string => `127.77.${site}.${host}`;

/** The addresses of a site's database hosts, as a range for the packet filter. */
export const databaseRange = (site: number): string => `10.77.${site}.1-10.77.${site}.${HOST_LIMIT}`;
export const siteClientAddress = (site: number): string => siteAddress(site, CLIENT_NUMBER);
export const gatewayAddress = (site: number, gateway: number): string => siteAddress(site, CLIENT_NUMBER + gateway);
export const plainGatewayAddress = (site: number, gateway: number): string =>
  plainAddress(site, CLIENT_NUMBER + gateway);

/** Every address that a site answers on. */
export const allSiteAddresses = (site: number): readonly string[] => [
  ...numbers(HOST_LIMIT).map((host) => siteAddress(site, host)),
  siteClientAddress(site),
  ...numbers(GATEWAY_LIMIT).map((gateway) => gatewayAddress(site, gateway)),
];

/**
 * Link addresses (MAC) and next hops are fixed and told to both ends, so that no address resolution is needed: it
 * would add a round trip to the first packet, and a lost request a whole second.
 */
export const linkAddress = (site: number, peer: number): string => `02:c0:e0:${hex(site)}:${hex(peer)}:01`;
export const nextHop = (site: number): string => `10.77.${site}.254`;

const hex = (value: number): string => value.toString(16).padStart(2, '0');
const numbers = (count: number): readonly number[] => Array.from({ length: count }, (_, index) => index + 1);
