/** Signals as the API gives them: which there are, their course, and which others moved like one. Times are milliseconds since 1970. */
import { z } from 'zod';
import { classified } from './classification.ts';
import { pageOf, pageQuery } from './problem.ts';

const labels = z.record(z.string(), z.string());

/** `where=instance=north-db-1,job=mysql`: each label must have that value. */
const where = z
  .string()
  .max(2_000)
  .regex(/^$|^[a-zA-Z_][a-zA-Z0-9_]*=[^,]*(,[a-zA-Z_][a-zA-Z0-9_]*=[^,]*)*$/)
  .default('');

export const signalSearch = z.object({
  ...pageQuery,
  /** A part of the name. */
  name: z.string().max(500).default(''),
  where,
});

export const signalPage = classified('sensitive', pageOf(z.object({ name: z.string(), labels, newestMs: z.number() })));

/** Most points of one series in one answer. */
export const rangePoints = 11_000;

export const rangeQuery = z.object({
  /** The whole name of a series, for the live window; or a PromQL expression for the store. */
  name: z.string().min(1).max(500).optional(),
  query: z.string().min(1).max(5_000).optional(),
  where,
  fromMs: z.coerce.number(),
  toMs: z.coerce.number(),
  stepMs: z.coerce.number().int().min(1_000).max(86_400_000).default(1_000),
  /** Counters as increase a second. */
  rate: z.enum(['yes', 'no']).default('no'),
});

/** `null`: nothing was measured. */
export const rangeAnswer = classified(
  'sensitive',
  z.object({
    source: z.enum(['live', 'store']),
    fromMs: z.number(),
    stepMs: z.number(),
    series: z.array(z.object({ name: z.string(), labels, values: z.array(z.number().nullable()) })).max(500),
    /** More series matched than are told. */
    more: z.boolean(),
  }),
);

export const correlateRequest = z.object({
  name: z.string().min(1).max(500),
  /** As many as it takes to mean one signal. */
  labels: labels.default({}),
  fromMs: z.number(),
  toMs: z.number(),
  /** Only signals with these labels; all of the estate unless given. */
  among: labels.default({}),
  mostLagSeconds: z.number().int().min(0).max(300).default(30),
  answers: z.number().int().min(1).max(100).default(20),
});

export const correlateAnswer = classified(
  'sensitive',
  z.object({
    source: z.enum(['live', 'store']),
    /** False: the time was over before everything was searched. */
    whole: z.boolean(),
    searched: z.number().int(),
    correlated: z.array(
      z.object({
        name: z.string(),
        labels,
        /** −1 to 1; below 0 it fell when the chart rose. */
        correlation: z.number(),
        /** Seconds by which it follows the chart; below 0 it went before. */
        lagSeconds: z.number(),
      }),
    ),
  }),
);

export type SignalSearch = z.infer<typeof signalSearch>;
export type RangeQuery = z.infer<typeof rangeQuery>;
export type RangeAnswer = z.infer<typeof rangeAnswer>;
export type CorrelateRequest = z.infer<typeof correlateRequest>;
export type CorrelateAnswer = z.infer<typeof correlateAnswer>;
