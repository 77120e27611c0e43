/** For tests: a three-site estate, findings, incidents, and a window that is written second by second. */
import type { Incident } from '@coequal/contract';
import { type Estate, estateOrThrow } from '@coequal/estate';
import { type LiveWindow, labelsOf, type Sample } from '@coequal/signals';
import type { AuditEntry } from '@coequal/trust';
import type { ServiceAccounts } from './access/service-accounts.ts';
import type { Grant } from './access/subject.ts';
import { makePlaces } from './places.ts';
import { type Finding, findingKey, placeLabels } from './watch/finding.ts';

const siteNames = ['north', 'south', 'west'] as const;

const yaml = `
version: 1
name: try
sites:
${siteNames.map((site, index) => `  - {name: ${site}, hosts: [{name: ${site}-1, address: 10.0.${index}.1}]}`).join('\n')}
services:
  - name: bank
    database: bank
    tls: false
    gateway: {account: {user: gateway, passwordFile: /etc/password}}
    instances:
${siteNames.map((site) => `      - {name: ${site}-db-1, host: ${site}-1, dataFolder: /data/${site}}`).join('\n')}
gateways:
${siteNames.map((site) => `  - {name: ${site}-gate, host: ${site}-1, service: bank, port: 4000}`).join('\n')}
platforms:
  - {name: watch, host: north-1}
`;

export const tryEstate = (): Estate => estateOrThrow(yaml, 'try.yaml');
export const tryPlaces = () => makePlaces(tryEstate());

export const startMs = 1_800_000_000_000;

export const findingOf = (name: string, place: Finding['place'], more: Partial<Finding> = {}): Finding => {
  const labels = placeLabels(place);
  const source = more.source ?? 'detector';
  return {
    ...{ key: findingKey(source, name, labels), name, source, place, labels },
    ...{ severity: 'critical', summary: `${name} at ${JSON.stringify(labels)}`, startedMs: startMs },
    ...more,
  };
};

export const countIds = (): (() => string) => {
  let next = 0;
  return () => {
    next += 1;
    return `incident-${next}`;
  };
};

export const firingOf = ({ alerts }: Incident): readonly string[] =>
  alerts.filter(({ endedMs }) => endedMs === undefined).map(({ name }) => name);

/** Writes values of one second as agents tell them. */
export const tell = (
  window: LiveWindow,
  second: number,
  labels: Readonly<Record<string, string>>,
  values: Readonly<Record<string, number>>,
): void => {
  const own = labelsOf(Object.entries(labels)) ?? [];
  const samples: Sample[] = Object.entries(values).map(([name, value]) => ({
    name,
    labels: own,
    value,
    timeMs: second * 1_000,
  }));
  window.ingest(samples, second * 1_000);
};

/** The header of a service account that was made for this test. */
export const bearerOf = (
  accounts: ServiceAccounts,
  name: string,
  ...grants: readonly Grant[]
): { readonly authorization: string } => ({
  authorization: `Bearer ${accounts.add({ name, grants, lifeMs: 3_600_000, by: 'test' }).token}`,
});
export const everywhere = (role: Grant['role']): Grant => ({ role, services: '*', sites: '*' });

/** An audit that remembers what was written. */
export const tryAudit = () => {
  const entries: AuditEntry[] = [];
  return { entries, write: (entry: AuditEntry) => Promise.resolve(void entries.push(entry)) };
};
