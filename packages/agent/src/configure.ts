/**
 * From the estate to what one agent works with. Pure. What runs on the host (instances, gateways) is found here, so that the file
 * says each thing once.
 */
import type { Place } from '@coequal/contract';
import {
  type Agent,
  type ClientCertificates,
  type Estate,
  type FollowedLog,
  hostNamed,
  loopbackOf,
  type MetricStore,
  metricsAddress,
  placedGateways,
  placedInstances,
  type Scrape,
  type WatchedDatabase,
} from '@coequal/estate';
import { assert, fail } from '@coequal/kernel';
import type { AgentSettings, ClockPeer, DatabaseTarget, Destination, LogTarget, ScrapeTarget } from './settings.ts';

/** The agent's own and the gateways' metrics: as often as everything else. */
const everySecondMs = 1_000;
/** A gateway with all accounts and instances of an estate has some thousands. */
const gatewaySamples = 100_000;
/** Clocks that are compared: enough to tell whose is wrong. */
const peerLimit = 16;

type Home = { readonly host: string; readonly site: string };

/**
 * What an agent works with.
 * @param wanted name of the agent or of its host; may be left out where the estate has only one agent
 * @throws AGENT_UNKNOWN, AGENT_NOT_NAMED: both say which agents there are
 */
export const agentSettings = (estate: Estate, wanted: string | undefined): AgentSettings => {
  const agent = chosenAgent(estate, wanted);
  const place = hostNamed(estate, agent.host);
  assert(place !== undefined, 'a parsed estate places every agent on a known host');
  const home: Home = { host: agent.host, site: place.site.name };
  const { timePort, wholeMachine, cgroup, devices, mounts, interfaces } = agent;
  return {
    name: agent.name,
    ...home,
    listen: { host: loopbackOf(place.at.address), port: agent.port },
    ...(timePort === undefined ? {} : { time: { host: place.at.address, port: timePort } }),
    stateFolder: agent.stateFolder,
    scope: {
      wholeMachine,
      ...(cgroup === undefined ? {} : { cgroup }),
      ...(devices === undefined ? {} : { devices }),
      ...(mounts === undefined ? {} : { mounts }),
      ...(interfaces === undefined ? {} : { interfaces }),
    },
    databases: [...ownInstances(estate, agent, home), ...agent.databases.map((one) => watchedDatabase(one, home))],
    scrapes: [
      ...ownGateways(estate, home),
      ...ownExternals(estate, home),
      ...agent.scrapes.map((one) => scrapeTarget(one, home)),
    ],
    logs: agent.logs.map((log) => logTarget(estate, log, home)),
    peers: peersOf(estate, agent),
    changesTokenFile: agent.webhook?.tokenFile ?? `${agent.stateFolder}/changes.token`,
    ...destinations(estate, agent, home),
  };
};

export const chosenAgent = (estate: Estate, wanted: string | undefined): Agent => {
  const { agents } = estate;
  const known = agents.map(({ name }) => name).join(', ') || 'none';
  const [first, ...others] = agents;
  if (wanted === undefined) {
    if (first !== undefined && others.length === 0) return first;
    throw fail('AGENT_NOT_NAMED', { estate: estate.name, count: agents.length, known });
  }
  const found = agents.find(({ name, host }) => name === wanted || host === wanted);
  if (found === undefined) throw fail('AGENT_UNKNOWN', { name: wanted, estate: estate.name, known });
  return found;
};

/** Instances of the estate on this host. Galera is MariaDB. */
const ownInstances = (estate: Estate, { host, databaseAccount }: Agent, { site }: Home): readonly DatabaseTarget[] => {
  if (databaseAccount === undefined) return [];
  return estate.services.flatMap((service) =>
    placedInstances(estate, service)
      .filter((instance) => instance.host === host)
      .map(({ name, at, ports }) => ({
        engine: 'mariadb' as const,
        place: { site, host, service: service.name, instance: name },
        address: at.address,
        port: ports.client,
        account: accountOf(databaseAccount, service.tls),
        serverName: name,
        isHere: true,
      })),
  );
};

/** An instance that speaks no TLS is not asked to. */
const accountOf = ({ user, passwordFile, authority }: DatabaseTarget['account'], tls: boolean) => ({
  user,
  passwordFile,
  ...(tls && authority !== undefined ? { authority } : {}),
});

const watchedDatabase = (file: WatchedDatabase, home: Home): DatabaseTarget => ({
  engine: file.engine,
  place: {
    site: file.site ?? home.site,
    host: file.host ?? home.host,
    ...(file.service === undefined ? {} : { service: file.service }),
    instance: file.instance,
  },
  address: file.address,
  port: file.port,
  ...(file.database === undefined ? {} : { database: file.database }),
  account: file.account,
  serverName: file.address,
  isHere: false,
});

const ownGateways = (estate: Estate, { host, site }: Home): readonly ScrapeTarget[] =>
  estate.services.flatMap((service) =>
    placedGateways(estate, service)
      .filter((gateway) => gateway.host === host)
      .map((gateway) => ({
        job: 'coequal_gateway',
        labels: { job: 'coequal_gateway', instance: gateway.name, host, site, service: service.name },
        url: `http://${metricsAddress(gateway)}:${gateway.metricsPort}/metrics`,
        everyMs: everySecondMs,
        samples: gatewaySamples,
      })),
  );

