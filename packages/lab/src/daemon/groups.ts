/**
 * The bank's clients of all sites: started, paused, and started again when they died with their site. A site may have two
 * groups, one that goes through its gateways and one that connects to instances itself.
 */
import type { Clock, Log } from '@coequal/kernel';
import type { ClientOptions, ClientReport, Endpoint, Via } from '@coequal/proof';
import { type ClientProcess, startClients, type WaitingClients } from './clients.ts';
import { siteNamed } from './faults.ts';
import type { Stage } from './stage.ts';

export type ClientGroups = {
  readonly clientsOf: (site: string) => readonly ClientProcess[];
  /** The last reports of a site's clients that have ended: what they counted stays counted. */
  readonly pastReports: (site: string, via: Via) => readonly ClientReport[];
  /** Reports of all clients, now and later. */
  readonly onReport: (listener: (report: ClientReport) => void) => void;
  /** Starts the process of a site's clients ahead of time; `startBankClients` will find it waiting. */
  readonly readyClients: (site: string) => void;
  /** `revive`: started again when they died with their site and the site is healed. */
  readonly startBankClients: (site: string, options: ClientOptions, revive: boolean) => ClientProcess;
  /** Ends all clients in order; `resume` starts them again as they were. */
  readonly pauseClients: () => Promise<{ readonly resume: () => void }>;
  /** Starts again what died in this site and is to be revived. */
  readonly restartClients: (site: string) => void;
  readonly close: () => Promise<void>;
};

export type GroupTools = {
  readonly stage: Stage;
  readonly environment: Readonly<Record<string, string>>;
  /** Endpoints as clients inside a site see them. */
  readonly endpointsFrom: (site: string, via: Via) => readonly Endpoint[];
  readonly clock: Clock;
  readonly log: Log;
};

export const clientGroups = ({ stage, environment, endpointsFrom, clock, log }: GroupTools): ClientGroups => {
  const clients = new Map<string, readonly ClientProcess[]>();
  const waiting = new Map<string, readonly WaitingClients[]>();
  const past: ClientReport[] = [];
  const starts = new Map<ClientProcess, () => ClientProcess>();
  const listeners: ((report: ClientReport) => void)[] = [];
  const clientsOf = (site: string): readonly ClientProcess[] => clients.get(site) ?? [];

  const retire = (client: ClientProcess): void => {
    const last = client.report();
    if (last !== null) past.push(last);
    starts.delete(client);
  };

  const spawnClients = (site: string): WaitingClients => {
    const { host } = siteNamed(stage, site);
    return startClients({
      site,
      enter: (argv) => stage.network.enter(site, [...argv]),
      environment,
      started: (pid) => host?.add(pid),
      clock,
      log,
    });
  };

  const takeWaiting = (site: string): WaitingClients => {
    const [found, ...others] = (waiting.get(site) ?? []).filter((each) => each.alive());
    waiting.set(site, others);
    return found ?? spawnClients(site);
  };

  const startBankClients = (site: string, options: ClientOptions, revive: boolean): ClientProcess => {
    const begin = (): ClientProcess => {
      const client = takeWaiting(site);
      client.assign(endpointsFrom(site, options.via ?? 'direct'), options);
      if (revive) starts.set(client, begin);
      client.onReport((report) => {
        for (const listener of listeners) listener(report);
      });
      return client;
    };
    const client = begin();
    clients.set(site, [...clientsOf(site).filter((each) => each.alive()), client]);
    return client;
  };

  const restartClients = (site: string): void => {
    clients.set(
      site,
      clientsOf(site).map((client) => {
        const begin = starts.get(client);
        if (client.alive() || begin === undefined) return client;
        retire(client);
        return begin();
      }),
    );
  };

  const pauseClients = async () => {
    const paused = [...clients.entries()].flatMap(([site, each]) => each.map((client) => ({ site, client })));
    await Promise.all(paused.map(({ client }) => client.finish()));
    clients.clear();
    const resume = (): void => {
      clients.clear();
      for (const { site, client } of paused) {
        const revived = starts.get(client)?.();
        retire(client);
        if (revived !== undefined) clients.set(site, [...clientsOf(site), revived]);
      }
    };
    return { resume };
  };

  return {
    clientsOf,
    pastReports: (site, via) => past.filter((report) => report.site === site && report.via === via),
    onReport: (listener) => {
      listeners.push(listener);
    },
    readyClients: (site) => {
      waiting.set(site, [...(waiting.get(site) ?? []), spawnClients(site)]);
    },
    startBankClients,
    pauseClients,
    restartClients,
    close: async () => {
      await Promise.allSettled(
        [...[...clients.values()].flat(), ...[...waiting.values()].flat()].map((client) => client.finish()),
      );
    },
  };
};
