/** What other packages use of the platform; its process is `@coequal/platform/main`. */
export { type BarePlatform, openBarePlatform } from './adapters/bare.ts';
export {
  addServiceAccountOffline,
  restorePlatform,
  revokeServiceAccountOffline,
  takePlatformBack,
} from './adapters/offline.ts';
export { platformSettings } from './settings.ts';
