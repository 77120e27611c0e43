export { openSessionSide, type SessionSecrets, type SessionSide } from './adapters/open.ts';
