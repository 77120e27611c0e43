/** Rows as the gateway's own connections get them, and the reading of single columns. Pure. */

/** Numbers beyond the exact ones come as text, and so do times. */
export type Row = Readonly<Record<string, unknown>>;

export const textOf = (row: Row | undefined, column: string): string => {
  const value = row?.[column];
  if (value === undefined || value === null) return '';
  return Buffer.isBuffer(value) ? value.toString('utf8') : String(value);
};

export const numberOf = (row: Row | undefined, column: string): number => Number(textOf(row, column));

export const bytesOf = (row: Row | undefined, column: string): Buffer | undefined => {
  const value = row?.[column];
  return Buffer.isBuffer(value) ? value : undefined;
};
