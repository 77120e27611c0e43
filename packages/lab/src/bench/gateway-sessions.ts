/**
 * Parts `idle` and `restore` of `bench gateway`: what one worker's memory holds with two thousand idle connections, and how
 * long it takes until three thousand sessions, three hundred of them in transactions, work again after the
 * site's database is gone.
 */
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { connectSql } from '@coequal/engines';
import type { ServiceGateway } from '@coequal/estate';
import type { Endpoint } from '@coequal/proof';
import { figureOf, tenth } from './figures.ts';
import type { Stage } from './gateway.ts';
import { type OwnGateway, withGateway } from './gateway-own.ts';
import { untilWhole } from './lab.ts';
import { type Size, sizeOf } from './memory.ts';
import { type BenchOptions, type BenchTools, counting, named } from './tools.ts';

const program = fileURLToPath(new URL('./load/main.ts', import.meta.url));

const idleConnections = 2_000;
const idleBarMb = 300;
const restored = { sessions: 3_000, active: 300 };
const restoreBarMs = 3_000;
const defaultRuns = 3;

type Answer = Readonly<Record<string, unknown>>;

/** The process with the sessions, inside the site. */
type Crowd = { readonly ask: (order: object) => Promise<Answer>; readonly end: () => void };

const startCrowd = ({ lab, site }: Stage): Crowd => {
  const [command = '', ...args] = lab.enter(site, ['setpriv', '--pdeathsig', 'KILL', '--', process.execPath, program]);
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const waiting: ((answer: Answer) => void)[] = [];
  child.stdin.on('error', () => undefined);
  createInterface({ input: child.stdout }).on('line', (line) => waiting.shift()?.(JSON.parse(line) as Answer));
  child.once('close', () => {
    for (const each of waiting.splice(0)) each({ failed: 'the load ended by itself' });
  });
  return {
    ask: (order) =>
      new Promise((resolve) => {
        waiting.push(resolve);
        child.stdin.write(`${JSON.stringify(order)}\n`);
      }),
    end: () => child.kill('SIGKILL'),
  };
};

const connectOrder = ({ host, port, user, password, database, authority }: Endpoint, sessions: number) => ({
  do: 'connect',
  ...{ sessions, host, port, user, password, database },
  ...(authority === undefined ? {} : { authority }),
});

const limitsFor = ({ lab }: Stage): Partial<ServiceGateway> => {
  const limits = lab.definition.estate.services[0]?.gateway?.limits;
  return limits === undefined ? {} : { limits: { ...limits, connections: 5_000, connectionsPerUser: 5_000 } };
};

/** The processes of a gateway: the one that was started, and those that it started. */
const sizesOf = async ({ process: { pid } }: OwnGateway): Promise<readonly Size[]> => {
  const pids = [pid, ...(await childrenOf(pid))];
  return pids.flatMap((each) => sizeOf(each) ?? []);
};

export const childrenOf = async (pid: number): Promise<readonly number[]> => {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  const own = text.trim().split(' ').filter(Boolean).map(Number);
  const theirs = await Promise.all(own.map(childrenOf));
  return [...own, ...theirs.flat()];
};

export const measureIdle = async (stage: Stage, options: BenchOptions, tools: BenchTools): Promise<void> => {
  const wish = { name: 'bench-idle', site: stage.site, workers: 1, conduct: limitsFor(stage) };
  await withGateway(stage.lab, wish, tools, async (gateway) => {
    const before = await sizesOf(gateway);
    const crowd = startCrowd(stage);
    try {
      const answer = await crowd.ask(connectOrder(gateway.endpoint, idleConnections));
      tools.progress(`gateway: idle connections: ${JSON.stringify(answer)}`);
      // The figure is what stays: what logging in left behind has been given back by then.
      await tools.clock.sleep(5_000, tools.signal);
      const after = await sizesOf(gateway);
      tools.figure(
        figureOf({
          name: named('gateway/memory/idle-2000', options),
          unit: 'MB',
          values: answer['connected'] === idleConnections ? [largestMb(after)] : [],
          ...(answer['connected'] === idleConnections
            ? {}
            : { note: `not all could connect: ${JSON.stringify(answer)}` }),
          bar: idleBarMb,
          detail: {
            counted_as: 'PSS of the worker',
            worker_before_mb: largestMb(before),
            supervisor_and_worker_mb: tenth(after.reduce((sum, size) => sum + (size.pssMb ?? size.rssMb), 0)),
            worker_rss_mb: tenth(Math.max(0, ...after.map(({ rssMb }) => rssMb))),
            connect_ms: Number(answer['ms'] ?? 0),
          },
        }),
      );
    } finally {
      crowd.end();
    }
  });
};

