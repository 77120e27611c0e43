/**
 * A running lab: its instances, the faults in force, the bank's clients and what is known of them. Everything
 * that changes passes through here, one change at a time, so that a fault and its healing never interleave.
 */
import { readFile } from 'node:fs/promises';
import { agreeOnMembers, forcePrimary, type GaleraDriver, rejoin, startService } from '@coequal/engines';
import { gatewayAddress, placedGateways, serves } from '@coequal/estate';
import { type Clock, CoequalError, fail, type Log, reasonOf, until } from '@coequal/kernel';
import { type Endpoint, type Fault, isGatewayFault, type Via } from '@coequal/proof';
import type { LabDefinition } from '../definition.ts';
import type { GatewayDriver } from '../gateways/driver.ts';
import type { LabEvent } from '../snapshot.ts';
import { type ActiveFault, inject, siteNamed } from './faults.ts';
import { type Gateways, runGateways } from './gateways.ts';
import { type ClientGroups, clientGroups } from './groups.ts';
import { type Inside, programsInside } from './inside.ts';
import { type Operations, runOperations } from './operations.ts';
import type { Stage, StageSite } from './stage.ts';

export type Runtime = {
  readonly stage: Stage;
  readonly definition: LabDefinition;
  readonly events: () => readonly LabEvent[];
  readonly say: (site: string | null, text: string) => void;
  readonly faultsOf: (site: string) => readonly ActiveFault[];
  readonly groups: ClientGroups;
  readonly gateways: Gateways;
  readonly inside: Inside;
  readonly operations: Operations;
  readonly drivers: () => readonly GaleraDriver[];
  readonly driverNamed: (instance: string) => { readonly site: StageSite; readonly driver: GaleraDriver };
  readonly fault: (fault: Fault) => Promise<string>;
  /** Undoes all faults of a site, or of all; resolves when what was started again serves, unless told not to wait. */
  readonly heal: (site: string | undefined, wait: boolean) => Promise<string>;
  readonly fullOutage: () => Promise<void>;
  readonly forcePrimary: (instance: string) => Promise<string>;
  /** From now on instances that end by themselves are started again: only once they have been started at all. */
  readonly startSupervision: () => void;
  /** The instances as the daemon sees them. */
  readonly endpoints: () => readonly Endpoint[];
  /** The gateways as the daemon sees them. */
  readonly gatewayEndpoints: () => readonly Endpoint[];
  readonly close: () => Promise<void>;
};

const serveDeadlineMs = 180_000;
const supervisionEveryMs = 500;
/** An instance that ended by itself is started again at most so often a minute. */
const restartsPerMinute = 3;
const eventLimit = 200;

export type RuntimeTools = {
  readonly stage: Stage;
  readonly definition: LabDefinition;
  readonly database: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly clock: Clock;
  readonly log: Log;
};

