/** The lab as the place where drills are held: the port `Arena` of the proof package over a running lab. */
import { cpus, release } from 'node:os';
import { presets, safetySettings } from '@coequal/engines';
import type { Arena } from '@coequal/proof';
import { canonicalJson, sha256Hex } from '@coequal/trust';
import type { Runtime } from './runtime.ts';

export const labArena = (runtime: Runtime, versions: Readonly<Record<string, string>>): Arena => {
  const { stage, definition } = runtime;
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
    observe: async () =>
      Promise.all(
        stage.sites.flatMap((site) =>
          site.drivers.map(async (driver) => {
            const { state, reason, members } = await driver.observe();
            return { name: driver.instance, site: site.name, state, reason, ...(members === undefined ? {} : { members }) };
          }),
        ),
      ),
    endpoints: runtime.endpoints,
    startClients: async (site, options) => {
      const client = runtime.startBankClients(site, options, false);
      return { site, finish: client.finish };
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
