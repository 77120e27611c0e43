/**
 * Text in a terminal's cells: how wide it is, how it is cut, and how styled pieces become a line. Everything that is
 * shown goes through here, so no text from outside can move the cursor or widen a line.
 */

export type Style = 'plain' | 'strong' | 'faint' | 'good' | 'warn' | 'bad' | 'accent';
export type Piece = { readonly text: string; readonly style: Style };
export type Line = readonly Piece[];

export const piece = (text: string, style: Style = 'plain'): Piece => ({ text: printable(text), style });

/** Without control characters (a log line may hold escape sequences); a line break becomes a blank. */
export const printable = (text: string): string =>
  text.replaceAll(/[\r\n\t]+/g, ' ').replaceAll(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, '');

/** Cells that a character takes: 0 for combining marks, 2 for wide East Asian characters and emoji. */
const cellsOf = (character: string): 0 | 1 | 2 => {
  if (/^[\p{Mn}\p{Me}\p{Cf}\p{Cc}]/u.test(character)) return 0;
  return wide.test(character) ? 2 : 1;
};
const wide =
  /^(?:[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}|[\u{1f000}-\u{1faff}]|[\u{20000}-\u{3fffd}])/u;

export const displayWidth = (text: string): number => {
  let cells = 0;
  for (const character of text) cells += cellsOf(character);
  return cells;
};

/** At most `columns` cells; what was cut off is replaced by `…`. */
export const cut = (text: string, columns: number): string => {
  if (displayWidth(text) <= columns) return text;
  if (columns < 1) return '';
  let kept = '';
  let cells = 0;
  for (const character of text) {
    if (cells + cellsOf(character) > columns - 1) break;
    kept += character;
    cells += cellsOf(character);
  }
  return `${kept}…`;
};

export const padEnd = (text: string, columns: number): string =>
  text + ' '.repeat(Math.max(0, columns - displayWidth(text)));
export const padStart = (text: string, columns: number): string =>
  ' '.repeat(Math.max(0, columns - displayWidth(text))) + text;

export const lineWidth = (line: Line): number => line.reduce((cells, { text }) => cells + displayWidth(text), 0);

export const fit = (line: Line, columns: number): Line => {
  const fitted: Piece[] = [];
  let left = columns;
  const overflows = lineWidth(line) > columns;
  for (const { text, style } of line) {
    const width = displayWidth(text);
    const last = overflows && width >= left;
    fitted.push({ text: last ? cut(`${text} `, left) : text, style });
    if (last) break;
    left -= width;
  }
  return fitted;
};

/**
 * The pieces that fit whole, in their order of importance, with blanks between: a number is shown in full or not at
 * all, because half a number is another number.
 */
export const joinFitting = (pieces: readonly Piece[], columns: number, indent: string, between = '  '): Line => {
  const line: Piece[] = [{ text: indent, style: 'plain' }];
  let cells = displayWidth(indent);
  for (const next of pieces) {
    const gap = line.length === 1 ? '' : between;
    const width = displayWidth(gap) + displayWidth(next.text);
    if (cells + width > columns) continue;
    line.push({ text: gap, style: 'plain' }, next);
    cells += width;
  }
  return line;
};

const escapeCode = '\u001b';

const codes: Readonly<Record<Style, string>> = {
  plain: '',
  strong: '1',
  faint: '2',
  good: '32',
  warn: '33',
  bad: '1;31',
  accent: '36',
};

/** The line as a terminal wants it. Without colour, words and shapes say everything that colour says. */
export const paint = (line: Line, colour: boolean): string =>
  line
    .map(({ text, style }) =>
      !colour || codes[style] === '' || text === '' ? text : `${escapeCode}[${codes[style]}m${text}${escapeCode}[0m`,
    )
    .join('')
    .trimEnd();

/** What a painted line looks like: without its colours. */
export const unpainted = (text: string): string => text.replaceAll(colourCode, '');

const colourCode = new RegExp(`${escapeCode}\\[[0-9;]*m`, 'g');