export const runLab = (tools: RuntimeTools): Runtime => {
  const { stage, definition, clock, log } = tools;
  const events: LabEvent[] = [];
  const faults = new Map<string, ActiveFault[]>();
  const restarts = new Map<string, number[]>();
  const closing = new AbortController();
  let turn: Promise<unknown> = Promise.resolve();
  let recovering: Promise<unknown> = Promise.resolve();
  /** Healing in progress, per site: supervision keeps its hands off. */
  const busy = new Map<string, number>();
  const hold = (sites: readonly StageSite[]): (() => void) => {
    const add = (count: number): void => {
      for (const { name } of sites) busy.set(name, (busy.get(name) ?? 0) + count);
    };
    add(1);
    return () => add(-1);
  };

  const say = (site: string | null, text: string): void => {
    events.push({ at: clock.now(), site, text });
    if (events.length > eventLimit) events.splice(0, events.length - eventLimit);
    log('info', 'happened', { site, text });
  };

  /** One change at a time; a failed one does not stop the next. */
  const inTurn = <T>(change: () => Promise<T>): Promise<T> => {
    const result = turn.then(change, change);
    turn = result.catch(() => undefined);
    return result;
  };

  const faultsOf = (site: string): readonly ActiveFault[] => faults.get(site) ?? [];
  const databaseFaultsOf = (site: string): readonly ActiveFault[] =>
    faultsOf(site).filter(({ fault }) => !isGatewayFault(fault));
  const drivers = () => stage.sites.flatMap((site) => site.drivers);
  const driverNamed = (instance: string) => {
    for (const site of stage.sites) {
      const driver = site.drivers.find((each) => each.instance === instance || site.name === instance);
      if (driver !== undefined) return { site, driver };
    }
    throw fail('SITE_UNKNOWN', {
      site: instance,
      sites: drivers()
        .map((driver) => driver.instance)
        .join(', '),
    });
  };

  const makeFault = async (fault: Fault): Promise<string> => {
    const site = siteNamed(stage, fault.site);
    const { branches } = definition;
    const active = await inject({ stage, clients: groups.clientsOf, work: inside.work, branches }, fault);
    if (fault.whole === true) for (const name of branchSignals(fault.kind)) inside.signalBranch(site.name, name);
    await operations.suffer(fault);
    faults.set(site.name, [...faultsOf(site.name), active]);
    say(site.name, active.text);
    if (fault.forMs !== undefined) healLater(site.name, active, fault.forMs);
    return `${site.name}: ${active.text}.`;
  };

  /** For the end of the lab: what cannot be undone must not keep the rest from ending. */
  const undone = (active: ActiveFault): Promise<void> =>
    active
      .undo()
      .catch((error: unknown) => log('warn', 'fault not undone', { fault: active.text, reason: reasonOf(error) }));

  const healLater = (site: string, active: ActiveFault, afterMs: number): void => {
    clock
      .sleep(afterMs, closing.signal)
      .then(() => (faultsOf(site).includes(active) ? heal(site, false) : undefined))
      .catch((error: unknown) => {
        if (!closing.signal.aborted) say(site, `could not be healed: ${reasonOf(error)}`);
      });
  };

  const heal = (name: string | undefined, wait: boolean): Promise<string> =>
    inTurn(async () => {
      const sites = name === undefined ? stage.sites : [siteNamed(stage, name)];
      for (const site of sites) {
        for (const active of [...faultsOf(site.name)].reverse()) await active.undo();
        inside.signalBranch(site.name, 'SIGCONT');
        const had = faultsOf(site.name).length > 0;
        faults.delete(site.name);
        if (had) say(site.name, 'is healed');
      }
      operations.heal(sites);
      const restarting = restart(sites);
      // Clients that come back want their gateways there. One that cannot start keeps nothing else from healing.
      await gateways.bringUp(sites).catch((error: unknown) => {
        if (wait) throw error;
        say(null, reasonOf(error));
      });
      if (wait) await restarting;
      else restarting.catch((error: unknown) => say(null, reasonOf(error)));
      return `${sites.map((site) => site.name).join(', ')}: healed.`;
    });

  /** Starts what is down in these sites, and waits until everything there serves. */
  const restart = async (sites: readonly StageSite[]): Promise<void> => {
    const release = hold(sites);
    try {
      // Who serves may not have noticed yet that the majority is gone: then the first try finds nobody to join.
      await bringUp(sites).catch((error: unknown) => {
        log('warn', 'sites did not come up at once', { reason: reasonOf(error) });
        return bringUp(sites);
      });
      await Promise.all(sites.flatMap((site) => site.drivers).map(settle));
      for (const site of sites) groups.restartClients(site.name);
    } finally {
      release();
    }
  };

  const bringUp = async (sites: readonly StageSite[]): Promise<void> => {
    await decided(() => recoverUnlessServed(sites));
    for (const site of sites) for (const arbitrator of site.arbitrators) await arbitrator.start();
    const down = sites.flatMap((site) => site.drivers).filter((driver) => driver.process() === undefined);
    await Promise.all(down.map((driver) => rejoin(driver, serveDeadlineMs)));
  };

  /** One recovery at a time: two that plan side by side could start the service twice. */
  const decided = (recovery: () => Promise<void>): Promise<void> => {
    const result = recovering.then(recovery, recovery);
    recovering = result.catch(() => undefined);
    return result;
  };

  const recoverUnlessServed = async (sites: readonly StageSite[]): Promise<void> => {
    const observed = await Promise.all(drivers().map((driver) => driver.observe()));
    if (observed.some(({ state }) => serves(state))) return;
    // A recovery stops and starts instances everywhere.
    const release = hold(stage.sites);
    try {
      await recoverAll(sites);
    } finally {
      release();
    }
  };

  /** Nobody serves: give those that still run a moment to find each other, then recover as a whole. */
  const recoverAll = async (sites: readonly StageSite[]): Promise<void> => {
    const unreachable = stage.sites
      .filter((site) => !sites.includes(site) && faultsOf(site.name).some(isOutOfReach))
      .flatMap((site) => site.drivers.map((driver) => driver.instance));
    if (drivers().every((driver) => driver.process() !== undefined) && (await cameBack(5_000))) return;
    // An arbitrator in a group without a majority keeps the databases from re-forming it.
    const votes = stage.sites
      .filter((site) => sites.includes(site) || !faultsOf(site.name).some(isOutOfReach))
      .flatMap((site) => site.arbitrators);
    if (unreachable.length === 0) await Promise.all(votes.map((arbitrator) => arbitrator.fence()));
    const recovery = await startService(drivers(), {
      service: stage.service.name,
      clock,
      log,
      serveDeadlineMs,
      unreachable,
    });
    for (const arbitrator of votes) await arbitrator.start();
    say(null, `the service is back (${recovery.way})`);
  };

  const cameBack = async (deadlineMs: number): Promise<boolean> => {
    try {
      await until(clock, { what: 'a majority', deadlineMs, everyMs: 100 }, async () =>
        (await Promise.all(drivers().map((driver) => driver.observe()))).some(({ state }) => serves(state)),
      );
      return true;
    } catch (error) {
      if (error instanceof CoequalError && error.code === 'DEADLINE_PASSED') return false;
      throw error;
    }
  };

  /**
   * Waits until an instance serves and all that serve agree on how many they are: one that has just woken believes
   * for a moment in a membership that the others have left. One that cannot come back by itself is started again.
   */
  const settle = async (driver: GaleraDriver): Promise<void> => {
    const broken = () =>
      stage.sites.some((site) => site.drivers.includes(driver) && databaseFaultsOf(site.name).length > 0);
    try {
      await until(
        clock,
        { what: `${driver.instance} at one with the others`, deadlineMs: 20_000, everyMs: 50 },
        async () => {
          const all = [driver, ...drivers().filter((other) => other !== driver)];
          const [own] = agreeOnMembers(await Promise.all(all.map((each) => each.observe())));
          return own?.state === 'serving' || own?.state === 'donating';
        },
      );
    } catch (error) {
      log('warn', 'instance does not settle', { instance: driver.instance, reason: reasonOf(error) });
      // Broken anew meanwhile, or to end with the lab: then it is not to be started again.
      if (closing.signal.aborted || broken()) return;
      await driver.fence();
      await rejoin(driver, serveDeadlineMs);
    }
  };

  const endpointOf = (instance: string, site: string, host: string, port: number): Endpoint => ({
    instance,
    site,
    host,
    port,
    ...stage.application,
    database: tools.database,
    ...(stage.service.tls ? { authority: stage.authority.certificate } : {}),
  });

  const addressed = () =>
    stage.service.instances.map((instance) => {
      const site = definition.estate.sites.find(({ hosts }) => hosts.some(({ name }) => name === instance.host));
      const host = site?.hosts.find(({ name }) => name === instance.host);
      return endpointOf(instance.name, site?.name ?? '', host?.address ?? '', instance.ports.client);
    });

  const gatewaysAddressed = (): readonly Endpoint[] =>
    placedGateways(definition.estate, stage.service).map((gateway) => ({
      ...endpointOf(gateway.name, gateway.site.name, gatewayAddress(gateway), gateway.port),
      gateway: true,
    }));

  /** As clients inside a site see them: its own gateways in their order; or its own instance first, the others by distance. */
  const endpointsFrom = (site: string, via: Via): readonly Endpoint[] => {
    const local = localAddressOf(site);
    if (via === 'gateway')
      return gatewaysAddressed()
        .filter((endpoint) => endpoint.site === site)
        .map((endpoint) => ({ ...endpoint, ...local }));
    return addressed()
      .map((endpoint) => ({
        endpoint: { ...endpoint, ...local },
        distance: endpoint.site === site ? -1 : stage.network.rttMs(site, endpoint.site),
      }))
      .sort((a, b) => a.distance - b.distance)
      .map(({ endpoint }) => endpoint);
  };

  const localAddressOf = (site: string) => {
    const localAddress = stage.network.clientAddress(site);
    return localAddress === undefined ? {} : { localAddress };
  };

  const groups = clientGroups({ stage, environment: tools.environment, endpointsFrom, clock, log });

  const inside = programsInside({
    stage,
    endpoints: addressed,
    seed: definition.seed,
    environment: tools.environment,
    endpointsFrom,
    clock,
    log,
  });

  const operations = runOperations({ stage, definition, environment: tools.environment, say, clock, log });

  const gateways = runGateways({
    stage,
    definition,
    environment: tools.environment,
    inTurn,
    broken: (gateway) => (busy.get(gateway.site) ?? 0) > 0 || faultsOf(gateway.site).some(takesGateway(gateway)),
    say,
    clock,
    log,
  });

  /** Restarts instances that ended without a fault of ours. */
  const supervise = async (): Promise<void> => {
    while (!closing.signal.aborted) {
      await clock.sleep(supervisionEveryMs, closing.signal);
      for (const site of stage.sites) {
        for (const driver of site.drivers) await fenceWhenFull(site, driver);
        if ((busy.get(site.name) ?? 0) > 0 || databaseFaultsOf(site.name).length > 0) continue;
        for (const driver of site.drivers) if (driver.process() === undefined) await revive(site, driver);
      }
    }
  };

  /** A server without space waits for it, and every other site waits with it: without it they go on. */
  const fenceWhenFull = async (site: StageSite, driver: GaleraDriver): Promise<void> => {
    if (driver.process() === undefined || !(await driver.diskIsFull())) return;
    await driver.fence();
    say(site.name, `${driver.instance} found its disk full and was fenced, so that the other sites go on`);
  };

  const revive = async (site: StageSite, driver: GaleraDriver): Promise<void> => {
    const recent = (restarts.get(driver.instance) ?? []).filter((at) => clock.monotonic() - at < 60_000);
    if (recent.length >= restartsPerMinute) return;
    const again = inTurn(async () => {
      // What is being broken is seen as down before its fault is on the list: only in turn the list is right.
      if (closing.signal.aborted || databaseFaultsOf(site.name).length > 0 || driver.process() !== undefined) return;
      restarts.set(driver.instance, [...recent, clock.monotonic()]);
      const { reason } = await driver.observe();
      say(site.name, `${driver.instance} ended by itself (${reason}) and is started again`);
      await restart([site]);
    });
    await again.catch((error: unknown) => say(site.name, reasonOf(error)));
  };

  const startSupervision = (): void => {
    gateways.supervise(closing.signal).catch((error: unknown) => {
      if (!closing.signal.aborted) log('error', 'supervision of gateways ended', { reason: reasonOf(error) });
    });
    supervise().catch((error: unknown) => {
      if (!closing.signal.aborted) log('error', 'supervision ended', { reason: reasonOf(error) });
    });
  };

  const fullOutage = (): Promise<void> =>
    inTurn(async () => {
      const release = hold(stage.sites);
      say(null, 'all instances are killed at once');
      await Promise.all([
        ...drivers().map((driver) => driver.fence()),
        ...stage.sites.flatMap((site) => site.arbitrators.map((arbitrator) => arbitrator.fence())),
      ]);
      for (const site of stage.sites) faults.delete(site.name);
      await restart(stage.sites).finally(release);
    });

  const force = (name: string): Promise<string> =>
    inTurn(async () => {
      const { site, driver } = driverNamed(name);
      const others = drivers().filter((other) => other !== driver);
      await forcePrimary(driver, others, { service: stage.service.name, clock, log, serveDeadlineMs: 30_000 });
      for (const other of stage.sites) {
        if (other === site || faultsOf(other.name).some(({ down }) => down) || other.drivers.length === 0) continue;
        const fault: Fault = { kind: 'kill', site: other.name };
        faults.set(other.name, [
          ...faultsOf(other.name),
          { fault, text: 'its database is fenced', undo: nothing, down: true },
        ]);
      }
      say(site.name, `${driver.instance} was made a primary component by itself (class C3)`);
      return `${driver.instance} serves by itself. Instances that return join it and take over its data.`;
    });

  return {
    stage,
    definition,
    events: () => events,
    say,
    faultsOf,
    groups,
    gateways,
    inside,
    operations,
    drivers,
    driverNamed,
    fault: (fault) => inTurn(() => makeFault(fault)),
    heal,
    fullOutage,
    forcePrimary: force,
    startSupervision,
    endpoints: addressed,
    gatewayEndpoints: gatewaysAddressed,
    close: async () => {
      closing.abort();
      await groups.close();
      await inside.close();
      await operations.close();
      for (const site of stage.sites) for (const active of [...faultsOf(site.name)].reverse()) await undone(active);
      await gateways.close();
      await Promise.allSettled([
        ...drivers().map((driver) => (definition.keep ? driver.stop(30_000) : driver.fence())),
        ...stage.sites.flatMap((site) => site.arbitrators.map((arbitrator) => arbitrator.fence())),
      ]);
      await stage.close();
    },
  };
};

