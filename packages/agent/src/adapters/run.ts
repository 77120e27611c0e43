/**
 * One agent from the command line to its end: reads the estate, checks, starts, listens to signals. SIGTERM and SIGINT send what can be sent
 * in a moment and end. What can be wrong is told in one line, and the exit code is 2.
 */
import { createServer } from 'node:net';
import { estateOrThrow, maximumFileBytes } from '@coequal/estate';
import { type Clock, CoequalError, codeOf, fail, failureText, type Random } from '@coequal/kernel';
import { parseAgentArguments } from '../arguments.ts';
import { agentSettings } from '../configure.ts';
import type { AgentSettings } from '../settings.ts';
import { startAgent } from './agent.ts';
import { mustBeReadable, readText } from './files.ts';
import { makeProcessLog } from './log-lines.ts';
import { openSources } from './sources.ts';

export type RunOptions = {
  readonly argv: readonly string[];
  readonly version: string;
  readonly clock: Clock;
  readonly random: Random;
};

const good = 0;
const impossible = 2;
const standardOutput = 1;

/** Resolves with the exit code when the agent has ended. */
export const runAgent = async (options: RunOptions): Promise<number> => {
  try {
    const asked = parseAgentArguments(options.argv);
    const settings = await settingsOf(asked.config, asked.host);
    await checkFiles(settings);
    return asked.check ? await check(settings, asked.json) : await serve(options, settings);
  } catch (error) {
    if (!(error instanceof CoequalError) || error.kind === 'bug') throw error;
    process.stderr.write(`${failureText(error)}\n`);
    return impossible;
  }
};

const settingsOf = async (config: string, host: string | undefined): Promise<AgentSettings> => {
  const text = await readText(config, 'Name the estate file with --config.');
  if (text.length > maximumFileBytes)
    throw fail('FILE_UNREADABLE', { path: config, reason: `it is larger than ${maximumFileBytes} bytes` });
  return agentSettings(estateOrThrow(text, config), host);
};

/** What the estate names must be there before anything starts; logs may come later. */
const checkFiles = async ({ databases, scrapes, store, platforms }: AgentSettings): Promise<void> => {
  const secrets = [
    ...databases.map(({ account }) => account.passwordFile),
    ...scrapes.flatMap(({ passwordFile, tokenFile }) => [passwordFile, tokenFile]),
    ...platforms.map(({ tokenFile }) => tokenFile),
  ];
  const certificates = [
    ...databases.map(({ account }) => account.authority),
    ...[...scrapes, ...platforms, ...(store === undefined ? [] : [store])].flatMap((files) => [
      files.authority,
      files.certificate,
      files.key,
    ]),
  ];
  for (const path of new Set(secrets))
    if (path !== undefined) await mustBeReadable(path, 'Write the secret into it, for the user of the agent alone.');
  for (const path of new Set(certificates))
    if (path !== undefined) await mustBeReadable(path, 'Put the PEM file there, or correct its path in the estate.');
};

const check = async (settings: AgentSettings, json: boolean): Promise<number> => {
  const { name, host, databases, scrapes, logs, store, platforms, listen } = settings;
  await mustBeFree(settings);
  const watches = {
    databases: databases.map(({ place }) => place.instance),
    exporters: scrapes.map(({ job, labels }) => `${job} ${labels['instance']}`),
    logs: logs.map(({ path }) => path),
  };
  if (json)
    process.stdout.write(
      `${JSON.stringify({ valid: true, name, host, port: listen.port, watches, store: store?.url ?? null, platforms: platforms.map(({ url }) => url) })}\n`,
    );
  else {
    const list = Object.entries(watches).map(
      ([what, names]) => `${names.length} ${what}${names.length === 0 ? '' : ` (${names.join(', ')})`}`,
    );
    const to = [store?.url, ...platforms.map(({ url }) => url)].filter((url) => url !== undefined);
    process.stdout.write(
      `${name} can watch ${host}: ${list.join(', ')}. It sends to ${to.length === 0 ? 'nobody: give it `sendTo`, or the estate a store and a platform' : to.join(', ')}.\n`,
    );
  }
  return good;
};

/** @throws PORT_BUSY */
const mustBeFree = async ({ name, listen }: AgentSettings): Promise<void> => {
  const server = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(listen.port, listen.host, () => resolve());
    });
  } catch (error) {
    if (codeOf(error) !== 'EADDRINUSE') throw error;
    const subject = `the agent ${name} (\`port\`)`;
    throw fail('PORT_BUSY', { port: listen.port, address: listen.host, subject }, { cause: error });
  }
  await new Promise<void>((resolve) => server.close(() => resolve()));
};

const serve = async (options: RunOptions, settings: AgentSettings): Promise<number> => {
  const { clock, random, version } = options;
  const log = makeProcessLog(standardOutput, clock);
  const wish = Promise.withResolvers<string>();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => wish.resolve(signal));
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
  await agent.end(await wish.promise);
  await log.flush();
  return good;
};
