/**
 * What a parser of a system file leaves behind: points, and problems with file and line. A file that a newer kernel writes
 * with more in it still gives what is known; a number that is none is a problem, and never a zero.
 */
import { type Label, type Labels, labelsOf, type Point, quoted } from '../sample.ts';

/** `file`: the path that was read. `line`: from 1. */
export type FileProblem = { readonly file: string; readonly line: number; readonly what: string };

/** A file of /proc or /sys that is longer is not read further. */
export const systemFileBytes = 2 ** 20;
const problemLimit = 50;

export class Readings {
  readonly points: Point[] = [];
  readonly problems: FileProblem[] = [];
  #file = '';

  /** Names the file that the following lines are of, and cuts it into lines. */
  linesOf(file: string, text: string): readonly string[] {
    this.#file = file;
    return text.slice(0, systemFileBytes).split('\n');
  }

  /** `labels` may come in any order; a name twice is a fault of the caller's table and keeps no point. */
  add(name: string, labels: readonly Label[], value: number): void {
    const sorted = labelsOf(labels);
    if (sorted !== undefined) this.points.push({ name, labels: sorted, value });
  }

  /** A text that should be a number, times `factor`. `index`: of its line, from 0. */
  addText(index: number, name: string, labels: readonly Label[], text: string | undefined, factor = 1): void {
    const value = wholeOf(text);
    if (value === undefined) this.problem(index, `${quoted(text ?? '')} is not the number for ${name}`);
    else this.add(name, labels, value * factor);
  }

  problem(index: number, what: string): void {
    if (this.problems.length < problemLimit) this.problems.push({ file: this.#file, line: index + 1, what });
  }
}

export type HostReadings = { readonly points: readonly Point[]; readonly problems: readonly FileProblem[] };

/** Decimal numbers as the kernel writes them. */
export const wholeOf = (text: string | undefined): number | undefined =>
  text !== undefined && /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : undefined;

/** Between blanks. By hand: some thousand lines a second pass here. */
export const wordsOf = (line: string): readonly string[] => {
  const words: string[] = [];
  let start = -1;
  for (let at = 0; at <= line.length; at += 1) {
    const code = line.charCodeAt(at);
    const isBlank = at === line.length || code === 32 || (code >= 9 && code <= 13);
    if (!isBlank) {
      if (start < 0) start = at;
    } else if (start >= 0) {
      words.push(line.slice(start, at));
      start = -1;
    }
  }
  return words;
};

export const noLabels: Labels = [];
