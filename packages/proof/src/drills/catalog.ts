/** The drills by name, in words: what is rehearsed, for help texts and reports. */
import type { DrillName } from './schedule.ts';

export type DrillEntry = {
  readonly name: DrillName;
  /** What is broken, one sentence. */
  readonly what: string;
  /** The shortest useful length, seconds. */
  readonly seconds: number;
  /** Needs gateways: without them there is nothing to rehearse. */
  readonly gateways?: true;
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
  {
    name: 'gateway-kill',
    what: 'One of the two gateways of a site is killed; its clients have both addresses, and ask what became of their COMMITs.',
    seconds: 20,
    gateways: true,
  },
  {
    name: 'gateway-hang',
    what: 'One of the two gateways of a site freezes: it holds its connections and never answers.',
    seconds: 25,
    gateways: true,
  },
  {
    name: 'gateway-stop',
    what: 'One of the two gateways of a site is stopped in order, under load, and started again later.',
    seconds: 20,
    gateways: true,
  },
  {
    name: 'gateway-restart',
    what: 'One gateway takes up new code and settings under load, with its port open all the time.',
    seconds: 20,
    gateways: true,
  },
  {
    name: 'commit-kill',
    what: 'Databases are killed, frozen and cut off while dozens of COMMITs are in flight, again and again (--faults, --commits).',
    seconds: 30,
  },
  {
    name: 'single-faults',
    what: 'One database after the other is killed, frozen, cut off or stopped, by a seed (--faults).',
    seconds: 30,
  },
  {
    name: 'batch',
    what: 'One statement changes 1,000,000 rows while the other sites work (--rule: what the gateway does about it).',
    seconds: 40,
  },
  { name: 'mixed', what: 'Random faults by a seed, one after the other.', seconds: 30 },
];

export const isDrillName = (name: string): name is DrillName => drills.some((drill) => drill.name === name);

/** Several drills asked for by one name: every fault of one database, with as many clients beside as through the gateways. */
export const comparedDrills: readonly DrillName[] = [
  'instance-kill',
  'instance-hang',
  'instance-partition',
  'instance-stop',
];

export type RequestedDrill = DrillName | 'compare';

/** Everything that can be asked for. */
export const requestedDrills: readonly (Omit<DrillEntry, 'name' | 'seconds'> & { readonly name: RequestedDrill })[] = [
  ...drills,
  {
    name: 'compare',
    what: 'Every fault of one database, seen through gateways and directly, side by side.',
    gateways: true,
  },
];

export const isRequestedDrill = (name: string): name is RequestedDrill =>
  requestedDrills.some((drill) => drill.name === name);
