export { gatewaySettings, unknownRttMs } from './configure.ts';
export type { GatewayLimits, GatewaySettings, InstanceTarget, UserRule } from './settings.ts';
