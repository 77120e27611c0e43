/**
 * The history: what clients did and were told, one JSON object a line (docs/history.md). It is written beside
 * the work, outside the database, and is the only witness that reconciliation and the consistency checkers trust.
 *
 * The invariant: an invocation is on record before anything of it is sent, and its completion before its answer
 * is counted. So a client that is killed leaves an open invocation, which reads as `info`: nobody knows.
 *
 * Pure: lines in, transactions out. Files are read and written in `adapters/`.
 */
import { type CoequalError, fail } from '@coequal/kernel';

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** What a transaction does, or did: a name and its arguments, as in Elle: `["r", key, value]`, `["transfer", from, to, amount]`. */
export type Operation = readonly [name: string, ...values: readonly Json[]];

/** `ok`: acknowledged. `fail`: surely not done. `info`: nobody knows; it may take effect at any later time, or never. */
export type Outcome = 'ok' | 'fail' | 'info';

/** First line of every ledger: who wrote it, and how its times relate to the wall clock. */
export type HistoryHeader = {
  readonly type: 'header';
  readonly format: 'coequal-history';
  readonly version: 1;
  readonly workload: string;
  readonly site: string;
  readonly run: string;
  readonly seed: number;
  /** One moment on both clocks: microseconds of the machine's monotonic clock, milliseconds since 1970. */
  readonly monotonicUs: number;
  readonly wallMs: number;
};

export type Invocation = {
  readonly type: 'invoke';
  /** Unique in all histories that are ever read together. */
  readonly id: string;
  /** A sequential client: at most one of its transactions is open at a time. */
  readonly process: string;
  readonly site: string;
  readonly instance: string;
  /** Microseconds of the machine's monotonic clock. */
  readonly at: number;
  readonly operations: readonly Operation[];
  /** What the customer wanted. Attempts at the same thing share it; at most one of them may take effect. */
  readonly intent?: string;
  readonly attempt?: number;
  /** Set when it was sent to a gateway: `instance` is then the gateway's name. */
  readonly via?: 'gateway';
  /** Set for clients that never try again and take every refusal for an error. */
  readonly style?: 'legacy';
};

export type Completion = {
  readonly type: 'complete';
  readonly id: string;
  readonly at: number;
  readonly outcome: Outcome;
  /** What was seen and done, where the invocation could not know it. Replaces the invocation's operations. */
  readonly operations?: readonly Operation[];
  readonly error?: string;
  /** When the COMMIT, or the statement that commits by itself, was sent; left out when none was. */
  readonly committing?: number;
};

/** What a gateway said became of a transaction in doubt. `unknown`: it could not say either. */
export type Verdict = 'committed' | 'not-committed' | 'unknown';

/** A doubt that was settled, or not, by asking: follows the completion with the outcome `info`. */
export type Decision = {
  readonly type: 'decide';
  readonly id: string;
  readonly at: number;
  readonly verdict: Verdict;
  /** The gateway that was asked; empty when none answered. */
  readonly by: string;
};

/** An invocation and its completion as one record. `complete` is null when no answer was ever recorded. */
export type Transaction = Omit<Invocation, 'type' | 'at'> & {
  readonly invoke: number;
  readonly complete: number | null;
  readonly outcome: Outcome;
  readonly error?: string;
  readonly committing?: number;
  readonly decision?: Omit<Decision, 'type' | 'id'>;
};

export type LedgerLine = HistoryHeader | Invocation | Completion | Decision;

export type History = {
  readonly headers: readonly HistoryHeader[];
  /** In the order of invocation. */
  readonly transactions: readonly Transaction[];
  /** True when the last line was cut off, as a killed writer leaves it. */
  readonly torn: boolean;
};

/** Why an open invocation has no answer. */
export const noAnswer = 'NO_ANSWER';

export const formatLine = (line: LedgerLine): string => `${JSON.stringify(line)}\n`;

export const formatTransaction = (transaction: Transaction): string =>
  `${JSON.stringify({ type: 'transaction', ...transaction })}\n`;

export type HistoryReader = {
  /** Takes the next line, without its newline. Throws HISTORY_INVALID. */
  readonly line: (text: string) => void;
  readonly finish: () => History;
};

