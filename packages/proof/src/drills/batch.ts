/**
 * The large write of the drill `batch`: a table made beforehand, one statement that changes every row of it through one site's
 * gateway (or directly), and what every instance holds of it afterwards.
 *
 * It leaves to others what the OLTP clients felt meanwhile: that is in their ledgers (`assess.ts`).
 */
import { fail, reasonOf } from '@coequal/kernel';
import type { Endpoint } from '../arena.ts';
import type { LinkFailure } from '../bank/link.ts';
import type { BatchOptions, DrillTools } from './run.ts';

export type BatchRun = {
  readonly rows: number;
  readonly rule: NonNullable<BatchOptions['largeWrites']>['rule'] | null;
  readonly site: string;
  readonly begunUs: number;
  readonly endedUs: number;
  readonly failure: LinkFailure | undefined;
  /** Rows that were changed once more than before, by instance. */
  readonly changedRows: Readonly<Record<string, number>>;
};

export type Batch = {
  readonly run: (site: string) => Promise<void>;
  readonly options: BatchOptions;
  readonly before: ReadonlyMap<number, number>;
  done: Omit<BatchRun, 'changedRows'> | undefined;
};

export const prepareBatch = async (tools: DrillTools, options: BatchOptions): Promise<Batch> => {
  const { arena, bank } = tools;
  const [endpoint] = arena.endpoints();
  if (endpoint === undefined) throw fail('DRILL_IMPOSSIBLE', { reason: 'the arena has no instance to connect to' });
  tools.progress({ atMs: null, text: `Making a table of ${options.rows.toLocaleString('en-US')} rows.` });
  await bank.fillBatch(endpoint, options.rows);
  if (options.largeWrites !== undefined) await arena.setLargeWrites(options.largeWrites);
  const batch: Batch = {
    options,
    before: await bank.countBatch(endpoint),
    done: undefined,
    run: async (site) => {
      const begunUs = tools.stampUs();
      const failure = await bank.changeBatch(wayIn(tools, site));
      const { rows, largeWrites } = options;
      batch.done = { rows, rule: largeWrites?.rule ?? null, site, begunUs, endedUs: tools.stampUs(), failure };
    },
  };
  return batch;
};

/** The site's first gateway, or its instance where there is none. */
const wayIn = ({ arena }: DrillTools, site: string): Endpoint => {
  const found = [...arena.gateways(), ...arena.endpoints()].find((endpoint) => endpoint.site === site);
  if (found === undefined) throw fail('DRILL_IMPOSSIBLE', { reason: `nothing of ${site} can be connected to` });
  return found;
};

export const finishBatch = async (
  { arena, bank }: DrillTools,
  batch: Batch,
  problems: string[],
): Promise<BatchRun | undefined> => {
  try {
    if (batch.options.largeWrites !== undefined) await arena.setLargeWrites(undefined);
    if (batch.done === undefined) return undefined;
    const changed: [string, number][] = [];
    for (const endpoint of arena.endpoints())
      changed.push([endpoint.instance, changedRows(batch.before, await bank.countBatch(endpoint))]);
    return { ...batch.done, changedRows: Object.fromEntries(changed) };
  } catch (error) {
    problems.push(`What became of the large write cannot be told: ${reasonOf(error)}`);
    return undefined;
  }
};

/** Every statement adds one to `n`: the sum tells how many rows it has reached. */
const changedRows = (before: ReadonlyMap<number, number>, after: ReadonlyMap<number, number>): number =>
  sumOf(after) - sumOf(before);

const sumOf = (counts: ReadonlyMap<number, number>): number =>
  [...counts].reduce((sum, [times, rows]) => sum + times * rows, 0);
