/**
 * What a database said to a question, the same for every engine: rows of texts, or why there are none. Values stay texts until a reader
 * knows what they mean; a number beyond float64's whole numbers loses nothing on the way.
 */

export type Cell = string | null;
export type Row = readonly Cell[];

export type Rows = { readonly columns: readonly string[]; readonly rows: readonly Row[] };

/**
 * `refused`: the server answered that it will not, with its own code. `silent`: no answer in time, and it is still owed. `lost`: there is
 * no connection, with the reason in words.
 */
export type Answer =
  | ({ readonly kind: 'rows' } & Rows)
  | { readonly kind: 'refused'; readonly code: string; readonly reason: string }
  | { readonly kind: 'silent'; readonly seconds: number }
  | { readonly kind: 'lost'; readonly reason: string };

/** Rows by the names of their columns, in small letters: engines and versions differ in case and order. */
export const recordsOf = ({ columns, rows }: Rows): readonly Readonly<Record<string, Cell>>[] => {
  const names = columns.map((name) => name.toLowerCase());
  return rows.map((row) => Object.fromEntries(names.map((name, index) => [name, row[index] ?? null])));
};

/** A decimal number; undefined for null and for any other text. */
export const numberOf = (cell: Cell | undefined): number | undefined => {
  if (cell === null || cell === undefined || cell === '') return undefined;
  const value = Number(cell);
  return Number.isFinite(value) ? value : undefined;
};

export const textOf = (cell: Cell | undefined): string => cell ?? '';
