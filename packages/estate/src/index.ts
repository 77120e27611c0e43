export { formatEstate } from './format.ts';
export { type InstanceState, serves } from './health.ts';
export { jsonSchema, jsonSchemaText } from './json-schema.ts';
export type {
  Arbitrator,
  Architecture,
  Encryption,
  EngineName,
  Estate,
  GaleraPorts,
  Gateway,
  Host,
  Instance,
  Limits,
  Link,
  Placed,
  PresetName,
  Service,
  Site,
} from './model.ts';
export { type EstateResult, estateOrThrow, parseEstate } from './parse.ts';
export { formatProblem, type Problem } from './problem.ts';
export {
  hostNamed,
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
export { maximumFileBytes } from './source.ts';
