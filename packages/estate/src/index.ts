export { formatEstate } from './format.ts';
export { type InstanceState, serves } from './health.ts';
export { jsonSchema, jsonSchemaText } from './json-schema.ts';
export type {
  Arbitrator,
  Architecture,
  AuditPlan,
  ConsistencyProfile,
  Encryption,
  EngineName,
  Estate,
  GaleraPorts,
  Gateway,
  GatewayCertificates,
  GatewayLimits,
  GatewayUser,
  GuardRule,
  Host,
  Instance,
  LargeWriteRule,
  Limits,
  Link,
  Placed,
  PresetName,
  Service,
  ServiceGateway,
  Site,
} from './model.ts';
export type { Acts, Line, LineAddress } from './model-acts.ts';
export type {
  Agent,
  ClientCertificates,
  DatabaseAccount,
  FollowedLog,
  LogFormat,
  Scrape,
  SendTo,
  WatchedDatabase,
} from './model-agents.ts';
export type { ExternalInstance, ExternalService, ExternalSignals, SignalSelector } from './model-external.ts';
export type { MetricStore, Platform } from './model-platform.ts';
export { type EstateResult, estateOrThrow, parseEstate } from './parse.ts';
export { formatProblem, type Problem } from './problem.ts';
export {
  gatewayAddress,
  hostNamed,
  loopbackOf,
  metricsAddress,
  monthlyCost,
  placedArbitrators,
  placedGateways,
  placedInstances,
  rttBetween,
  serviceNamed,
  siteNamed,
  votesBySite,
  votesOf,
} from './queries.ts';
export { isLoopback } from './rules-platform.ts';
export { maximumFileBytes } from './source.ts';
export { silenceByPreset } from './to-estate.ts';
