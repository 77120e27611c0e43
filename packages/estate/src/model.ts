/**
 * The estate as a value: everything Coequal looks after. `parseEstate` makes it from `coequal.yaml`; nothing
 * else does, so whoever holds an `Estate` holds a valid one. Every list is in the order of the file.
 */

import type { Agent } from './model-agents.ts';
import type { ExternalService } from './model-external.ts';
import type { MetricStore, Platform } from './model-platform.ts';

export type Estate = {
  readonly version: 1;
  readonly name: string;
  readonly sites: readonly Site[];
  /** Round trip times between sites. A pair that is not named is `undefined`: unknown. */
  readonly links: readonly Link[];
  /** Those that Coequal runs. */
  readonly services: readonly Service[];
  /** Those that it watches only. In the file they stand among the services. */
  readonly externals: readonly ExternalService[];
  readonly gateways: readonly Gateway[];
  readonly agents: readonly Agent[];
  readonly platforms: readonly Platform[];
  readonly stores: readonly MetricStore[];
  /** What becomes of the audit beside being written. Undefined: it stays where it is written. */
  readonly audit?: AuditPlan;
  readonly limits: Limits;
};

export type AuditPlan = {
  readonly anchorFolder?: string;
  readonly timeStamps?: { readonly url: string; readonly authority: string };
  readonly syslog?: {
    readonly host: string;
    readonly port: number;
    readonly authority: string;
    readonly certificate?: string;
    readonly key?: string;
  };
  readonly checkpointMs: number;
};

export type Site = {
  readonly name: string;
  readonly hosts: readonly Host[];
};

export type Host = {
  readonly name: string;
  /** Address that the other hosts reach it by: IPv4, IPv6 or a host name. */
  readonly address: string;
  /** What the host costs. Undefined: not told. */
  readonly cost?: { readonly monthly: number; readonly currency: string };
  /** What the host may use. The lab turns it into a quota; on real hosts it is what headroom is judged by. */
  readonly cpus?: number;
  readonly memoryBytes?: number;
};

export type Link = { readonly between: readonly [string, string]; readonly rttMs: number };

export type Architecture = 'multi-active' | 'primary-standby' | 'cold-standby';
export type EngineName = 'galera';
export type PresetName = 'default' | 'tight' | 'stock' | 'virtual-machines';

export type Service = {
  readonly name: string;
  readonly engine: EngineName;
  readonly architecture: Architecture;
  readonly preset: PresetName;
  /** The schema that applications use. */
  readonly database: string;
  /** TLS on the group channel, for state transfers and for clients. On unless the file says otherwise. */
  readonly tls: boolean;
  /** How a full copy of the data reaches a joining instance. */
  readonly stateTransfer: 'rsync' | 'mariabackup';
  /** Encryption at rest of tables, redo log and binary log. Undefined: off. */
  readonly encryption?: Encryption;
  readonly instances: readonly Instance[];
  /** Votes without data (garbd), for two sites and a witness. */
  readonly arbitrators: readonly Arbitrator[];
  /** What all its gateways do. Undefined only where it has none. */
  readonly gateway?: ServiceGateway;
};

export type Encryption = {
  /** Path of the key file on every host of the service. */
  readonly keyFile: string;
  /** Folders where data in the clear may lie: encrypted volumes, or memory. The Galera cache must be below one. */
  readonly safePaths: readonly string[];
};

export type Instance = {
  readonly name: string;
  /** Name of its host; the host's site is the instance's site. */
  readonly host: string;
  readonly dataFolder: string;
  /** Where the Galera cache lies; the data folder unless named. */
  readonly cacheFolder?: string;
  readonly ports: GaleraPorts;
};

export type GaleraPorts = {
  /** Clients (SQL). */
  readonly client: number;
  /** The group channel. */
  readonly group: number;
  /** Incremental state transfer. */
  readonly incremental: number;
  /** Full state transfer. */
  readonly transfer: number;
};

export type Arbitrator = { readonly name: string; readonly host: string; readonly groupPort: number };

/**
 * The consistency that a service or user asks for. `real-time`: sees everything acknowledged anywhere before;
 * `session`: sees its own writes wherever it is; `local`: what the instance has applied, which may be stale.
 */
export type ConsistencyProfile = 'real-time' | 'session' | 'local';

/** Transactions that take the same guard serialise: by the tables they write, or by a comment in a statement. */
export type GuardRule = { readonly name: string; readonly tables?: readonly string[] };

export type LargeWriteRule = { readonly aboveBytes: number; readonly rule: 'refuse' | 'fragment' | 'chunk' };

/** What a service asks of all its gateways. */
export type ServiceGateway = {
  /** The gateways' own account in the database. */
  readonly account: { readonly user: string; readonly passwordFile: string };
  readonly profile: ConsistencyProfile;
  readonly users: readonly GatewayUser[];
  readonly guards: readonly GuardRule[];
  readonly largeWrites?: LargeWriteRule;
  /** Tables above this size are not changed in a way that blocks every site, unless the session means it. */
  readonly schemaChanges?: { readonly aboveBytes: number };
  readonly credentials?: { readonly file: string; readonly keyFile: string };
  readonly limits: GatewayLimits;
};

/** What differs for one user. */
export type GatewayUser = {
  readonly user: string;
  readonly profile?: ConsistencyProfile;
  readonly connections?: number;
};

/** Limits of each gateway. A time of 0 is none, where the estate file allows it. */
export type GatewayLimits = {
  readonly connections: number;
  readonly connectionsPerUser: number;
  /** What one transaction, and all of them together, may keep for their replay. */
  readonly transactionBytes: number;
  readonly replayBytes: number;
  readonly idleMs: number;
  readonly statementMs: number;
  readonly slowClientMs: number;
  readonly handshakeMs: number;
  readonly recoveryMs: number;
  readonly silenceMs: number;
  readonly failuresPerMinute: number;
};

export type Gateway = {
  readonly name: string;
  readonly host: string;
  readonly service: string;
  readonly port: number;
  /** An address of its own on the host; that of the host unless named. */
  readonly address?: string;
  /** On loopback of the host. */
  readonly metricsPort: number;
  readonly workers: number;
  readonly stateFolder: string;
  readonly certificates?: GatewayCertificates;
  /** Networks whose connections begin with a PROXY header. */
  readonly proxyFrom: readonly string[];
  readonly proxyToInstances: boolean;
};

/** PEM files. The authority checks the instances; certificate and key, both or neither, are shown to clients. */
export type GatewayCertificates = {
  readonly authority: string;
  readonly certificate?: string;
  readonly key?: string;
};

export type Limits = {
  /** Connections one instance accepts. */
  readonly connectionsPerInstance: number;
  /** Memory for one instance's buffer pool, bytes. */
  readonly bufferPoolBytes: number;
  /** Free space below which an instance is not started, bytes. */
  readonly freeDiskBytes: number;
  /** Size of the Galera cache: how long an instance may be away and still rejoin by incremental transfer. */
  readonly galeraCacheBytes: number;
};

/** An instance or arbitrator with its place in the estate. */
export type Placed<T> = T & { readonly site: Site; readonly at: Host };
