/**
 * Scripts of the bank's own, on this host. A manifest counts only with its signature; a script runs only while its bytes are those that were
 * signed, and it is a copy of exactly the bytes that were checked that runs, from a folder that nobody else may write to. As its user, without a
 * shell, without the agent's environment; when the agent dies the kernel ends the script.
 */
import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { chmod, lstat, mkdir, open, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { type Clock, codeOf, fail, type Log, reasonOf } from '@coequal/kernel';
import { sha256Hex, verify } from '@coequal/trust';
import { scriptFileBytes, scriptGraceMs, scriptOutputBytes } from '../limits.ts';
import { parseManifest, type SignedScript } from '../manifest.ts';
import type { Script, ScriptHands, ScriptResult } from '../ports.ts';
import { type SystemUser, userOf } from './users.ts';

export type ScriptsOptions = {
  /** Undefined: there are none. */
  readonly files: { readonly manifest: string; readonly key: string } | undefined;
  /** Copies that run and what they print. */
  readonly folder: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Names of users as numbers. */
  readonly passwd: string;
};

const manifestBytes = 2 ** 20;

/** @throws MANIFEST_INVALID, FILE_MISSING, KEY_INVALID */
export const openScripts = async (options: ScriptsOptions): Promise<ScriptHands> => {
  const scripts = options.files === undefined ? new Map<string, SignedScript>() : await readManifest(options.files);
  await mkdir(options.folder, { recursive: true, mode: 0o711 });
  await chmod(options.folder, 0o711);
  const signedOf = ({ name }: Script): SignedScript => {
    const found = scripts.get(name);
    if (found === undefined) throw new Error(`Bug: no script ${name}`);
    return found;
  };
  return {
    find: (name) => scripts.get(name),
    check: async (script) => void (await bytesOf(signedOf(script))),
    run: (script, argv, key, signal) => runScript(signedOf(script), argv, key, signal, options),
  };
};

const readManifest = async ({ manifest, key }: { readonly manifest: string; readonly key: string }) => {
  const invalid = (reason: string, cause?: unknown) => fail('MANIFEST_INVALID', { path: manifest, reason }, { cause });
  let text: Buffer;
  let signature: string;
  let publicPem: string;
  try {
    text = await readFile(manifest);
    signature = (await readFile(`${manifest}.sig`, 'utf8')).trim();
    publicPem = await readFile(key, 'utf8');
  } catch (error) {
    throw invalid(reasonOf(error), error);
  }
  if (text.length > manifestBytes) throw invalid('it is too large');
  if (!verify(publicPem, text, Buffer.from(signature, 'base64')))
    throw invalid('its signature is not of this key and these bytes');
  return parseManifest(manifest, text.toString('utf8'));
};

/** The bytes of the script, if they are still those that were signed. @throws SCRIPT_CHANGED */
const bytesOf = async ({ name, path, sha256 }: SignedScript): Promise<Buffer> => {
  const changed = (reason: string, cause?: unknown) => fail('SCRIPT_CHANGED', { name, reason }, { cause });
  try {
    if (!(await lstat(path)).isFile()) throw changed('it is no file');
    const file = await open(path, 'r');
    try {
      if ((await file.stat()).size > scriptFileBytes) throw changed('it is too large');
      const bytes = await file.readFile();
      if (sha256Hex(bytes) !== sha256) throw changed('its bytes have another digest');
      return bytes;
    } finally {
      await file.close();
    }
  } catch (error) {
    if (codeOf(error) === 'SCRIPT_CHANGED') throw error;
    throw changed(codeOf(error) ?? 'it cannot be read', error);
  }
};

const runScript = async (
  script: SignedScript,
  argv: readonly string[],
  key: string,
  signal: AbortSignal,
  options: ScriptsOptions,
): Promise<ScriptResult> => {
  const bytes = await bytesOf(script);
  const user = userOf(script.user, await readFile(options.passwd, 'utf8'));
  const folder = join(options.folder, key);
  await mkdir(folder, { mode: 0o711 });
  const copy = join(folder, basename(script.path));
  try {
    await writeFile(copy, bytes, { mode: 0o555, flag: 'wx' });
    await chmod(copy, 0o555);
    return await runCopy(copy, argv, user, `${folder}.output`, signal, options);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};

/** As whom it runs: `setpriv` drops what the agent has, and ties the life of the script to the agent's. */
const commandOf = (copy: string, argv: readonly string[], { uid, gid }: SystemUser): readonly string[] => {
  const own = process.getuid?.() === uid;
  const drop = own ? [] : [`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups'];
  return ['setpriv', ...drop, '--no-new-privs', '--pdeathsig=KILL', '--', copy, ...argv];
};

const runCopy = (
  copy: string,
  argv: readonly string[],
  user: SystemUser,
  outputPath: string,
  signal: AbortSignal,
  { clock, log }: ScriptsOptions,
): Promise<ScriptResult> =>
  new Promise((resolve, reject) => {
    const began = clock.monotonic();
    const [program = '', ...args] = commandOf(copy, argv, user);
    const child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LANG: 'C.UTF-8' },
      cwd: '/',
      detached: true,
    });
    const output = createWriteStream(outputPath, { mode: 0o600 });
    output.on('error', (error) => log('warn', 'output of a script was lost', { reason: reasonOf(error) }));
    let outputBytes = 0;
    const take = (chunk: Buffer): void => {
      if (outputBytes < scriptOutputBytes) output.write(chunk);
      outputBytes += chunk.length;
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    const kill = (word: NodeJS.Signals): void => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, word);
      } catch (error) {
        if (codeOf(error) !== 'ESRCH') throw error;
      }
    };
    let grace: NodeJS.Timeout | undefined;
    const stop = (): void => {
      kill('SIGTERM');
      grace = setTimeout(() => kill('SIGKILL'), scriptGraceMs);
    };
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    const end = (): void => {
      clearTimeout(grace);
      signal.removeEventListener('abort', stop);
      output.end();
      // What it left running in its group does not outlive it.
      kill('SIGKILL');
    };
    child.once('error', (error) => {
      end();
      const failed = { program: copy, status: codeOf(error) ?? 'an error', output: '', advice: 'Install util-linux.' };
      reject(fail('PROGRAM_FAILED', failed, { cause: error }));
    });
    child.once('close', (status) => {
      end();
      resolve({ status, tookMs: clock.monotonic() - began, outputBytes });
    });
  });
