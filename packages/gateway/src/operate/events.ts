/**
 * What a gateway says while it works: one structured line for every loss, replay and refusal, and for every change an
 * operator would ask about. The fields are a closed list, so that nothing secret can slip in: no statement text, no
 * value of a row, no message of an instance (those quote values); errors go by their number.
 */
import type { Log, LogLevel } from '@coequal/kernel';

/** Who it happened to. */
export type SessionMark = {
  /** The connection id the client was shown. */
  readonly session: number;
  readonly user: string;
  /** The client's address without its port. */
  readonly client: string;
};

export type GatewayEvent =
  /** A session lost its instance. `inFlight`: what was under way: nothing, a read, a write, a commit. */
  | (SessionMark & {
      readonly event: 'instance-lost';
      readonly instance: string;
      readonly reason: string;
      readonly inTransaction: boolean;
      readonly inFlight: 'nothing' | 'request' | 'commit';
    })
  /** It goes on elsewhere, and the client saw a pause. */
  | (SessionMark & {
      readonly event: 'session-continued';
      readonly from: string;
      readonly to: string;
      readonly how: 'restored' | 'replayed' | 'committed';
      readonly requests: number;
      readonly pauseMs: number;
    })
  /** It could not be hidden: the client got this error. */
  | (SessionMark & {
      readonly event: 'loss-told';
      readonly instance: string;
      readonly errorCode: number;
      readonly reason: string;
      readonly pauseMs: number;
    })
  /** A transaction was refused by certification and tried again by the gateway. */
  | (SessionMark & {
      readonly event: 'conflict-replayed';
      readonly instance: string;
      readonly errorCode: number;
      readonly result: 'hidden' | 'told';
      readonly reason: string;
      readonly attempts: number;
    })
  | (SessionMark & {
      readonly event: 'outcome-decided';
      readonly instance: string;
      readonly outcome: 'committed' | 'absent' | 'undecided';
      readonly tookMs: number;
      readonly reason: string;
    })
  | (SessionMark & {
      readonly event: 'not-replayable';
      readonly scope: 'transaction' | 'session';
      readonly reason: string;
    })
  /** A rule of the estate or a limit refused a statement. `verb`: its first keyword; `object`: a table's name, or empty. */
  | (SessionMark & {
      readonly event: 'statement-refused';
      readonly rule: string;
      readonly verb: string;
      readonly object: string;
    })
  | {
      readonly event: 'login-refused';
      readonly user: string;
      readonly client: string;
      readonly reason: string;
      readonly errorCode: number;
    }
  | (SessionMark & {
      readonly event: 'session-ended';
      readonly reason: 'idle' | 'statement-deadline' | 'slow-client' | 'killed' | 'cut-at-drain' | 'handshake-deadline';
      readonly by: string;
    })
  /** A peer did not keep to the protocol; its connection was dropped. */
  | {
      readonly event: 'protocol-broken';
      readonly side: 'client' | 'instance';
      readonly peer: string;
      readonly session: number;
      readonly reason: string;
    }
  | {
      readonly event: 'instance-state';
      readonly instance: string;
      readonly from: string;
      readonly to: string;
      readonly reason: string;
    }
  | { readonly event: 'instance-drain'; readonly instance: string; readonly on: boolean }
  | { readonly event: 'journal-trouble'; readonly reason: string; readonly dropped: number }
  | { readonly event: 'journal-well'; readonly dropped: number }
  | { readonly event: 'worker-started'; readonly worker: number; readonly pid: number; readonly generation: number }
  | {
      readonly event: 'worker-ended';
      readonly worker: number;
      readonly pid: number;
      readonly how: string;
      readonly expected: boolean;
    }
  | { readonly event: 'workers-failing'; readonly reason: string; readonly nextTryMs: number }
  | { readonly event: 'listening'; readonly address: string; readonly port: number }
  | { readonly event: 'listening-ended'; readonly address: string; readonly port: number }
  | {
      readonly event: 'restart';
      readonly phase: 'begun' | 'refused';
      readonly reason: string;
      readonly generation: number;
    }
  | {
      readonly event: 'restart';
      readonly phase: 'done';
      readonly generation: number;
      readonly handedOver: number;
      readonly closed: number;
      readonly cut: number;
      readonly tookMs: number;
    }
  /** `duty`: what of the audit does not work. */
  | { readonly event: 'audit-trouble'; readonly duty: string; readonly reason: string }
  | { readonly event: 'audit-well'; readonly duty: string }
  | { readonly event: 'gateway-drain'; readonly on: boolean }
  | { readonly event: 'gateway-ended'; readonly reason: string; readonly closed: number; readonly cut: number };

const levels: Readonly<Record<GatewayEvent['event'], LogLevel>> = {
  'instance-lost': 'warn',
  'session-continued': 'info',
  'loss-told': 'error',
  'conflict-replayed': 'info',
  'outcome-decided': 'warn',
  'not-replayable': 'info',
  'statement-refused': 'warn',
  'login-refused': 'warn',
  'session-ended': 'warn',
  'protocol-broken': 'warn',
  'instance-state': 'warn',
  'instance-drain': 'info',
  'journal-trouble': 'error',
  'journal-well': 'info',
  'worker-started': 'info',
  'worker-ended': 'info',
  'workers-failing': 'error',
  listening: 'info',
  'listening-ended': 'info',
  restart: 'info',
  'audit-trouble': 'error',
  'audit-well': 'info',
  'gateway-drain': 'info',
  'gateway-ended': 'info',
};

/** Texts that came from outside (user names, reasons) are cut to this length. */
const longestText = 200;

/** Writes an event as a line of the log. */
export const logEvent = (log: Log, happened: GatewayEvent): void => {
  const { event, ...fields } = happened;
  log(
    levelOf(happened),
    event,
    Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, shortened(value)])),
  );
};

const levelOf = (happened: GatewayEvent): LogLevel => {
  if (happened.event === 'outcome-decided' && happened.outcome === 'undecided') return 'error';
  if (happened.event === 'worker-ended' && !happened.expected) return 'error';
  if (happened.event === 'restart' && happened.phase === 'refused') return 'error';
  return levels[happened.event];
};

const shortened = (value: unknown): unknown =>
  typeof value === 'string' && value.length > longestText ? `${value.slice(0, longestText - 1)}…` : value;
