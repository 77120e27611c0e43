/** Agents as the rest of the platform reaches them. */
import type { Action, Order, OrderState, Preview } from '@coequal/contract';

export type ConnectedAgent = {
  readonly agent: string;
  readonly sinceMs: number;
  readonly program: string;
  /** How far its clock is ahead of the platform's, as last told; the way here is in it. */
  readonly clockAheadMs: number;
  readonly actions: readonly string[];
  readonly certificateUntilMs: number;
};

export type AgentLines = {
  readonly connected: () => readonly ConnectedAgent[];
  /** Sent, and no more: what became of it comes as a state. @throws AGENT_AWAY */
  readonly order: (agent: string, order: Order) => void;
  /** @throws AGENT_AWAY */
  readonly cancel: (agent: string, key: string) => void;
  /** @throws AGENT_AWAY */
  readonly ask: (agent: string, key: string) => void;
  /** @throws AGENT_AWAY, DEADLINE_PASSED */
  readonly preview: (agent: string, action: Action) => Promise<Preview>;
};

export type HeardFromAgent =
  | { readonly kind: 'connected' }
  | { readonly kind: 'state'; readonly order: OrderState }
  /** It was not taken. */
  | { readonly kind: 'rejected'; readonly key: string; readonly reason: string }
  /** The agent never had it. */
  | { readonly kind: 'unknown'; readonly key: string };

/** Called for what agents say. It resolves when an end was written down: the agent is told only then that it was heard. */
export type Hear = (agent: string, heard: HeardFromAgent) => Promise<void>;