/** Instances of other engines whose exporters this host's agent asks. Their place is theirs, wherever they are asked from. */
const ownExternals = (estate: Estate, home: Home): readonly ScrapeTarget[] =>
  estate.externals.flatMap((service) =>
    service.instances.flatMap(({ name, host, watchedFrom = host, scrape }): readonly ScrapeTarget[] => {
      const place = hostNamed(estate, host);
      if (watchedFrom !== home.host || place === undefined) return [];
      return [
        {
          job: service.product,
          labels: { job: service.product, instance: name, host, site: place.site.name, service: service.name },
          ...scrape,
        },
      ];
    }),
  );

const scrapeTarget = (file: Scrape, home: Home): ScrapeTarget => {
  const { job, url, everyMs, samples, user, passwordFile, tokenFile } = file;
  return {
    job,
    labels: {
      job,
      instance: file.instance ?? new URL(url).host,
      host: file.host ?? home.host,
      site: file.site ?? home.site,
      ...(file.service === undefined ? {} : { service: file.service }),
    },
    url,
    everyMs,
    samples,
    ...(user === undefined ? {} : { user }),
    ...(passwordFile === undefined ? {} : { passwordFile }),
    ...(tokenFile === undefined ? {} : { tokenFile }),
    ...certificatesOf(file),
  };
};

const logTarget = (estate: Estate, { path, format, instance, gateway }: FollowedLog, home: Home): LogTarget => {
  const service =
    estate.services.find(({ instances }) => instances.some(({ name }) => name === instance))?.name ??
    estate.gateways.find(({ name }) => name === gateway)?.service;
  const place: Place = {
    site: home.site,
    host: home.host,
    ...(service === undefined ? {} : { service }),
    ...(instance === undefined ? {} : { instance }),
    ...(gateway === undefined ? {} : { gateway }),
  };
  return { path, format, place };
};

/** The agents that come after this one in the file, around its end: so that each is compared by others when there are many. */
const peersOf = (estate: Estate, agent: Agent): readonly ClockPeer[] => {
  const { agents } = estate;
  const own = agents.indexOf(agent);
  return [...agents.slice(own + 1), ...agents.slice(0, own)]
    .flatMap(({ name, host, timePort }) => {
      const address = hostNamed(estate, host)?.at.address;
      if (timePort === undefined || address === undefined) return [];
      return [{ name, url: `http://${inUrl(address)}:${timePort}` }];
    })
    .slice(0, peerLimit);
};

/** What `sendTo` says, and for what it leaves out the store of the site and the platforms of the host, as the estate has them. */
const destinations = (estate: Estate, { sendTo }: Agent, home: Home): Pick<AgentSettings, 'store' | 'platforms'> => {
  const files = sendTo === undefined ? {} : certificatesOf(sendTo);
  const store = sendTo?.store === undefined ? storeOf(estate, home) : { url: sendTo.store };
  const token = sendTo?.tokenFile === undefined ? {} : { tokenFile: sendTo.tokenFile };
  const named = (sendTo?.platforms ?? []).map((url): Destination => ({ url, ...files, ...token }));
  return {
    ...(store === undefined ? {} : { store: { ...store, ...files } }),
    platforms: named.length > 0 ? named : platformsOf(estate, home).map((platform) => ({ ...platform, ...token })),
  };
};

/** That of the site, or the first one: recording rules fill the coarse ones. */
const storeOf = (estate: Estate, { site }: Home): Destination | undefined => {
  const fine = estate.stores.filter((store) => store.class === 'fine');
  const isHere = (store: MetricStore): boolean =>
    store.kind === 'own' && hostNamed(estate, store.host)?.site.name === site;
  const store = fine.find(isHere) ?? fine[0];
  if (store?.kind === 'foreign') {
    const { url, tokenFile, user, passwordFile, tls } = store;
    return {
      url,
      ...(tokenFile === undefined ? {} : { tokenFile }),
      ...(user === undefined ? {} : { user }),
      ...(passwordFile === undefined ? {} : { passwordFile }),
      ...(tls === undefined ? {} : certificatesOf(tls)),
    };
  }
  if (store?.kind !== 'own') return undefined;
  const address = hostNamed(estate, store.host)?.at.address ?? '';
  // Its own certificate is no business of an agent, which shows one of its own (`sendTo`).
  if (store.tls === undefined) return { url: `http://${inUrl(address)}:${store.port}` };
  return { url: `https://${inUrl(address)}:${store.port}`, authority: store.tls.authority };
};

/** Platforms listen on loopback: those of another host cannot be reached. */
const platformsOf = (estate: Estate, { host }: Home): readonly Destination[] =>
  estate.platforms
    .filter((platform) => platform.host === host)
    .map(({ address, port, agentTokenFile }) => ({
      url: `http://${inUrl(address)}:${port}`,
      ...(agentTokenFile === undefined ? {} : { tokenFile: agentTokenFile }),
    }));

const inUrl = (address: string): string => (address.includes(':') ? `[${address}]` : address);

const certificatesOf = ({ authority, certificate, key }: ClientCertificates): ClientCertificates => ({
  ...(authority === undefined ? {} : { authority }),
  ...(certificate === undefined ? {} : { certificate }),
  ...(key === undefined ? {} : { key }),
});
