/** What other packages use of the platform; its process is `@coequal/platform/main`. */
export { type BarePlatform, openBarePlatform } from './adapters/bare.ts';
export { openDiagnosing } from './adapters/diagnosing.ts';
export {
  addServiceAccountOffline,
  restorePlatform,
  revokeServiceAccountOffline,
  takePlatformBack,
} from './adapters/offline.ts';
export { platformSettings } from './settings.ts';
export { correlateStored } from './views/correlate-stored.ts';
