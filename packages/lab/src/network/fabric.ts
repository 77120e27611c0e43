/**
 * Builds the namespaces of the sites and the links between them, and carries out rules and delays on them. Invariant:
 * after `close`, or when opening failed, neither a namespace nor a helper process nor a file of it is left. Which rules and
 * delays are in force is not known here (`impairments.ts`).
 *
 * A namespace is held by a bind mount on a file in the lab's folder, visible in the daemon's mount namespace only.
 */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import type { Clock, Log } from '@coequal/kernel';
import type { Runner } from '../process/run.ts';
import { allSiteAddresses, HUB_ADDRESS, siteClientAddress } from './addresses.ts';
import { type Echoes, startEchoes } from './echoes.ts';
import {
  type DelayMeans,
  databaseSource,
  findDelayMeans,
  interfaceTo,
  netemArguments,
  plainLink,
  routeTo,
  tapLink,
} from './links.ts';
import { ruleSet } from './rules.ts';
import { startWire } from './wirefilter.ts';

export type FabricOptions = {
  /** How many sites; they are numbered from 1. */
  readonly sites: number;
  readonly rttMs: (a: number, b: number) => number;
  readonly runner: Runner;
  readonly folder: string;
  readonly clock: Clock;
  readonly log: Log;
};

export type Fabric = {
  readonly sites: readonly number[];
  readonly links: readonly Link[];
  /** Why links cannot be delayed; undefined when they can. */
  readonly limit: string | undefined;
  readonly enter: (site: number, argv: readonly string[]) => string[];
  /** Replaces the packet filter's rules of a site, or of the hub (0). */
  readonly setRules: (place: number, rules: string) => Promise<void>;
  readonly close: () => Promise<void>;
};

export type Link = {
  readonly a: number;
  readonly b: number;
  readonly means: DelayMeans;
  /** As measured when the link was opened. */
  readonly measuredRttMs: number;
  /** Delays the link by this much in addition to the round trip time that it was opened with. */
  readonly setAddedRtt: (addedMs: number) => Promise<void>;
};

type Enter = Fabric['enter'];
type PlannedLink = { readonly a: number; readonly b: number; readonly rttMs: number; readonly means: DelayMeans };
/** Sets the round trip time of a link to a figure, as far as its means go. */
type SetRtt = (rttMs: number) => Promise<void>;
/** What closing does, last made first. */
type Undo = (() => Promise<unknown>)[];

const PROBES_PER_LINK = 9;
/** Links this near to what was asked are left alone: the next figure would differ as much by itself. */
const TOLERANCE_SHARE = 0.04;
const TOLERANCE_MS: Readonly<Record<DelayMeans, number>> = { netem: 0.15, wirefilter: 0.55, none: Infinity };
/** What the means themselves add to a round trip: two passes through user space, rounded up to a tick. */
const OVERHEAD_MS: Readonly<Record<DelayMeans, number>> = { netem: 0, wirefilter: 0.6, none: 0 };
const CALIBRATION_ROUNDS = 2;

/** Runs inside the daemon's namespaces. */
export const buildFabric = async (options: FabricOptions): Promise<Fabric> => {
  const { runner, folder } = options;
  const sites = Array.from({ length: options.sites }, (_, index) => index + 1);
  const place = (site: number): string => (site === 0 ? '/proc/self/ns/net' : `${folder}/${site}`);
  const enter: Enter = (site, argv) => [runner.tool('nsenter'), `--net=${place(site)}`, '--', ...argv];
  const undo: Undo = [() => rm(folder, { recursive: true, force: true })];
  const close = async (): Promise<void> => {
    const failures: unknown[] = [];
    for (const step of undo.splice(0).reverse()) await step().catch((error: unknown) => failures.push(error));
    if (failures.length > 0) throw failures[0];
  };
  try {
    await mkdir(folder, { recursive: true, mode: 0o755 });
    const [found] = await together([findDelayMeans(runner), makePlaces(runner, sites.map(place), undo)]);
    const planned = planLinks(sites, options, found.means);
    await connectSites(runner, sites, planned, place, enter);
    const setRules = (site: number, rules: string) => filter(runner, site, rules, enter);
    const [echoes, setters] = await together([
      startEchoes(sites, { runner, clock: options.clock, enter, undo }),
      startDelays(planned, options, enter, undo),
      Promise.all([0, ...sites].map((site) => setRules(site, ruleSet(site, sites, [], [])))),
    ]);
    const links = await Promise.all(planned.map((link, index) => openLink(link, setters[index] ?? noDelay, echoes)));
    await echoes.close();
    return { sites, links, limit: found.limit, enter, setRules, close };
  } catch (error) {
    await close();
    throw error;
  }
};

/** All results, or the first failure once every one has come to its end, so that nothing starts behind the undoing. */
const together = async <T extends readonly unknown[]>(promises: { [K in keyof T]: Promise<T[K]> }): Promise<T> => {
  await Promise.allSettled(promises);
  return (await Promise.all(promises)) as unknown as T;
};

const makePlaces = async (runner: Runner, places: readonly string[], undo: Undo): Promise<void> => {
  const made = places.map(async (place) => {
    await writeFile(place, '');
    await runner.run(['unshare', `--net=${place}`, '--', 'true']);
    // Lazily: whoever still holds the namespace keeps it, and nobody finds it here any more.
    undo.push(() => runner.run(['umount', '--lazy', place]));
  });
  await together(made);
};

