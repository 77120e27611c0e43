/** Reads TypeScript and Markdown as far as the tidy rules need: code without its texts, imports, headings, links. Pure. */

export type SourceFile = { readonly path: string; readonly text: string };

/** Comments and the content of texts become spaces; lines and columns stay where they are. */
export const blank = (source: string, what: 'comments' | 'comments and texts'): string => {
  const keepTexts = what === 'comments';
  const spaces = (piece: string): string => piece.replaceAll(/[^\n]/g, ' ');
  return source.replaceAll(token, (piece: string, comment: string | undefined, text: string | undefined) => {
    if (comment !== undefined) return spaces(piece);
    if (text === undefined || keepTexts) return piece;
    return text.startsWith('`') ? blankTemplate(text, spaces) : spaces(piece);
  });
};

/** A comment, a text, or a regular expression (which may hold quotes and slashes), whichever comes first. */
const token =
  /(\/\*[\s\S]*?\*\/|\/\/[^\n]*)|('(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\[\s\S]|\$\{(?:[^{}`]|\{[^{}]*\}|`(?:\\[\s\S]|[^`\\])*`)*\}|[^`\\])*`)|(?<=[(,=:[!&|?;{}>]\s*|\breturn\s+)\/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n])+\/[a-z]*/g;

/** What stands in `${…}` is code. */
const blankTemplate = (text: string, spaces: (piece: string) => string): string =>
  text
    .split(/(\$\{(?:[^{}]|\{[^{}]*\})*\})/)
    .map((piece) => (piece.startsWith('${') ? blank(piece, 'comments and texts') : spaces(piece)))
    .join('');

export type Import = {
  readonly from: string;
  readonly names: readonly string[];
  readonly line: number;
  /** `export … from`: handed on, not used. */
  readonly handedOn: boolean;
};

const importPattern =
  /^[ \t]*(?:import|export)\s+(?:type\s+)?([\w*{][^'";]*?)\s+from\s+'([^']+)'|^[ \t]*import\s+'([^']+)'|\bimport\(\s*'([^']+)'\s*\)/gm;

/** Every import and re-export, with the names taken. */
export const importsOf = (source: string): readonly Import[] =>
  [...blank(source, 'comments').matchAll(importPattern)].map((match) => ({
    from: match[2] ?? match[3] ?? match[4] ?? '',
    names: namesIn(match[1] ?? ''),
    line: lineAt(source, match.index),
    handedOn: match[0].trimStart().startsWith('export'),
  }));

/** Source names: of `{ a as b, type c }` the names a and c; of `* as x` the name *. */
const namesIn = (clause: string): readonly string[] =>
  clause
    .replaceAll(/[{}]/g, ',')
    .split(',')
    .flatMap((piece) => {
      const name =
        piece
          .trim()
          .replace(/^type\s+/, '')
          .split(/\s+as\s+/)[0] ?? '';
      return name === '' ? [] : [name];
    });

/** Files that are named in texts, such as programs to be started: `new URL('./main.ts', import.meta.url)`. */
export const fileTextsOf = (source: string): readonly string[] =>
  [...blank(source, 'comments').matchAll(/['"`](\.{1,2}\/[\w./-]+\.ts)['"`]/g)].map((match) => match[1] ?? '');

export const lineAt = (text: string, index: number): number => text.slice(0, index).split('\n').length;

/** A relative import of a file, as a path of the repository. */
export const resolve = (from: string, to: string): string => {
  const parts = from.split('/').slice(0, -1);
  for (const part of to.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '.' && part !== '') parts.push(part);
  }
  return parts.join('/');
};

export type Heading = { readonly level: number; readonly text: string; readonly line: number };

/** Markdown without its fenced code, line for line. */
export const prose = (markdown: string): string =>
  markdown.replaceAll(/^(```|~~~)[\s\S]*?^\1[ \t]*$/gm, (block) => block.replaceAll(/[^\n]/g, ''));

export const headingsOf = (markdown: string): readonly Heading[] =>
  prose(markdown)
    .split('\n')
    .flatMap((line, index) => {
      const match = /^(#{1,6})\s+(.*?)\s*#*$/.exec(line);
      return match === null ? [] : [{ level: match[1]?.length ?? 0, text: match[2] ?? '', line: index + 1 }];
    });

/** The fragment by which a heading is linked. */
export const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{Letter}\p{Number}\s_-]/gu, '')
    .trim()
    .replaceAll(/\s/g, '-');

export const linksOf = (markdown: string): readonly { readonly to: string; readonly line: number }[] => {
  const text = prose(markdown).replaceAll(/`[^`\n]*`/g, (code) => ' '.repeat(code.length));
  const found = [...text.matchAll(/\]\(\s*<?([^)\s>]+)>?[^)]*\)/g), ...text.matchAll(/^\[[^\]]+\]:\s*(\S+)/gm)];
  return found.map((match) => ({ to: match[1] ?? '', line: lineAt(text, match.index) }));
};
