#!/usr/bin/env node
/**
 * The launcher: plain JavaScript that any Node from 20 on can run. It finds the Node that the project brings
 * itself (pinned by the lockfile) and runs the command with it, passing on arguments, streams, signals and the
 * exit code. Everything else is in packages/cli.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const main = `${root}packages/cli/src/main.ts`;
// Some versions of npm remove the link while they tidy up the packages of other platforms; the program itself stays.
const bundled =
  [`${root}node_modules/.bin/node`, `${root}node_modules/node-${process.platform}-${process.arch}/bin/node`].find(
    existsSync,
  ) ?? `${root}node_modules/.bin/node`;

const refuse = (message) => {
  process.stderr.write(`coequal: ${message}\n`);
  process.exit(2);
};

if (!existsSync(`${root}node_modules/@coequal`)) {
  refuse(`Its dependencies are not installed. Run \`npm ci\` in ${root} and try again.`);
}

/** The bundled Node, or this one when the platform has no bundled one and this one is new enough. */
const program = () => {
  if (existsSync(bundled)) return bundled;
  if (Number(process.versions.node.split('.')[0]) >= 24) return process.execPath;
  return refuse(
    `Node 24 is needed, this is ${process.versions.node}, and none is bundled for ${process.platform}-${process.arch}. ` +
      'Install Node 24 and try again.',
  );
};

// Compiled code is kept between runs, which halves the time to the first line; where that cannot be written, Node goes on without.
const env = { NODE_COMPILE_CACHE: `${root}node_modules/.cache/node`, ...process.env };
const child = spawn(program(), [main, ...process.argv.slice(2)], { stdio: 'inherit', env });

// A terminal sends its signals to the child as well; the child takes a repeated signal for the same wish.
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'];
for (const signal of signals) process.on(signal, () => child.kill(signal));

child.on('error', (error) =>
  refuse(`${bundled} cannot be run: ${error.message}. Run \`npm ci\` in ${root} and try again.`),
);
child.on('exit', (code, signal) => {
  if (signal === null) process.exit(code ?? 2);
  process.exit(128 + (constants.signals[signal] ?? 0));
});
