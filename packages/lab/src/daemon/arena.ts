/** The lab as the place where drills are held: the port `Arena` of the proof package over a running lab. */
import { cpus, release } from 'node:os';
import { agreeOnMembers, type GaleraDriver, type Observation, presets, safetySettings } from '@coequal/engines';
import type { Clock } from '@coequal/kernel';
import type { Arena } from '@coequal/proof';
import { canonicalJson, sha256Hex } from '@coequal/trust';
import type { Runtime } from './runtime.ts';

/** What the engine takes by itself, its own largest. */
const largestWriteSetBytes = 2_147_483_647;

export const labArena = (runtime: Runtime, versions: Readonly<Record<string, string>>, clock: Clock): Arena => {
  const { stage, definition } = runtime;
  const looks = patientLooks(clock);
  const siteNames = stage.sites.filter((site) => site.drivers.length > 0).map((site) => site.name);
  return {
    describe: async () => ({
      name: definition.name,
      architecture: stage.service.architecture,
      preset: stage.service.preset,
      mode: definition.mode,
      engine: stage.service.engine,
      versions,
      configuration: configurationDigest(runtime),
      rttMs: siteNames.flatMap((a, index) =>
        siteNames.slice(index + 1).map((b) => ({ between: [a, b] as const, ms: stage.network.rttMs(a, b) })),
      ),
      machine: `${cpus().length} cores, Linux ${release()}`,
    }),
    sites: () => siteNames,
    observe: async () => {
      const drivers = stage.sites.flatMap((site) => site.drivers.map((driver) => ({ site: site.name, driver })));
      const observed = await Promise.all(drivers.map(({ driver }) => looks.look(driver)));
      return agreeOnMembers(observed).map(({ state, reason, members }, index) => ({
        name: drivers[index]?.driver.instance ?? '',
        site: drivers[index]?.site ?? '',
        state,
        reason,
        ...(members === undefined ? {} : { members }),
      }));
    },
    endpoints: runtime.endpoints,
    gateways: runtime.gatewayEndpoints,
    gatewayCounters: runtime.gateways.counters,
    setLargeWrites: async (rule) => {
      // Instances read their option files when they start, and go on running here.
      const bytes = rule?.rule === 'refuse' ? rule.aboveBytes : largestWriteSetBytes;
      const drivers = stage.sites.flatMap((site) => site.drivers);
      await Promise.all(drivers.map((driver) => driver.administer(`SET GLOBAL wsrep_max_ws_size=${bytes}`)));
      await runtime.gateways.setLargeWrites(rule);
    },
    startClients: async (site, options) => {
      const client = runtime.groups.startBankClients(site, options, false);
      const { finish, setRate } = client;
      return { site, finish, setRate, committing: () => client.report()?.committing ?? 0 };
    },
    inject: async (fault) => {
      await runtime.fault(fault);
    },
    heal: async (site) => {
      await runtime.heal(site, false);
    },
    fullOutage: runtime.fullOutage,
    forcePrimary: async (instance) => {
      await runtime.forcePrimary(instance);
    },
  };
};

/** How long a look waits for one instance before it goes on with the others, ms. */
const patienceMs = 150;

/**
 * Looks at instances without letting one that is silent hold up the view of the others: a question that has not been
 * answered yet goes on, and until it is, the instance counts as what the waiting says it is.
 */
const patientLooks = (clock: Clock) => {
  const asked = new Map<GaleraDriver, { readonly since: number; readonly answer: Promise<Observation> }>();
  const look = async (driver: GaleraDriver): Promise<Observation> => {
    const pending = asked.get(driver) ?? { since: clock.monotonic(), answer: driver.observe() };
    asked.set(driver, pending);
    pending.answer.finally(() => asked.delete(driver)).catch(() => undefined);
    const waiting = new AbortController();
    const late = clock.sleep(patienceMs, waiting.signal).then(
      (): Observation => {
        const waitedMs = Math.round(clock.monotonic() - pending.since);
        return { state: 'silent', reason: `It has not answered for ${waitedMs} ms.` };
      },
      () => pending.answer,
    );
    try {
      return await Promise.race([pending.answer, late]);
    } finally {
      waiting.abort();
    }
  };
  return { look };
};

/** What decides how the service behaves: the estate without its places on disk, and the preset's settings. */
const configurationDigest = ({ definition, stage }: Runtime): string =>
  sha256Hex(
    canonicalJson({
      limits: { ...definition.estate.limits },
      sites: definition.estate.sites.map(({ name, hosts }) => ({ name, hosts: hosts.map((host) => host.name) })),
      service: {
        name: stage.service.name,
        architecture: stage.service.architecture,
        tls: stage.service.tls,
        stateTransfer: stage.service.stateTransfer,
        encrypted: stage.service.encryption !== undefined,
      },
      preset: presets[stage.service.preset].provider.map(({ name, value }) => `${name}=${value}`),
      rtt: definition.rtt,
      settings: safetySettings.map(({ name, value }) => `${name}=${value}`),
    }),
  );
