/**
 * Faults, and how each is undone. A fault is a value with a `heal`; a site's faults in force are a list, healed
 * in reverse. What the mode or the machine cannot do is refused with the reason, before anything is touched.
 */
import { signalGroup } from '@coequal/engines';
import { fail, formatDuration } from '@coequal/kernel';
import { type Fault, type GatewayFaultKind, type LoadFaultKind, loadFaults } from '@coequal/proof';
import type { InsideProgram } from '../load-faults/program.ts';
import type { ClientProcess } from './clients.ts';
import type { Stage, StageSite } from './stage.ts';

export type ActiveFault = {
  readonly fault: Fault;
  /** In words, for the view: "its database is killed". */
  readonly text: string;
  /** Undoes what the fault did to the surroundings. Restarting what is down is the healer's part. */
  readonly undo: () => Promise<void>;
  /** True: processes of the site are down or stopped on purpose. */
  readonly down: boolean;
};

export type FaultContext = {
  readonly stage: Stage;
  readonly clients: (site: string) => readonly ClientProcess[];
  /** Has a program inside the site do the work of a load fault. */
  readonly work: (site: StageSite, kind: LoadFaultKind, amount: number) => Promise<InsideProgram>;
  /** Whether the lab has branches, on whose tables some load faults work. */
  readonly branches: boolean;
};

const stopDeadlineMs = 30_000;
const defaults = { latencyMs: 50, lossPercent: 5, clockSeconds: 300, slowBytesPerSecond: 64 * 1024 };

/** Makes a fault happen. @throws FAULT_IMPOSSIBLE, SITE_UNKNOWN */
export const inject = async (context: FaultContext, fault: Fault): Promise<ActiveFault> => {
  const site = siteNamed(context.stage, fault.site);
  switch (fault.kind) {
    case 'kill':
      return kill(context, site, fault);
    case 'hang':
      return hang(context, site, fault);
    case 'stop':
      return stop(site, fault);
    case 'partition':
      return partition(context, site, fault);
    case 'latency':
      return latency(context, site, fault);
    case 'loss':
      return loss(context, site, fault);
    case 'slow-disk':
      return slowDisk(site, fault);
    case 'full-disk':
      return fullDisk(site, fault);
    case 'clock':
      return clock(context, site, fault);
    case 'gateway-kill':
    case 'gateway-hang':
    case 'gateway-stop':
    case 'gateway-restart':
      return gatewayFault(site, fault.kind, fault);
    default:
      return loadFault(context, site, fault.kind, fault);
  }
};

const subject = (fault: Fault): string => (fault.whole === true ? 'everything here' : 'its database');
const nothing = async (): Promise<void> => {};

const kill = async ({ clients }: FaultContext, site: StageSite, fault: Fault): Promise<ActiveFault> => {
  await Promise.all([
    ...site.drivers.map((driver) => driver.fence()),
    ...site.arbitrators.map((arbitrator) => arbitrator.fence()),
    ...(fault.whole === true ? site.gateways.map((gateway) => gateway.kill()) : []),
    ...(fault.whole === true ? clients(site.name).map(async (client) => client.signal('SIGKILL')) : []),
  ]);
  return { fault, text: `${subject(fault)} is killed`, undo: nothing, down: true };
};

const hang = async ({ clients }: FaultContext, site: StageSite, fault: Fault): Promise<ActiveFault> => {
  const processes = [...site.drivers, ...site.arbitrators].flatMap((each) => each.process() ?? []);
  for (const each of processes) signalGroup(each, 'SIGSTOP');
  const gateways = fault.whole === true ? site.gateways : [];
  for (const gateway of gateways) gateway.signal('SIGSTOP');
  if (fault.whole === true) for (const client of clients(site.name)) client.signal('SIGSTOP');
  const undo = async (): Promise<void> => {
    for (const each of processes) signalGroup(each, 'SIGCONT');
    for (const gateway of gateways) gateway.signal('SIGCONT');
    for (const client of clients(site.name)) client.signal('SIGCONT');
  };
  return { fault, text: `${subject(fault)} hangs`, undo, down: false };
};

const stop = async (site: StageSite, fault: Fault): Promise<ActiveFault> => {
  await Promise.all([
    ...site.drivers.map((driver) => driver.stop(stopDeadlineMs)),
    ...site.arbitrators.map((arbitrator) => arbitrator.stop()),
  ]);
  return { fault, text: 'its database is stopped in order', undo: nothing, down: true };
};

/** One gateway of the site. Killed or stopped it stays down, frozen it stays so, until healed; restarted in order it never was away. */
const gatewayFault = async (site: StageSite, kind: GatewayFaultKind, fault: Fault): Promise<ActiveFault> => {
  const gateway = site.gateways[(fault.gateway ?? 1) - 1];
  if (gateway === undefined) {
    throw fail('FAULT_IMPOSSIBLE', {
      fault: kind,
      reason: site.gateways.length === 0 ? `${site.name} has no gateway` : `${site.name} has ${site.gateways.length}`,
      advice: 'Start the lab with gateways (`coequal lab up --gateways 2`) and name one of them (--gateway 1).',
    });
  }
  const made = (text: string, undo: () => Promise<void> = nothing): ActiveFault => ({
    fault,
    text: `${gateway.name} ${text}`,
    undo,
    down: false,
  });
  switch (kind) {
    case 'gateway-kill':
      await gateway.kill();
      return made('is killed');
    case 'gateway-hang':
      gateway.signal('SIGSTOP');
      return made('hangs', async () => gateway.signal('SIGCONT'));
    case 'gateway-stop':
      await gateway.stop();
      return made('is stopped in order');
    case 'gateway-restart':
      await gateway.restart();
      return made('was restarted in order');
  }
};

