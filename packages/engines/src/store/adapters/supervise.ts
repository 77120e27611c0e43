/**
 * The stores of a host from the command line to their end: reads the estate, finds VictoriaMetrics, runs what the host is to run. SIGHUP reads
 * certificates again; SIGTERM and SIGINT end the stores in order. What can be wrong is told in one line, and the exit code is 2.
 */
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { estateOrThrow, maximumFileBytes } from '@coequal/estate';
import { type Clock, CoequalError, codeOf, fail, failureText, jsonLog, reasonOf } from '@coequal/kernel';
import { findCompanion } from '../../binaries/adapters/companion.ts';
import { cacheFolderOf } from '../../binaries/cache-folder.ts';
import { type OwnStore, ownStores } from '../own.ts';
import { runStores } from './run.ts';

export type SuperviseOptions = {
  readonly argv: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
};

const good = 0;
const impossible = 2;
const help = 'coequal store --help';

/** Resolves with the exit code when the stores have ended. */
export const superviseStores = async (options: SuperviseOptions): Promise<number> => {
  try {
    const { config, name, check, json } = argumentsOf(options.argv);
    if (config === undefined)
      throw fail('COMMAND_USAGE', { problem: 'A store needs the estate file: --config FILE.', help });
    const stores = ownStores(estateOrThrow(await readEstate(config), config), name);
    if (check === true) return tellCheck(stores, json === true);
    await supervise(options, stores);
    return good;
  } catch (error) {
    if (!(error instanceof CoequalError) || error.kind === 'bug') throw error;
    process.stderr.write(`${failureText(error)}\n`);
    return impossible;
  }
};

const argumentsOf = (argv: readonly string[]) => {
  const [flag, text] = [{ type: 'boolean' } as const, { type: 'string' } as const];
  try {
    return parseArgs({ args: [...argv], options: { config: text, name: text, check: flag, json: flag }, strict: true })
      .values;
  } catch (error) {
    throw fail('COMMAND_USAGE', { problem: reasonOf(error), help }, { cause: error });
  }
};

const readEstate = async (path: string): Promise<string> => {
  try {
    const bytes = await readFile(path);
    if (bytes.length > maximumFileBytes)
      throw fail('FILE_UNREADABLE', { path, reason: `it has more than ${maximumFileBytes} bytes` });
    return bytes.toString('utf8');
  } catch (error) {
    if (error instanceof CoequalError) throw error;
    if (codeOf(error) === 'ENOENT')
      throw fail('FILE_MISSING', { path, advice: 'Name the estate file with --config.' }, { cause: error });
    throw fail('FILE_UNREADABLE', { path, reason: reasonOf(error) }, { cause: error });
  }
};

const tellCheck = (stores: readonly OwnStore[], json: boolean): number => {
  const shown = stores.map(({ name, folder, address, port, front }) => ({
    ...{ name, folder },
    ...{ address: front?.address ?? address, port: front?.port ?? port, mutualTls: front !== undefined },
  }));
  process.stdout.write(
    json
      ? `${JSON.stringify({ valid: true, stores: shown })}\n`
      : shown.map((one) => `${one.name} can start on ${one.address}, port ${one.port}, in ${one.folder}.\n`).join(''),
  );
  return good;
};

const supervise = async ({ environment, clock }: SuperviseOptions, stores: readonly OwnStore[]): Promise<void> => {
  const log = jsonLog((line) => void process.stdout.write(line), clock);
  const ended = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => ended.abort(signal));
  const { files, environment: own } = await findCompanion('victoria-metrics', {
    cacheFolder: cacheFolderOf(environment, process.getuid?.() ?? -1),
    environment,
    clock,
    progress: (text) => log('info', 'finding the store', { what: text }),
  });
  const running = await runStores({
    stores: stores.map((store) => ({ ...store, program: files[0] })),
    launch: { wrap: (argv) => argv, environment: { PATH: environment['PATH'] ?? '', ...own } },
    clock,
    log,
  });
  process.on('SIGHUP', () => {
    running.reload().catch((error: unknown) => {
      log('error', 'store certificates not read again', { reason: reasonOf(error) });
    });
  });
  log('info', 'stores run', { stores: stores.map(({ name }) => name) });
  if (!ended.signal.aborted)
    await new Promise((resolve) => ended.signal.addEventListener('abort', resolve, { once: true }));
  log('info', 'stores end', { reason: String(ended.signal.reason) });
  await running.close();
};
