/**
 * What the command line needs from the outside, as one value: streams, files, time, the lab. `main.ts` makes the
 * real one; tests make their own. Commands never touch `process`.
 */
import type { actSettings, agentSettings, enrol, sendChange, signManifest } from '@coequal/agent';
import type { Estate } from '@coequal/estate';
import type { GatewayControl, GatewaySettings } from '@coequal/gateway';
import type { Clock, Random } from '@coequal/kernel';
import type {
  BenchName,
  BenchOptions,
  BenchTell,
  DiagnoseDrillOptions,
  DiagnoseReport,
  EndedLab,
  Interactive,
  LabDrillOptions,
  LabHandle,
  LabOptions,
  LabProgress,
  ListedLab,
} from '@coequal/lab';
import type { enrolledAgents, inviteAgent, platformSettings, revokeAgent } from '@coequal/platform';
import type { DrillReport } from '@coequal/proof';

export type World = {
  /** Results, and nothing else: with `--json` this is what a program reads. */
  readonly out: (text: string) => void;
  /** Progress, explanations and errors, for people. */
  readonly tell: (text: string) => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Aborted by Ctrl-C, SIGTERM, SIGHUP, or when nobody reads standard output any more. */
  readonly interrupted: AbortSignal;
  /** The terminal, when both standard input and output are one and it can move its cursor. */
  readonly terminal: Terminal | undefined;
  readonly files: Files;
  /** Loaded when first asked for: `coequal estate` should not wait for the lab's code. */
  readonly lab: () => Promise<LabPort>;
  /** Loaded when first asked for. */
  readonly gateway: () => Promise<GatewayPort>;
  /** Loaded when first asked for. It is pure, so tests use it as it is. */
  readonly diagnosis: () => Promise<typeof import('@coequal/diagnosis')>;
  /** Loaded when first asked for. */
  readonly agent: () => Promise<AgentPort>;
  /** Loaded when first asked for. */
  readonly platform: () => Promise<PlatformPort>;
  /** Runs the acting half of an agent in the foreground, in the same way. */
  readonly runAct: (args: readonly string[]) => Promise<number>;
  /** Runs an agent's program in the foreground, as `runGateway`. */
  readonly runAgent: (args: readonly string[]) => Promise<number>;
  /** Runs a gateway's program in the foreground: its streams and signals are this process's. Answers its exit code. */
  readonly runGateway: (args: readonly string[]) => Promise<number>;
  /** Runs a platform's program in the foreground, in the same way. */
  readonly runPlatform: (args: readonly string[]) => Promise<number>;
  /** Runs the program of a host's stores in the foreground, in the same way. */
  readonly runStore: (args: readonly string[]) => Promise<number>;
  readonly version: string;
  /** Who runs the command, as this machine knows them: for the record, and no proof. */
  readonly user: string;
  readonly hostName: string;
  /** Which of some paths are there. */
  readonly present: (paths: readonly string[]) => Promise<readonly string[]>;
};

export type Files = {
  /** A path as the user wrote it, made absolute. */
  readonly absolute: (path: string) => string;
  /** UTF-8 text. @throws FILE_MISSING with the given advice, FILE_UNREADABLE */
  readonly readText: (path: string, limitBytes: number, advice: string) => Promise<string>;
  /** UTF-8 text, plain or compressed with gzip; the limit holds for both. @throws as `readText` */
  readonly readData: (path: string, limitBytes: number, advice: string) => Promise<string>;
  /** Replaces the file as a whole, or leaves it as it was. @throws FOLDER_UNWRITABLE with the given advice */
  readonly writeText: (path: string, text: string, advice: string) => Promise<void>;
  /** @throws FILE_MISSING with the given advice, FILE_UNREADABLE */
  readonly mustBeReadable: (path: string, advice: string) => Promise<void>;
  /** Asks a person; resolves with undefined when there is nobody to ask. */
  readonly ask: ((question: string, signal: AbortSignal) => Promise<string>) | undefined;
  /** A secret from the keyboard, which is not shown, or the first line of standard input when nobody sits there. */
  readonly secret: (question: string, signal: AbortSignal) => Promise<string>;
};

/** A terminal in full-screen use. `enter` and `leave` are idempotent. */
export type Terminal = {
  readonly enter: () => void;
  readonly leave: () => void;
  readonly size: () => { readonly columns: number; readonly rows: number };
  readonly write: (text: string) => void;
  /** Bytes of the keyboard as text; the function that is returned ends the listening. */
  readonly onInput: (listener: (text: string) => void) => () => void;
  readonly onResize: (listener: () => void) => () => void;
};

/** What of the gateway the command line uses; `@coequal/gateway` is one. */
export type GatewayPort = {
  readonly gatewayControl: (
    gateway: { readonly name: string; readonly stateFolder: string },
    clock: Clock,
    by: string,
  ) => GatewayControl;
  readonly gatewaySettings: (estate: Estate, name: string | undefined) => GatewaySettings;
  readonly journalKey: (session: Uint8Array) => string;
};

/** What of the agent the command line uses; `@coequal/agent` is one. */
export type AgentPort = {
  readonly agentSettings: typeof agentSettings;
  readonly sendChange: typeof sendChange;
  readonly actSettings: typeof actSettings;
  readonly enrol: typeof enrol;
  readonly signManifest: typeof signManifest;
};

/** What of the platform the command line uses on its machine; `@coequal/platform` is one. */
export type PlatformPort = {
  readonly platformSettings: typeof platformSettings;
  readonly inviteAgent: typeof inviteAgent;
  readonly revokeAgent: typeof revokeAgent;
  readonly enrolledAgents: typeof enrolledAgents;
};

/** What of the lab the command line uses; `@coequal/lab` is one. */
export type LabPort = {
  readonly startLab: (
    options: LabOptions & { readonly detach: boolean },
    progress: LabProgress,
    interactive: Interactive | undefined,
    /** Aborted, it ends what was started and rejects INTERRUPTED. */
    signal: AbortSignal,
  ) => Promise<LabHandle>;
  readonly openLab: (name: string) => Promise<LabHandle>;
  readonly listLabs: () => Promise<readonly ListedLab[]>;
  readonly endLab: (name: string, options?: { readonly discard?: boolean }) => Promise<EndedLab>;
  /** Ends what is left of a lab that failed; answers the error with the place of the logs. */
  readonly buryLab: (name: string, error: unknown) => Promise<unknown>;
  /** Ends in order, and rejects, when the signal is aborted. */
  readonly runLabDrill: (
    options: LabDrillOptions,
    progress: LabProgress,
    signal: AbortSignal,
  ) => Promise<readonly DrillReport[]>;
  readonly runDiagnoseDrill: (
    options: DiagnoseDrillOptions,
    progress: LabProgress,
    signal: AbortSignal,
  ) => Promise<DiagnoseReport>;
  /** Ends what it started, and rejects, when the signal is aborted. */
  readonly runBench: (
    names: readonly BenchName[],
    options: BenchOptions,
    tell: BenchTell,
    signal: AbortSignal,
  ) => Promise<void>;
};
