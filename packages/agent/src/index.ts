export { type ChangeSent, type ChangeToSend, sendChange } from './adapters/send-change.ts';
export { agentSettings } from './configure.ts';
export type { AgentSettings } from './settings.ts';
