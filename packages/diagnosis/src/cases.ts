/**
 * Labelled cases as text: a line with the columns, then one case a line. Whatever is wrong is said with its line. `null`
 * in a row means "not measured"; numbers too large to be measurements are refused, not rounded.
 */
import { type CoequalError, fail, reasonOf } from '@coequal/kernel';
import { makeWindow, type SignalWindow, type Stretch } from './window.ts';

export type LabelledCase = {
  readonly id: string;
  /** None: nothing was wrong. */
  readonly causes: readonly string[];
  readonly window: SignalWindow;
  /** The stretch that is known to be abnormal. Undefined: the file does not say. */
  readonly abnormal: Stretch | undefined;
  /** The rows that are known to be abnormal, of which `abnormal` is the span. */
  readonly abnormalRows: readonly number[];
  readonly machine: string | undefined;
  readonly kind: string | undefined;
};

/** The format has no times; a second is as good as any step. */
const stepMs = 1_000;
const maximumColumns = 20_000;
const maximumRows = 100_000;

/** @throws CASES_INVALID with file, line and what is wrong */
export const parseCases = (text: string, path: string): readonly LabelledCase[] => {
  const invalid = (line: number, reason: string): CoequalError => fail('CASES_INVALID', { path, line, reason });
  let columns: readonly string[] | undefined;
  const cases: LabelledCase[] = [];
  const seen = new Set<string>();
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    const refuse = (reason: string): CoequalError => invalid(index + 1, reason);
    const value = parseLine(line, refuse);
    if (columns === undefined) {
      columns = parseColumns(value, refuse);
      continue;
    }
    const parsed = parseCase(value, columns, refuse);
    if (seen.has(parsed.id)) throw refuse(`the id ${parsed.id} was used before`);
    seen.add(parsed.id);
    cases.push(parsed);
  }
  if (columns === undefined) throw invalid(1, 'the file is empty');
  return cases;
};

type Fields = Readonly<Record<string, unknown>>;
type Refuse = (reason: string) => CoequalError;

const parseLine = (line: string, refuse: Refuse): Fields => {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw refuse(`not JSON (${reasonOf(error)})`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw refuse('not a JSON object');
  return Object.fromEntries(Object.entries(value));
};

const isTexts = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every((each) => typeof each === 'string' && each !== '');

const parseColumns = ({ columns }: Fields, refuse: Refuse): readonly string[] => {
  if (!isTexts(columns) || columns.length === 0) throw refuse('the first line has no list of names in `columns`');
  if (columns.length > maximumColumns) throw refuse(`more than ${maximumColumns} columns`);
  const twice = columns.find((name, index) => columns.indexOf(name) !== index);
  if (twice !== undefined) throw refuse(`the column ${twice} is there twice`);
  return columns;
};

const parseCase = (fields: Fields, columns: readonly string[], refuse: Refuse): LabelledCase => {
  const { id, causes, rows, abnormal, inject, machine, kind } = fields;
  if (typeof id !== 'string' || id === '') throw refuse('`id` is not a text');
  if (!isTexts(causes)) throw refuse('`causes` is not a list of texts');
  if (!Array.isArray(rows) || rows.length === 0) throw refuse('`rows` is not a list of rows');
  if (rows.length > maximumRows) throw refuse(`more than ${maximumRows} rows`);
  const abnormalRows = parseAbnormal(abnormal, rows.length, refuse);
  return {
    id,
    causes,
    window: makeWindow({ startMs: 0, stepMs, length: rows.length, signals: parseRows(rows, columns, refuse) }),
    abnormal: spanOf(abnormalRows) ?? parseInject(inject, rows.length, refuse),
    abnormalRows,
    machine: parseOptionalText('machine', machine, refuse),
    kind: parseOptionalText('kind', kind, refuse),
  };
};

const parseOptionalText = (name: string, value: unknown, refuse: Refuse): string | undefined => {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'string') throw refuse(`\`${name}\` is not a text`);
  return value;
};

const parseRows = (rows: readonly unknown[], columns: readonly string[], refuse: Refuse) => {
  const values = columns.map(() => new Float64Array(rows.length));
  for (const [at, row] of rows.entries()) {
    if (!Array.isArray(row) || row.length !== columns.length)
      throw refuse(`row ${at} has not ${columns.length} values, one for each column`);
    for (const [column, value] of row.entries()) {
      if (value !== null && !Number.isFinite(value)) throw refuse(`row ${at}, ${columns[column]}: not a finite number`);
      const target = values[column];
      if (target !== undefined) target[at] = value ?? Number.NaN;
    }
  }
  return columns.map((name, column) => ({
    name,
    labels: {},
    kind: 'gauge' as const,
    values: values[column] ?? new Float64Array(rows.length),
  }));
};

const isRow = (value: unknown, most: number): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= most;

const parseAbnormal = (value: unknown, length: number, refuse: Refuse): readonly number[] => {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value) || value.length === 0 || !value.every((each) => isRow(each, length - 1)))
    throw refuse('`abnormal` is not a list of row numbers from 0');
  return value;
};

const spanOf = (rows: readonly number[]): Stretch | undefined => {
  if (rows.length === 0) return undefined;
  const [start, last] = rows.reduce(([least, most], row) => [Math.min(least, row), Math.max(most, row)], [
    Number.POSITIVE_INFINITY,
    0,
  ] as readonly [number, number]);
  return { start, end: last + 1 };
};

/** What is injected goes on having effects: the stretch reaches to the end. */
const parseInject = (value: unknown, length: number, refuse: Refuse): Stretch | undefined => {
  if (value === undefined || value === null) return undefined;
  const [start, end] = Array.isArray(value) ? value : [];
  if (!isRow(start, length - 1) || (end !== undefined && end !== null && (!isRow(end, length) || end < start)))
    throw refuse('`inject` is not [first row, row after the last]');
  return { start, end: length };
};
