/** The flags of the agent's program, parsed once. The command line of people is in the package cli; this is what it calls. */
import { parseArgs } from 'node:util';
import { fail, reasonOf } from '@coequal/kernel';

export type AgentArguments = {
  readonly config: string;
  /** Name of the agent or of its host. */
  readonly host?: string;
  /** Only a check is asked for: nothing is going to run. */
  readonly check: boolean;
  readonly json: boolean;
};

const help = 'coequal agent --help';

/** @throws COMMAND_USAGE */
export const parseAgentArguments = (argv: readonly string[]): AgentArguments => {
  const { config, host, check, json } = read(argv);
  if (config === undefined)
    throw fail('COMMAND_USAGE', { problem: 'An agent needs its estate file: --config FILE.', help });
  return { config, ...(host === undefined ? {} : { host }), check: check === true, json: json === true };
};

const read = (argv: readonly string[]) => {
  const flag = { type: 'boolean' } as const;
  const text = { type: 'string' } as const;
  try {
    return parseArgs({ args: [...argv], options: { config: text, host: text, check: flag, json: flag }, strict: true })
      .values;
  } catch (error) {
    throw fail('COMMAND_USAGE', { problem: reasonOf(error), help }, { cause: error });
  }
};
