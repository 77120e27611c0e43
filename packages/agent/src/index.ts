export { sendChange } from './adapters/send-change.ts';
export { agentSettings } from './configure.ts';
