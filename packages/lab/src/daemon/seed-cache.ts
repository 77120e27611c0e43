/**
 * Seeds are kept in the cache folder, one for each server version, schema name and log size, so that only the
 * first lab of a machine waits for one. The administrator's password in a seed is known to its owner only and is
 * changed when a lab first serves.
 */
import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { logFileBytes, makeSeed, newPassword, type Programs, type SeedTools } from '@coequal/engines';
import { codeOf } from '@coequal/kernel';
import { sha256Hex, writeSecretFile } from '@coequal/trust';
import type { LabDefinition } from '../definition.ts';
import type { Account } from './stage.ts';

/** Raised whenever what a seed holds changes. */
const seedFormat = 1;

export const cachedSeed = async (
  tools: SeedTools,
  definition: LabDefinition,
  programs: Programs,
  database: string,
): Promise<{ readonly folder: string; readonly administrator: Account }> => {
  const bytes = logFileBytes(definition.estate);
  const key = sha256Hex(JSON.stringify([seedFormat, programs.versions, bytes, database, tools.owner ?? null])).slice(
    0,
    16,
  );
  const cache = `${definition.cacheFolder}/seeds`;
  const folder = `${cache}/${key}`;
  const known = await readPassword(folder);
  if (known !== undefined) return { folder: `${folder}/data`, administrator: known };
  await mkdir(cache, { recursive: true, mode: 0o755 });
  const making = `${cache}/.${definition.token}`;
  const administrator: Account = { user: 'coequal_admin', password: newPassword() };
  try {
    await mkdir(making, { mode: 0o755 });
    await makeSeed(tools, {
      folder: `${making}/data`,
      database,
      accounts: [{ ...administrator, host: 'localhost', rights: 'all' }],
      logFileBytes: bytes,
    });
    await writeSecretFile(`${making}/administrator`, administrator.password);
    await rename(making, folder);
  } catch (error) {
    await rm(making, { recursive: true, force: true });
    // Another lab was faster with the same seed.
    const made = codeOf(error) === 'ENOTEMPTY' || codeOf(error) === 'EEXIST' ? await readPassword(folder) : undefined;
    if (made === undefined) throw error;
    return { folder: `${folder}/data`, administrator: made };
  }
  return { folder: `${folder}/data`, administrator };
};

const readPassword = async (folder: string): Promise<Account | undefined> => {
  try {
    return { user: 'coequal_admin', password: await readFile(`${folder}/administrator`, 'utf8') };
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
};
