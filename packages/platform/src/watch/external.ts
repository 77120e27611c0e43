/**
 * Instances of engines that the platform knows nothing of: what is wrong with them is read from the signals that the estate names.
 * Conditions, indicators, the word for their state and their figures; made once for each service, because selectors are keys of a cache.
 */
import type { Estate, ExternalService, SignalSelector } from '@coequal/estate';
import { above, type Indicator, per } from './indicators.ts';
import type { Reader, Selector } from './reading.ts';

type External = { readonly up: Selector; readonly named: Named; readonly indicators: readonly Indicator[] };
type Named = { readonly [Key in keyof ExternalService['signals']]: Selector };

const made = new WeakMap<ExternalService, External>();

const externalOf = (service: ExternalService): External => {
  const known = made.get(service);
  if (known !== undefined) return known;
  const named: Named = Object.fromEntries(Object.entries(service.signals).map(([key, one]) => [key, selectorOf(one)]));
  // What the agent tells of every scrape, as Prometheus does.
  const up: Selector = { name: 'up', where: [['job', service.product]] };
  const one = { up, named, indicators: indicatorsOf(up, named) };
  made.set(service, one);
  return one;
};

const selectorOf = ({ name, where }: SignalSelector): Selector => ({ name, where });

/** All signals that indicators of external services are read from. */
export const externalSignals = ({ externals }: Estate): readonly Selector[] =>
  externals.flatMap((service) => {
    const { up, named } = externalOf(service);
    return [up, ...Object.values(named)];
  });

export const externalIndicators = (service: ExternalService): readonly Indicator[] => externalOf(service).indicators;

const indicatorsOf = (up: Selector, named: Named): readonly Indicator[] => {
  const { latency, latencySum, latencyCount, errors, connections, work } = named;
  const usual = { ...above, kind: 'instance', clock: [up] } as const;
  const found: Indicator[] = [];
  if (latency !== undefined || (latencySum !== undefined && latencyCount !== undefined))
    found.push({
      ...{ ...usual, alert: 'RequestsSlow', unit: 's', words: 'requests take', least: 0.005, factor: 4, samples: 3 },
      read: (r) => latencyOf(named, r, 5),
    });
  if (errors !== undefined)
    found.push({
      ...{ ...usual, alert: 'RequestsFail', unit: '/s', words: 'errors to clients', least: 1, factor: 5 },
      read: (r) => r.rate(errors),
    });
  if (connections !== undefined)
    found.push({
      ...{ ...usual, alert: 'SessionsPileUp', unit: '', words: 'connections', least: 20, factor: 3 },
      read: (r) => r.sum(connections),
    });
  if (work !== undefined)
    found.push({
      ...{ ...usual, alert: 'LoadSpike', unit: '/s', words: 'requests', against: 'maximum', least: 100, factor: 2 },
      read: (r) => r.rate(work),
    });
  return found;
};

/** Seconds; NaN where it is not told, or where less than `least` a second happens. */
const latencyOf = ({ latency, latencySum, latencyCount }: Named, reader: Reader, least: number): number => {
  if (latency !== undefined) return reader.greatest(latency);
  if (latencySum === undefined || latencyCount === undefined) return Number.NaN;
  return per(reader.rate(latencySum), reader.rate(latencyCount), least);
};

export type ExternalState = 'serving' | 'no answer' | 'exporter silent' | 'unknown';

/** An exporter that does not answer says nothing of its engine, unless it is the engine itself that shows the metrics. */
export const externalState = (service: ExternalService, reader: Reader): ExternalState => {
  const { up, named } = externalOf(service);
  const exporter = reader.sum(up);
  if (named.up === undefined) return Number.isNaN(exporter) ? 'unknown' : exporter >= 1 ? 'serving' : 'no answer';
  const engine = reader.sum(named.up);
  if (!Number.isNaN(engine)) return engine >= 1 ? 'serving' : 'no answer';
  return Number.isNaN(exporter) ? 'unknown' : 'exporter silent';
};

/** NaN: not known. */
export const externalFigures = (service: ExternalService, reader: Reader) => {
  const { named } = externalOf(service);
  const sum = (one: Selector | undefined): number => (one === undefined ? Number.NaN : reader.sum(one));
  const rate = (one: Selector | undefined): number => (one === undefined ? Number.NaN : reader.rate(one));
  return {
    connections: sum(named.connections),
    mostConnections: sum(named.mostConnections),
    work: rate(named.work),
    errors: rate(named.errors),
    latency: latencyOf(named, reader, 0),
  };
};
