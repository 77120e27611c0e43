/**
 * Gateways of a bench's own, beside those of the lab: at a gateway's address in the same site, with the lab's accounts and
 * certificates, and with what the bench wants to be different (one worker, another profile, guards). They end with the bench.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { type Estate, formatEstate, type Gateway, type ServiceGateway } from '@coequal/estate';
import { until } from '@coequal/kernel';
import type { Endpoint } from '@coequal/proof';
import type { CertificatePaths } from '../clients/foreign.ts';
import { type Beside, startBeside } from './beside.ts';
import { gatewaysAt } from './gateway-places.ts';
import type { BenchLab } from './lab.ts';
import type { BenchTools } from './tools.ts';

export type GatewayWish = {
  readonly name: string;
  readonly site: string;
  readonly workers?: number;
  /** Which of the site's gateways lends its address and account; the first unless told. */
  readonly beside?: number;
  readonly port?: number;
  /** In place of the certificate that the lab's gateway shows, with the authority that clients are to trust. */
  readonly certificates?: CertificatePaths;
  readonly authority?: string;
  /** Laid over what the service asks of its gateways. */
  readonly conduct?: Partial<ServiceGateway>;
  readonly observe?: true;
};

export type OwnGateway = {
  readonly endpoint: Endpoint;
  readonly process: Beside;
};

/** One that is killed and started again on the same address. */
export type RestartableGateway = {
  readonly endpoint: Endpoint;
  /** Resolves once it listens. */
  readonly start: () => Promise<Beside>;
  /** Ends it without a word. */
  readonly kill: () => Promise<void>;
  /** Ends it in order. */
  readonly stop: () => Promise<void>;
};

const programPath = (): string => fileURLToPath(import.meta.resolve('@coequal/gateway/main'));
/** Away from those of the lab's own gateways. */
let nextPort = 7_300;

export const freshPort = (): number => {
  const port = nextPort;
  nextPort += 1;
  return port;
};

/** Runs while `use` does. */
export const withGateway = async <T>(
  lab: BenchLab,
  wish: GatewayWish,
  tools: BenchTools,
  use: (gateway: OwnGateway) => Promise<T>,
): Promise<T> => {
  const gateway = await makeGateway(lab, wish, tools);
  try {
    const process = await gateway.start();
    return await use({ endpoint: gateway.endpoint, process });
  } finally {
    await gateway.stop();
  }
};

/** Written down, and not yet started. */
export const makeGateway = async (lab: BenchLab, wish: GatewayWish, tools: BenchTools): Promise<RestartableGateway> => {
  const model = gatewaysAt(lab, wish.site)[wish.beside ?? 0];
  if (model === undefined) throw new Error(`Bug: the site ${wish.site} has no gateway to stand beside`);
  const port = wish.port ?? freshPort();
  // Sockets lie in it, whose paths are short.
  const folder = `${lab.definition.folder}/gw/b${freshPort()}`;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const estate = estateWith(lab.definition.estate, model, wish, { folder, port });
  await writeFile(`${folder}/coequal.yaml`, formatEstate(estate));
  const observe = wish.observe === true ? ['--observe'] : [];
  const argv = [process.execPath, programPath(), '--config', `${folder}/coequal.yaml`, '--name', wish.name, ...observe];
  const enter = (each: readonly string[]): readonly string[] => lab.enter(wish.site, each);
  const endpoint = {
    ...model,
    ...(wish.authority === undefined ? {} : { authority: wish.authority }),
    instance: wish.name,
    port,
  };
  let running: Beside | undefined;
  return {
    endpoint,
    start: async () => {
      let listens = false;
      const onLine = (line: string): void => {
        if (line.includes('"event":"listening"')) listens = true;
      };
      const started = startBeside(argv, { enter, clock: tools.clock, onLine });
      running = started;
      const last = (): string => started.words();
      // Its own word is waited for: the port alone also answers while it is only looked at.
      const what = { what: `${wish.name} to listen`, deadlineMs: 30_000, everyMs: 20, signal: tools.signal, last };
      await until(tools.clock, what, () => {
        if (!started.alive()) throw new Error(`${wish.name} ended: ${started.words()}`);
        return listens;
      });
      return started;
    },
    kill: async () => {
      running?.signal('SIGKILL');
      await running?.ended;
    },
    stop: async () => {
      await running?.stop();
    },
  };
};

const estateWith = (
  estate: Estate,
  model: Endpoint,
  { name, workers, certificates, conduct = {} }: GatewayWish,
  { folder, port }: { readonly folder: string; readonly port: number },
): Estate => {
  const own = estate.gateways.find((gateway) => gateway.name === model.instance);
  if (own === undefined) throw new Error(`Bug: no gateway ${model.instance} in the estate`);
  const gateway: Gateway = {
    ...own,
    name,
    port,
    metricsPort: freshPort(),
    stateFolder: folder,
    ...(workers === undefined ? {} : { workers }),
    ...(certificates === undefined || own.certificates === undefined
      ? {}
      : { certificates: { ...own.certificates, ...certificates } }),
  };
  const services = estate.services.map((service) =>
    service.name === own.service && service.gateway !== undefined
      ? { ...service, gateway: { ...service.gateway, ...conduct } }
      : service,
  );
  return { ...estate, services, gateways: [...estate.gateways, gateway] };
};
