/**
 * `bench gateway-pause`: how long clients wait, and whether they see errors, when one instance is killed, hangs, is cut off
 * or stops. The clients are sysbench's own, unmodified, through the gateway of one site; the faults are single ones, of
 * each kind in turn, at sites drawn from a seed. The same load runs through HAProxy beside it, under the same faults.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { PresetName } from '@coequal/estate';
import { codeOf, fail, seededRandom, until } from '@coequal/kernel';
import type { Endpoint } from '@coequal/proof';
import { sysbenchEnvironment } from '../clients/foreign.ts';
import { type KillFault, killFaults } from '../clients/kill-test.ts';
import { gatewayAddress } from '../network/addresses.ts';
import { type Beside, startBeside } from './beside.ts';
import { figureOf } from './figures.ts';
import { withHaproxy } from './gateway-peers.ts';
import { authorityPathOf, certificateOf, gatewaysAt, instanceAt } from './gateway-places.ts';
import {
  argvOf,
  directIgnores,
  gatewayIgnores,
  openSysbench,
  prepareSysbench,
  type Sysbench,
  tableOptions,
} from './gateway-sysbench.ts';
import { type BenchLab, untilWhole, withLab, withWitness } from './lab.ts';
import { type Bench, type BenchOptions, type BenchTools, counting, defaultRtt, named } from './tools.ts';

/** What is promised at 5 ms: median and largest of all faults. */
const bars = {
  default: { bar: 750, worstBar: 1_000 },
  tight: { bar: 500, worstBar: 700 },
} as const satisfies Partial<Record<PresetName, object>>;

type Promised = keyof typeof bars;
const isPromised = (name: string): name is Promised => Object.hasOwn(bars, name);

/** Three of each kind; a hundred for the record. */
const defaultFaults = 12;
const threads = 4;
const paceMs = 20;
const seed = 3;
const stepDeadlineMs = 60_000;
/** Transactions that show that the clients are at work. */
const steadyCount = 40;

export const benchGatewayPause: Bench = async (options, tools) => {
  const unknown = options.parts?.find((part) => !isPromised(part));
  if (unknown !== undefined)
    throw fail('COMMAND_USAGE', {
      problem: `bench gateway-pause has no part ${unknown}; its parts are ${Object.keys(bars).join(', ')}.`,
      help: 'coequal bench --help',
    });
  for (const preset of Object.keys(bars).filter(isPromised))
    if (options.parts === undefined || options.parts.includes(preset)) await pausesOf(preset, options, tools);
};

