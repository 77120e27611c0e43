/** The flags of the gateway's programs, parsed once. The command line of people is in the package cli; this is what it calls. */
import { parseArgs } from 'node:util';
import { fail, parseDuration, reasonOf } from '@coequal/kernel';

export type CheckArguments = {
  readonly config: string;
  readonly name?: string;
  readonly observe: boolean;
  /** Waits for an instance instead of refusing. */
  readonly wait: boolean;
  /** A gateway of this configuration runs already: its port and folder are not free, and need not be. */
  readonly running: boolean;
  /** Only a check is asked for: nothing is going to start. */
  readonly check: boolean;
};

export type GatewayArguments = CheckArguments & {
  readonly json: boolean;
  /** How long sessions may take to come to a boundary when workers are replaced or ended. */
  readonly drainMs: number;
};

export const usualDrainMs = 30_000;

const help = 'coequal gateway --help';

/** @throws COMMAND_USAGE */
export const parseGatewayArguments = (argv: readonly string[]): GatewayArguments => {
  const { config, name, observe, wait, running, check, json, 'drain-within': drain } = read(argv);
  if (config === undefined)
    throw fail('COMMAND_USAGE', { problem: 'A gateway needs its estate file: --config FILE.', help });
  const drainMs = drain === undefined ? usualDrainMs : parseDuration(drain);
  if (drainMs === undefined || drainMs > 86_400_000)
    throw fail('COMMAND_USAGE', { problem: `--drain-within takes a duration like 30s, not ${drain}.`, help });
  return {
    config,
    ...(name === undefined ? {} : { name }),
    observe: observe === true,
    wait: wait === true,
    running: running === true,
    check: check === true,
    json: json === true,
    drainMs,
  };
};

const read = (argv: readonly string[]) => {
  const flag = { type: 'boolean' } as const;
  const text = { type: 'string' } as const;
  try {
    const options = {
      config: text,
      name: text,
      observe: flag,
      wait: flag,
      running: flag,
      check: flag,
      json: flag,
      'drain-within': text,
    };
    return parseArgs({ args: [...argv], options, strict: true }).values;
  } catch (error) {
    throw fail('COMMAND_USAGE', { problem: reasonOf(error), help }, { cause: error });
  }
};

/** The command line of a check. */
export const checkArguments = ({ config, name, observe, wait, running, check }: CheckArguments): readonly string[] => [
  '--config',
  config,
  ...(name === undefined ? [] : ['--name', name]),
  ...(observe ? ['--observe'] : []),
  ...(wait ? ['--wait'] : []),
  ...(running ? ['--running'] : []),
  ...(check ? ['--check'] : []),
];
