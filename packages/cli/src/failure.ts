/**
 * How a failure is told: one line for a person, one object for a program, and for a bug of ours the stack and
 * where to report it. The exit code is 2 for all of them: 1 is kept for "the answer is no".
 */
import { CoequalError, failureText, reasonOf } from '@coequal/kernel';
import type { World } from './world.ts';

export const exitCodes = { good: 0, no: 1, impossible: 2 } as const;

/** Tells what went wrong and returns the exit code. */
export const tellFailure = (world: Pick<World, 'out' | 'tell' | 'version'>, error: unknown, json: boolean): number => {
  if (error instanceof CoequalError && error.kind !== 'bug') {
    world.tell(`${failureText(error)}\n`);
    if (json) world.out(`${JSON.stringify({ error: failureObject(error) })}\n`);
    return exitCodes.impossible;
  }
  world.tell(bugText(error, world.version));
  if (json) world.out(`${JSON.stringify({ error: { code: 'BUG', message: reasonOf(error) } })}\n`);
  return exitCodes.impossible;
};

const failureObject = ({ code, kind, retry, message, advice }: CoequalError) => ({
  code,
  kind,
  retry,
  message,
  advice,
});

const bugText = (error: unknown, version: string): string => {
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return `coequal: This is a bug in Coequal ${version} (Node ${process.versions.node}), not a mistake of yours. Please report it with what follows, as CONTRIBUTING.md says.\n${stack}\n`;
};
