/**
 * What one gateway works with, resolved from the estate once: where it listens, which instances there are and how
 * far, whom it asks about accounts, and every limit. Plain values, so that the supervisor can hand them to its
 * workers as JSON. Secrets are not in here: files that hold them are named, and read where they are needed.
 */
import type { AuditPlan, ConsistencyProfile, GuardRule, LargeWriteRule, PresetName } from '@coequal/estate';

/** An instance as one gateway sees it. */
export type InstanceTarget = {
  readonly name: string;
  readonly site: string;
  readonly host: string;
  readonly port: number;
  /** Round trip from the gateway's site, ms: 0 in the same site; unknown distances sort last. */
  readonly rttMs: number;
};

export type GatewaySettings = {
  readonly name: string;
  readonly site: string;
  readonly service: string;
  readonly preset: PresetName;
  readonly database: string;
  readonly listen: { readonly host: string; readonly port: number };
  /** Prometheus text and the health page, on loopback of the host. */
  readonly metrics: { readonly host: string; readonly port: number };
  /** Folder of the control socket, the acknowledgement journal and the lock; the gateway's own. */
  readonly stateFolder: string;
  readonly workers: number;
  /** Forwards without wrapping or replaying, and counts what could have been hidden. */
  readonly observe: boolean;
  /** Nearest first. */
  readonly instances: readonly InstanceTarget[];
  /** PEM files. `authority` checks the instances' certificates; certificate and key are shown to clients. */
  readonly tls?: { readonly authority: string; readonly certificate?: string; readonly key?: string };
  /** Whether instances are reached over TLS (the service's own choice). */
  readonly instanceTls: boolean;
  readonly account: { readonly user: string; readonly passwordFile: string };
  /** The sealed store of passwords for accounts whose answer does not let the gateway log in elsewhere. */
  readonly credentials?: { readonly file: string; readonly keyFile: string };
  /** The address that connections to instances leave from; the system's choice unless told. */
  readonly localAddress?: string;
  /** A PROXY header tells instances the client's address. Instances must list the gateway in `proxy_protocol_networks`. */
  readonly proxyToInstances: boolean;
  /** Networks whose connections begin with a PROXY header of their own. */
  readonly proxyFrom: readonly string[];
  readonly profile: ConsistencyProfile;
  readonly users: readonly UserRule[];
  readonly guards: readonly GuardRule[];
  readonly largeWrites?: LargeWriteRule;
  /** ALTER and its like on a table above this size are refused unless the session means it, bytes. */
  readonly schemaChangeBytes?: number;
  /** What becomes of its audit beside being written in its state folder. */
  readonly audit?: AuditPlan;
  readonly limits: GatewayLimits;
};

export type UserRule = {
  readonly user: string;
  readonly profile?: ConsistencyProfile;
  readonly connections?: number;
};

export type GatewayLimits = {
  readonly connections: number;
  readonly connectionsPerUser: number;
  /** What one transaction may keep for its replay, bytes. */
  readonly transactionBytes: number;
  /** What all transactions of the gateway may keep together, bytes. */
  readonly replayBytes: number;
  /** A session without a request for so long is ended, ms; 0: never (the server's own wait_timeout still holds). */
  readonly idleMs: number;
  /** A statement that takes longer is ended, ms; 0: never. */
  readonly statementMs: number;
  /** A client that has not taken its answer for so long is ended, ms. */
  readonly slowClientMs: number;
  /** Logging in, from connecting to the first OK, ms. */
  readonly handshakeMs: number;
  /** How long a session may look for an instance that serves before its client gets an error, ms. */
  readonly recoveryMs: number;
  /** An instance that has not answered for so long loses its sessions, ms. */
  readonly silenceMs: number;
  /** Failed log-ins of one address within a minute before further ones are refused. */
  readonly failuresPerMinute: number;
};