const noDelay: SetRtt = async () => {};

const planLinks = (sites: readonly number[], { rttMs }: FabricOptions, best: DelayMeans): readonly PlannedLink[] =>
  sites.flatMap((a) =>
    sites
      .filter((b) => b > a)
      .map((b) => {
        const figure = rttMs(a, b);
        // Frames through user space cost a fifth of a millisecond: not worth it where no distance was asked for.
        return { a, b, rttMs: figure, means: best === 'wirefilter' && figure === 0 ? 'none' : best };
      }),
  );

/** First the hub makes every pair of interfaces, then each site sets up its own ends. */
const connectSites = async (
  runner: Runner,
  sites: readonly number[],
  links: readonly PlannedLink[],
  place: (site: number) => string,
  enter: Enter,
): Promise<void> => {
  const pairs = links.filter(({ means }) => means !== 'wirefilter').map(({ a, b }) => plainLink(a, b, place));
  const hub = [
    'link set lo up',
    `addr add ${HUB_ADDRESS}/32 dev lo`,
    ...pairs,
    ...sites.flatMap((site) => [plainLink(0, site, place), ...routeTo(0, site, HUB_ADDRESS)]),
  ];
  await runner.run(['ip', '-batch', '-'], { input: `${hub.join('\n')}\n` });
  await Promise.all(
    sites.map((site) => {
      const own = ['link set lo up', ...allSiteAddresses(site).map((address) => `addr add ${address}/32 dev lo`)];
      const taps = links.filter(({ means }) => means === 'wirefilter').flatMap((link) => tapsOf(site, link));
      const peers = sites.filter((peer) => peer !== site).flatMap((peer) => routeTo(site, peer, databaseSource(site)));
      const batch = [...own, ...taps, ...peers, ...routeTo(site, 0, siteClientAddress(site))];
      return runner.run(enter(site, [runner.tool('ip'), '-batch', '-']), { input: `${batch.join('\n')}\n` });
    }),
  );
};

const tapsOf = (site: number, { a, b }: PlannedLink): readonly string[] => {
  if (site === a) return tapLink(a, b);
  return site === b ? tapLink(b, a) : [];
};

const filter = async (runner: Runner, site: number, rules: string, enter: Enter): Promise<void> => {
  const argv = [runner.tool('nft'), '-f', '-'];
  await runner.run(site === 0 ? argv : enter(site, argv), { input: rules });
};

const startDelays = async (
  links: readonly PlannedLink[],
  options: FabricOptions,
  enter: Enter,
  undo: Undo,
): Promise<readonly SetRtt[]> => {
  const started = links.map(async (link): Promise<SetRtt> => {
    if (link.means === 'none') return noDelay;
    if (link.means === 'netem') return netem(link, options.runner, enter);
    const wire = await startWire(wireEnds(link, enter), { ...options, path: `${options.folder}/${link.a}-${link.b}` });
    undo.push(() => wire.close());
    return (rttMs) => wire.setRoundTripDelay(rttMs);
  });
  return together(started);
};

const wireEnds = ({ a, b }: PlannedLink, enter: Enter): Parameters<typeof startWire>[0] => [
  { enter: (argv) => enter(a, argv), interface: interfaceTo(b) },
  { enter: (argv) => enter(b, argv), interface: interfaceTo(a) },
];

const netem =
  ({ a, b }: PlannedLink, runner: Runner, enter: Enter): SetRtt =>
  async (rttMs) => {
    const delayMs = Math.max(0, rttMs / 2);
    await Promise.all([
      runner.run(enter(a, [runner.tool('tc'), ...netemArguments(interfaceTo(b), delayMs)])),
      runner.run(enter(b, [runner.tool('tc'), ...netemArguments(interfaceTo(a), delayMs)])),
    ]);
  };

/** Sets the link's round trip time, measures it, and corrects by what the means themselves add or leave out. */
const openLink = async (link: PlannedLink, setRtt: SetRtt, echoes: Echoes): Promise<Link> => {
  const measureWith = async (correctionMs: number) => {
    await setRtt(link.rttMs + correctionMs);
    const measuredMs = await echoes.measure(link.a, link.b, PROBES_PER_LINK);
    return { correctionMs, measuredMs, offMs: link.rttMs - measuredMs };
  };
  let best = await measureWith(-OVERHEAD_MS[link.means]);
  for (let round = 0; round < CALIBRATION_ROUNDS && isOff(link, best.offMs); round += 1) {
    const next = await measureWith(best.correctionMs + best.offMs);
    if (Math.abs(next.offMs) < Math.abs(best.offMs)) best = next;
  }
  const { correctionMs, measuredMs } = best;
  const setAddedRtt = (addedMs: number): Promise<void> => setRtt(link.rttMs + correctionMs + addedMs);
  await setAddedRtt(0);
  return { a: link.a, b: link.b, means: link.means, measuredRttMs: measuredMs, setAddedRtt };
};

const isOff = ({ means, rttMs }: PlannedLink, offMs: number): boolean =>
  Math.abs(offMs) > Math.max(TOLERANCE_MS[means], rttMs * TOLERANCE_SHARE);
