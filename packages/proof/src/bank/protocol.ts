/**
 * What the process of a site's clients and its parent say to each other: one line of options in, then changes of pace, then
 * `finish` or the end of input; one line of report out every quarter of a second, and a last one marked `final`.
 */
import { fail } from '@coequal/kernel';
import type { ClientOptions, Endpoint, Via } from '../arena.ts';
import type { Verdict } from '../history.ts';

export const reportEveryMs = 250;

/** `rate 40` or `rate null`: further lines change the pace. Undefined: the line says something else. */
export const parseRate = (line: string): { readonly ratePerSecond: number | null } | undefined => {
  const [word, figure = ''] = line.trim().split(' ');
  if (word !== 'rate') return undefined;
  const ratePerSecond = figure === 'null' ? null : Number(figure);
  return ratePerSecond === null || ratePerSecond > 0 ? { ratePerSecond } : undefined;
};

/** First line of the process's input. Passwords travel here, not in arguments that other users could read. */
export type ClientAssignment = {
  readonly site: string;
  /** The site's own instance first, the others by distance. */
  readonly endpoints: readonly Endpoint[];
  readonly options: ClientOptions;
};

export type ClientReport = {
  readonly type: 'report';
  readonly site: string;
  readonly via: Via;
  readonly run: string;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly acknowledged: number;
  /** Surely rolled back and tried again (1213). */
  readonly conflicts: number;
  /** Refused for want of funds: the bank's own no. */
  readonly refused: number;
  /** Every other failure that an application would have seen, by the server's number or a name. */
  readonly errors: Readonly<Record<string, number>>;
  readonly inDoubt: number;
  /** What gateways said of those that were asked about. */
  readonly decided: Readonly<Record<Verdict, number>>;
  /** COMMITs under way at this moment. */
  readonly committing: number;
  /** Sessions opened beyond the first of each seat. */
  readonly reconnects: number;
  /** Acknowledgements of the last second. */
  readonly perSecond: number;
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  /** Longest time without any acknowledgement since the first, the one going on included. */
  readonly longestPauseMs: number;
  readonly sinceAckMs: number | null;
  /** The instance of each seat's session; null while it has none. */
  readonly connectedTo: readonly (string | null)[];
  /** A few ids acknowledged since the last report, for looking up at another site. */
  readonly recentAcked: readonly string[];
  /** Why the last instance that could not be connected to, or did not serve, did not. Null: every one did at once. */
  readonly unreachable: string | null;
  /** True in the last line. */
  readonly final: boolean;
};

/** The parent's first line as a value, or COMMAND_USAGE. Only our own parent writes it, so one sentence is enough. */
export const parseAssignment = (line: string): ClientAssignment => {
  const value: unknown = parseJson(line);
  if (!isAssignment(value))
    throw malformed('it needs site, endpoints and options (seed, connections, accounts, ledgerPath, statementMs)');
  return value;
};

/** A report's line as a value, or undefined when it is not one. */
export const parseReport = (line: string): ClientReport | undefined => {
  const value: unknown = parseJson(line);
  return isReport(value) ? value : undefined;
};

const malformed = (problem: string) =>
  fail('COMMAND_USAGE', {
    problem: `The assignment of the bank's clients is malformed: ${problem}.`,
    help: 'coequal drill --help',
  });

const parseJson = (line: string): unknown => {
  try {
    return JSON.parse(line);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
};

const hasTypes = (
  value: unknown,
  types: Readonly<Record<string, 'string' | 'number' | 'boolean' | 'object'>>,
): boolean => {
  if (typeof value !== 'object' || value === null) return false;
  const found = new Map<string, unknown>(Object.entries(value));
  return Object.entries(types).every(([name, type]) => typeof found.get(name) === type && found.get(name) !== null);
};

const isEndpoint = (value: unknown): boolean =>
  hasTypes(value, {
    instance: 'string',
    site: 'string',
    host: 'string',
    port: 'number',
    user: 'string',
    password: 'string',
    database: 'string',
  });

const isAssignment = (value: unknown): value is ClientAssignment =>
  hasTypes(value, { site: 'string', endpoints: 'object', options: 'object' }) &&
  typeof value === 'object' &&
  value !== null &&
  'endpoints' in value &&
  'options' in value &&
  Array.isArray(value.endpoints) &&
  value.endpoints.length > 0 &&
  value.endpoints.every(isEndpoint) &&
  hasTypes(value.options, {
    seed: 'number',
    connections: 'number',
    accounts: 'number',
    ledgerPath: 'string',
    statementMs: 'number',
  });

const isReport = (value: unknown): value is ClientReport =>
  hasTypes(value, {
    type: 'string',
    site: 'string',
    run: 'string',
    at: 'number',
    acknowledged: 'number',
    via: 'string',
    errors: 'object',
    connectedTo: 'object',
    recentAcked: 'object',
    final: 'boolean',
  });
