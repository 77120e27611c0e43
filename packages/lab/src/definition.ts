/**
 * The definition of a lab: what the command line asked for, settled once and written to the lab's folder, from
 * where the daemon reads it. Holds no password; the daemon makes those.
 */
import type { Estate, PresetName } from '@coequal/estate';

export type LabOptions = {
  readonly name: string;
  readonly sites: number;
  /** As on the command line: `5ms`, `two-cities` or a matrix. Undefined: the estate's own links, or 5 ms. */
  readonly rtt?: string;
  readonly mode?: 'full' | 'plain';
  readonly preset?: PresetName;
  readonly estatePath?: string;
  /** A dump to load before the service is opened. */
  readonly loadPath?: string;
  /** Keep the data in the lab's folder for the next start. */
  readonly keep: boolean;
  /** Enforce each host's CPU and memory quota. */
  readonly hosts: boolean;
  readonly workload: boolean;
  /** The bank has branches, too: ordinary work on tables of their own. */
  readonly branches?: boolean;
  /** Agents, a platform and its stores watch the lab. */
  readonly operations?: boolean;
  /** Zipf exponent of the bank's choice of accounts; 0: uniform. */
  readonly skew?: number;
  /** Gateways in each site that has a database; 2 unless told, 0: clients connect to instances themselves. */
  readonly gateways?: number;
  /** Connections that each instance accepts, where a bench wants more than a lab usually allows. */
  readonly connectionsPerInstance?: number;
};

/** Two: clients have another address when one goes. */
export const usualGateways = 2;

export type LabDefinition = {
  readonly name: string;
  /** Marks every process of this lab, so that they can be found after a crash. */
  readonly token: string;
  readonly mode: 'full' | 'plain';
  /** Why the mode is not `full`; null when it is, or was asked for. */
  readonly modeReason: string | null;
  readonly folder: string;
  readonly cacheFolder: string;
  /** The estate with the lab's own addresses and folders. */
  readonly estate: Estate;
  readonly rtt: string;
  readonly keep: boolean;
  readonly hosts: boolean;
  readonly workload: boolean;
  readonly branches: boolean;
  readonly skew: number;
  readonly seed: number;
  readonly loadPath: string | null;
  /** Loopback ports of this machine, one an instance in the estate's order. Plain mode: the instances' own. */
  readonly forwards: readonly { readonly instance: string; readonly host: string; readonly port: number }[];
  /** The same for each gateway in the estate's order, and for its metrics. */
  readonly gatewayForwards: readonly GatewayForward[];
  /** Null: nothing watches the lab. */
  readonly operations: OperationsPorts | null;
};

/** Ports of what watches the lab: of this machine in plain mode, of the lab's own loopback otherwise. */
export type OperationsPorts = {
  readonly platformPort: number;
  readonly storePort: number;
  readonly coarsePort: number;
  readonly agentPorts: Readonly<Record<string, number>>;
  /** On loopback of this machine. */
  readonly forwardPort: number;
};

export type GatewayForward = {
  readonly gateway: string;
  readonly host: string;
  readonly port: number;
  readonly metricsPort: number;
};

/** The value of the mark in the environment of a lab's processes. */
export const markOf = (definition: Pick<LabDefinition, 'name' | 'token'>): string =>
  `${definition.name}:${definition.token}`;

/** Flags of Node for processes that mostly wait: a small nursery, which is collected often instead of growing to 32 MiB. */
export const smallHeap: readonly string[] = ['--max-semi-space-size=2'];
