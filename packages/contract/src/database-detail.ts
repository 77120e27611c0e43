/**
 * What a database is doing at a moment, beyond figures: who works, who waits for whom, which statements take the time. Statements are
 * normalised texts without literals. Bounded lists, the worst first; rates are of the time since the reading before.
 */
import { z } from 'zod';
import { classified, mayHoldValues } from './classification.ts';

export const databaseSession = z.object({
  /** As SHOW PROCESSLIST or pg_stat_activity has it. */
  id: z.number(),
  user: z.string(),
  /** Of the client, without port. */
  address: z.string(),
  database: z.string().optional(),
  /** `Query`, `Sleep`, …; `active`, `idle in transaction`, … */
  command: z.string(),
  /** What it is doing or waiting for, as the server words it. */
  state: z.string(),
  /** In this command or state. */
  seconds: z.number(),
  /** Age of its open transaction. */
  transactionSeconds: z.number().optional(),
  rowsLocked: z.number().optional(),
  rowsChanged: z.number().optional(),
  /** Normalised, without literals. */
  statement: mayHoldValues(z.string().max(2_000)).optional(),
});

export const statementActivity = z.object({
  digest: z.string(),
  /** Normalised, without literals. */
  text: mayHoldValues(z.string().max(2_000)),
  database: z.string().optional(),
  calls: z.number(),
  /** Of all calls together, finished since the reading before. */
  seconds: z.number(),
  lockSeconds: z.number(),
  rowsExamined: z.number(),
  rowsSent: z.number(),
  rowsChanged: z.number(),
  errors: z.number(),
  withoutIndex: z.number(),
  temporaryTablesOnDisk: z.number(),
});

export const databaseDetail = classified(
  'sensitive',
  z.object({
    /** Name of the instance in the estate. */
    instance: z.string(),
    atMs: z.number(),
    /** Since the reading before; 0 for the first. */
    intervalMs: z.number(),
    /** Those that work, wait, or hold a transaction open. */
    sessions: z.array(databaseSession).max(50),
    /** Who waits for whom, directly. */
    waits: z.array(z.object({ waiting: z.number(), blocking: z.number() })).max(1_000),
    /** Sessions at the root of blocking trees, the one that blocks most first. */
    blockers: z.array(z.object({ session: z.number(), blocked: z.number(), inRing: z.boolean() })).max(20),
    statements: z.array(statementActivity).max(20),
  }),
);

export type DatabaseSession = z.infer<typeof databaseSession>;
export type StatementActivity = z.infer<typeof statementActivity>;
export type DatabaseDetail = z.infer<typeof databaseDetail>;
