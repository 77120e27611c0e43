/** What the platform's core needs from outside, and what its routes may use of it. */
import type { Incident, IncidentDiagnosis, PlatformHealth } from '@coequal/contract';
import type { IncidentScene, SiteHeadroom } from '@coequal/diagnosis';
import type { Clock, Counters, Log } from '@coequal/kernel';
import type { Alert, GroupStatus, LiveWindow, Sample, StoreResult } from '@coequal/signals';
import type { Keeper } from './incidents/keeper.ts';
import type { Intake } from './ingest/intake.ts';
import type { Stream } from './live/stream.ts';
import type { Silences } from './notify/silences.ts';
import type { Places } from './places.ts';
import type { EventStore, IncidentStore } from './store/port.ts';
import type { Finding } from './watch/finding.ts';
import type { Outside } from './watch/outside.ts';
import type { Readings } from './watch/reading.ts';

/** The store of metrics, where the estate has one. */
export type MetricsStore = {
  readonly name: string;
  readonly range: (query: string, fromMs: number, toMs: number, stepMs: number) => Promise<StoreResult>;
  /** Keeps samples of senders other than agents until the store has them. False: there was no room. */
  readonly forward: (samples: readonly Sample[]) => Promise<boolean>;
  readonly state: () => { readonly reachable: boolean; readonly problem: string | null; readonly waiting: number };
};

/** Rules that are evaluated for this platform. */
export type Rules = {
  readonly findings: () => readonly Finding[];
  readonly state: () => { readonly files: number; readonly groups: number; readonly failing: number };
  readonly groups: () => readonly GroupStatus[];
  readonly alerts: () => readonly Alert[];
  /** Reads the files again; what is wrong with them, in which case nothing changed. */
  readonly reload: () => Promise<readonly string[]>;
};

/** Whether sites can be done without. */
export type Headroom = { readonly answers: () => readonly SiteHeadroom[]; readonly findings: () => readonly Finding[] };

export type Core = {
  readonly clock: Clock;
  readonly log: Log;
  readonly counters: Counters;
  readonly places: Places;
  readonly window: LiveWindow;
  /** From when on it has everything that was told. */
  readonly liveFromMs: () => number;
  readonly readings: Readings;
  readonly intake: Intake;
  readonly keeper: Keeper;
  readonly incidents: IncidentStore;
  readonly events: EventStore;
  readonly outside: Outside;
  readonly silences: Silences;
  /** Undefined: no rules, or none yet. */
  readonly rules: () => Rules | undefined;
  readonly stream: Stream;
  readonly store: MetricsStore | undefined;
  /** Undefined: there is no store to ask, or it was not asked yet. */
  readonly headroom: () => Headroom | undefined;
  readonly health: () => PlatformHealth;
};

export type Diagnose = (scene: IncidentScene) => Promise<IncidentDiagnosis>;
export type Learn = (incident: Incident, cause: string, scene: IncidentScene) => Promise<void>;