const nothing = async (): Promise<void> => {};

/** What everything of a site suffers, its branch suffers as well. */
const branchSignals = (kind: Fault['kind']): readonly NodeJS.Signals[] =>
  kind === 'kill' ? ['SIGKILL'] : kind === 'hang' ? ['SIGSTOP'] : [];

/** What such a site holds cannot be compared with the others, nor can it be joined to them. */
const isOutOfReach = ({ down, fault }: ActiveFault): boolean =>
  down || fault.kind === 'hang' || fault.kind === 'partition';

/** Whether a fault means this gateway, by itself or with everything of its site. */
const takesGateway =
  (gateway: GatewayDriver) =>
  ({ fault }: ActiveFault): boolean =>
    fault.whole === true || (isGatewayFault(fault) && (fault.gateway ?? 1) === gateway.number);

/** Resident memory of a process and what it started, bytes; null when it is gone. */
export const memoryOf = async (pid: number | undefined): Promise<number | null> => {
  if (pid === undefined) return null;
  try {
    const status = await readFile(`/proc/${pid}/status`, 'utf8');
    const kib = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
    return kib === undefined ? null : Number(kib) * 1024;
  } catch {
    // Between asking and reading it may end: then it uses no memory.
    return null;
  }
};

/** The same with everything that it started: a gateway's workers are processes of their own. */
export const treeMemoryOf = async (pid: number | undefined): Promise<number | null> => {
  const own = await memoryOf(pid);
  if (own === null || pid === undefined) return null;
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
  const theirs = await Promise.all(children.trim().split(' ').filter(Boolean).map(Number).map(treeMemoryOf));
  return theirs.reduce<number>((sum, bytes) => sum + (bytes ?? 0), own);
};
