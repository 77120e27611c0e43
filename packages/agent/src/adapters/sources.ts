/** Everything that an agent collects from, as its settings say. */
import type { Clock, Log } from '@coequal/kernel';
import type { AgentSettings } from '../settings.ts';
import type { Source } from '../source.ts';
import { clockSource } from './clock-source.ts';
import { databaseSource } from './database-source.ts';
import { pageBytesOf } from './files.ts';
import { hardwareSource, hostSource } from './host-source.ts';
import { logSource } from './log-sources.ts';
import { scrapeSource } from './scrape-source.ts';

export type SourcePorts = { readonly clock: Clock; readonly log: Log };

export const openSources = async (settings: AgentSettings, { clock, log }: SourcePorts): Promise<readonly Source[]> => {
  const hardware = hardwareSource(settings, clock);
  const clocks = await clockSource(settings, clock);
  return [
    hostSource(settings, clock, await pageBytesOf()),
    ...(hardware === undefined ? [] : [hardware]),
    ...(await Promise.all(settings.databases.map((target) => databaseSource(target, clock, log)))),
    ...(clocks === undefined ? [] : [clocks]),
    ...(settings.logs.length === 0 ? [] : [await logSource(settings)]),
    ...settings.scrapes.map((target) => scrapeSource(target, clock)),
  ];
};
