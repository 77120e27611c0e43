/** A gateway from outside, for operators' commands: through its control socket while it runs, and its journal always. */
import type { Clock } from '@coequal/kernel';
import type { JournalEntry } from '../acknowledgements.ts';
import type { Call } from '../control-lines.ts';
import type { DrainResult, KillWhat, SessionView } from '../ports.ts';
import type { GatewayStatus } from '../status.ts';
import { callGateway } from './control-client.ts';
import { readJournal } from './journal.ts';
import { lockOwner } from './lock.ts';

export type GatewayControl = {
  /** The process that runs it, if one does on this machine. */
  readonly process: () => Promise<number | undefined>;
  readonly status: () => Promise<GatewayStatus>;
  readonly sessions: () => Promise<readonly SessionView[]>;
  /** Of the gateway: closes its port and lets sessions end at a boundary. `withinMs`: what is open then is cut. */
  readonly drain: (withinMs?: number) => Promise<DrainResult>;
  readonly resume: () => Promise<void>;
  readonly drainInstance: (instance: string, on: boolean) => Promise<void>;
  readonly restart: (withinMs?: number) => Promise<DrainResult>;
  readonly kill: (id: number, what: KillWhat) => Promise<void>;
  readonly journal: () => AsyncGenerator<JournalEntry, void, undefined>;
};

/** A gateway answers at once what needs no waiting. */
const promptMs = 10_000;
/** Checks, starting workers, and half a minute of draining unless told otherwise. */
const startMs = 120_000;
const usualDrainMs = 30_000;

/** @param by who asks, for the audit of the gateway */
export const gatewayControl = (
  gateway: { readonly name: string; readonly stateFolder: string },
  clock: Clock,
  by: string,
): GatewayControl => {
  const call = (what: Call, deadlineMs: number): Promise<unknown> => callGateway(clock, gateway, what, deadlineMs, by);
  const patience = (withinMs: number | undefined): number => startMs + (withinMs ?? usualDrainMs);
  return {
    process: () => lockOwner(gateway.stateFolder),
    status: async () => parseStatus(await call({ method: 'status' }, promptMs)),
    sessions: async () => parseSessions(await call({ method: 'sessions' }, promptMs)),
    drain: async (withinMs) =>
      parseDrained(
        await call({ method: 'drain', instance: null, on: true, deadlineMs: withinMs ?? null }, patience(withinMs)),
      ),
    resume: async () => {
      await call({ method: 'drain', instance: null, on: false, deadlineMs: null }, startMs);
    },
    drainInstance: async (instance, on) => {
      await call({ method: 'drain', instance, on, deadlineMs: null }, promptMs);
    },
    restart: async (withinMs) =>
      parseDrained(await call({ method: 'restart', deadlineMs: withinMs ?? null }, patience(withinMs))),
    kill: async (id, what) => {
      await call({ method: 'kill', id, what }, promptMs);
    },
    journal: () => readJournal(gateway.stateFolder),
  };
};

/** Answers of the gateway are believed: its socket belongs to its owner alone. */
const parseStatus = (value: unknown): GatewayStatus => value as GatewayStatus;
const parseSessions = (value: unknown): readonly SessionView[] => value as readonly SessionView[];
const parseDrained = (value: unknown): DrainResult => value as DrainResult;
