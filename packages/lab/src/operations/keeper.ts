/**
 * One process of the operations side, kept running: started, waited for until its health page answers, started again when it ends without
 * somebody's will. Its output goes to a file, whose last line is told when it does not come up.
 */
import { request } from 'node:http';
import { isAlive, type Launch, signalGroup, startProcess } from '@coequal/engines';
import { type Clock, fail, until } from '@coequal/kernel';
import { readTail } from '../process/tail.ts';

export type KeptOptions = {
  readonly name: string;
  readonly argv: readonly string[];
  readonly launch: Launch;
  readonly logPath: string;
  /** Where it says that it is well. */
  readonly health: { readonly path: string } & (
    | { readonly socketPath: string }
    | { readonly host: string; readonly port: number }
  );
  readonly clock: Clock;
};

export type Kept = {
  readonly name: string;
  readonly alive: () => boolean;
  readonly pid: () => number | undefined;
  readonly start: () => Promise<void>;
  readonly kill: () => Promise<void>;
  readonly signal: (name: NodeJS.Signals) => void;
};

const startDeadlineMs = 60_000;
const endDeadlineMs = 10_000;
const healthMs = 1_000;

export const keep = (options: KeptOptions): Kept => {
  const { name, clock, logPath } = options;
  let running: Awaited<ReturnType<typeof startProcess>> | undefined;
  const alive = () => running !== undefined && isAlive(running);
  const signal = (word: NodeJS.Signals): void => {
    if (running !== undefined && isAlive(running)) signalGroup(running, word);
  };
  return {
    name,
    alive,
    pid: () => (alive() ? running?.pid : undefined),
    start: async () => {
      if (alive()) return;
      running = await startProcess(options.launch, options.argv, logPath);
      const wait = {
        what: `The health of ${name}`,
        deadlineMs: startDeadlineMs,
        everyMs: 50,
        advice: `See ${logPath}.`,
      };
      await until(clock, wait, async () => {
        if (!alive())
          throw fail('PROGRAM_FAILED', {
            program: name,
            status: 'before it was well',
            output: (await readTail(logPath, 4_096)).trim().split('\n').at(-1)?.slice(0, 1_000) ?? '',
            advice: `See ${logPath}.`,
          });
        return isWell(options.health);
      });
    },
    kill: async () => {
      signal('SIGKILL');
      await until(clock, { what: `The end of ${name}`, deadlineMs: endDeadlineMs, everyMs: 10 }, () => !alive());
    },
    signal,
  };
};

const isWell = (health: KeptOptions['health']): Promise<boolean> =>
  new Promise((resolve) => {
    const asking = request({ ...health, timeout: healthMs, agent: false }, (answer) => {
      answer.resume();
      answer.once('end', () => resolve(answer.statusCode === 200));
      answer.once('error', () => resolve(false));
    });
    asking.once('timeout', () => asking.destroy());
    asking.once('error', () => resolve(false));
    asking.end();
  });
