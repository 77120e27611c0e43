/** What other packages use of the platform; its process is `@coequal/platform/main`. */
export { platformSettings } from './settings.ts';
