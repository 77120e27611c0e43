/** An arena for tests of the drills: our own port over the simulated bank, with the real clients on a virtual clock. */
import type { LargeWriteRule } from '@coequal/estate';
import { fail, type Random } from '@coequal/kernel';
import { type Arena, type ArenaInstance, type ClientOptions, isGatewayFault, type SiteClients } from '../arena.ts';
import { startBankClients } from '../bank/client.ts';
import { LinkFailure } from '../bank/link.ts';
import type { Contents } from '../bank/schema.ts';
import type { DrillProgress, DrillTools } from '../drills/run.ts';
import { formatLine, parseHistory } from '../history.ts';
import { type Condition, endpointsOf, type Lies, simulateBank } from './simulated-bank.ts';
import type { VirtualClock } from './virtual-clock.ts';

const sites = ['north', 'south', 'east'];
const instanceOf = (site: string): string => `${site}-1`;
const gatewaysOf = (site: string): readonly string[] => [`${site}-gateway-1`, `${site}-gateway-2`];
const gateways = sites.flatMap(gatewaysOf);
/** How long the group takes to notice, and an instance to come back. */
const evictionMs = 600;
const rejoinMs = 1_500;

export type ArenaSetting = {
  readonly lies?: Lies;
  /** Alters what an instance is said to hold. */
  readonly distort?: (contents: Contents) => Contents;
  /** Sites that go on serving without a majority. */
  readonly forks?: boolean;
  /** Sites that never come back. */
  readonly neverBack?: readonly string[];
};

