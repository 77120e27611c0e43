/**
 * A link with delay for kernels without netem: a tap interface in each site, a user-space switch behind each tap, and
 * wirefilter (vde2) between the two switches. All three programs run as our children, and end when the pipe
 * to their standard input closes, so with us. The delay is changed live over wirefilter's management socket.
 */
import type { ChildProcess } from 'node:child_process';
import { access } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { type Clock, fail, type Log, reasonOf, until, within } from '@coequal/kernel';
import type { Runner } from '../process/run.ts';

export type WireEnd = {
  /** Puts a program into the site. */
  readonly enter: (argv: readonly string[]) => readonly string[];
  /** The tap; it must exist in the site. */
  readonly interface: string;
};

export type Wire = {
  /** Both ways together. Wirefilter counts whole milliseconds each way, so this does too. */
  readonly setRoundTripDelay: (delayMs: number) => Promise<void>;
  readonly close: () => Promise<void>;
};

export type WireTools = {
  readonly runner: Runner;
  readonly clock: Clock;
  readonly log: Log;
  /** A short path of the lab's own: the sockets of the switches are named from it. */
  readonly path: string;
};

const START_DEADLINE_MS = 10_000;
const COMMAND_DEADLINE_MS = 5_000;
const SWITCH_PORTS = '4';

export const startWire = async (ends: readonly [WireEnd, WireEnd], tools: WireTools): Promise<Wire> => {
  const { runner, clock, path } = tools;
  const children = new Set<ChildProcess>();
  let closing = false;
  const start = (name: string, argv: readonly string[]): void => {
    const child = runner.start(argv);
    children.add(child);
    keepQuiet(child);
    child.once('error', (error) =>
      tools.log('error', 'a link helper did not start', { name, path, reason: reasonOf(error) }),
    );
    child.once('exit', (status, signal) => {
      children.delete(child);
      if (!closing) tools.log('error', 'a link helper ended', { name, path, status, signal });
    });
  };
  const close = async (): Promise<void> => {
    closing = true;
    await Promise.all([...children].map(endOf));
  };
  try {
    const switches = ends.map((_, index) => `${path}${'ab'[index]}`);
    for (const [index, end] of ends.entries()) {
      const argv = ['vde_switch', '-s', switches[index] ?? '', '-t', end.interface, '-n', SWITCH_PORTS];
      start('vde_switch', end.enter([runner.tool('vde_switch'), ...argv.slice(1)]));
    }
    await Promise.all(switches.map((folder) => untilThere(clock, `${folder}/ctl`)));
    start('wirefilter', ['wirefilter', '-v', switches.join(':'), '-M', `${path}m`]);
    await untilThere(clock, `${path}m`);
    const command = commandsTo(clock, `${path}m`);
    const setRoundTripDelay = async (delayMs: number): Promise<void> => {
      const whole = Math.max(0, Math.round(delayMs));
      await command(`delay LR ${Math.ceil(whole / 2)}`);
      await command(`delay RL ${Math.floor(whole / 2)}`);
    };
    return { setRoundTripDelay, close };
  } catch (error) {
    await close();
    throw error;
  }
};

/** What they print is a prompt for a person; unread, it would fill the pipe and stop them. */
const keepQuiet = (child: ChildProcess): void => {
  child.stdout?.resume();
  child.stderr?.resume();
  child.stdin?.on('error', () => undefined);
};

const untilThere = async (clock: Clock, path: string): Promise<void> => {
  await until(clock, { what: `the socket ${path}`, deadlineMs: START_DEADLINE_MS, everyMs: 5 }, () =>
    access(path).then(
      () => true,
      () => false,
    ),
  );
};

/** Each command is a session of its own, answered by a line such as `1000 Success`. One at a time. */
const commandsTo = (clock: Clock, path: string): ((line: string) => Promise<void>) => {
  let turn: Promise<unknown> = Promise.resolve();
  return (line) => {
    const result = turn.then(() => manage(clock, path, line));
    turn = result.catch(() => undefined);
    return result;
  };
};

const manage = (clock: Clock, path: string, line: string): Promise<void> => {
  const socket = connect(path);
  return within(
    clock,
    { what: `wirefilter's answer to "${line}"`, deadlineMs: COMMAND_DEADLINE_MS },
    answerTo(socket, line),
  ).finally(() => socket.destroy());
};

const answerTo = (socket: Socket, line: string): Promise<void> =>
  new Promise((resolve, reject) => {
    const refuse = (output: string) =>
      reject(
        fail('PROGRAM_FAILED', {
          program: `wirefilter (${line})`,
          status: 'an error',
          output,
          advice: 'Heal the site and try again.',
        }),
      );
    let text = '';
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      const answer = /^(\d{4}) (.*)$/m.exec(text.slice(text.indexOf('$ ') + 2));
      if (answer === null) return;
      if (answer[1] === '1000') resolve();
      else refuse(answer[0]);
    });
    socket.once('error', (error) => refuse(reasonOf(error)));
    socket.once('end', () => refuse(`the session ended: ${text}`));
    socket.write(`${line}\n`);
  });

const endOf = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return resolve();
    child.once('exit', () => resolve());
    child.kill('SIGKILL');
  });