const pausesOf = (preset: Promised, options: BenchOptions, tools: BenchTools): Promise<void> =>
  withLab(tools, { preset, rtt: options.rtt ?? defaultRtt }, async (lab) => {
    const folder = await mkdtemp(`${lab.definition.folder}/pause-`);
    try {
      const site = lab.sites[0] ?? '';
      const sysbench = await openSysbench(
        {
          folder: `${folder}/sysbench`,
          authorityPath: authorityPathOf(lab),
          certificate: certificateOf(lab),
          enter: (argv) => lab.enter(site, argv),
        },
        tools,
      );
      await untilWhole(lab, tools);
      await prepareSysbench(sysbench, instanceAt(lab, site), tools);
      await withLoads(lab, site, folder, sysbench, tools, async (own, peer) => {
        const seen = await strikeAll(lab, own, peer, preset, options, tools);
        for (const figure of figuresOf(lab, preset, seen, options)) tools.figure(figure);
      });
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

const withLoads = async (
  lab: BenchLab,
  site: string,
  folder: string,
  sysbench: Sysbench,
  tools: BenchTools,
  use: (own: Load, peer: Load) => Promise<void>,
): Promise<void> => {
  const [gateway] = gatewaysAt(lab, site);
  if (gateway === undefined) throw new Error(`Bug: the site ${site} has no gateway`);
  const wish = {
    instances: lab.endpointsFrom(site),
    address: lab.definition.mode === 'plain' ? '127.0.0.1' : gatewayAddress(1, 4),
    ports: [7_201, 7_202],
    folder,
    enter: sysbench.enter,
  } as const;
  await withHaproxy(wish, tools, async ({ first }) => {
    const loads = [
      startLoad(sysbench, gateway, gatewayIgnores, tools),
      startLoad(sysbench, first, directIgnores, tools),
    ] as const;
    try {
      await use(...loads);
    } finally {
      for (const load of loads) await load.stop();
    }
  });
};

type Window = { readonly longestMs: number; readonly conflicts: number; readonly errors: readonly string[] };

/** sysbench at work. When an error ends it, that is noted and it is started again, as somebody would do. */
type Load = {
  readonly transactions: () => number;
  /** What happened since this was last asked. */
  readonly take: () => Window;
  readonly stop: () => Promise<void>;
};

const script = fileURLToPath(new URL('./sysbench/waits.lua', import.meta.url));

const startLoad = (
  sysbench: Sysbench,
  endpoint: Endpoint,
  ignored: readonly number[],
  { clock, signal }: BenchTools,
): Load => {
  let transactions = 0;
  let longestMs = 0;
  let conflicts = 0;
  let errors: string[] = [];
  let stopping = false;
  let current: Beside | undefined;
  const hear = (line: string): void => {
    const [word, value] = line.split(' ');
    if (word === 'waited') {
      transactions += 1;
      longestMs = Math.max(longestMs, Number(value));
    } else if (word === 'conflict') conflicts += 1;
    else if (/^FATAL: mysql_\w+\(\) |^FATAL: error \d+/.test(line)) errors.push(line.slice('FATAL: '.length));
  };
  const argv = argvOf(sysbench, endpoint, [
    ...[script, ...tableOptions, `--threads=${threads}`, '--time=0', '--events=0', '--db-ps-mode=disable'],
    ...[`--mysql-ignore-errors=${ignored.join(',')}`, `--pace-ms=${paceMs}`, 'run'],
  ]);
  const environment = { ...process.env, ...sysbenchEnvironment(sysbench.found) };
  const work = async (): Promise<void> => {
    while (!stopping && !signal.aborted) {
      current = startBeside(argv, { environment, enter: sysbench.enter, onLine: hear, clock });
      await current.ended;
      if (!stopping) await clock.sleep(100);
    }
  };
  const working = work();
  return {
    transactions: () => transactions,
    take: () => {
      const found = { longestMs, conflicts, errors };
      longestMs = 0;
      conflicts = 0;
      errors = [];
      return found;
    },
    stop: async () => {
      stopping = true;
      current?.signal('SIGKILL');
      await working;
    },
  };
};

type Strike = {
  readonly kind: KillFault;
  readonly site: string;
  readonly own: Window;
  readonly peer: Window;
  /** Conflicts of the same clients in as long a time before, without a fault. */
  readonly usualConflicts: number;
};

const strikeAll = async (
  lab: BenchLab,
  own: Load,
  peer: Load,
  preset: Promised,
  options: BenchOptions,
  tools: BenchTools,
): Promise<readonly Strike[]> => {
  const count = options.runs ?? defaultFaults;
  const kinds = killFaults(lab);
  const random = seededRandom(seed);
  const strikes: Strike[] = [];
  await advance(own, tools);
  for (const number of counting(count)) {
    const kind = kinds[(number - 1) % kinds.length] ?? 'kill';
    const site = lab.sites[Math.floor(random.next() * lab.sites.length)] ?? '';
    const strike = await strikeOnce(lab, kind, site, own, peer, tools);
    strikes.push(strike);
    tools.progress(
      `gateway-pause: preset ${preset}, ${number} of ${count}: ${kind} of ${site}: ${Math.round(strike.own.longestMs)} ms, ${strike.own.conflicts} conflicts, ` +
        `${strike.own.errors.length} errors${strike.own.errors.length === 0 ? '' : ` (${strike.own.errors[0]})`}; through HAProxy ${strike.peer.errors.length} errors`,
    );
  }
  return strikes;
};

const strikeOnce = async (
  lab: BenchLab,
  kind: KillFault,
  site: string,
  own: Load,
  peer: Load,
  tools: BenchTools,
): Promise<Strike> => {
  const { clock, signal } = tools;
  await untilWhole(lab, tools);
  await advance(own, tools);
  for (const load of [own, peer]) load.take();
  const quietFrom = clock.monotonic();
  await advance(own, tools);
  const quietMs = clock.monotonic() - quietFrom;
  const quiet = own.take().conflicts;
  peer.take();
  const from = clock.monotonic();
  await lab.handle.fault({ kind, site });
  await withWitness(
    lab.reached.find((endpoint) => endpoint.site !== site),
    async (ask) => {
      const what = { what: `${site} given up`, deadlineMs: stepDeadlineMs, everyMs: 50, signal };
      await until(clock, what, async () => (await ask()).members < lab.sites.length);
    },
  );
  await advance(own, tools);
  await lab.handle.heal(site);
  await untilWhole(lab, tools);
  await advance(own, tools);
  const usualConflicts = (quiet * (clock.monotonic() - from)) / quietMs;
  return { kind, site, own: own.take(), peer: peer.take(), usualConflicts };
};

/** Until so many more transactions are done. A load that does none for long is a finding, which the figures show. */
const advance = async (load: Load, { clock, signal }: BenchTools): Promise<void> => {
  const goal = load.transactions() + steadyCount;
  const what = { what: 'Transactions of sysbench', deadlineMs: stepDeadlineMs, everyMs: 20, signal };
  try {
    await until(clock, what, () => load.transactions() >= goal);
  } catch (error) {
    signal.throwIfAborted();
    if (codeOf(error) !== 'DEADLINE_PASSED') throw error;
  }
};

const figuresOf = (lab: BenchLab, preset: Promised, strikes: readonly Strike[], options: BenchOptions) => {
  const promised = (options.rtt ?? defaultRtt) === defaultRtt ? bars[preset] : {};
  const pauses = (list: readonly Strike[]): readonly number[] => list.map(({ own }) => own.longestMs);
  const errorsOf = (side: 'own' | 'peer'): readonly number[] => strikes.map((strike) => strike[side].errors.length);
  const beyond = strikes.map(({ own, usualConflicts }) => Math.max(0, own.conflicts - usualConflicts));
  const byKind = killFaults(lab).map((kind) =>
    figureOf({
      name: named(`gateway-pause/${preset}/${kind}`, options),
      unit: 'ms',
      values: pauses(strikes.filter((strike) => strike.kind === kind)),
    }),
  );
  return [
    figureOf({
      name: named(`gateway-pause/${preset}/all`, options),
      unit: 'ms',
      values: pauses(strikes),
      ...promised,
      detail: { faults: strikes.length, seed, clients: threads, workload: 'oltp_read_write, text' },
    }),
    ...byKind,
    figureOf({
      name: named(`gateway-pause/${preset}/errors`, options),
      unit: 'failures',
      values: errorsOf('own'),
      peer: { name: 'HAProxy, balance first, same faults; sysbench ends at the first', values: errorsOf('peer') },
      bar: 0,
      worstBar: 0,
      detail: {
        errors: errorsOf('own').reduce((sum, count) => sum + count, 0),
        first: strikes.flatMap(({ own }) => own.errors)[0] ?? null,
        haproxy_errors: errorsOf('peer').reduce((sum, count) => sum + count, 0),
        conflicts: strikes.reduce((sum, { own }) => sum + own.conflicts, 0),
        most_conflicts_beyond_usual: Math.round(Math.max(0, ...beyond)),
        allowed_conflicts_beyond_usual: threads,
      },
    }),
  ];
};
