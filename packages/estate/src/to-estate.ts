/**
 * From a file of the right shape to the model: units become numbers, one thing gets one spelling, and defaults that
 * depend on other keys are filled in. Whether the whole makes sense is judged afterwards, in `rules.ts`.
 */
import type {
  AuditPlan,
  Encryption,
  Estate,
  Gateway,
  GatewayCertificates,
  GatewayLimits,
  GatewayUser,
  GuardRule,
  Host,
  Instance,
  PresetName,
  Service,
  ServiceGateway,
} from './model.ts';
import type { EstateFile, FileService } from './schema.ts';
import { toAgent } from './to-agents.ts';
import { toExternal } from './to-external.ts';
import { toPlatform, toStore } from './to-platform.ts';

/** The model of a file whose shape is right. */
export const toEstate = (file: EstateFile): Estate => ({
  version: file.version,
  name: file.name,
  sites: file.sites.map((site) => ({ name: site.name, hosts: site.hosts.map(toHost) })),
  links: file.links.map(({ between, rtt }) => ({ between, rttMs: rtt })),
  services: file.services.flatMap((service) => (service.engine === 'external' ? [] : [toService(service)])),
  externals: file.services.flatMap((service) => (service.engine === 'external' ? [toExternal(service)] : [])),
  gateways: file.gateways.map(toGateway),
  agents: file.agents.map(toAgent),
  platforms: file.platforms.map(toPlatform),
  stores: file.stores.map(toStore),
  ...(file.audit === undefined ? {} : { audit: toAudit(file.audit) }),
  limits: {
    connectionsPerInstance: file.limits.connectionsPerInstance,
    bufferPoolBytes: file.limits.bufferPool,
    freeDiskBytes: file.limits.freeDisk,
    galeraCacheBytes: file.limits.galeraCache,
  },
});

const toAudit = ({
  anchorFolder,
  timeStamps,
  syslog,
  checkpointEvery,
}: NonNullable<EstateFile['audit']>): AuditPlan => ({
  ...(anchorFolder === undefined ? {} : { anchorFolder: withoutEndingSlash(anchorFolder) }),
  ...(timeStamps === undefined ? {} : { timeStamps }),
  ...(syslog === undefined ? {} : { syslog: toSyslog(syslog) }),
  checkpointMs: checkpointEvery,
});

const toSyslog = ({
  certificate,
  key,
  host,
  ...rest
}: NonNullable<NonNullable<EstateFile['audit']>['syslog']>): NonNullable<AuditPlan['syslog']> => ({
  ...rest,
  host: canonicalAddress(host),
  ...(certificate === undefined ? {} : { certificate }),
  ...(key === undefined ? {} : { key }),
});

const toHost = ({ name, address, cost, cpus, memory }: EstateFile['sites'][number]['hosts'][number]): Host => ({
  name,
  address: canonicalAddress(address),
  ...(cost === undefined ? {} : { cost }),
  ...(cpus === undefined ? {} : { cpus }),
  ...(memory === undefined ? {} : { memoryBytes: memory }),
});

/** One text for one address, so that two spellings of it are seen to be the same. */
const canonicalAddress = (address: string): string =>
  address.includes(':') ? new URL(`http://[${address}]`).hostname.slice(1, -1) : address.toLowerCase();

const toService = ({ engine = 'galera', encryption, instances, gateway, ...rest }: FileService): Service => ({
  ...rest,
  engine,
  ...(encryption === undefined ? {} : { encryption: toEncryption(encryption) }),
  instances: instances.map(toInstance),
  ...(gateway === undefined ? {} : { gateway: toServiceGateway(gateway, rest.preset) }),
});

const toEncryption = ({ keyFile, safePaths }: Encryption): Encryption => ({
  keyFile,
  safePaths: safePaths.map(withoutEndingSlash),
});

const toInstance = ({ name, host, dataFolder, cacheFolder, ports }: FileService['instances'][number]): Instance => ({
  name,
  host,
  dataFolder: withoutEndingSlash(dataFolder),
  ...(cacheFolder === undefined ? {} : { cacheFolder: withoutEndingSlash(cacheFolder) }),
  ports,
});

/** `/a//b/` and `/a/b` are one folder. */
const withoutEndingSlash = (path: string): string => path.replaceAll(/\/+/g, '/').replace(/(?<=.)\/$/, '');

type FileGateway = EstateFile['gateways'][number];
type FileServiceGateway = NonNullable<FileService['gateway']>;

/**
 * How long an instance may be silent before its sessions leave it: a little longer than the group itself takes to give
 * a member up with this preset, so that what is then decided about its transactions meets a decided view.
 */
export const silenceByPreset: Readonly<Record<PresetName, number>> = {
  default: 700,
  tight: 450,
  'virtual-machines': 3_500,
  stock: 7_000,
};

const toServiceGateway = (file: FileServiceGateway, preset: PresetName): ServiceGateway => ({
  account: file.account,
  profile: file.profile,
  users: file.users.map(toUser),
  guards: file.guards.map(toGuard),
  ...(file.largeWrites === undefined
    ? {}
    : { largeWrites: { aboveBytes: file.largeWrites.above, rule: file.largeWrites.rule } }),
  ...(file.schemaChanges === undefined ? {} : { schemaChanges: { aboveBytes: file.schemaChanges.above } }),
  ...(file.credentials === undefined ? {} : { credentials: file.credentials }),
  limits: toGatewayLimits(file.limits, preset),
});

const toUser = ({ user, profile, connections }: FileServiceGateway['users'][number]): GatewayUser => ({
  user,
  ...(profile === undefined ? {} : { profile }),
  ...(connections === undefined ? {} : { connections }),
});

const toGuard = ({ name, tables }: FileServiceGateway['guards'][number]): GuardRule => ({
  name,
  ...(tables === undefined ? {} : { tables }),
});

const toGatewayLimits = (file: FileServiceGateway['limits'], preset: PresetName): GatewayLimits => ({
  connections: file.connections,
  connectionsPerUser: Math.min(file.connectionsPerUser, file.connections),
  transactionBytes: file.transaction,
  replayBytes: file.replay,
  idleMs: file.idle,
  statementMs: file.statement,
  slowClientMs: file.slowClient,
  handshakeMs: file.handshake,
  recoveryMs: file.recovery,
  silenceMs: file.silence ?? silenceByPreset[preset],
  failuresPerMinute: file.failuresPerMinute,
});

const toGateway = (file: FileGateway): Gateway => ({
  name: file.name,
  host: file.host,
  service: file.service,
  port: file.port,
  ...(file.address === undefined ? {} : { address: canonicalAddress(file.address) }),
  metricsPort: file.metricsPort ?? defaultMetricsPort(file.port),
  workers: file.workers,
  stateFolder: withoutEndingSlash(file.stateFolder ?? defaultStateFolder(file.name)),
  ...(file.certificates === undefined ? {} : { certificates: toCertificates(file.certificates) }),
  proxyFrom: file.proxyFrom,
  proxyToInstances: file.proxyToInstances,
});

const toCertificates = ({
  authority,
  certificate,
  key,
}: NonNullable<FileGateway['certificates']>): GatewayCertificates => ({
  authority,
  ...(certificate === undefined ? {} : { certificate }),
  ...(key === undefined ? {} : { key }),
});

const defaultMetricsPort = (port: number): number => (port + 10_000 <= 65_535 ? port + 10_000 : port - 10_000);
const defaultStateFolder = (gateway: string): string => `/var/lib/coequal/gateways/${gateway}`;
