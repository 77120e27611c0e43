/**
 * A lab for a bench: a real one, of its own, that is down again when the bench is done with it, however that ends.
 * Clients are the bank's own, run inside the lab's sites like the lab's workload, but started from here, so that each
 * run has its own counts from zero.
 */
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { connectSql, presets, type Sql } from '@coequal/engines';
import { type PresetName, serves } from '@coequal/estate';
import { type Clock, silentLog, until } from '@coequal/kernel';
import { bankAccess, type ClientReport, type Endpoint } from '@coequal/proof';
import { type LabHandle, listLabs, startLab } from '../client.ts';
import { type ClientProcess, startClients } from '../daemon/clients.ts';
import { type LabDefinition, markOf } from '../definition.ts';
import { siteClientAddress } from '../network/addresses.ts';
import { definitionPath } from '../places.ts';
import type { LabSnapshot } from '../snapshot.ts';
import type { BenchTools } from './tools.ts';

export type BenchLab = {
  readonly handle: LabHandle;
  readonly definition: LabDefinition;
  readonly preset: PresetName;
  readonly sites: readonly string[];
  /** The instances as this machine reaches them. */
  readonly reached: readonly Endpoint[];
  /** Endpoints as a site's clients see them: its own first. */
  readonly endpointsFrom: (site: string) => readonly Endpoint[];
  /** Puts a program into a site. */
  readonly enter: (site: string, argv: readonly string[]) => readonly string[];
};

export type LabWish = {
  readonly preset?: PresetName;
  readonly rtt: string;
  /** Three unless told. */
  readonly sites?: number;
  /** Connections that each instance accepts, where the lab's usual number is too few. */
  readonly connectionsPerInstance?: number;
};

/** Starts a lab without a workload, and ends it when `use` is done. */
export const withLab = async <T>(tools: BenchTools, wish: LabWish, use: (lab: BenchLab) => Promise<T>): Promise<T> => {
  tools.signal.throwIfAborted();
  const options = { ...labWish(wish), name: labName(), workload: false, detach: false };
  const handle = await startLab(options, () => undefined, undefined, tools.signal);
  try {
    tools.signal.throwIfAborted();
    return await use(await lookInto(handle, wish.preset ?? 'default'));
  } finally {
    await handle.down();
  }
};

export const labName = (): string => `bench-${randomBytes(4).toString('hex')}`;

const labWish = ({ preset, rtt, sites = 3, connectionsPerInstance }: LabWish) => ({
  sites,
  rtt,
  keep: false,
  hosts: false,
  ...(preset === undefined ? {} : { preset }),
  ...(connectionsPerInstance === undefined ? {} : { connectionsPerInstance }),
});

const lookInto = async (handle: LabHandle, preset: PresetName): Promise<BenchLab> => {
  const listed = (await listLabs()).find(({ name }) => name === handle.name);
  if (listed === undefined || listed.pid === null) throw new Error(`Bug: the lab ${handle.name} is not listed`);
  const definition = JSON.parse(await readFile(definitionPath(listed.folder), 'utf8')) as LabDefinition;
  const snapshot = await handle.snapshot();
  const endpoints = await endpointsOf(definition, snapshot);
  return {
    handle,
    definition,
    preset,
    sites: definition.estate.sites.map(({ name }) => name),
    reached: reachedFrom(endpoints, snapshot),
    endpointsFrom: (site) => ownFirst(definition, endpoints, site),
    enter: (site, argv) => enterSite(definition, listed.pid ?? 0, site, argv),
  };
};

const endpointsOf = async (definition: LabDefinition, snapshot: LabSnapshot): Promise<readonly Endpoint[]> => {
  const authority = snapshot.authorityPath === null ? undefined : await readFile(snapshot.authorityPath, 'utf8');
  const { user, password, database } = snapshot;
  return definition.estate.sites.flatMap((site) =>
    (definition.estate.services[0]?.instances ?? []).flatMap((instance) => {
      const host = site.hosts.find(({ name }) => name === instance.host);
      if (host === undefined) return [];
      const place = { instance: instance.name, site: site.name, host: host.address, port: instance.ports.client };
      return [{ ...place, user, password, database, ...(authority === undefined ? {} : { authority }) }];
    }),
  );
};

