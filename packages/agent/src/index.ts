export { enrol } from './act/adapters/enrol.ts';
export { signManifest } from './act/adapters/sign-manifest.ts';
export { actSettings } from './act/settings.ts';
export { sendChange } from './adapters/send-change.ts';
export { agentSettings } from './configure.ts';