/** The worker is the larger of the two. */
const largestMb = (sizes: readonly Size[]): number =>
  tenth(Math.max(0, ...sizes.map(({ pssMb, rssMb }) => pssMb ?? rssMb)));

export const measureRestore = async (stage: Stage, options: BenchOptions, tools: BenchTools): Promise<void> => {
  const runs = options.runs ?? defaultRuns;
  const times: number[] = [];
  const problems: string[] = [];
  let median: number | null = null;
  for (const run of counting(runs)) {
    await untilWhole(stage.lab, tools);
    const wish = { name: `bench-restore-${run}`, site: stage.site, conduct: limitsFor(stage) };
    const answer = await withGateway(stage.lab, wish, tools, (gateway) => restoreOnce(stage, gateway, tools));
    tools.progress(`gateway: restore, run ${run} of ${runs}: ${JSON.stringify(answer)}`);
    median = Number(answer['medianMs'] ?? 0);
    if (answer['restored'] === restored.sessions) times.push(Number(answer['lastMs']));
    else problems.push(JSON.stringify(answer));
  }
  tools.figure(
    figureOf({
      name: named('gateway/restore/3000', options),
      unit: 'ms',
      values: times,
      ...(problems.length === 0 ? {} : { note: `in ${problems.length} of ${runs} runs not all: ${problems[0]}` }),
      worstBar: restoreBarMs,
      bar: restoreBarMs,
      detail: { sessions: restored.sessions, in_transactions: restored.active, last_run_median_ms: median },
    }),
  );
};

const restoreOnce = async (stage: Stage, { endpoint }: OwnGateway, tools: BenchTools): Promise<Answer> => {
  await makeRows(stage);
  const crowd = startCrowd(stage);
  try {
    const connected = await crowd.ask(connectOrder(endpoint, restored.sessions));
    if (connected['connected'] !== restored.sessions) return connected;
    tools.progress(`gateway: restore: connected within ${connected['ms']} ms`);
    await crowd.ask({ do: 'open', active: restored.active });
    const since = Date.now();
    await stage.lab.handle.fault({ kind: 'kill', site: stage.site });
    const answer = await crowd.ask({ do: 'ask', since });
    return { ...answer, wrong: await wrongRows(stage) };
  } finally {
    crowd.end();
    await stage.lab.handle.heal(stage.site);
  }
};

const survivor = ({ lab, site }: Stage): Endpoint => {
  const found = lab.reached.find((endpoint) => endpoint.site !== site);
  if (found === undefined) throw new Error('Bug: nobody survives');
  return found;
};

/** A row for each session in a transaction, which must have been counted up twice in the end. */
const makeRows = async (stage: Stage): Promise<void> => {
  const sql = await connectSql(survivor(stage), 20_000);
  try {
    await sql.query('CREATE TABLE IF NOT EXISTS bench_session (id INT PRIMARY KEY, n INT NOT NULL)');
    await sql.query('DELETE FROM bench_session');
    await sql.query(`INSERT INTO bench_session SELECT seq, 0 FROM seq_0_to_${restored.active - 1}`);
  } finally {
    sql.close();
  }
};

const wrongRows = async (stage: Stage): Promise<number> => {
  const sql = await connectSql(survivor(stage), 20_000);
  try {
    await sql.query('SET SESSION wsrep_sync_wait = 15');
    const [row] = await sql.query('SELECT COUNT(*) AS n FROM bench_session WHERE n <> 2');
    return Number(row?.['n']);
  } finally {
    sql.close();
  }
};
