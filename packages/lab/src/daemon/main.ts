/**
 * The daemon of a lab: composition root. It owns the lab's processes, answers the command line over a Unix socket,
 * and ends everything it started when it is told to, when its input ends (full mode), or when the command that it
 * is attached to goes away.
 */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { CoequalError, fail, jsonLog, reasonOf, systemClock } from '@coequal/kernel';
import { type Handler, serveControl } from '../control.ts';
import type { LabDefinition } from '../definition.ts';
import { markOf } from '../definition.ts';
import { insideSetup } from '../network/namespaces.ts';
import { controlSocket, definitionPath, keptMark } from '../places.ts';
import { endMarked } from '../process/sweep.ts';
import { parseDrillCall, parseFault, parseName, parseSite } from './calls.ts';
import { type Lab, openLab } from './open.ts';

const clock = systemClock;
/** How often an interrupted start is swept until it has given up. */
const startSweepMs = 100;
/** Nobody is left to remove what the lab leaves: then it does so itself. */
const abandoned = 'the command that started it is gone';
const log = jsonLog((line) => process.stdout.write(line), clock);

const main = async (folder: string): Promise<void> => {
  const definition = JSON.parse(await readFile(definitionPath(folder), 'utf8')) as LabDefinition;
  if (definition.mode === 'full') await insideSetup();
  const ending = Promise.withResolvers<string>();
  const steps: { step: string; detail?: string }[] = [];
  const listeners = new Set<(step: { step: string; detail?: string }) => void>();
  const progress = (step: string, detail?: string): void => {
    const said = detail === undefined ? { step } : { step, detail };
    steps.push(said);
    for (const listener of listeners) listener(said);
    log('info', 'step', said);
  };
  const opening = openLab({ definition, clock, log, progress, environment: environmentOf(definition) });
  let settled = false;
  const settle = (): void => {
    settled = true;
  };
  opening.then(settle, settle);
  const opened = opening.then(async (lab) => {
    if (definition.keep) await writeFile(keptMark(folder), '');
    return lab;
  });
  // Whoever asked hears of it through `ready`; here it only must not end the process unheard.
  opened.catch((error: unknown) => log('error', 'not opened', describe(error)));
  const lab = (): Promise<Lab> => opened;

  const handlers: Readonly<Record<string, Handler>> = {
    ping: async () => null,
    ready: async (_, say) => {
      for (const step of steps) say(step);
      listeners.add(say);
      try {
        await opened;
        return { pid: process.pid };
      } finally {
        listeners.delete(say);
      }
    },
    attach: (_, __, gone) =>
      new Promise((resolve) => {
        gone.addEventListener('abort', () => {
          ending.resolve(abandoned);
          resolve(null);
        });
      }),
    snapshot: async () => {
      const { viewer } = await lab();
      await viewer.refresh();
      return viewer.snapshot();
    },
    watch: async (_, say, gone) => {
      const { viewer } = await lab();
      viewer.watch(say, gone);
      return new Promise((resolve) => gone.addEventListener('abort', () => resolve(null)));
    },
    fault: async (params) => ({ text: await (await lab()).runtime.fault(parseFault(params)) }),
    heal: async (params) => ({ text: await (await lab()).runtime.heal(parseSite(params), true) }),
    forcePrimary: async (params) => ({ text: await (await lab()).runtime.forcePrimary(parseName(params)) }),
    drill: async (params, say, gone) => (await lab()).drill(parseDrillCall(params), say, gone),
    down: async () => {
      ending.resolve('it was told to');
      await ended.promise;
      return null;
    },
  };
  const ended = Promise.withResolvers<void>();
  await rm(controlSocket(folder), { force: true });
  const server = await serveControl(controlSocket(folder), handlers);
  await writeFile(`${folder}/daemon.pid`, `${process.pid}\n`);
  for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(name, () => ending.resolve(name));
  if (definition.mode === 'full') process.stdin.resume().once('end', () => ending.resolve('its front is gone'));

  const reason = await ending.promise;
  log('info', 'ending', { reason });
  const closed = opened.then(
    (open) => open.close(),
    () => undefined,
  );
  // A start under way has nothing worth ending in order: without its processes it fails at once, and undoes itself.
  while (!settled) {
    await endMarked(markOf(definition), { graceMs: 0 });
    await Promise.race([closed, clock.sleep(startSweepMs)]);
  }
  await closed;
  if (!definition.keep) await rm(`${folder}/sites`, { recursive: true, force: true });
  ended.resolve();
  // The answer to `down` must leave before the socket goes.
  await clock.sleep(20);
  server.close();
  await rm(controlSocket(folder), { force: true });
  if (reason === abandoned && !definition.keep) await rm(folder, { recursive: true, force: true });
  // A healing that was under way may have started something since.
  await endMarked(markOf(definition), { graceMs: 0 });
  process.exit(0);
};

/** What the lab's processes get of this one's environment: enough to run, and the mark by which they are found. */
const environmentOf = (definition: LabDefinition): Readonly<Record<string, string>> => ({
  PATH: process.env['PATH'] ?? '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  LANG: 'C.UTF-8',
  COEQUAL_LAB: markOf(definition),
  // A lab starts some twenty programs of ours: with compiled code kept, in half the time.
  ...(process.env['NODE_COMPILE_CACHE'] === undefined ? {} : { NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] }),
});

const describe = (error: unknown) =>
  error instanceof CoequalError ? { code: error.code, reason: error.message } : { reason: reasonOf(error) };

try {
  const folder = process.argv[2];
  if (folder === undefined)
    throw fail('COMMAND_USAGE', { problem: 'The daemon takes a folder.', help: 'coequal lab up --help' });
  await main(folder);
} catch (error) {
  log('error', 'daemon ended', describe(error));
  process.exit(2);
}