const loadFault = async (
  { work, branches }: FaultContext,
  site: StageSite,
  kind: LoadFaultKind,
  fault: Fault,
): Promise<ActiveFault> => {
  const { text, amount, needsBranches } = loadFaults[kind];
  const impossible = (reason: string, advice: string) => fail('FAULT_IMPOSSIBLE', { fault: kind, reason, advice });
  if (site.drivers.length === 0) throw impossible(`${site.name} has no database`, 'Name a site that has one.');
  if (needsBranches && !branches)
    throw impossible('the lab has no branches', 'Start the lab with them: `coequal lab up --branches`.');
  const program = await work(site, kind, fault.amount ?? amount?.usual ?? 1);
  return { fault, text, undo: () => program.end(), down: false };
};

const partition = async ({ stage }: FaultContext, site: StageSite, fault: Fault): Promise<ActiveFault> => {
  needNetwork(stage, fault);
  for (const other of fault.between ?? []) siteNamed(stage, other);
  await stage.network.cut(site.name, {
    ...(fault.whole === undefined ? {} : { whole: fault.whole }),
    ...(fault.oneWay === undefined ? {} : { oneWay: fault.oneWay }),
    ...(fault.between === undefined ? {} : { between: fault.between }),
  });
  const [a, b] = fault.between ?? [];
  const where = a === undefined ? 'the other sites' : a === site.name ? b : a;
  const way = fault.oneWay === true ? 'does not reach' : 'is cut off from';
  return {
    fault,
    text: `${subject(fault)} ${way} ${where}`,
    undo: () => stage.network.uncut(site.name),
    down: false,
  };
};

const latency = async ({ stage }: FaultContext, site: StageSite, fault: Fault): Promise<ActiveFault> => {
  needNetwork(stage, fault);
  const addedMs = fault.amount ?? defaults.latencyMs;
  await stage.network.setLatency(site.name, addedMs);
  return {
    fault,
    text: `its round trips take ${formatDuration(addedMs)} longer`,
    undo: () => stage.network.setLatency(site.name, 0),
    down: false,
  };
};

const loss = async ({ stage }: FaultContext, site: StageSite, fault: Fault): Promise<ActiveFault> => {
  needNetwork(stage, fault);
  const percent = fault.amount ?? defaults.lossPercent;
  if (percent < 0 || percent > 100) {
    throw fail('FAULT_IMPOSSIBLE', {
      fault: 'loss',
      reason: `${percent} is not a percentage`,
      advice: 'Give 0 to 100.',
    });
  }
  await stage.network.setLoss(site.name, percent);
  return {
    fault,
    text: `${percent} % of its packets are lost`,
    undo: () => stage.network.setLoss(site.name, 0),
    down: false,
  };
};

const slowDisk = async (site: StageSite, fault: Fault): Promise<ActiveFault> => {
  const { volume, host } = site;
  if (!volume.can.slow || host === null) {
    throw fail('FAULT_IMPOSSIBLE', {
      fault: 'slow-disk',
      reason: volume.can.reason ?? 'this lab has no cgroups to throttle with',
      advice: 'It needs root, a loop device and the blkio (or io) controller.',
    });
  }
  await volume.slow(host, fault.amount ?? defaults.slowBytesPerSecond);
  return { fault, text: 'its disk is slow', undo: () => volume.unslow(host), down: false };
};

const fullDisk = async (site: StageSite, fault: Fault): Promise<ActiveFault> => {
  const { volume } = site;
  if (!volume.can.fill) {
    throw fail('FAULT_IMPOSSIBLE', {
      fault: 'full-disk',
      reason: volume.can.reason ?? 'its data lies in an ordinary folder',
      advice: 'It needs the full mode, in which each site has a volume of its own.',
    });
  }
  await volume.fill();
  const undo = async (): Promise<void> => {
    await volume.unfill();
    // A server that met the full disk looks again only once a minute, and by flow control everybody waits with it.
    for (const driver of site.drivers) if (driver.process() !== undefined) await driver.fence();
  };
  return { fault, text: 'its disk is full', undo, down: false };
};

const clock = async ({ stage }: FaultContext, site: StageSite, fault: Fault): Promise<ActiveFault> => {
  const { clock: fake } = site;
  if (fake === null) {
    throw fail('FAULT_IMPOSSIBLE', {
      fault: 'clock',
      reason: stage.noClockReason,
      advice: 'It needs full mode and the package libfaketime; start the lab again with both.',
    });
  }
  const seconds = fault.amount ?? defaults.clockSeconds;
  await fake.setOffset(seconds);
  return {
    fault,
    text: `its clock is ${formatDuration(Math.abs(seconds) * 1_000)} ${seconds < 0 ? 'behind' : 'ahead'}`,
    undo: () => fake.setOffset(0),
    down: false,
  };
};

const needNetwork = (stage: Stage, fault: Fault): void => {
  if (stage.network.mode === 'full') return;
  throw fail('FAULT_IMPOSSIBLE', {
    fault: fault.kind,
    reason: 'plain mode has one network for all sites',
    advice: 'Run the lab in full mode: as root, or where unprivileged user namespaces are allowed.',
  });
};

export const siteNamed = (stage: Stage, name: string): StageSite => {
  const site = stage.sites.find((each) => each.name === name);
  if (site === undefined) {
    throw fail('SITE_UNKNOWN', { site: name, sites: stage.sites.map((each) => each.name).join(', ') });
  }
  return site;
};
