/**
 * What is wrong with bytes from outside, as a value. Nothing in this package throws because of its input: a
 * function that reads answers with what it read, or with a problem. Who sent the bytes, and what to answer
 * them, the caller knows.
 */

/**
 * `too-large`: above a limit. `out-of-order`: a sequence number that is not the next. `truncated`: a field
 * goes beyond its packet. `malformed`: the bytes mean nothing. `unsupported`: they mean something we refuse.
 */
export type ProblemKind = 'too-large' | 'out-of-order' | 'truncated' | 'malformed' | 'unsupported';

export type WireProblem = {
  readonly problem: ProblemKind;
  /** A sentence for a log or for an ERR packet; it never holds bytes of the input. */
  readonly reason: string;
};

export const problemOf = (problem: ProblemKind, reason: string): WireProblem => ({ problem, reason });

export const isProblem = <Value>(value: Value | WireProblem): value is WireProblem =>
  typeof value === 'object' && value !== null && 'problem' in value;
