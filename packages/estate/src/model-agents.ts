/** Agents as values: one on each host that is watched. Part of the estate (`model.ts`). */
import type { Acts } from './model-acts.ts';

export type LogFormat = 'auto' | 'mariadb' | 'postgres' | 'json' | 'plain';
export type WatchedEngine = 'mariadb' | 'mysql' | 'postgres';

/** PEM files. Certificate and key: both or neither. */
export type ClientCertificates = {
  readonly authority?: string;
  readonly certificate?: string;
  readonly key?: string;
};

export type DatabaseAccount = { readonly user: string; readonly passwordFile: string; readonly authority?: string };

export type FollowedLog = {
  readonly path: string;
  readonly format: LogFormat;
  readonly instance?: string;
  readonly gateway?: string;
};

export type Scrape = ClientCertificates & {
  readonly job: string;
  readonly url: string;
  readonly everyMs: number;
  readonly site?: string;
  readonly host?: string;
  readonly service?: string;
  readonly instance?: string;
  /** More samples than this fail the scrape. */
  readonly samples: number;
  readonly user?: string;
  readonly passwordFile?: string;
  readonly tokenFile?: string;
};

export type WatchedDatabase = {
  readonly engine: WatchedEngine;
  readonly instance: string;
  readonly service?: string;
  readonly host?: string;
  readonly site?: string;
  readonly address: string;
  readonly port: number;
  readonly database?: string;
  readonly account: DatabaseAccount;
};

export type SendTo = ClientCertificates & {
  readonly store?: string;
  readonly platforms: readonly string[];
  readonly tokenFile?: string;
};

export type Agent = {
  readonly name: string;
  readonly host: string;
  /** On loopback of the host. */
  readonly port: number;
  /** On the address of the host. */
  readonly timePort?: number;
  readonly stateFolder: string;
  readonly wholeMachine: boolean;
  readonly cgroup?: string;
  readonly devices?: readonly string[];
  readonly mounts?: readonly string[];
  readonly interfaces?: readonly string[];
  readonly databaseAccount?: DatabaseAccount;
  readonly databases: readonly WatchedDatabase[];
  readonly logs: readonly FollowedLog[];
  readonly scrapes: readonly Scrape[];
  readonly webhook?: { readonly tokenFile: string };
  /** Undefined: the stores and platforms of the estate. */
  readonly sendTo?: SendTo;
  /** Undefined: it only watches. */
  readonly acts?: Acts;
};
