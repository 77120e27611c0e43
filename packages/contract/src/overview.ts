/**
 * The estate as the platform sees it now: everything by name, with a state in one word, how much that matters, and reasons. The
 * platform's own health is told in the same way.
 */
import { z } from 'zod';
import { classified, mayHoldValues } from './classification.ts';
import { databaseDetail } from './database-detail.ts';
import { name } from './place.ts';

/** `fine`: nothing to do; `watch`: look at it soon; `act`: somebody is needed; `unknown`: nothing is heard. */
export const levels = ['fine', 'watch', 'act', 'unknown'] as const;

const stated = {
  name,
  level: z.enum(levels),
  /** A word or two: `serving`, `silent`, `outside the group`. */
  state: z.string(),
  reasons: z.array(mayHoldValues(z.string())),
};

/** A figure that may not be known. */
const figure = z.number().nullable();

export const siteState = z.object({ ...stated, hosts: z.number().int(), instances: z.number().int() });

export const hostState = z.object({
  ...stated,
  site: name,
  /** 0 to 1 of what it may use. */
  cpu: figure,
  memory: figure,
  /** The fullest file system, 0 to 1. */
  disk: figure,
  /** Milliseconds since its agent was heard. */
  heardMs: figure,
});

export const serviceState = z.object({
  ...stated,
  engine: z.string(),
  architecture: z.string(),
  instances: z.number().int(),
  serving: z.number().int(),
  transactionsPerSecond: figure,
  /** Mean over its gateways, seconds. */
  latencySeconds: figure,
  errorsPerSecond: figure,
});

export const instanceState = z.object({
  ...stated,
  site: name,
  host: name,
  service: name,
  sessions: figure,
  running: figure,
  queriesPerSecond: figure,
  /** Sessions that wait for others. */
  waiting: figure,
  /** Share of the last seconds in which flow control stopped it, 0 to 1. */
  flowControl: figure,
  clusterSize: figure,
});

export const gatewayState = z.object({
  ...stated,
  site: name,
  host: name,
  service: name,
  sessions: figure,
  requestsPerSecond: figure,
  latencySeconds: figure,
  errorsPerSecond: figure,
});

export const overview = classified(
  'sensitive',
  z.object({
    atMs: z.number(),
    estate: z.string(),
    level: z.enum(levels),
    /** One sentence. */
    sentence: mayHoldValues(z.string()),
    openIncidents: z.number().int(),
    sites: z.array(siteState),
    hosts: z.array(hostState),
    services: z.array(serviceState),
    instances: z.array(instanceState),
    gateways: z.array(gatewayState),
  }),
);

export const instanceDetail = classified('sensitive', z.object({ instance: name, details: z.array(databaseDetail) }));

export const headroomAnswer = classified(
  'sensitive',
  z.object({
    /** One for each service and site; empty until the store was asked. */
    sites: z.array(
      z.object({
        service: name,
        /** The site that is thought away. */
        without: name,
        carries: z.enum(['yes', 'no', 'unknown']),
        limiting: z.string().nullable(),
        text: z.string(),
        resources: z.array(
          z.object({ resource: z.string(), needed: z.number(), available: z.number(), unit: z.string() }),
        ),
      }),
    ),
  }),
);

export const platformHealth = classified(
  'sensitive',
  z.object({
    ...stated,
    version: z.string(),
    atMs: z.number(),
    upMs: z.number(),
    signals: z.number().int(),
    samplesPerSecond: z.number(),
    refusedSamples: z.number(),
    openIncidents: z.number().int(),
    /** Whether what happens is written down: null, or what stands in the way. */
    storageProblem: z.string().nullable(),
    store: z
      .object({ name: z.string(), reachable: z.boolean(), problem: z.string().nullable(), waiting: z.number() })
      .nullable(),
    rules: z.object({ files: z.number().int(), groups: z.number().int(), failing: z.number().int() }),
  }),
);

export type Level = (typeof levels)[number];
export type SiteState = z.infer<typeof siteState>;
export type HostState = z.infer<typeof hostState>;
export type ServiceState = z.infer<typeof serviceState>;
export type InstanceStateView = z.infer<typeof instanceState>;
export type GatewayState = z.infer<typeof gatewayState>;
export type Overview = z.infer<typeof overview>;
export type PlatformHealth = z.infer<typeof platformHealth>;
