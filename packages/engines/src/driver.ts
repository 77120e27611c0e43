/**
 * The shape that every engine's driver has. A driver acts on one instance of a service on this host; what
 * needs sight of all instances (cold start, recovery after a full outage) is a pure plan in the engine's folder that a
 * coordinator carries out through the drivers.
 *
 * Drivers never decide that data may be lost: whatever could lose data is a function of its own, named so.
 */
import type { InstanceState } from '@coequal/estate';

/** What is known of an instance at one moment, and how. */
export type Observation = {
  readonly state: InstanceState;
  /** One sentence: why this state. From SQL, or from the log when SQL does not answer. */
  readonly reason: string;
  /** Milliseconds that the answer took; undefined when there was none. */
  readonly answerMs?: number;
  /** Members of the component as this instance sees it; undefined when it did not say. */
  readonly members?: number;
  /** Position of the last write set applied, engine-specific text; undefined when it did not say. */
  readonly position?: string;
  readonly version?: string;
};

export type StartMode =
  /** First instance of a new group, or of a group that is re-formed from this one, the furthest of all. */
  | { readonly kind: 'bootstrap'; readonly position?: string }
  /** Join whoever is there; with its own position by incremental transfer where the others still hold what it missed. */
  | { readonly kind: 'join'; readonly position?: string }
  /** Re-form the component that is written on disk together with its other members. */
  | { readonly kind: 're-form'; readonly position?: string };

/** Where an instance's data stands, read from its files and, where needed, from a recovery run of the engine. */
export type StoredPosition = {
  readonly group: string;
  /** -1: unknown even to the engine's recovery run. */
  readonly sequence: number;
  /** True when the instance ended last and in order, and may be started first. */
  readonly safeToBootstrap: boolean;
  /** True when the last component is written on disk, so that its members can re-form it together. */
  readonly componentKnown: boolean;
};

export type EngineDriver = {
  readonly instance: string;
  /** Makes the data folder (from nothing, or from a seed), the configuration and the certificates' places. Idempotent. */
  readonly prepare: () => Promise<void>;
  /** Starts the process. Resolves when it runs; readiness is observed, not assumed. */
  readonly start: (mode: StartMode) => Promise<void>;
  /** Ends it in order, at most `deadlineMs`, then by force. */
  readonly stop: (deadlineMs: number) => Promise<void>;
  /** Asks over SQL and the log. Never throws for a broken instance: that is an observation. */
  readonly observe: () => Promise<Observation>;
  /** Waits until it serves; throws ENGINE_REFUSED_START, ENGINE_CREDENTIALS or DEADLINE_PASSED with the log's own reason. */
  readonly untilServing: (deadlineMs: number) => Promise<void>;
  /** Ends the process for certain (kill, no order), so that it can never acknowledge anything again. */
  readonly fence: () => Promise<void>;
  /** Reads where its data stands; the instance must not be running. */
  readonly storedPosition: () => Promise<StoredPosition>;
};
