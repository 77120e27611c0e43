/**
 * Gateways of a bench's own, beside those of the lab: at a gateway's address in the same site, with the lab's accounts and
 * certificates, and with what the bench wants to be different (one worker, another profile, guards). They end with the bench.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { type Estate, formatEstate, type Gateway, type ServiceGateway } from '@coequal/estate';
import type { Endpoint } from '@coequal/proof';
import { type Beside, startBeside, untilListening } from './beside.ts';
import { gatewaysAt } from './gateway-places.ts';
import type { BenchLab } from './lab.ts';
import type { BenchTools } from './tools.ts';

export type GatewayWish = {
  readonly name: string;
  readonly site: string;
  readonly workers?: number;
  /** Laid over what the service asks of its gateways. */
  readonly conduct?: Partial<ServiceGateway>;
  readonly observe?: true;
};

export type OwnGateway = {
  readonly endpoint: Endpoint;
  readonly process: Beside;
};

const programPath = (): string => fileURLToPath(import.meta.resolve('@coequal/gateway/main'));
/** Away from those of the lab's own gateways; each gateway takes two. */
let nextPort = 7_300;

/** Runs while `use` does. */
export const withGateway = async <T>(
  lab: BenchLab,
  wish: GatewayWish,
  tools: BenchTools,
  use: (gateway: OwnGateway) => Promise<T>,
): Promise<T> => {
  const [model] = gatewaysAt(lab, wish.site);
  if (model === undefined) throw new Error(`Bug: the site ${wish.site} has no gateway to stand beside`);
  const folder = `${lab.definition.folder}/bench-gateways/${wish.name}`;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const port = nextPort;
  nextPort += 2;
  const estate = estateWith(lab.definition.estate, model, wish, { folder, port });
  await writeFile(`${folder}/coequal.yaml`, formatEstate(estate));
  const argv = [process.execPath, programPath(), '--config', `${folder}/coequal.yaml`, '--name', wish.name];
  const running = startBeside([...argv, ...(wish.observe === true ? ['--observe'] : [])], {
    enter: (each) => lab.enter(wish.site, each),
    clock: tools.clock,
  });
  try {
    const endpoint = { ...model, instance: wish.name, port };
    await untilListening((argv) => lab.enter(wish.site, argv), endpoint, running, tools);
    return await use({ endpoint, process: running });
  } finally {
    await running.stop();
  }
};

const estateWith = (
  estate: Estate,
  model: Endpoint,
  { name, workers, conduct = {} }: GatewayWish,
  { folder, port }: { readonly folder: string; readonly port: number },
): Estate => {
  const own = estate.gateways.find((gateway) => gateway.name === model.instance);
  if (own === undefined) throw new Error(`Bug: no gateway ${model.instance} in the estate`);
  const gateway: Gateway = {
    ...own,
    name,
    port,
    metricsPort: port + 1,
    stateFolder: folder,
    ...(workers === undefined ? {} : { workers }),
  };
  const services = estate.services.map((service) =>
    service.name === own.service && service.gateway !== undefined
      ? { ...service, gateway: { ...service.gateway, ...conduct } }
      : service,
  );
  return { ...estate, services, gateways: [...estate.gateways, gateway] };
};
