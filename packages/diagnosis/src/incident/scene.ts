/** What a live diagnosis is made from: everything that is known at a moment, as values. */
import type { ChangeEvent, DatabaseDetail, LogEvent, Place } from '@coequal/contract';
import type { Estate } from '@coequal/estate';
import type { Knowledge } from '../profile/knowledge.ts';
import type { SignalWindow } from '../window.ts';
import type { Weights } from './weights.ts';

/** What fired: the reason that there is an incident. */
export type Trigger = { readonly name: string; readonly place: Place; readonly startedMs: number };

export type IncidentScene = {
  readonly nowMs: number;
  /** One value a second; ends now. Counters as they were read, labels complete. */
  readonly window: SignalWindow;
  readonly triggers: readonly Trigger[];
  readonly changes: readonly ChangeEvent[];
  readonly logs: readonly LogEvent[];
  /** By instance, oldest first. */
  readonly details: ReadonlyMap<string, readonly DatabaseDetail[]>;
  readonly estate: Estate;
  readonly knowledge?: Knowledge;
  /** How much each witness counts, and how sure that makes; the shipped ones unless given. */
  readonly weights?: Weights;
};