/** Reads a history line by line, so that its size is bounded by memory for transactions only. */
export const historyReader = (path: string): HistoryReader => {
  const headers: HistoryHeader[] = [];
  const transactions = new Map<string, Transaction>();
  let number = 0;
  let tornAt: number | undefined;
  const take = (record: Fields): void => {
    switch (record.text('type')) {
      case 'header':
        headers.push(headerOf(record));
        return;
      case 'invoke':
        addNew(transactions, openTransaction(record), record);
        return;
      case 'transaction':
        addNew(transactions, wholeTransaction(record), record);
        return;
      case 'complete':
        complete(transactions, record);
        return;
      case 'decide':
        decide(transactions, record);
        return;
      default:
        throw record.invalid('type', 'one of header, invoke, complete, decide, transaction');
    }
  };
  return {
    line: (text) => {
      number += 1;
      if (text.trim() === '') return;
      if (tornAt !== undefined) throw fail('HISTORY_INVALID', { path, line: tornAt, reason: 'this is not JSON' });
      const value = parseJson(text);
      // Only the last line may be cut off; whether this is the last one shows when another follows.
      if (value === undefined) tornAt = number;
      else take(fields(value, path, number));
    },
    finish: () => ({
      headers,
      transactions: [...transactions.values()].sort((a, b) => a.invoke - b.invoke),
      torn: tornAt !== undefined,
    }),
  };
};

export const parseHistory = (text: string, path: string): History => {
  const reader = historyReader(path);
  for (const line of text.split('\n')) reader.line(line);
  return reader.finish();
};

/** Several ledgers as one history, in the order of invocation. All must come from one machine's clock. */
export const mergeHistories = (histories: readonly History[]): History => ({
  headers: histories.flatMap((history) => history.headers),
  transactions: histories.flatMap((history) => history.transactions).sort((a, b) => a.invoke - b.invoke),
  torn: histories.some((history) => history.torn),
});

const addNew = (transactions: Map<string, Transaction>, transaction: Transaction, record: Fields): void => {
  if (transactions.has(transaction.id)) throw record.wrong(`transaction ${transaction.id} is already on record`);
  transactions.set(transaction.id, transaction);
};

const complete = (transactions: Map<string, Transaction>, record: Fields): void => {
  const id = record.text('id');
  const open = transactions.get(id);
  if (open === undefined) throw record.wrong(`transaction ${id} completes without having begun`);
  if (open.complete !== null) throw record.wrong(`transaction ${id} completes twice`);
  const at = record.number('at');
  if (at < open.invoke) throw record.wrong(`transaction ${id} completes before it begins`);
  const { error: _, ...begun } = open;
  const error = record.optionalText('error');
  transactions.set(id, {
    ...begun,
    complete: at,
    outcome: record.outcome(),
    operations: record.has('operations') ? record.operations() : open.operations,
    ...(error === undefined ? {} : { error }),
    ...(record.has('committing') ? { committing: record.number('committing') } : {}),
  });
};

/** Only a doubt can be decided, and only once. */
const decide = (transactions: Map<string, Transaction>, record: Fields): void => {
  const id = record.text('id');
  const doubt = transactions.get(id);
  if (doubt === undefined) throw record.wrong(`transaction ${id} is decided without having begun`);
  if (doubt.outcome !== 'info' || doubt.complete === null)
    throw record.wrong(`transaction ${id} is decided and was not in doubt`);
  if (doubt.decision !== undefined) throw record.wrong(`transaction ${id} is decided twice`);
  transactions.set(id, { ...doubt, decision: decisionOf(record) });
};

const decisionOf = (record: Fields): Omit<Decision, 'type' | 'id'> => ({
  at: record.number('at'),
  verdict: record.verdict(),
  by: record.has('by') ? record.plainText('by') : '',
});

const identity = (record: Fields) => {
  const intent = record.optionalText('intent');
  return {
    id: record.text('id'),
    process: record.text('process'),
    site: record.text('site'),
    instance: record.text('instance'),
    operations: record.operations(),
    ...(intent === undefined ? {} : { intent }),
    ...(record.has('attempt') ? { attempt: record.number('attempt') } : {}),
    ...(record.is('via', 'gateway') ? { via: 'gateway' as const } : {}),
    ...(record.is('style', 'legacy') ? { style: 'legacy' as const } : {}),
  };
};

const openTransaction = (record: Fields): Transaction => ({
  ...identity(record),
  invoke: record.number('at'),
  complete: null,
  outcome: 'info',
  error: noAnswer,
});

