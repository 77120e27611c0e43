/** The `coequal` command: makes the world from the process, runs the command line, and ends with its exit code. */
import { existsSync, readFileSync } from 'node:fs';
import { hostname, userInfo } from 'node:os';
import { fileURLToPath } from 'node:url';
import { systemClock, systemRandom } from '@coequal/kernel';
import { exitCodes, tellFailure } from './failure.ts';
import { makeFiles } from './files.ts';
import { runInForeground } from './foreground.ts';
import { run } from './program.ts';
import { openTerminal } from './terminal.ts';
import type { World } from './world.ts';

const versionOf = (text: string): string => {
  const parsed: unknown = JSON.parse(text);
  return typeof parsed === 'object' && parsed !== null && 'version' in parsed ? String(parsed.version) : 'unknown';
};

const interruption = new AbortController();

/** Who became root with sudo is named too. A user without an entry of their own has a number. */
const userName = (): string => {
  const by = process.env['SUDO_USER'];
  const uid = process.getuid?.() ?? 'unknown';
  try {
    const { username } = userInfo();
    return by === undefined || by === username ? username : `${username} (sudo by ${by})`;
  } catch {
    // The system's list of users does not have this one.
    return `uid ${uid}`;
  }
};

const makeWorld = (): World => {
  const { stdin, stdout, stderr, env } = process;
  const person = stdin.isTTY && stderr.isTTY ? { input: stdin, output: stderr } : undefined;
  const fullScreen = stdin.isTTY && stdout.isTTY && env.TERM !== 'dumb';
  return {
    out: (text) => void stdout.write(text),
    tell: (text) => void stderr.write(text),
    clock: systemClock,
    random: systemRandom,
    environment: env,
    interrupted: interruption.signal,
    terminal: fullScreen ? openTerminal(stdin, stdout, (leave) => void process.once('exit', leave)) : undefined,
    files: makeFiles(process.cwd(), person, stdin),
    lab: () => import('@coequal/lab'),
    gateway: () => import('@coequal/gateway'),
    agent: () => import('@coequal/agent'),
    platform: () => import('@coequal/platform'),
    runAct: (args) => runInForeground(fileURLToPath(import.meta.resolve('@coequal/agent/act')), args),
    runAgent: (args) => runInForeground(fileURLToPath(import.meta.resolve('@coequal/agent/main')), args),
    diagnosis: () => import('@coequal/diagnosis'),
    runGateway: (args) => runInForeground(fileURLToPath(import.meta.resolve('@coequal/gateway/main')), args),
    user: userName(),
    hostName: hostname(),
    present: async (paths) => paths.filter((path) => existsSync(path)),
    runPlatform: (args) => runInForeground(fileURLToPath(import.meta.resolve('@coequal/platform/main')), args),
    runStore: (args) => runInForeground(fileURLToPath(import.meta.resolve('@coequal/engines/store')), args),
    version: versionOf(readFileSync(new URL('../package.json', import.meta.url), 'utf8')),
  };
};

const world = makeWorld();

// Repeated signals are the same wish: a terminal sends Ctrl-C to the launcher and to this process.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => interruption.abort());

// Nobody reads any more (`| head`): the same as an interruption. Anything else is a failure of the machine.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') interruption.abort();
  else throw error;
});
process.stderr.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

process.on('uncaughtException', (error) => {
  world.terminal?.leave();
  tellFailure(world, error, false);
  process.exit(exitCodes.impossible);
});

const code = await run(process.argv.slice(2), world);
// Both streams first say that everything was handed over: a pipe may still be taking the last lines.
await Promise.all(
  [process.stdout, process.stderr].map((stream) => new Promise<void>((done) => stream.write('', () => done()))),
);
process.exit(code);
