/**
 * One agent with its settings, until a signal: SIGTERM and SIGINT send what can be sent in a moment and end. What can be wrong is told in one
 * line, and the exit code is 2.
 */
import { readFile, rm } from 'node:fs/promises';
import { type Clock, CoequalError, failureText, type Random } from '@coequal/kernel';
import type { AgentSettings } from '../settings.ts';
import { startAgent } from './agent.ts';
import { makeProcessLog } from './log-lines.ts';
import { openSources } from './sources.ts';

export type ServeOptions = {
  /** Written by the check, and of no use to anybody after. */
  readonly settingsFile: string;
  readonly version: string;
  readonly clock: Clock;
  readonly random: Random;
};

const good = 0;
const impossible = 2;
const standardOutput = 1;

/** Resolves with the exit code when the agent has ended. */
export const serve = async ({ settingsFile, version, clock, random }: ServeOptions): Promise<number> => {
  const wish = Promise.withResolvers<string>();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => wish.resolve(signal));
  const { log, flush } = makeProcessLog(standardOutput, clock);
  try {
    const settings = await takeSettings(settingsFile);
    const agent = await startAgent({
      settings,
      sources: await openSources(settings, { clock, log }),
      version,
      pid: process.pid,
      clock,
      random,
      log,
      cost: () => {
        const { user, system } = process.cpuUsage();
        return { cpuSeconds: (user + system) / 1e6, residentBytes: process.memoryUsage.rss() };
      },
    });
    await agent.end(await wish.promise);
    await flush();
    return good;
  } catch (error) {
    if (!(error instanceof CoequalError) || error.kind === 'bug') throw error;
    process.stderr.write(`${failureText(error)}\n`);
    return impossible;
  }
};

/** A process of ours wrote it a moment ago: its shape is believed. */
const takeSettings = async (file: string): Promise<AgentSettings> => {
  const settings = JSON.parse(await readFile(file, 'utf8')) as AgentSettings;
  await rm(file, { force: true });
  return settings;
};
