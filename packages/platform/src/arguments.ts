/** The flags of the platform's program, parsed once. The command line of people is in the package cli; this is what it calls. */
import { parseArgs } from 'node:util';
import { fail, reasonOf } from '@coequal/kernel';

export type PlatformArguments = {
  readonly config: string;
  readonly name?: string;
  /** Look at everything that can be looked at, and start nothing. */
  readonly check: boolean;
  readonly json: boolean;
};

const help = 'coequal platform --help';

/** @throws COMMAND_USAGE */
export const parsePlatformArguments = (argv: readonly string[]): PlatformArguments => {
  const { config, name, check, json } = read(argv);
  if (config === undefined)
    throw fail('COMMAND_USAGE', { problem: 'A platform needs the estate file: --config FILE.', help });
  return { config, ...(name === undefined ? {} : { name }), check: check === true, json: json === true };
};

const read = (argv: readonly string[]) => {
  const flag = { type: 'boolean' } as const;
  const text = { type: 'string' } as const;
  try {
    return parseArgs({ args: [...argv], options: { config: text, name: text, check: flag, json: flag }, strict: true })
      .values;
  } catch (error) {
    throw fail('COMMAND_USAGE', { problem: reasonOf(error), help }, { cause: error });
  }
};
