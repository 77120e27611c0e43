/**
 * `bench throughput`: transactions a second of the bank on three equal sites, each site's clients at their own
 * instance and as fast as answers come, beside one plain instance with as many clients in as many processes. Both
 * are there all the time and are loaded in turn, so that what else the machine does falls on both.
 */
import { availableParallelism } from 'node:os';
import type { ClientReport } from '@coequal/proof';
import { figureOf } from './figures.ts';
import { type BenchLab, clientsAt, holding, type Load, openBank, underLoad, untilWhole, withLab } from './lab.ts';
import { type Plain, type Servers, withPlain, withServers } from './servers.ts';
import { type Bench, type BenchTools, counting, defaultRtt, named } from './tools.ts';

const connectionsPerSite = 8;
const defaultRuns = 3;
/** Until caches are warm and every client has its session. */
const warmUpMs = 2_000;
const measureMs = 8_000;
const statementMs = 10_000;
const beginDeadlineMs = 30_000;

type Rate = { readonly perSecond: number; readonly conflictShare: number };

export const benchThroughput: Bench = async (options, tools) => {
  const runs = options.runs ?? defaultRuns;
  const rtt = options.rtt ?? defaultRtt;
  const equal: Rate[] = [];
  const plain: Rate[] = [];
  await withServers(tools, (servers) =>
    withPlain(servers, tools, (instance) =>
      withLab(tools, { rtt }, async (lab) => {
        await openBank(lab.reached[0]);
        await openBank(instance.endpoint);
        await untilWhole(lab, tools);
        for (const run of counting(runs)) {
          equal.push(await rateOfLab(lab, tools));
          plain.push(await rateOfPlain(servers, instance, lab.sites, run, tools));
          tools.progress(
            `throughput: run ${run} of ${runs}: three sites ${Math.round(equal.at(-1)?.perSecond ?? 0)}, one plain instance ${Math.round(plain.at(-1)?.perSecond ?? 0)} transactions/s`,
          );
        }
      }),
    ),
  );
  tools.figure(
    figureOf({
      name: named('throughput/three-sites', options),
      unit: 'transactions/s',
      values: equal.map(({ perSecond }) => perSecond),
      peer: { name: 'one plain instance', values: plain.map(({ perSecond }) => perSecond), inTurn: true },
      detail: {
        rtt,
        cores: availableParallelism(),
        clients: 3 * connectionsPerSite,
        conflict_percent: largestPercent(equal),
        peer_conflict_percent: largestPercent(plain),
      },
    }),
  );
};

const largestPercent = (rates: readonly Rate[]): number =>
  Math.round(Math.max(...rates.map(({ conflictShare }) => conflictShare)) * 1_000) / 10;

const rateOfLab = async (lab: BenchLab, tools: BenchTools): Promise<Rate> => {
  let rate: Rate | undefined;
  await underLoad(lab, { connections: connectionsPerSite }, tools, async (load) => {
    rate = await measured(load, lab.sites, tools);
  });
  return known(rate);
};

const rateOfPlain = async (
  servers: Servers,
  { endpoint }: Plain,
  sites: readonly string[],
  run: number,
  tools: BenchTools,
): Promise<Rate> => {
  const clients = sites.map((site, index) =>
    clientsAt(
      site,
      {
        connections: connectionsPerSite,
        endpoints: [endpoint],
        ledgerPath: `${servers.folder}/plain-${run}-${site}.ndjson`,
        seed: index + 1,
        statementMs,
        enter: (argv) => argv,
      },
      tools.clock,
    ),
  );
  let rate: Rate | undefined;
  await holding(clients, tools, async (load) => {
    rate = await measured(load, sites, tools);
  });
  return known(rate);
};

const known = (rate: Rate | undefined): Rate => {
  if (rate === undefined) throw new Error('Bug: nothing was measured');
  return rate;
};

const measured = async (load: Load, sites: readonly string[], { clock, signal }: BenchTools): Promise<Rate> => {
  await load.advance(sites, connectionsPerSite, beginDeadlineMs);
  await clock.sleep(warmUpMs, signal);
  const before = load.reports();
  await clock.sleep(measureMs, signal);
  return rateBetween(before, load.reports());
};

/** Every site's acknowledgements over the time between its own two reports. */
export const rateBetween = (
  before: ReadonlyMap<string, Pick<ClientReport, 'at' | 'acknowledged' | 'conflicts'>>,
  after: ReadonlyMap<string, Pick<ClientReport, 'at' | 'acknowledged' | 'conflicts'>>,
): Rate => {
  let perSecond = 0;
  let acknowledged = 0;
  let conflicts = 0;
  for (const [site, end] of after) {
    const start = before.get(site);
    if (start === undefined || end.at <= start.at) continue;
    perSecond += ((end.acknowledged - start.acknowledged) * 1_000) / (end.at - start.at);
    acknowledged += end.acknowledged - start.acknowledged;
    conflicts += end.conflicts - start.conflicts;
  }
  const attempts = acknowledged + conflicts;
  return { perSecond, conflictShare: attempts === 0 ? 0 : conflicts / attempts };
};
