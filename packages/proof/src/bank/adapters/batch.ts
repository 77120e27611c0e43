/** The large table of the drill `batch` over one session. */
import { assert } from '@coequal/kernel';
import { batchInsertRows, batchStatements, batchTable } from '../batch.ts';
import { type Link, LinkFailure } from '../link.ts';

/** Makes the table, and the rows that it lacks. */
export const fillBatch = async (link: Link, rows: number): Promise<void> => {
  await link.query(batchTable);
  const [highest] = await link.query(batchStatements.highest);
  for (let from = Number(highest?.[0] ?? 0) + 1; from <= rows; from += batchInsertRows)
    await link.query(batchStatements.fill(from, Math.min(rows, from + batchInsertRows - 1)));
};

/** The failure is an answer here, not an error: a gateway may refuse such a statement. */
export const changeBatch = async (link: Link): Promise<LinkFailure | undefined> => {
  try {
    await link.query(batchStatements.change);
    return undefined;
  } catch (error) {
    if (error instanceof LinkFailure) return error;
    throw error;
  }
};

export const countBatch = async (link: Link): Promise<ReadonlyMap<number, number>> => {
  const rows = await link.query(batchStatements.count);
  return new Map(
    rows.map(([times, count]) => {
      assert(Number.isSafeInteger(Number(times)) && Number.isSafeInteger(Number(count)), 'rows are counted');
      return [Number(times), Number(count)];
    }),
  );
};
