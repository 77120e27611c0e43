/** What the acting half of an agent needs from outside. The driver of an engine is one of these, and so is what the lab lends. */
import type { InstanceState } from '@coequal/estate';

export type Seen = {
  readonly state: InstanceState;
  readonly reason: string;
  /** Members of its group as it sees them; undefined when it did not say. */
  readonly members?: number;
};

export type ProcessId = { readonly pid: number; readonly startTicks: string };
export type Rows = readonly Readonly<Record<string, unknown>>[];

export type InstanceHands = {
  readonly name: string;
  readonly observe: () => Promise<Seen>;
  readonly process: () => ProcessId | undefined;
  /** Starts it with its own position, and waits until it serves. Does nothing to one that runs. */
  readonly join: (deadlineMs: number) => Promise<void>;
  readonly stop: (deadlineMs: number) => Promise<void>;
  /** Ends it for certain. */
  readonly fence: () => Promise<void>;
  /** Its data goes beyond the position from which the others went on without it. It must not run. */
  readonly holdsOldBranch: () => Promise<boolean>;
  /** It must not run. */
  readonly putDataAside: () => Promise<void>;
  /** A statement by the administrative account. */
  readonly ask: (text: string, values?: readonly (string | number)[]) => Promise<Rows>;
};

export type GatewayHands = {
  readonly name: string;
  /** @param instance null: the whole gateway */
  readonly drain: (instance: string | null, on: boolean) => Promise<void>;
  /** Whether it is drained, or takes nobody any more and waits for the last ones. */
  readonly isDrained: (instance: string | null) => Promise<boolean>;
};

export type ScriptValue = string | number | boolean;
export type ScriptResult = { readonly status: number | null; readonly tookMs: number; readonly outputBytes: number };

export type Script = {
  readonly name: string;
  readonly class: 'C1' | 'C2' | 'C3';
  readonly kind: 'script' | 'backup' | 'restore';
  readonly timeoutMs: number;
  readonly user: string;
  readonly path: string;
  readonly undo: string | null;
  /** The arguments as the program gets them. @throws ACTION_REFUSED */
  readonly argv: (given: Readonly<Record<string, ScriptValue>>) => readonly string[];
};

export type ScriptHands = {
  readonly find: (name: string) => Script | undefined;
  /** Checks that the file is still the one that was signed. @throws SCRIPT_CHANGED */
  readonly check: (script: Script) => Promise<void>;
  /** Runs exactly the bytes that were checked. Its output goes to a file on the host. */
  readonly run: (script: Script, argv: readonly string[], key: string, signal: AbortSignal) => Promise<ScriptResult>;
};

/** Instances that are meant to be down: nobody heals them. Kept on disk. */
export type Holds = {
  readonly has: (instance: string) => boolean;
  readonly set: (instance: string, on: boolean) => Promise<void>;
};

export type HandsPorts = {
  readonly instance: (name: string) => InstanceHands | undefined;
  readonly gateway: (name: string) => GatewayHands | undefined;
  readonly scripts: ScriptHands;
  readonly holds: Holds;
  /** Writes what was collected; answers where it is and its SHA-256. */
  readonly keep: (key: string, text: string) => Promise<{ readonly path: string; readonly sha256: string }>;
};
