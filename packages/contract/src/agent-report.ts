/**
 * What an agent tells the platform once a second, beside the samples it sends by remote write: details of its databases, of which the
 * newest counts, and events, which it repeats until they were taken.
 */
import { z } from 'zod';
import { databaseDetail } from './database-detail.ts';
import { event } from './events.ts';
import { name } from './place.ts';

export const agentReport = z.object({
  agent: name,
  host: name,
  site: name,
  atMs: z.number(),
  details: z.array(databaseDetail).max(100),
  events: z.array(event).max(1_000),
});

export type AgentReport = z.infer<typeof agentReport>;
