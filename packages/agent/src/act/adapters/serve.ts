/**
 * The acting half of an agent from its start to its end. It settles what the process before it left open, heals, and dials. What can be wrong is told in one line, and the exit code is 2.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Estate, estateOrThrow, maximumFileBytes } from '@coequal/estate';
import { type Clock, CoequalError, fail, failureText, type Log, type Random, reasonOf } from '@coequal/kernel';
import { sha256Hex } from '@coequal/trust';
import { readText } from '../../adapters/files.ts';
import { takeLock } from '../../adapters/lock.ts';
import { makeProcessLog } from '../../adapters/log-lines.ts';
import { parseAgentArguments } from '../../arguments.ts';
import { Executor } from '../executor.ts';
import { endMs } from '../limits.ts';
import type { HandsPorts } from '../ports.ts';
import { type ActSettings, actSettings } from '../settings.ts';
import { gatewayHands } from './gateway.ts';
import { Healer } from './healer.ts';
import { openHolds } from './holds.ts';
import { openIdentity } from './identity.ts';
import { openJournal } from './journal-file.ts';
import { Line } from './line.ts';
import { openInstances } from './open-instances.ts';
import { openScripts } from './scripts.ts';

export type ActOptions = {
  readonly argv: readonly string[];
  readonly version: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly random: Random;
};

const good = 0;
const impossible = 2;
const standardOutput = 1;

/** Resolves with the exit code when it has ended. */
export const act = async (options: ActOptions): Promise<number> => {
  const wish = Promise.withResolvers<string>();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => wish.resolve(signal));
  const { log, flush } = makeProcessLog(standardOutput, options.clock);
  try {
    const asked = parseAgentArguments(options.argv);
    const estate = await readEstate(asked.config);
    const settings = actSettings(estate, asked.host);
    if (asked.check) {
      await openIdentity(settings).read();
      process.stdout.write(asked.json ? jsonOf(settings) : wordsOf(settings));
      return good;
    }
    const end = await open(options, estate, settings, log);
    log('info', 'ending', { reason: await wish.promise });
    await end();
    await flush();
    return good;
  } catch (error) {
    await flush();
    if (!(error instanceof CoequalError) || error.kind === 'bug') throw error;
    process.stderr.write(`${failureText(error)}\n`);
    return impossible;
  }
};

const readEstate = async (path: string): Promise<Estate> => {
  const text = await readText(path, 'Name the estate file with --config.');
  if (text.length > maximumFileBytes)
    throw fail('FILE_UNREADABLE', { path, reason: `it is larger than ${maximumFileBytes} bytes` });
  return estateOrThrow(text, path);
};

/** Answers what ends it. */
const open = async (
  { version, environment, clock, random }: ActOptions,
  estate: Estate,
  settings: ActSettings,
  log: Log,
): Promise<() => Promise<void>> => {
  const folder = join(settings.stateFolder, 'act');
  const lock = await takeLock(folder, process.pid);
  const closing: (() => Promise<void> | void)[] = [lock.release];
  try {
    const journal = await openJournal(join(folder, 'journal.ndjson'));
    closing.push(() => journal.close());
    const holds = await openHolds(join(folder, 'held.json'));
    const opened = await openInstances({ estate, settings, environment, clock, log });
    for (const { close } of opened) closing.push(close);
    const instances = opened.map(({ hands }) => hands);
    const gateways = settings.gateways.map((each) => gatewayHands(each.name, each.stateFolder, settings.name, clock));
    const ports: HandsPorts = {
      instance: (name) => instances.find((one) => one.name === name),
      gateway: (name) => gateways.find((one) => one.name === name),
      scripts: await openScripts({
        files: settings.acts.scripts,
        folder: join(folder, 'scripts'),
        passwd: '/etc/passwd',
        ...{ clock, log },
      }),
      holds,
      keep: keeper(join(folder, 'diagnostics')),
    };
    const lines: Line[] = [];
    const tell = (state: Parameters<Line['tell']>[0]): void => {
      for (const line of lines) line.tell(state);
    };
    const { allowed, acts } = settings;
    const executor = new Executor({ ports, journal, allowed, clock, log, tell });
    // Platforms are dialled meanwhile: an instance that was being started may take minutes to show what became of it.
    executor.settle().catch((error: unknown) => log('error', 'settling failed', { reason: reasonOf(error) }));
    closing.push(() => executor.end(endMs));
    if (acts.heal !== undefined) {
      const healer = new Healer({ instances, limits: acts.heal, executor, journal, holds, clock, log });
      healer.begin();
      closing.push(() => healer.end());
    }
    const identity = openIdentity(settings);
    for (const platform of settings.platforms)
      lines.push(
        new Line({
          ...{ agent: settings.name, platform, identity, executor, clock, random, log },
          actions: [...allowed],
          program: version,
        }),
      );
    for (const line of lines) line.begin();
    closing.push(async () => void (await Promise.all(lines.map((line) => line.end()))));
    log('info', 'acting', { agent: settings.name, instances: instances.length, platforms: lines.length });
  } catch (error) {
    for (const close of closing.reverse()) await close();
    throw error;
  }
  return async () => {
    for (const close of closing.reverse()) await close();
  };
};

const keeper =
  (folder: string): HandsPorts['keep'] =>
  async (key, text) => {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const path = join(folder, `${key}.json`);
    await writeFile(path, text, { mode: 0o600 });
    return { path, sha256: sha256Hex(await readFile(path)) };
  };

const viewOf = ({ name, host, instances, gateways, platforms, allowed, acts }: ActSettings) => ({
  ...{ name, host },
  instances: instances.map(({ instance }) => instance.name),
  gateways: gateways.map((each) => each.name),
  platforms: platforms.map(({ address, port }) => `${address}:${port}`),
  actions: [...allowed],
  heals: acts.heal ?? null,
});

const jsonOf = (settings: ActSettings): string => `${JSON.stringify({ valid: true, ...viewOf(settings) })}\n`;

const wordsOf = (settings: ActSettings): string => {
  const { name, host, instances, gateways, platforms, actions, heals } = viewOf(settings);
  const list = (names: readonly string[]): string => (names.length === 0 ? 'none' : names.join(', '));
  return (
    `${name} can act on ${host}. Instances: ${list(instances)}; gateways: ${list(gateways)}; platforms: ${list(platforms)}. ` +
    `It may do ${actions.length} actions, and ${heals === null ? 'heals nothing by itself' : `starts what crashed ${heals.restarts} times in ${heals.withinMs / 60_000} min at most`}.\n`
  );
};
