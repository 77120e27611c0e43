/**
 * The gateways of a lab while it runs: started when the databases serve, started again when one ends without a fault of ours,
 * looked at once a second for what they count.
 */
import { access, writeFile } from 'node:fs/promises';
import { formatEstate, type LargeWriteRule } from '@coequal/estate';
import { type Clock, fail, type Log, reasonOf } from '@coequal/kernel';
import type { GatewayCounters } from '@coequal/proof';
import type { LabDefinition } from '../definition.ts';
import { withLargeWrites } from '../estate.ts';
import type { GatewayDriver, GatewayLook } from '../gateways/driver.ts';
import { addCounters, noCounters } from '../gateways/figures.ts';
import { type Relay, startRelay } from '../gateways/relays.ts';
import { estateFile, metricsSocket } from '../places.ts';
import type { Stage, StageSite } from './stage.ts';

export type Gateways = {
  readonly all: () => readonly GatewayDriver[];
  /** Starts everything that carries and serves. */
  readonly open: () => Promise<void>;
  /** Starts those of these sites that are down. */
  readonly bringUp: (sites: readonly StageSite[]) => Promise<void>;
  /** What was seen of a gateway last. */
  readonly lastLook: (name: string) => GatewayLook | undefined;
  readonly refresh: () => Promise<void>;
  /** Of all of them, since they were first started. */
  readonly counters: () => Promise<GatewayCounters>;
  readonly setLargeWrites: (rule: LargeWriteRule | undefined) => Promise<void>;
  readonly supervise: (signal: AbortSignal) => Promise<void>;
  readonly close: () => Promise<void>;
};

export type GatewayTools = {
  readonly stage: Stage;
  readonly definition: LabDefinition;
  readonly environment: Readonly<Record<string, string>>;
  /** Whether a gateway is down or frozen because somebody wants it so. */
  readonly broken: (gateway: GatewayDriver) => boolean;
  /** One change of the lab at a time. */
  readonly inTurn: <T>(change: () => Promise<T>) => Promise<T>;
  readonly say: (site: string, text: string) => void;
  readonly clock: Clock;
  readonly log: Log;
};

const lookEveryMs = 1_000;
/** A gateway that ended by itself is started again at most so often a minute. */
const restartsPerMinute = 5;

export const runGateways = (tools: GatewayTools): Gateways => {
  const { stage, definition, clock, log } = tools;
  const looks = new Map<string, GatewayLook>();
  const restarts = new Map<string, readonly number[]>();
  const relays: Relay[] = [];
  const all = () => stage.sites.flatMap((site) => site.gateways);

  const openRelays = async (): Promise<void> => {
    if (stage.network.mode === 'plain') return;
    const { gateways } = definition.estate;
    const opening = stage.sites.map(async (site) => {
      const ways = site.gateways.flatMap(({ name }) => {
        const index = gateways.findIndex((gateway) => gateway.name === name);
        const gateway = gateways[index];
        if (gateway === undefined) return [];
        return [{ from: metricsSocket(definition.folder, index), to: `127.0.0.1:${gateway.metricsPort}` }];
      });
      if (ways.length === 0) return;
      const relay = await startRelay({
        site: site.name,
        enter: (argv) => stage.network.enter(site.name, [...argv]),
        environment: tools.environment,
        started: (pid) => site.host?.add(pid),
        ways,
      });
      relays.push(relay);
    });
    await Promise.all(opening);
  };

  /** The first one of all brings the schema into the database; the others find it there. */
  const open = async (): Promise<void> => {
    await openRelays();
    const [first, ...others] = all();
    await first?.start();
    await Promise.all(others.map((gateway) => gateway.start()));
    await refresh();
  };

  const bringUp = async (sites: readonly StageSite[]): Promise<void> => {
    const down = sites.flatMap((site) => site.gateways).filter((gateway) => gateway.process() === undefined);
    await Promise.all(down.map((gateway) => gateway.start()));
  };

  const refresh = async (): Promise<void> => {
    await Promise.all(all().map(async (gateway) => looks.set(gateway.name, await gateway.look())));
  };

  const revive = async (gateway: GatewayDriver): Promise<void> => {
    const recent = (restarts.get(gateway.name) ?? []).filter((at) => clock.monotonic() - at < 60_000);
    if (recent.length >= restartsPerMinute) return;
    restarts.set(gateway.name, [...recent, clock.monotonic()]);
    tools.say(gateway.site, `${gateway.name} ended by itself and is started again`);
    await gateway.start().catch((error: unknown) => tools.say(gateway.site, reasonOf(error)));
  };

  const supervise = async (signal: AbortSignal): Promise<void> => {
    while (!signal.aborted) {
      await clock.sleep(lookEveryMs, signal);
      await refresh();
      const ended = all().filter((gateway) => gateway.process() === undefined && !tools.broken(gateway));
      for (const gateway of ended) {
        if (signal.aborted) return;
        // What is being broken is seen as down before its fault is on the list: only in turn the list is right.
        await tools.inTurn(async () => {
          if (signal.aborted || gateway.process() !== undefined || tools.broken(gateway)) return;
          await revive(gateway);
        });
      }
    }
  };

  /** The settings of a gateway are read when it starts, so all of them start again; those that are down will read it then. */
  const setLargeWrites = async (rule: LargeWriteRule | undefined): Promise<void> => {
    const path = estateFile(definition.folder);
    await access(path).catch(() => {
      throw fail('DRILL_IMPOSSIBLE', { reason: 'the lab has no gateways' });
    });
    await writeFile(path, formatEstate(withLargeWrites(definition.estate, rule)), { mode: 0o600 });
    const running = all().filter((gateway) => gateway.process() !== undefined);
    await Promise.all(running.map((gateway) => gateway.restart()));
  };

  return {
    all,
    open,
    bringUp,
    lastLook: (name) => looks.get(name),
    refresh,
    counters: async () => {
      await refresh();
      return all().reduce((sum, gateway) => addCounters(sum, gateway.counters()), noCounters);
    },
    setLargeWrites,
    supervise,
    close: async () => {
      await Promise.allSettled(all().map((gateway) => gateway.kill()));
      for (const relay of relays) relay.close();
      log('debug', 'gateways ended');
    },
  };
};
