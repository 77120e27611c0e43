/** External services from the shape of the file to the model, and back to what a file says. */
import type { z } from 'zod';
import type { ExternalService, ExternalSignals, SignalSelector } from './model-external.ts';
import type { externalService } from './schema-external.ts';

type FileService = z.output<typeof externalService>;

export const toExternal = ({ name, engine, product, signals, instances }: FileService): ExternalService => ({
  name,
  engine,
  product,
  signals: Object.fromEntries(
    Object.entries(signals).flatMap(([key, text]) => (text === undefined ? [] : [[key, toSelector(text)]])),
  ) as ExternalSignals,
  instances: instances.map((instance) => ({
    name: instance.name,
    host: instance.host,
    ...(instance.watchedFrom === undefined ? {} : { watchedFrom: instance.watchedFrom }),
    scrape: toScrape(instance.scrape),
  })),
});

const toScrape = ({
  every,
  ...file
}: FileService['instances'][number]['scrape']): ExternalService['instances'][number]['scrape'] => {
  const { url, samples, user, passwordFile, tokenFile, authority, certificate, key } = file;
  return {
    url,
    everyMs: every,
    samples,
    ...(user === undefined ? {} : { user }),
    ...(passwordFile === undefined ? {} : { passwordFile }),
    ...(tokenFile === undefined ? {} : { tokenFile }),
    ...(authority === undefined ? {} : { authority }),
    ...(certificate === undefined ? {} : { certificate }),
    ...(key === undefined ? {} : { key }),
  };
};

/** A text that the schema let through. */
const toSelector = (text: string): SignalSelector => ({
  name: text.split('{')[0] ?? '',
  where: [...text.matchAll(/([a-zA-Z0-9_]+)="([^"]*)"/g)].map(([, label = '', value = '']) => [label, value] as const),
});

const selectorText = ({ name, where }: SignalSelector): string =>
  where.length === 0 ? name : `${name}{${where.map(([label, value]) => `${label}="${value}"`).join(',')}}`;

/** As the file says it. */
export const formatExternal = ({ signals, instances, ...service }: ExternalService): object => ({
  ...service,
  signals: Object.fromEntries(Object.entries(signals).map(([key, one]) => [key, selectorText(one)])),
  instances: instances.map(({ scrape: { everyMs, ...scrape }, ...instance }) => ({
    ...instance,
    scrape: { ...scrape, every: `${everyMs}ms` },
  })),
});
