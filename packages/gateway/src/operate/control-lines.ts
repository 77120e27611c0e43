/**
 * What an operator's commands and a gateway say over the control socket: JSON, one object a line. A call has a number, a
 * method and parameters; its answer has the number and `result` or `error`. Parsed here, refused here.
 */
import { fail } from '@coequal/kernel';
import type { KillWhat } from './ports.ts';

/** Lines longer than this are not ours. */
export const longestLine = 2 ** 16;

export type Call =
  | { readonly method: 'status' }
  | { readonly method: 'sessions' }
  | {
      readonly method: 'drain';
      readonly instance: string | null;
      readonly on: boolean;
      readonly deadlineMs: number | null;
    }
  | { readonly method: 'restart'; readonly deadlineMs: number | null }
  | { readonly method: 'kill'; readonly id: number; readonly what: KillWhat };

/** @throws COMMAND_USAGE for what is no call of ours */
export const parseCall = (method: unknown, params: unknown): Call => {
  const { instance, on, deadlineMs, id, what } = fieldsOf(params);
  switch (method) {
    case 'status':
    case 'sessions':
      return { method };
    case 'restart':
      return { method, deadlineMs: duration(deadlineMs) };
    case 'drain':
      if (typeof on !== 'boolean') throw usage('`drain` takes `on`: true or false.');
      return { method, instance: typeof instance === 'string' ? instance : null, on, deadlineMs: duration(deadlineMs) };
    case 'kill':
      if (typeof id !== 'number' || !Number.isSafeInteger(id)) throw usage('`kill` takes the number of a session.');
      return { method, id, what: what === 'query' ? 'query' : 'connection' };
    default:
      throw usage(`There is no call ${JSON.stringify(method) ?? 'without a name'}.`);
  }
};

const longestDeadlineMs = 86_400_000;

const duration = (value: unknown): number | null => {
  if (value === undefined || value === null) return null;
  if (typeof value === 'number' && value >= 0 && value <= longestDeadlineMs) return value;
  throw usage('A deadline is a number of milliseconds, a day at most.');
};

const usage = (problem: string) => fail('COMMAND_USAGE', { problem, help: 'coequal gateway --help' });

/** Who asks, as the command line says: the socket is its owner's alone, so this is a name for the record and no proof. */
export const parseAsker = (by: unknown): string =>
  typeof by === 'string' && /^[^\p{Cc}]{1,128}$/u.test(by) ? by : 'unknown';

/** A line as an object; an empty one for what is none. */
export const parseLine = (line: string): Readonly<Record<string, unknown>> => {
  try {
    return fieldsOf(JSON.parse(line));
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
};

const fieldsOf = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null ? { ...value } : {};

export const lineOf = (value: unknown): string => `${JSON.stringify(value)}\n`;
