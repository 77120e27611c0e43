/** Assertions: for our own bugs only. What the world can do wrong is an error with a code (`errors.ts`). */

export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`Bug: ${message}`);
}

/** For the `default` of an exhaustive switch: does not compile while a case is missing. */
export const unreachable = (value: never): never => {
  throw new Error(`Bug: unexpected value ${JSON.stringify(value)}`);
};