const wholeTransaction = (record: Fields): Transaction => {
  const error = record.optionalText('error');
  const invoke = record.number('invoke');
  const complete = record.isNull('complete') ? null : record.number('complete');
  const outcome = record.outcome();
  if (complete === null && outcome !== 'info')
    throw record.wrong(`an outcome of ${outcome} needs a time of completion`);
  if (complete !== null && complete < invoke) throw record.wrong('it completes before it begins');
  const decision = record.inside('decision');
  if (decision !== undefined && outcome !== 'info') throw record.wrong('it is decided and was not in doubt');
  return {
    ...identity(record),
    invoke,
    complete,
    outcome,
    ...(error === undefined ? {} : { error }),
    ...(record.has('committing') ? { committing: record.number('committing') } : {}),
    ...(decision === undefined ? {} : { decision: decisionOf(decision) }),
  };
};

const headerOf = (record: Fields): HistoryHeader => {
  if (record.text('format') !== 'coequal-history') throw record.invalid('format', 'coequal-history');
  if (record.number('version') !== 1) throw record.invalid('version', '1, the only version this program reads');
  return {
    type: 'header',
    format: 'coequal-history',
    version: 1,
    workload: record.text('workload'),
    site: record.text('site'),
    run: record.text('run'),
    seed: record.number('seed'),
    monotonicUs: record.number('monotonicUs'),
    wallMs: record.number('wallMs'),
  };
};

/** One line's fields, each read with its type or refused with the line's number. */
type Fields = {
  readonly wrong: (reason: string) => CoequalError;
  readonly invalid: (name: string, wanted: string) => CoequalError;
  /** A text that says something. */
  readonly text: (name: string) => string;
  readonly plainText: (name: string) => string;
  readonly has: (name: string) => boolean;
  readonly is: (name: string, value: string) => boolean;
  readonly isNull: (name: string) => boolean;
  readonly optionalText: (name: string) => string | undefined;
  readonly number: (name: string) => number;
  readonly outcome: () => Outcome;
  readonly verdict: () => Verdict;
  readonly operations: () => readonly Operation[];
  /** The fields of an object inside. */
  readonly inside: (name: string) => Fields | undefined;
};

const fields = (value: unknown, path: string, line: number): Fields => {
  const wrong = (reason: string) => fail('HISTORY_INVALID', { path, line, reason });
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong('this is not a JSON object');
  const record = new Map<string, unknown>(Object.entries(value));
  const invalid = (name: string, wanted: string) => wrong(`"${name}" must be ${wanted}`);
  const text = (name: string): string => {
    const field = record.get(name);
    if (typeof field !== 'string' || field === '') throw invalid(name, 'a text');
    return field;
  };
  return {
    wrong,
    invalid,
    text,
    plainText: (name: string): string => {
      const field = record.get(name);
      if (typeof field !== 'string') throw invalid(name, 'a text');
      return field;
    },
    has: (name: string): boolean => record.has(name),
    is: (name: string, wanted: string): boolean => record.get(name) === wanted,
    isNull: (name: string): boolean => record.get(name) === null,
    optionalText: (name: string): string | undefined => (record.has(name) ? text(name) : undefined),
    number: (name: string): number => {
      const field = record.get(name);
      if (typeof field !== 'number' || !Number.isFinite(field)) throw invalid(name, 'a number');
      return field;
    },
    outcome: (): Outcome => {
      const field = record.get('outcome');
      if (field !== 'ok' && field !== 'fail' && field !== 'info') throw invalid('outcome', 'ok, fail or info');
      return field;
    },
    verdict: (): Verdict => {
      const field = record.get('verdict');
      if (field !== 'committed' && field !== 'not-committed' && field !== 'unknown')
        throw invalid('verdict', 'committed, not-committed or unknown');
      return field;
    },
    inside: (name: string): Fields | undefined => (record.has(name) ? fields(record.get(name), path, line) : undefined),
    operations: (): readonly Operation[] => {
      const field = record.get('operations');
      if (!Array.isArray(field) || !field.every(isOperation)) {
        throw invalid('operations', 'a list of lists that each begin with a name');
      }
      return field;
    },
  };
};

const isOperation = (value: unknown): value is Operation => Array.isArray(value) && typeof value[0] === 'string';

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
};
