/**
 * What supervisor and workers say to each other. Both come from the same sources, but during an upgrade not from the
 * same version: a worker says in its first message which version of these messages it speaks, and the supervisor
 * uses only workers of its own. Parsing checks the kind and believes the rest.
 */
import type { CountersSnapshot, ErrorDetails } from '@coequal/kernel';
import type { InstanceView } from '../instances/directory.ts';
import type { GatewaySettings } from '../settings.ts';
import type { DrainResult, KillAnswer, KillBy, KillWhat, SessionView } from './ports.ts';

/** Raised when the meaning of a message changes. */
export const messagesVersion = 1;

/** An error on its way between processes. */
export type ToldError = { readonly code: string; readonly message: string; readonly details: ErrorDetails };

export type WorkerStart = {
  readonly slot: number;
  readonly generation: number;
  readonly settings: GatewaySettings;
  /** Instances that an operator drained. */
  readonly drained: readonly string[];
};

/** An instance as a worker sees it, with what its state means: the supervisor does not judge states. */
export type InstanceSeen = InstanceView & { readonly serves: boolean };

/** What a worker says of itself when it is asked. */
export type WorkerReport = {
  readonly counters: CountersSnapshot;
  readonly instances: readonly InstanceSeen[];
  readonly connections: number;
  readonly sessions: { readonly working: number; readonly inTransaction: number; readonly notReplayable: number };
  readonly residentBytes: number;
  readonly stallMs: number;
};

/** What comes with a socket. */
export type Delivery =
  | { readonly kind: 'connection' }
  | { readonly kind: 'resume'; readonly state: unknown; readonly unread: Uint8Array };

export type ToWorker =
  | ({ readonly kind: 'start' } & WorkerStart)
  /** The worker answers `took` with the number before it does anything else with the socket. */
  | (Delivery & { readonly number: number })
  | { readonly kind: 'report'; readonly request: number }
  | { readonly kind: 'sessions'; readonly request: number }
  | {
      readonly kind: 'kill';
      readonly request: number;
      readonly id: number;
      readonly what: KillWhat;
      readonly by: KillBy;
    }
  | { readonly kind: 'drain-instance'; readonly instance: string; readonly on: boolean }
  | { readonly kind: 'drain'; readonly deadlineMs: number; readonly handOver: boolean }
  | { readonly kind: 'failure'; readonly address: string }
  | { readonly kind: 'answer'; readonly request: number; readonly value: unknown }
  /** Everything was taken: it may go. */
  | { readonly kind: 'end' };

export type FromWorker =
  | { readonly kind: 'hello'; readonly version: number }
  | { readonly kind: 'ready' }
  | { readonly kind: 'failed'; readonly error: ToldError }
  | { readonly kind: 'took'; readonly number: number }
  /** Connections that have ended since the worker began. */
  | { readonly kind: 'ended'; readonly count: number }
  | { readonly kind: 'admit'; readonly request: number; readonly user: string; readonly limit: number }
  | { readonly kind: 'rejoin'; readonly user: string }
  | { readonly kind: 'leave'; readonly user: string }
  | { readonly kind: 'failure'; readonly address: string }
  | {
      readonly kind: 'kill';
      readonly request: number;
      readonly id: number;
      readonly what: KillWhat;
      readonly by: KillBy;
    }
  /** Comes with a socket. */
  | { readonly kind: 'handed'; readonly state: unknown; readonly unread: Uint8Array }
  | { readonly kind: 'drained'; readonly result: DrainResult; readonly counters: CountersSnapshot }
  | { readonly kind: 'answer'; readonly request: number; readonly value: unknown };

export type SessionsAnswer = readonly SessionView[];
export type KillReply = KillAnswer;

const toWorkerKinds: readonly ToWorker['kind'][] = [
  'start',
  'connection',
  'resume',
  'report',
  'sessions',
  'kill',
  'drain-instance',
  'drain',
  'failure',
  'answer',
  'end',
];
const fromWorkerKinds: readonly FromWorker['kind'][] = [
  'hello',
  'ready',
  'failed',
  'took',
  'ended',
  'admit',
  'rejoin',
  'leave',
  'failure',
  'kill',
  'handed',
  'drained',
  'answer',
];

const kindOf = (value: unknown): unknown =>
  typeof value === 'object' && value !== null && 'kind' in value ? value.kind : undefined;

export const parseToWorker = (value: unknown): ToWorker | undefined => {
  const kind = kindOf(value);
  return toWorkerKinds.some((known) => known === kind) ? (value as ToWorker) : undefined;
};

export const parseFromWorker = (value: unknown): FromWorker | undefined => {
  const kind = kindOf(value);
  return fromWorkerKinds.some((known) => known === kind) ? (value as FromWorker) : undefined;
};

/** Answers to questions, each in the one place that asked. Undefined: the worker is gone or did not answer in time. */
export const parseReport = (value: unknown): WorkerReport | undefined =>
  typeof value === 'object' && value !== null && 'counters' in value ? (value as WorkerReport) : undefined;

export const parseSessions = (value: unknown): readonly SessionView[] =>
  Array.isArray(value) ? (value as readonly SessionView[]) : [];

export const parseKillAnswer = (value: unknown): KillAnswer =>
  value === 'done' || value === 'denied' ? value : 'unknown';
