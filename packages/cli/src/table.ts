/** Plain text tables: columns as wide as their widest cell, numbers to the right, two blanks between. */
import { displayWidth } from './view/text.ts';

export type Column = { readonly title: string; readonly right?: boolean };

/** Lines without trailing blanks; the titles come first. */
export const formatTable = (columns: readonly Column[], rows: readonly (readonly string[])[]): readonly string[] => {
  const lines = [columns.map(({ title }) => title), ...rows];
  const widths = columns.map((_, index) => Math.max(...lines.map((line) => displayWidth(line[index] ?? ''))));
  return lines.map((line) =>
    columns
      .map(({ right }, index) => {
        const cell = line[index] ?? '';
        const blanks = ' '.repeat((widths[index] ?? 0) - displayWidth(cell));
        return right === true ? blanks + cell : cell + blanks;
      })
      .join('  ')
      .trimEnd(),
  );
};
