/**
 * Gateways of a bench's lab, as clients inside the sites see them, with the files that tools want for TLS. Only
 * looks up what the lab's definition says.
 */
import type { Endpoint } from '@coequal/proof';
import type { CertificatePaths } from '../clients/foreign.ts';
import type { BenchLab } from './lab.ts';

/** The gateways of a site in the estate's order; none where the lab has none. */
export const gatewaysAt = (lab: BenchLab, site: string): readonly Endpoint[] => {
  const [own] = lab.endpointsFrom(site);
  const found = lab.definition.estate.sites.find(({ name }) => name === site);
  if (own === undefined || found === undefined) return [];
  return lab.definition.estate.gateways.flatMap((gateway) => {
    const host = found.hosts.find(({ name }) => name === gateway.host);
    if (host === undefined) return [];
    const { instance: _, serverName: __, ...account } = own;
    return [{ ...account, instance: gateway.name, host: gateway.address ?? host.address, port: gateway.port }];
  });
};

/** The site's own instance. */
export const instanceAt = (lab: BenchLab, site: string): Endpoint => {
  const [own] = lab.endpointsFrom(site);
  if (own === undefined) throw new Error(`Bug: no instance at ${site}`);
  return own;
};

export const authorityPathOf = (lab: BenchLab): string => `${lab.definition.folder}/authority.pem`;

/** Made by the lab's authority, which is all that a tool needs that insists on having one. */
export const certificateOf = (lab: BenchLab): CertificatePaths => {
  const folder = `${lab.definition.folder}/run/${lab.reached[0]?.instance}`;
  return { certificate: `${folder}/certificate.pem`, key: `${folder}/key.pem` };
};
