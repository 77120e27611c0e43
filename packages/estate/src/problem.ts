/**
 * A place in an estate file that is wrong, and what to do about it. Everything the parser and the rules find is
 * one of these; whoever prints them needs nothing else.
 */

/** A path into the file: keys, and indices counted from 0. */
export type FilePath = readonly (string | number)[];

export type Problem = {
  /** Both counted from 1, as editors count. */
  readonly line: number;
  readonly column: number;
  /** For a person: `services[0].instances[2].host`. The empty text is the whole file. */
  readonly path: string;
  /** What is wrong, without a full stop at its end. */
  readonly message: string;
  /** What to do, one sentence or two. */
  readonly advice: string;
};

/** A problem found in the model, before its place in the text is known. */
export type Finding = {
  readonly at: FilePath;
  /** Where to point: at the value (unless said otherwise), or at the key that introduces it. */
  readonly point?: 'key' | 'value';
  readonly message: string;
  readonly advice: string;
};

export const pathText = (path: FilePath): string =>
  path.reduce<string>(
    (text, part) => (typeof part === 'number' ? `${text}[${part}]` : text === '' ? part : `${text}.${part}`),
    '',
  );

/** `coequal.yaml:12:9: message. advice`, the shape that editors and terminals turn into links. */
export const formatProblem = (file: string, problem: Problem): string =>
  `${file}:${problem.line}:${problem.column}: ${problem.message}. ${problem.advice}`;

/**
 * In the order of the file; the same place said twice in the same words counts once. Messages repeat parts of the
 * file, which may hold anything: control characters are replaced, so that printing them cannot drive a terminal.
 */
export const sortProblems = (problems: readonly Problem[]): readonly Problem[] => {
  const seen = new Set<string>();
  return problems
    .map((problem) => ({
      ...problem,
      path: printable(problem.path),
      message: printable(problem.message),
      advice: printable(problem.advice),
    }))
    .sort((a, b) => a.line - b.line || a.column - b.column)
    .filter((problem) => {
      const key = `${problem.line}:${problem.column}:${problem.message}`;
      return seen.has(key) ? false : seen.add(key) !== undefined;
    });
};

const printable = (text: string): string => text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, '?');