const reachedFrom = (endpoints: readonly Endpoint[], snapshot: LabSnapshot): readonly Endpoint[] => {
  const instances = snapshot.sites.flatMap((site) => site.instances);
  return endpoints.map((endpoint) => {
    const seen = instances.find(({ name }) => name === endpoint.instance);
    return seen === undefined ? endpoint : { ...endpoint, host: seen.host, port: seen.port };
  });
};

const ownFirst = (definition: LabDefinition, endpoints: readonly Endpoint[], site: string): readonly Endpoint[] => {
  const number = definition.estate.sites.findIndex(({ name }) => name === site) + 1;
  const local = definition.mode === 'full' ? { localAddress: siteClientAddress(number) } : {};
  const sorted = [...endpoints].sort((a, b) => Number(b.site === site) - Number(a.site === site));
  return sorted.map((endpoint) => ({ ...endpoint, ...local }));
};

/** Into the daemon's namespaces first: only there is the site's own to be seen. */
const enterSite = (
  definition: LabDefinition,
  pid: number,
  site: string,
  argv: readonly string[],
): readonly string[] => {
  if (definition.mode === 'plain') return argv;
  const number = definition.estate.sites.findIndex(({ name }) => name === site) + 1;
  const user = process.getuid?.() === 0 ? [] : ['--user', '--preserve-credentials'];
  const hub = ['nsenter', `--target=${pid}`, ...user, '--mount', '--'];
  return [...hub, 'nsenter', `--net=${definition.folder}/net/${number}`, '--', ...argv];
};

export type LoadOptions = { readonly connections: number; readonly ratePerSecond?: number };

export type Load = {
  /** The latest report of each site's clients. */
  readonly reports: () => ReadonlyMap<string, ClientReport>;
  /** Resolves once every one of these sites has so many more acknowledgements than it has now. */
  readonly advance: (sites: readonly string[], by: number, deadlineMs: number) => Promise<void>;
};

export const bank = { accounts: 1_000, initialBalance: 100_000 };

/** Makes the bank where it is missing. */
export const openBank = async (endpoint: Endpoint | undefined): Promise<void> => {
  if (endpoint === undefined) throw new Error('Bug: nowhere to open the bank');
  await bankAccess.create(endpoint, bank);
};

/** Longer than the preset's stall, so that survivors wait instead of erring. */
const statementMs = (preset: PresetName): number => Math.max(3_000, 2 * presets[preset].typicalStallMs);

let loads = 0;

/** The bank's clients in every site while `use` runs; then their last reports, which count everything. */
export const underLoad = (
  lab: BenchLab,
  options: LoadOptions,
  tools: BenchTools,
  use: (load: Load) => Promise<void>,
): Promise<ReadonlyMap<string, ClientReport>> => {
  loads += 1;
  const folder = lab.definition.folder;
  const clients = lab.sites.map((site, index) =>
    clientsAt(
      site,
      {
        ...options,
        endpoints: lab.endpointsFrom(site),
        ledgerPath: `${folder}/bench-${loads}-${site}.ndjson`,
        seed: index + 1,
        statementMs: statementMs(lab.preset),
        enter: (argv) => lab.enter(site, argv),
        mark: markOf(lab.definition),
      },
      tools.clock,
    ),
  );
  return holding(clients, tools, use);
};

export type ClientsWish = LoadOptions & {
  readonly endpoints: readonly Endpoint[];
  readonly ledgerPath: string;
  readonly seed: number;
  readonly statementMs: number;
  readonly enter: (argv: readonly string[]) => readonly string[];
  readonly mark?: string;
};

