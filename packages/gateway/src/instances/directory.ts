/** What the rest of the gateway knows of instances: which there are, how they are, and where to go. */
import type { InstanceState } from '@coequal/estate';
import type { InstanceTarget } from '../settings.ts';
import type { Sighting } from './health.ts';

export type InstanceView = {
  readonly target: InstanceTarget;
  readonly state: InstanceState;
  readonly reason: string;
  /** How long it has been in this state. */
  readonly sinceMs: number;
  readonly answerMs?: number;
  readonly members?: number;
  /** Share of the time in which flow control paused it, 0 to 1. */
  readonly flowControl?: number;
  readonly receiveQueue?: number;
  readonly readOnly?: boolean;
  readonly drained: boolean;
  /** Of the sessions that had left while it was away, the share that may be back by now: grows from 0 to 1. */
  readonly weight: number;
};

/** What is the same on all instances of a service. */
export type ServerFacts = {
  readonly version: string;
  readonly maxAllowedPacket: number;
  /** Number of the server's own collation, as in its greeting. */
  readonly charset: number;
  readonly rollbackOnTimeout: boolean;
};

export type LeaveListener = (name: string, reason: string, gentle: boolean) => void;

export type StateListener = (name: string, from: InstanceState, to: InstanceState, reason: string) => void;

export type Directory = {
  /** In the order of the settings: nearest first. */
  readonly views: () => readonly InstanceView[];
  /** The best instance for a new session; those to avoid come last. Undefined: none serves now. */
  readonly choose: (avoid?: ReadonlySet<string>) => InstanceTarget | undefined;
  /** Waits until one serves. Undefined: the deadline has passed, or it was aborted. */
  readonly untilServing: (
    deadlineMs: number,
    signal?: AbortSignal,
    avoid?: ReadonlySet<string>,
  ) => Promise<InstanceTarget | undefined>;
  /** What sessions saw themselves: after a refused or lost connection nobody is sent there until a later question is answered. */
  readonly saw: (name: string, what: Sighting) => void;
  /** Called when sessions must leave an instance; `gentle`: at their next boundary. Answers how to stop listening. */
  readonly onLeave: (listener: LeaveListener) => () => void;
  /** Called after every change of a state, for events. */
  readonly onState: (listener: StateListener) => () => void;
  readonly drain: (name: string, on: boolean) => void;
  /** One more session there, until what is answered is called: among equals the one with fewer is chosen. */
  readonly hold: (name: string) => () => void;
  readonly facts: () => ServerFacts;
  readonly close: () => void;
};
