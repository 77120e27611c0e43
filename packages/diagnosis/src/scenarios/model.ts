/**
 * A small model of three sites with one instance and one gateway each, for tests: what load, faults and the group do to one another, a
 * second at a time. It keeps the couplings that mislead a diagnosis (one slow instance stops all, a lost one sends its clients
 * to the others), not the figures of any real server; the lab is the judge of those.
 */
import type { Random } from '@coequal/kernel';

export const siteNames = ['north', 'south', 'west'] as const;
export type SiteName = (typeof siteNames)[number];

/** What a fault can turn at a site. Everything healthy unless changed. */
export type Dials = {
  database: 'up' | 'gone' | 'silent' | 'isolated';
  gateway: 'up' | 'gone' | 'silent';
  /** The agent is heard by the platform. */
  agent: boolean;
  /** Others reach it over the network. */
  reachable: boolean;
  /** While others do not reach it: whether it hears them all the same. */
  hears: boolean;
  /** Processors that something else takes, of 2. */
  foreignCpu: number;
  diskSeconds: number;
  diskFree: number;
  memoryUsed: number;
  memoryStall: number;
  clockOffset: number;
  delaySeconds: number;
  loss: number;
  /** Sessions that wait for a lock here, if somebody holds one. */
  locked: boolean;
  /** Requests are multiplied by this. */
  load: number;
  /** Rows that are read for each request, beyond the usual 20. */
  extraRows: number;
  /** Rows that are read a second by something beside the requests. */
  scannedRows: number;
  sentBytes: number;
  /** Rows that one transaction writes a second. */
  bulkRows: number;
  ddl: boolean;
  idleConnections: number;
  maxConnections: number;
  /** Write sets it can apply a second. */
  applyRate: number;
  conflicts: number;
  failedLogins: number;
};

export const healthyDials = (): Dials => ({
  database: 'up',
  gateway: 'up',
  agent: true,
  reachable: true,
  hears: false,
  foreignCpu: 0,
  diskSeconds: 0.0008,
  diskFree: 0.6,
  memoryUsed: 0.55,
  memoryStall: 0,
  clockOffset: 0,
  delaySeconds: 0,
  loss: 0,
  locked: false,
  load: 1,
  extraRows: 0,
  scannedRows: 0,
  sentBytes: 0,
  bulkRows: 0,
  ddl: false,
  idleConnections: 0,
  maxConnections: 300,
  applyRate: 5_000,
  conflicts: 0,
  failedLogins: 0,
});

/** What a second looked like at a site. */
export type Second = {
  readonly dials: Readonly<Dials>;
  readonly requests: number;
  readonly commits: number;
  readonly latency: number;
  readonly running: number;
  readonly connected: number;
  readonly waiters: number;
  readonly queue: number;
  readonly flowControlSent: number;
  /** Share of the second in which flow control stopped it. */
  readonly paused: number;
  readonly cpu: number;
  readonly cpuWait: number;
  readonly ioWait: number;
  readonly conflicts: number;
  readonly rowsRead: number;
  readonly rowsWritten: number;
  readonly received: number;
  readonly clusterSize: number;
  readonly primary: boolean;
  readonly groupLatency: number;
};

export type Model = {
  readonly step: (dials: Readonly<Record<SiteName, Dials>>, row: number) => Readonly<Record<SiteName, Second>>;
};

const clients = 24;
const processors = 2;

/** Share by which a figure varies of itself. */
export const vary = (random: Random, by: number): number =>
  1 + by * (random.next() + random.next() + random.next() - 1.5) * 1.4;

export const makeModel = (random: Random, wandering: number): Model => {
  const queues: Record<SiteName, number> = { north: 0, south: 0, west: 0 };
  const waiters: Record<SiteName, number> = { north: 0, south: 0, west: 0 };
  const phase = random.next() * 6;
  const step: Model['step'] = (dials, row) => {
    const isMember = (site: SiteName): boolean => dials[site].database === 'up' && dials[site].reachable;
    const members = siteNames.filter(isMember);
    const stopped = queues.north > 100 || queues.south > 100 || queues.west > 100;
    const delay = 0.003 + 2 * Math.max(...siteNames.map((site) => (isMember(site) ? dials[site].delaySeconds : 0)));
    const lossy = Math.max(...members.map((site) => dials[site].loss), 0);
    const groupLatency = (delay + lossy * 0.4) * vary(random, 0.1);
    const blocked = members.some((site) => dials[site].ddl);
    const moved = (siteNames.length - members.length) / Math.max(1, members.length);
    const written = siteNames.reduce((sum, site) => sum + (isMember(site) ? dials[site].bulkRows : 0), 0);
    const one = (site: SiteName): Second => {
      const own = dials[site];
      const serves = isMember(site);
      const busy =
        0.1 + own.foreignCpu + (own.extraRows * 40) / 80_000 + own.scannedRows / 900_000 + own.bulkRows / 15_000;
      const crowded = Math.max(1, busy / (processors * 0.7));
      if (own.locked) waiters[site] = Math.min(clients - 2, waiters[site] + 2 + random.next() * 3);
      else waiters[site] = 0;
      const free = Math.max(0.5, clients * (serves ? 1 + moved : 0) - waiters[site]);
      const service =
        0.004 * crowded + own.diskSeconds * 2 + groupLatency + own.extraRows / 400_000 + own.memoryStall * 0.05;
      const wanted =
        (40 + 12 * wandering * Math.sin(row / 47 + phase)) * own.load * (serves ? 1 + moved : 0) * vary(random, 0.08);
      const pausing = stopped ? 0.75 : blocked ? 0.9 : 0;
      const requests = serves ? Math.min(wanted * 5, (free / service) * (1 - pausing)) : 0;
      const commits = requests / 5;
      const applied = members.filter((other) => other !== site).length * commits + written / 20;
      const rate = own.applyRate / crowded / Math.max(1, own.diskSeconds / 0.004);
      queues[site] = serves ? Math.max(0, Math.min(500, queues[site] + applied * 1.2 - rate)) : 0;
      const conflicts = (0.2 + own.conflicts) * vary(random, 0.4) * (commits > 1 ? 1 : 0);
      return {
        dials: own,
        requests,
        commits,
        latency: requests < 0.5 ? Number.NaN : (clients * (1 + moved)) / Math.max(requests, 0.5) / 4,
        running: serves ? Math.min(clients, requests * service + waiters[site] + (stopped || blocked ? 10 : 0)) + 1 : 0,
        connected: clients + own.idleConnections + 8 + (serves ? moved * clients : 0),
        waiters: waiters[site],
        queue: queues[site],
        flowControlSent: queues[site] > 100 ? 2 + random.next() : 0,
        paused: serves ? pausing * vary(random, 0.1) : 0,
        cpu: Math.min(processors, busy + requests / 600),
        cpuWait: Math.min(1, Math.max(0, (busy + requests / 600) / processors - 0.75) * 2) + 0.01 * random.next(),
        ioWait: Math.min(0.95, own.diskSeconds * 12) * vary(random, 0.2),
        conflicts,
        rowsRead: requests * (20 + own.extraRows) + own.scannedRows,
        rowsWritten: commits * 3 + own.bulkRows,
        received: (members.length - 1) * commits * 900 + (written / 3) * 100,
        clusterSize: serves ? members.length : own.reachable ? 0 : 1,
        primary: serves && members.length >= 2,
        groupLatency,
      };
    };
    return { north: one('north'), south: one('south'), west: one('west') };
  };
  return { step };
};