export const clientsAt = (site: string, wish: ClientsWish, clock: Clock): ClientProcess => {
  const { endpoints, enter, mark, ...options } = wish;
  const clients = startClients({
    site,
    enter,
    environment: {
      PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      ...(mark === undefined ? {} : { COEQUAL_LAB: mark }),
    },
    started: () => undefined,
    clock,
    log: silentLog,
  });
  clients.assign(endpoints, { ...options, accounts: bank.accounts });
  return clients;
};

/** Ends the clients when `use` is done: in order, or at once when the bench is interrupted. */
export const holding = async (
  clients: readonly ClientProcess[],
  { clock, signal }: BenchTools,
  use: (load: Load) => Promise<void>,
): Promise<ReadonlyMap<string, ClientReport>> => {
  const reports = () => reportsOf(clients);
  const advance = async (sites: readonly string[], by: number, deadlineMs: number): Promise<void> => {
    const before = new Map(sites.map((site) => [site, reports().get(site)?.acknowledged ?? 0]));
    const what = `Transactions at ${sites.join(', ')}`;
    await until(clock, { what, deadlineMs, everyMs: 20, signal, last: () => wordsOf(reports()) }, () => {
      const dead = clients.find((client) => !client.alive());
      if (dead !== undefined) throw new Error(`the clients of ${dead.site} ended by themselves`);
      return sites.every((site) => (reports().get(site)?.acknowledged ?? 0) >= (before.get(site) ?? 0) + by);
    });
  };
  try {
    await use({ reports, advance });
    await Promise.all(clients.map((client) => client.finish()));
    const what = { what: 'The last reports of the clients', deadlineMs: 5_000, everyMs: 10 };
    await until(clock, what, () => clients.every((client) => client.report()?.final === true));
    return reports();
  } finally {
    for (const client of clients) if (client.alive()) client.signal('SIGKILL');
  }
};

/** For whoever has to find out why nothing is acknowledged. */
const wordsOf = (reports: ReadonlyMap<string, ClientReport>): string =>
  [...reports]
    .map(
      ([site, { acknowledged, errors, unreachable }]) =>
        `${site}: ${acknowledged} acknowledged, ${unreachable ?? Object.keys(errors).join(', ')}.`,
    )
    .join(' ');

const reportsOf = (clients: readonly ClientProcess[]): ReadonlyMap<string, ClientReport> =>
  new Map(
    clients.flatMap((client) => {
      const report = client.report();
      return report === null ? [] : [[client.site, report] as const];
    }),
  );

/** What an instance itself says of its group; it changes with every coming and going of a member. */
export type Membership = { readonly members: number; readonly changes: number };

/** Asks one instance, without waiting for the group. */
export const withWitness = async <T>(
  endpoint: Endpoint | undefined,
  use: (ask: () => Promise<Membership>) => Promise<T>,
): Promise<T> => {
  if (endpoint === undefined) throw new Error('Bug: no instance to ask');
  const sql = await connectSql(endpoint, 5_000);
  try {
    await sql.query('SET SESSION wsrep_sync_wait=0');
    return await use(() => membership(sql));
  } finally {
    sql.close();
  }
};

const membership = async (sql: Sql): Promise<Membership> => {
  const rows = await sql.query("SHOW GLOBAL STATUS LIKE 'wsrep\\_cluster\\_%'");
  const status = new Map(rows.map((row) => [String(row['Variable_name']), Number(row['Value'])]));
  return { members: status.get('wsrep_cluster_size') ?? 0, changes: status.get('wsrep_cluster_conf_id') ?? 0 };
};

/** Until every instance serves in one group of all. */
export const untilWhole = async (lab: BenchLab, { clock, signal }: BenchTools): Promise<void> => {
  await until(clock, { what: 'All sites serving', deadlineMs: 120_000, everyMs: 100, signal }, async () => {
    const instances = (await lab.handle.snapshot()).sites.flatMap((site) => site.instances);
    return instances.every(({ state, members }) => serves(state) && members === lab.sites.length);
  });
};