export const simulatedArena = (clock: VirtualClock, random: Random, setting: ArenaSetting = {}) => {
  const lies = setting.lies === undefined ? {} : { lies: setting.lies };
  const world = simulateBank(
    { instances: sites.map(instanceOf), gateways, accounts: 20, initialBalance: 50_000, statementMs: 1_000, ...lies },
    clock,
    random,
  );
  const ledgers = new Map<string, string>();
  const running: {
    readonly site: string;
    alive: boolean;
    readonly finish: () => void;
    readonly ended: Promise<void>;
  }[] = [];
  const progress: DrillProgress[] = [];
  let primary = true;

  const up = (): readonly string[] => sites.filter((site) => world.condition(instanceOf(site)) === 'serving');
  /** Whoever is left alone stops after the engine's suspicion, unless told to fork. */
  const settle = async (): Promise<void> => {
    await clock.sleep(evictionMs);
    if (primary && up().length < 2 && setting.forks !== true) {
      primary = false;
      for (const site of up()) world.set(instanceOf(site), 'isolated');
    }
  };
  const back = async (site: string): Promise<void> => {
    await clock.sleep(rejoinMs);
    if (setting.neverBack?.includes(site) !== true) world.set(instanceOf(site), 'serving');
  };
  const gatewayBack = async (site: string): Promise<void> => {
    await clock.sleep(300);
    for (const name of gatewaysOf(site)) world.set(name, 'serving');
  };
  let largeWrites: LargeWriteRule | undefined;
  let batchChanges = 0;
  const loose: Promise<void>[] = [];
  const begin = (work: Promise<void>): void => {
    loose.push(work);
  };

  const startClients = async (site: string, options: ClientOptions): Promise<SiteClients> => {
    const own =
      options.via === 'gateway'
        ? endpointsOf(gatewaysOf(site), true)
        : endpointsOf([instanceOf(site), ...sites.filter((other) => other !== site).map(instanceOf)]);
    const life = { site, alive: true };
    const clients = startBankClients(
      { site, run: `r${running.length}`, endpoints: own, options },
      {
        openLink: world.open,
        ledger: (line) => {
          if (life.alive) ledgers.set(options.ledgerPath, (ledgers.get(options.ledgerPath) ?? '') + formatLine(line));
        },
        stampUs: clock.stampUs,
        clock,
        random,
      },
    );
    running.push(Object.assign(life, { finish: clients.finish, ended: clients.ended }));
    return {
      site,
      finish: async () => {
        clients.finish();
        await clients.ended;
      },
      setRate: clients.setRate,
      committing: () => clients.counts().committing,
    };
  };

  const arena: Arena = {
    describe: async () => ({
      name: 'simulated',
      architecture: 'multi-active',
      preset: 'default',
      mode: 'simulated',
      engine: 'simulation',
      versions: { simulation: '1' },
      configuration: '0'.repeat(64),
      rttMs: [{ between: ['north', 'south'], ms: 5 }],
      machine: 'none',
    }),
    sites: () => sites,
    observe: async () => {
      await clock.sleep(1);
      const members = up().length;
      return sites.map((site): ArenaInstance => {
        const condition = world.condition(instanceOf(site));
        const alive = condition === 'serving' || condition === 'isolated';
        return {
          name: instanceOf(site),
          site,
          state: stateOf(condition),
          reason: condition,
          ...(alive ? { members } : {}),
        };
      });
    },
    endpoints: () => endpointsOf(sites.map(instanceOf)),
    gateways: () => endpointsOf(gateways, true),
    setLargeWrites: async (rule) => {
      largeWrites = rule;
    },
    gatewayCounters: async () => ({
      replays: 0,
      replaysTold: 0,
      outcomes: 0,
      outcomesUndecided: 0,
      hidden: 0,
      conflictsTold: 0,
      notReplayable: 0,
      losses: 0,
      handedOver: 0,
      closed: 0,
      cut: 0,
    }),
    startClients,
    inject: async (fault) => {
      if (fault.kind === 'clock')
        throw fail('FAULT_IMPOSSIBLE', { fault: 'clock', reason: 'nobody looks at it', advice: '' });
      if (isGatewayFault(fault)) {
        const name = gatewaysOf(fault.site)[(fault.gateway ?? 1) - 1] ?? '';
        world.set(name, fault.kind === 'gateway-hang' ? 'hung' : 'dead');
        if (fault.kind === 'gateway-restart') begin(gatewayBack(fault.site));
        return;
      }
      world.set(
        instanceOf(fault.site),
        fault.kind === 'hang' ? 'hung' : fault.kind === 'partition' ? 'isolated' : 'dead',
      );
      if (fault.whole === true && fault.kind === 'kill') {
        for (const clients of running) {
          if (clients.site !== fault.site) continue;
          clients.alive = false;
          clients.finish();
        }
        for (const name of gatewaysOf(fault.site)) world.set(name, 'dead');
      }
      begin(settle());
    },
    heal: async (site) => {
      for (const one of site === undefined ? sites : [site]) begin(gatewayBack(one));
      for (const one of site === undefined ? sites.filter((name) => !up().includes(name)) : [site]) begin(back(one));
    },
    fullOutage: async () => {
      for (const site of sites) world.set(instanceOf(site), 'dead');
      for (const site of sites) begin(back(site));
    },
    forcePrimary: async (instance) => {
      primary = true;
      world.set(instance, 'serving');
    },
  };

  const tools: DrillTools = {
    arena,
    clock,
    stampUs: clock.stampUs,
    bank: {
      create: async () => {},
      read: async ({ instance }) => {
        if (world.condition(instance) !== 'serving')
          throw new LinkFailure('lost', 'CONNECTION_LOST', 'it is not there');
        const contents = world.contents(instance);
        return setting.distort?.(contents) ?? contents;
      },
      fillBatch: async () => {},
      changeBatch: async () => {
        await clock.sleep(2_000);
        if (largeWrites?.rule === 'refuse') return new LinkFailure('answer', '1105', 'too large');
        batchChanges += 1;
        return undefined;
      },
      countBatch: async () => new Map([[batchChanges, 1_000]]),
    },
    readHistory: async (path) => parseHistory(ledgers.get(path) ?? '', path),
    progress: (line) => progress.push(line),
  };
  return { tools, progress, settled: () => Promise.all([...loose, ...running.map((clients) => clients.ended)]) };
};

const stateOf = (condition: Condition): ArenaInstance['state'] => {
  switch (condition) {
    case 'serving':
      return 'serving';
    case 'dead':
      return 'gone';
    case 'hung':
      return 'silent';
    case 'isolated':
      return 'isolated';
  }
};
