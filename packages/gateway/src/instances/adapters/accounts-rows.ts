/** The database's own accounts, as rows: what they mean is for `accounts/`. They are the same on every instance. */
import { textOf } from '../rows.ts';
import { type AnyInstance, onAnyInstance } from './any-instance.ts';

export type AccountRow = { readonly user: string; readonly host: string; readonly priv: string };

const readMs = 5_000;

export const readAccountRows = async (where: AnyInstance): Promise<readonly AccountRow[]> => {
  const rows = await onAnyInstance(where, 'SELECT User, Host, Priv FROM mysql.global_priv', readMs);
  return rows.map((row) => ({ user: textOf(row, 'User'), host: textOf(row, 'Host'), priv: textOf(row, 'Priv') }));
};
