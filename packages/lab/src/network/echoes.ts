/** Runs the echo program in every site, and asks it for round trip times. They end with `close`. */
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type Clock, fail, within } from '@coequal/kernel';
import type { Runner } from '../process/run.ts';
import { siteClientAddress } from './addresses.ts';

export type Echoes = {
  /** The median of `count` round trips of one byte over TCP, ms. */
  readonly measure: (from: number, to: number, count: number) => Promise<number>;
  readonly close: () => Promise<void>;
};

type Answer = { readonly to?: string; readonly medianMs?: number; readonly problem?: string };

export type EchoTools = {
  readonly runner: Runner;
  readonly clock: Clock;
  readonly enter: (site: number, argv: readonly string[]) => readonly string[];
  /** Gets the closing, also when the start fails. */
  readonly undo: (() => Promise<unknown>)[];
};

const PROGRAM = fileURLToPath(new URL('./echo.ts', import.meta.url));
const DEADLINE_MS = 20_000;

export const startEchoes = async (sites: readonly number[], tools: EchoTools): Promise<Echoes> => {
  const { runner, clock, enter } = tools;
  const running = new Map<number, { readonly child: ChildProcess; readonly answer: (to: string) => Promise<Answer> }>();
  const answerOf = async (site: number, to: string, what: string): Promise<Answer> => {
    const program = running.get(site);
    if (program === undefined) throw new Error(`Bug: no echo in site ${site}`);
    return within(clock, { what, deadlineMs: DEADLINE_MS }, program.answer(to));
  };
  /** A program that could not start has ended by now; its problem is the reason. */
  const ready = async (site: number): Promise<void> => {
    const { problem } = await answerOf(site, '', `the echo in site ${site}`);
    if (problem !== undefined) throw broken(problem);
  };
  const close = async (): Promise<void> => {
    await Promise.all([...running.values()].map(({ child }) => endOf(child)));
  };
  tools.undo.push(close);
  for (const site of sites) {
    const child = runner.start(enter(site, [process.execPath, PROGRAM, siteClientAddress(site)]));
    running.set(site, { child, answer: answersOf(child) });
  }
  await Promise.all(sites.map((site) => ready(site)));
  return {
    measure: async (from, to, count) => {
      const address = siteClientAddress(to);
      running.get(from)?.child.stdin?.write(`${JSON.stringify({ to: address, count })}\n`);
      const { medianMs, problem } = await answerOf(from, address, `a round trip from site ${from} to site ${to}`);
      if (medianMs !== undefined) return medianMs;
      throw broken(problem ?? 'no figure');
    },
    close,
  };
};

const broken = (output: string) =>
  fail('PROGRAM_FAILED', {
    program: 'echo',
    status: 'a problem',
    output,
    advice: 'A link between the sites does not carry packets; `dmesg` may say why.',
  });

/** The answers of a child by what they answer ('' for its being ready). A child that ended answers with a problem for ever. */
const answersOf = (child: ChildProcess): ((to: string) => Promise<Answer>) => {
  const waiting = new Map<string, (answer: Answer) => void>();
  const arrived = new Map<string, Answer>();
  let ended: Answer | undefined;
  let complaint = '';
  const give = (to: string, answer: Answer): void => {
    const next = waiting.get(to);
    waiting.delete(to);
    if (next === undefined) arrived.set(to, answer);
    else next(answer);
  };
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    complaint = (complaint + text).slice(-500);
  });
  child.stdin?.on('error', () => undefined);
  child.once('error', (error) => {
    complaint = error.message;
  });
  child.once('close', () => {
    ended = { problem: `it ended: ${complaint.trim()}` };
    for (const to of [...waiting.keys()]) give(to, ended);
  });
  if (child.stdout !== null) {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const answer = JSON.parse(line) as Answer;
      give(answer.to ?? '', answer);
    });
  }
  return (to) => {
    const answer = arrived.get(to) ?? ended;
    arrived.delete(to);
    return answer === undefined ? new Promise((resolve) => waiting.set(to, resolve)) : Promise.resolve(answer);
  };
};

const endOf = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return resolve();
    child.once('exit', () => resolve());
    child.kill('SIGKILL');
  });
