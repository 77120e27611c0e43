/**
 * Where a terminal keeps its token: one file for each platform, in the user's own folder of state, for that user alone. A file that others
 * can read is refused, and what is over counts as not there.
 */
import { mkdir, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fail } from '@coequal/kernel';
import { readPrivate, sha256Hex, writeSecretFile } from '@coequal/trust';
import { z } from 'zod';
import type { World } from './world.ts';

const login = z.strictObject({ url: z.string(), name: z.string(), token: z.string(), endsMs: z.number() });
export type Login = z.infer<typeof login>;

/** Undefined: there is no folder of one's own. */
const fileOf = ({ environment }: World, url: string): string | undefined => {
  const home = environment['HOME'];
  const state = environment['XDG_STATE_HOME'] ?? (home === undefined ? undefined : `${home}/.local/state`);
  return state === undefined || state === '' ? undefined : `${state}/coequal/login-${sha256Hex(url).slice(0, 16)}.json`;
};

/** Answers where. @throws COMMAND_USAGE, FOLDER_UNWRITABLE */
export const keepLogin = async (world: World, kept: Login): Promise<string> => {
  const path = fileOf(world, kept.url);
  if (path === undefined)
    throw fail('COMMAND_USAGE', {
      problem: 'There is no place to keep a login: neither HOME nor XDG_STATE_HOME is set.',
      help: 'coequal login --help',
    });
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await writeSecretFile(path, `${JSON.stringify(kept)}\n`);
  return path;
};

/** @throws SECRET_FILE_EXPOSED, FILE_UNREADABLE */
export const readLogin = async (world: World, url: string): Promise<Login | undefined> => {
  const path = fileOf(world, url);
  if (path === undefined) return undefined;
  const text = await readPrivate(path, (reason, cause) => fail('FILE_UNREADABLE', { path, reason }, { cause }));
  const kept = text === undefined ? undefined : login.safeParse(jsonOf(text)).data;
  return kept?.url === url && kept.endsMs > world.clock.now() ? kept : undefined;
};

export const forgetLogin = async (world: World, url: string): Promise<void> => {
  const path = fileOf(world, url);
  if (path !== undefined) await rm(path, { force: true });
};

const jsonOf = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
};
