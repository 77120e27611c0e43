/** The drills by name, in words: what is rehearsed, for help texts and reports. */
import type { DrillName } from './schedule.ts';

export type DrillEntry = {
  readonly name: DrillName;
  /** What is broken, one sentence. */
  readonly what: string;
  /** The shortest useful length, seconds. */
  readonly seconds: number;
};

export const drills: readonly DrillEntry[] = [
  { name: 'instance-kill', what: "One site's database is killed without warning; its clients live.", seconds: 20 },
  { name: 'instance-hang', what: "One site's database freezes: it accepts, and never answers.", seconds: 25 },
  { name: 'instance-partition', what: "One site's database is cut off from all others.", seconds: 25 },
  { name: 'instance-stop', what: "One site's database is shut down in order.", seconds: 20 },
  { name: 'site-kill', what: 'Everything of one site is killed: its database and its clients.', seconds: 20 },
  { name: 'site-hang', what: 'Everything of one site freezes.', seconds: 25 },
  { name: 'site-partition', what: 'One site is cut off, its clients with it.', seconds: 25 },
  {
    name: 'city-loss',
    what: 'All sites but one are killed at once. The one left must stop rather than fork; a person decides to go on.',
    seconds: 40,
  },
  { name: 'rolling-restart', what: 'Every site is restarted, one after the other, in working hours.', seconds: 40 },
  {
    name: 'full-outage',
    what: 'All databases are killed at the same moment and must come back by themselves.',
    seconds: 30,
  },
  { name: 'mixed', what: 'Random faults by a seed, one after the other.', seconds: 30 },
];

export const isDrillName = (name: string): name is DrillName => drills.some((drill) => drill.name === name);
