/** What other packages use of the platform; its process is `@coequal/platform/main`. */
export { type BarePlatform, openBarePlatform } from './adapters/bare.ts';
export { openDiagnosing } from './adapters/diagnosing.ts';
export {
  addServiceAccountOffline,
  restorePlatform,
  revokeServiceAccountOffline,
  takePlatformBack,
} from './adapters/offline.ts';
export { openHandsFolder } from './hands/adapters/folder.ts';
export { enrolledAgents, inviteAgent, openHands, revokeAgent } from './hands/adapters/open.ts';
export type { HeardFromAgent } from './hands/ports.ts';
export { platformSettings } from './settings.ts';
export { correlateStored } from './views/correlate-stored.ts';
