/**
 * Reads the estate and looks at everything the agent will need: files that must be readable, the folder that must be writable, and for a
 * check alone the port that must be free. What is wrong is one line, and the exit code is 2.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { estateOrThrow, maximumFileBytes } from '@coequal/estate';
import { type Clock, CoequalError, codeOf, fail, failureText, reasonOf } from '@coequal/kernel';
import { HttpPeer } from '@coequal/signals/collecting';
import { mustBeReadable, readText } from '../../adapters/files.ts';
import type { Checked } from '../../adapters/start.ts';
import { parseAgentArguments } from '../../arguments.ts';
import { agentSettings } from '../../configure.ts';
import type { AgentSettings } from '../../settings.ts';

const good = 0;
const impossible = 2;

/** @param send to the start of an agent; undefined: there is none */
export const checkConfiguration = async (
  argv: readonly string[],
  clock: Clock,
  send: ((checked: Checked) => boolean) | undefined,
): Promise<number> => {
  try {
    const asked = parseAgentArguments(argv);
    const text = await readText(asked.config, 'Name the estate file with --config.');
    if (text.length > maximumFileBytes)
      throw fail('FILE_UNREADABLE', { path: asked.config, reason: `it is larger than ${maximumFileBytes} bytes` });
    const settings = agentSettings(estateOrThrow(text, asked.config), asked.host);
    await checkFiles(settings, clock);
    if (asked.check) {
      await mustBeFree(settings);
      process.stdout.write(asked.json ? jsonOf(settings) : wordsOf(settings));
    } else send?.(await prepare(settings));
    return good;
  } catch (error) {
    if (!(error instanceof CoequalError) || error.kind === 'bug') throw error;
    process.stderr.write(`${failureText(error)}\n`);
    return impossible;
  }
};

/** Leaves the settings for the agent. @throws FOLDER_UNWRITABLE */
const prepare = async (settings: AgentSettings): Promise<Checked> => {
  const { stateFolder } = settings;
  const checked = {
    settingsFile: join(stateFolder, `settings-${process.pid}.json`),
    compiledFolder: join(stateFolder, 'compiled'),
  };
  try {
    await mkdir(stateFolder, { recursive: true, mode: 0o700 });
    await writeFile(checked.settingsFile, JSON.stringify(settings), { mode: 0o600 });
  } catch (error) {
    const advice = 'Make it, or give the agent another `stateFolder` in the estate.';
    throw fail('FOLDER_UNWRITABLE', { path: stateFolder, reason: reasonOf(error), advice }, { cause: error });
  }
  return checked;
};

/** What the estate names must be there before anything starts; logs may come later. */
const checkFiles = async (settings: AgentSettings, clock: Clock): Promise<void> => {
  const { databases, scrapes, store, platforms } = settings;
  const secrets = [
    ...databases.map(({ account }) => account.passwordFile),
    ...scrapes.flatMap(({ passwordFile, tokenFile }) => [passwordFile, tokenFile]),
    ...[...platforms, ...(store === undefined ? [] : [store])].flatMap(({ passwordFile, tokenFile }) => [
      passwordFile,
      tokenFile,
    ]),
  ];
  const peers = [...scrapes, ...platforms, ...(store === undefined ? [] : [store])];
  const certificates = [
    ...databases.map(({ account }) => account.authority),
    ...peers.flatMap((files) => [files.authority, files.certificate, files.key]),
  ];
  for (const path of new Set(secrets))
    if (path !== undefined) await mustBeReadable(path, 'Write the secret into it, for the user of the agent alone.');
  for (const path of new Set(certificates))
    if (path !== undefined) await mustBeReadable(path, 'Put the PEM file there, or correct its path in the estate.');
  for (const { url, authority, certificate, key } of peers) {
    const wrong = await new HttpPeer({ url, clock, files: { authority, certificate, key } }).check();
    if (wrong !== undefined)
      throw fail('FILE_UNREADABLE', {
        path: certificate ?? authority ?? '',
        reason: `it is of no use for TLS: ${wrong}`,
      });
  }
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

const watchesOf = ({ databases, scrapes, logs }: AgentSettings) => ({
  databases: databases.map(({ place }) => place.instance),
  exporters: scrapes.map(({ job, labels }) => `${job} ${labels['instance']}`),
  logs: logs.map(({ path }) => path),
});

const jsonOf = (settings: AgentSettings): string => {
  const { name, host, listen, store, platforms } = settings;
  const to = { store: store?.url ?? null, platforms: platforms.map(({ url }) => url) };
  return `${JSON.stringify({ valid: true, name, host, port: listen.port, watches: watchesOf(settings), ...to })}\n`;
};

const wordsOf = (settings: AgentSettings): string => {
  const { name, host, store, platforms } = settings;
  const lists = Object.entries(watchesOf(settings)).map(
    ([what, names]) => `${names.length} ${what}${names.length === 0 ? '' : ` (${names.join(', ')})`}`,
  );
  const to = [store?.url, ...platforms.map(({ url }) => url)].filter((url) => url !== undefined);
  const sends = to.length === 0 ? 'nobody: give it `sendTo`, or the estate a store and a platform' : to.join(', ');
  return `${name} can watch ${host}: ${lists.join(', ')}. It sends to ${sends}.\n`;
};
