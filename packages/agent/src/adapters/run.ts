/**
 * One agent from the command line to its end: checks in a process of its own, starts, listens to signals. SIGTERM and SIGINT send what
 * can be sent in a moment and end. What can be wrong is told in one line, and the exit code is 2.
 */
import { type Clock, CoequalError, failureText, type Random } from '@coequal/kernel';
import type { AgentSettings } from '../settings.ts';
import { startAgent } from './agent.ts';
import { runCheck } from './check-process.ts';
import { makeProcessLog } from './log-lines.ts';
import { openSources } from './sources.ts';

export type RunOptions = {
  readonly argv: readonly string[];
  readonly checkFile: string;
  readonly version: string;
  readonly clock: Clock;
  readonly random: Random;
};

const good = 0;
const impossible = 2;
const standardOutput = 1;
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Resolves with the exit code when the agent has ended. */
export const runAgent = async (options: RunOptions): Promise<number> => {
  const wish = Promise.withResolvers<string>();
  for (const signal of signals) process.on(signal, () => wish.resolve(signal));
  const { code, settings } = await runCheck(options.checkFile, options.argv);
  if (settings === undefined) return code;
  try {
    return await serve(options, settings, wish.promise);
  } catch (error) {
    if (!(error instanceof CoequalError) || error.kind === 'bug') throw error;
    process.stderr.write(`${failureText(error)}\n`);
    return impossible;
  }
};

const serve = async (
  { clock, random, version }: RunOptions,
  settings: AgentSettings,
  wish: Promise<string>,
): Promise<number> => {
  const log = makeProcessLog(standardOutput, clock);
  const agent = await startAgent({
    settings,
    sources: await openSources(settings, { clock, log: log.log }),
    version,
    pid: process.pid,
    clock,
    random,
    log: log.log,
    cost: () => {
      const { user, system } = process.cpuUsage();
      return { cpuSeconds: (user + system) / 1e6, residentBytes: process.memoryUsage.rss() };
    },
  });
  await agent.end(await wish);
  await log.flush();
  return good;
};
