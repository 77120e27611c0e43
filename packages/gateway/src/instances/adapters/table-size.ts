/**
 * How large a table is on disk, with its indexes and partitions. Asked of the tablespaces, which an account may see
 * that may not see what is in them.
 */
import { literal } from '../outcomes.ts';
import { textOf } from '../rows.ts';
import { type AnyInstance, onAnyInstance } from './any-instance.ts';

const readMs = 3_000;

/** Undefined: there is no such table (or it is not InnoDB's, and then no schema change of it waits for long). */
export const readTableBytes = async (
  where: AnyInstance,
  schema: string,
  table: string,
): Promise<number | undefined> => {
  const file = `CONCAT(${fileName(schema)}, '/', ${fileName(table)})`;
  const text = `SELECT SUM(FILE_SIZE) AS bytes FROM information_schema.INNODB_SYS_TABLESPACES
    WHERE CAST(SUBSTRING_INDEX(NAME, '#P#', 1) AS BINARY) = ${file}`;
  const [row] = await onAnyInstance(where, text, readMs);
  const bytes = textOf(row, 'bytes');
  return bytes === '' ? undefined : Number(bytes);
};

/** A name as the server writes it into names of files. */
const fileName = (name: string): string =>
  `CAST(CONVERT(CONVERT(${literal(Buffer.from(name, 'utf8'))} USING utf8mb4) USING filename) AS BINARY)`;
