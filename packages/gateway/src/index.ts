export type { GatewayLimits, GatewaySettings, InstanceTarget, UserRule } from './settings.ts';
