/** What one agent works with, resolved from the estate by `configure.ts`: nothing behind it reads the estate. */
import type { Place } from '@coequal/contract';
import type { ClientCertificates, DatabaseAccount, LogFormat } from '@coequal/estate';
import type { HostScope } from '@coequal/signals/collecting';

export type Listen = { readonly host: string; readonly port: number };

export type DatabaseTarget = {
  readonly engine: 'mariadb' | 'mysql' | 'postgres';
  readonly place: Place & { readonly instance: string };
  readonly address: string;
  readonly port: number;
  readonly database?: string;
  readonly account: DatabaseAccount;
  /** What its certificate must be for. */
  readonly serverName: string;
  /** Its process is one of this host. */
  readonly isHere: boolean;
};

export type ScrapeTarget = ClientCertificates & {
  readonly job: string;
  /** Labels `job`, `instance`, `host`, `site`, `service` of what it gives. */
  readonly labels: Readonly<Record<string, string>>;
  readonly url: string;
  readonly everyMs: number;
  readonly samples: number;
  readonly user?: string;
  readonly passwordFile?: string;
  readonly tokenFile?: string;
};

export type LogTarget = { readonly path: string; readonly format: LogFormat; readonly place: Place };

/** Whose clock is compared with the own one. */
export type ClockPeer = { readonly name: string; readonly url: string };

/** Another process that things are sent to. */
export type Destination = ClientCertificates & {
  readonly url: string;
  readonly tokenFile?: string;
  readonly user?: string;
  readonly passwordFile?: string;
};

export type AgentSettings = {
  readonly name: string;
  readonly host: string;
  readonly site: string;
  /** Pages and control, on loopback. */
  readonly listen: Listen;
  /** Where others ask for the time. */
  readonly time?: Listen;
  readonly stateFolder: string;
  readonly scope: HostScope;
  readonly databases: readonly DatabaseTarget[];
  readonly scrapes: readonly ScrapeTarget[];
  readonly logs: readonly LogTarget[];
  readonly peers: readonly ClockPeer[];
  readonly changesTokenFile: string;
  readonly store?: Destination;
  readonly platforms: readonly Destination[];
};
