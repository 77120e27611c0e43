/** What other packages use of the platform; its process is `@coequal/platform/main`. */
export { type BarePlatform, openBarePlatform } from './adapters/bare.ts';
export { addServiceAccountOffline, revokeServiceAccountOffline } from './adapters/offline.ts';
export { platformSettings } from './settings.ts';
