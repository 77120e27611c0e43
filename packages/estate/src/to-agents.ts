/**
 * Agents from the shape of the file to the model, and back to what a file says (`format.ts`). Names, ports and folders that the file
 * leaves out are filled in here.
 */
import type { z } from 'zod';
import type {
  Agent,
  ClientCertificates,
  DatabaseAccount,
  FollowedLog,
  Scrape,
  SendTo,
  WatchedDatabase,
} from './model-agents.ts';
import type { agent } from './schema-agents.ts';
import { formatActs, toActs } from './to-acts.ts';

type FileAgent = z.output<typeof agent>;

export const usualAgentPort = 9_361;

export const toAgent = (file: FileAgent): Agent => {
  const { name = file.host, port = usualAgentPort, stateFolder = `/var/lib/coequal/agents/${name}`, ...rest } = file;
  const { timePort, cgroup, devices, mounts, interfaces, databaseAccount, webhook, sendTo, acts } = rest;
  return {
    name,
    host: rest.host,
    port,
    ...(timePort === undefined ? {} : { timePort }),
    stateFolder: plain(stateFolder),
    wholeMachine: rest.wholeMachine,
    ...(cgroup === undefined ? {} : { cgroup: plain(cgroup) }),
    ...(devices === undefined ? {} : { devices }),
    ...(mounts === undefined ? {} : { mounts: mounts.map(plain) }),
    ...(interfaces === undefined ? {} : { interfaces }),
    ...(databaseAccount === undefined ? {} : { databaseAccount: toAccount(databaseAccount) }),
    databases: rest.databases.map(toDatabase),
    logs: rest.logs.map(toLog),
    scrapes: rest.scrapes.map(toScrape),
    ...(webhook === undefined ? {} : { webhook }),
    ...(sendTo === undefined ? {} : { sendTo: toSendTo(sendTo) }),
    ...(acts === undefined ? {} : { acts: toActs(acts) }),
  };
};

/** `/a//b/` and `/a/b` are one folder. */
const plain = (path: string): string => path.replaceAll(/\/+/g, '/').replace(/(?<=.)\/$/, '');

const toAccount = ({ user, passwordFile, authority }: NonNullable<FileAgent['databaseAccount']>): DatabaseAccount => ({
  user,
  passwordFile,
  ...(authority === undefined ? {} : { authority }),
});

const toDatabase = (file: FileAgent['databases'][number]): WatchedDatabase => {
  const { service, host, site, database } = file;
  return {
    engine: file.engine,
    instance: file.instance,
    ...(service === undefined ? {} : { service }),
    ...(host === undefined ? {} : { host }),
    ...(site === undefined ? {} : { site }),
    address: file.address ?? '127.0.0.1',
    port: file.port ?? (file.engine === 'postgres' ? 5_432 : 3_306),
    ...(database === undefined ? {} : { database }),
    account: toAccount(file.account),
  };
};

const toLog = ({ path, format, instance, gateway }: FileAgent['logs'][number]): FollowedLog => ({
  path: plain(path),
  format,
  ...(instance === undefined ? {} : { instance }),
  ...(gateway === undefined ? {} : { gateway }),
});

const toScrape = (file: FileAgent['scrapes'][number]): Scrape => {
  const { site, host, service, instance, user, passwordFile, tokenFile } = file;
  return {
    job: file.job,
    url: file.url,
    everyMs: file.every,
    ...(site === undefined ? {} : { site }),
    ...(host === undefined ? {} : { host }),
    ...(service === undefined ? {} : { service }),
    ...(instance === undefined ? {} : { instance }),
    samples: file.samples,
    ...(user === undefined ? {} : { user }),
    ...(passwordFile === undefined ? {} : { passwordFile }),
    ...(tokenFile === undefined ? {} : { tokenFile }),
    ...toCertificates(file),
  };
};

const toSendTo = (file: NonNullable<FileAgent['sendTo']>): SendTo => ({
  ...(file.store === undefined ? {} : { store: file.store }),
  platforms: file.platforms,
  ...(file.tokenFile === undefined ? {} : { tokenFile: file.tokenFile }),
  ...toCertificates(file),
});

const toCertificates = ({
  authority,
  certificate,
  key,
}: Pick<FileAgent['scrapes'][number], 'authority' | 'certificate' | 'key'>): ClientCertificates => ({
  ...(authority === undefined ? {} : { authority }),
  ...(certificate === undefined ? {} : { certificate }),
  ...(key === undefined ? {} : { key }),
});

/** As the file says it. */
export const formatAgent = ({ databases, logs, scrapes, acts, ...agent }: Agent): object => ({
  ...agent,
  ...(acts === undefined ? {} : { acts: formatActs(acts) }),
  ...(databases.length === 0 ? {} : { databases }),
  ...(logs.length === 0 ? {} : { logs }),
  ...(scrapes.length === 0
    ? {}
    : { scrapes: scrapes.map(({ everyMs, ...scrape }) => ({ ...scrape, every: `${everyMs}ms` })) }),
});
