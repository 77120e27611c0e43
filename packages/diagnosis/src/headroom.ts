/**
 * Equal sites help only while the rest can carry the load: could the remaining sites of a service carry the peak of the last days without
 * this one? Answered for each site and resource, with the numbers. Pure: `headroomQueries` says what to ask a store, as PromQL, and
 * `headroom` makes the answer of what it said; what the store does not know is "unknown", never "yes".
 */
import type { IncidentAlert, Place } from '@coequal/contract';
import { type Estate, placedInstances, type Service } from '@coequal/estate';

export const headroomResources = ['cpu', 'io', 'connections', 'flow control'] as const;
export type HeadroomResource = (typeof headroomResources)[number];

/** Each gives one number: the peak of the whole service. */
export type HeadroomQuery = { readonly resource: HeadroomResource; readonly promql: string };

export type ResourceHeadroom = {
  readonly resource: HeadroomResource;
  /** Peak of the whole service, and what the remaining sites have for it. */
  readonly needed: number;
  readonly available: number;
  readonly unit: string;
};

export type SiteHeadroom = {
  readonly service: string;
  /** The site that is thought away. */
  readonly without: string;
  readonly carries: 'yes' | 'no' | 'unknown';
  readonly resources: readonly ResourceHeadroom[];
  /** The resource of which least is left. */
  readonly limiting: HeadroomResource | undefined;
  readonly text: string;
};

export type HeadroomInput = {
  readonly estate: Estate;
  readonly service: Service;
  /** What the queries gave; a resource that is missing is not known. */
  readonly peaks: ReadonlyMap<HeadroomResource, number>;
  /** Processors by host, where the estate does not say. */
  readonly processors?: ReadonlyMap<string, number>;
};

/** A share above this of a resource makes answers slow: it is not available. */
const usable: Readonly<Record<HeadroomResource, number>> = { cpu: 0.8, io: 0.8, connections: 0.9, 'flow control': 1 };
/** Share of the time in which the group may stand still. */
const tolerablePause = 0.1;
const units: Readonly<Record<HeadroomResource, string>> = {
  cpu: 'processors',
  io: 'disks',
  connections: 'connections',
  'flow control': 'of the time',
};

/**
 * Peaks over `range` of what all hosts or instances of a service use at the same time, by minutes. A host that is a control group tells
 * its own processor time; what the whole machine does is not its.
 */
export const headroomQueries = (estate: Estate, service: Service, range = '7d'): readonly HeadroomQuery[] => {
  const placed = placedInstances(estate, service);
  const hosts = `host=~"${[...new Set(placed.map(({ at }) => at.name))].map(escaped).join('|')}"`;
  const instances = `service="${quotedLabel(service.name)}"`;
  const peak = (promql: string): string => `max_over_time((${promql})[${range}:1m])`;
  const groups = `sum by (host) (rate(container_cpu_usage_seconds_total{${hosts}}[1m]))`;
  const machines = `sum by (host) (rate(node_cpu_seconds_total{${hosts},mode!~"idle|iowait"}[1m]))`;
  return [
    { resource: 'cpu', promql: peak(`sum(${groups} or ${machines})`) },
    {
      resource: 'io',
      promql: peak(`sum(max by (host) (rate(node_disk_io_time_seconds_total{${hosts}}[1m])))`),
    },
    { resource: 'connections', promql: peak(`sum(mysql_global_status_threads_connected{${instances}})`) },
    {
      resource: 'flow control',
      promql: peak(`max(rate(mysql_global_status_wsrep_flow_control_paused_ns{${instances}}[1m])) / 1e9`),
    },
  ];
};

const quotedLabel = (text: string): string =>
  text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
/** For a regular expression within a label's quotes. */
const escaped = (text: string): string => quotedLabel(text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`));

/** An answer for each site that has an instance of the service. */
export const headroom = (input: HeadroomInput): readonly SiteHeadroom[] => {
  const placed = placedInstances(input.estate, input.service);
  const sites = [...new Set(placed.map(({ site }) => site.name))];
  return sites.map((without) => {
    const rest = placed.filter(({ site }) => site.name !== without);
    const resources = headroomResources.flatMap(
      (resource) => resourceHeadroom(resource, input, placed.length, rest) ?? [],
    );
    const tightest = resources.toSorted((a, b) => use(b) - use(a))[0];
    const carries =
      rest.length === 0 || (tightest !== undefined && use(tightest) > 1)
        ? 'no'
        : resources.length === headroomResources.length
          ? 'yes'
          : 'unknown';
    return {
      service: input.service.name,
      without,
      carries,
      resources,
      limiting: tightest?.resource,
      text: textOf(input.service.name, without, carries, tightest, rest.length),
    };
  });
};

const use = ({ needed, available }: ResourceHeadroom): number =>
  available > 0 ? needed / available : Number.POSITIVE_INFINITY;

const resourceHeadroom = (
  resource: HeadroomResource,
  { peaks, estate, processors }: HeadroomInput,
  all: number,
  rest: readonly { readonly at: { readonly name: string; readonly cpus?: number } }[],
): ResourceHeadroom | undefined => {
  const peak = peaks.get(resource);
  if (peak === undefined || !Number.isFinite(peak) || peak < 0) return undefined;
  const hosts = new Map(rest.map(({ at }) => [at.name, at]));
  const made = (needed: number, capacity: number): ResourceHeadroom => ({
    resource,
    needed,
    available: capacity * usable[resource],
    unit: units[resource],
  });
  switch (resource) {
    case 'cpu': {
      const counts = [...hosts.values()].map(({ name, cpus }) => cpus ?? processors?.get(name));
      const known = counts.filter((count) => count !== undefined);
      return known.length < counts.length
        ? undefined
        : made(
            peak,
            known.reduce((sum, count) => sum + count, 0),
          );
    }
    case 'io':
      return made(peak, hosts.size);
    case 'connections':
      return made(peak, rest.length * estate.limits.connectionsPerInstance);
    case 'flow control':
      // Each of the rest starts so much more; what all have to apply stays the same.
      return made(rest.length === 0 ? peak : peak * (all / rest.length), tolerablePause);
  }
};

const number = (value: number): string => String(Number(value.toPrecision(3)));

const textOf = (
  service: string,
  without: string,
  carries: SiteHeadroom['carries'],
  tightest: ResourceHeadroom | undefined,
  rest: number,
): string => {
  if (rest === 0) return `Without ${without} nothing is left of ${service}.`;
  if (tightest === undefined)
    return `Whether ${service} can be carried without ${without} is not known: the store has no peaks.`;
  const { needed, available, unit, resource } = tightest;
  const numbers = `the peak needed ${number(needed)} ${unit} of ${resource}, and the other sites have ${number(available)}`;
  if (carries === 'no') return `Without ${without} the peak of ${service} could not be carried: ${numbers}.`;
  const doubt = carries === 'unknown' ? ', as far as is known' : '';
  return `Without ${without} the peak of ${service} could be carried${doubt}: ${numbers}.`;
};

/** "No" is an incident: the alert it is told as. Undefined for every other answer. */
export const headroomAlert = (
  answer: SiteHeadroom,
  nowMs: number,
): (IncidentAlert & { readonly place: Place }) | undefined =>
  answer.carries !== 'no'
    ? undefined
    : {
        name: 'HeadroomMissing',
        source: 'detector',
        labels: {
          service: answer.service,
          site: answer.without,
          ...(answer.limiting === undefined ? {} : { resource: answer.limiting }),
        },
        severity: 'warning',
        summary: answer.text,
        startedMs: nowMs,
        place: { service: answer.service, site: answer.without },
      };
