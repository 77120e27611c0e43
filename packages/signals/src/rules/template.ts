/**
 * The part of Go's templates that labels and annotations of alerts use: texts with `{{ … }}`. Known are `$value`, `$labels.NAME`,
 * `.Value`, `.Labels.NAME`, `$externalURL`, texts, numbers, pipelines, `if`/`else if`/`else`/`end`, `eq`, `ne`, `lt`, `le`, `gt`, `ge`, `and`, `or`,
 * `not`, `printf`, and the functions in `functions.ts`. Everything else (`query`, `range`, `define` …) is refused when the file is read, with
 * what is wrong, and not when an alert fires in the night. Filling in is pure, bounded, and never fails.
 *
 * Sources: pkg.go.dev/text/template; prometheus.io/docs/prometheus/latest/configuration/template_reference.
 */
import { quoted } from '../sample.ts';
import { callFunction, isTruthy, knownFunctions, type TemplateValue, textOf } from './functions.ts';

export type TemplateData = {
  readonly value: number;
  readonly labels: ReadonlyMap<string, string>;
  /** Where people find the platform; the empty text when it is not known. */
  readonly externalUrl: string;
};

type Expression =
  | { readonly kind: 'literal'; readonly value: TemplateValue }
  | { readonly kind: 'value' }
  | { readonly kind: 'label'; readonly name: string }
  | { readonly kind: 'externalUrl' }
  | { readonly kind: 'call'; readonly name: string; readonly args: readonly Expression[] };

type Branch = { readonly when: Expression; readonly body: Template };

type Piece =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'print'; readonly expression: Expression }
  | { readonly kind: 'choose'; readonly branches: readonly Branch[]; readonly otherwise: Template };

export type Template = readonly Piece[];

export type TemplateResult =
  | { readonly ok: true; readonly template: Template }
  | { readonly ok: false; readonly what: string };

const depthLimit = 20;
/** Longer texts are no message for a person. */
const outputLimit = 16_384;

/** What the parser throws to its own entrance, and nowhere else. */
class TemplateFault extends Error {}

export const parseTemplate = (text: string): TemplateResult => {
  try {
    const chunks = chunksOf(text);
    const parser = new TemplateParser(chunks);
    return { ok: true, template: parser.parseAll() };
  } catch (error) {
    if (error instanceof TemplateFault) return { ok: false, what: error.message };
    throw error;
  }
};

type Chunk = { readonly kind: 'text' | 'action'; readonly text: string };

/** `{{- ` and ` -}}` take the blanks beside them away. */
const chunksOf = (text: string): readonly Chunk[] => {
  const chunks: Chunk[] = [];
  let at = 0;
  let trimNext = false;
  const addText = (piece: string): void => {
    chunks.push({ kind: 'text', text: trimNext ? piece.trimStart() : piece });
  };
  for (;;) {
    const open = text.indexOf('{{', at);
    if (open < 0) break;
    const close = endOfAction(text, open + 2);
    if (close === undefined) throw new TemplateFault(`{{ is not closed: ${quoted(text.slice(open))}`);
    const inside = text.slice(open + 2, close);
    const trimsLeft = /^-\s/.test(inside);
    const before = text.slice(at, open);
    addText(trimsLeft ? before.trimEnd() : before);
    trimNext = /\s-$/.test(inside);
    chunks.push({ kind: 'action', text: inside.slice(trimsLeft ? 1 : 0, trimNext ? -1 : undefined).trim() });
    at = close + 2;
  }
  addText(text.slice(at));
  return chunks;
};

/** Where `}}` stands outside of quotes. */
const endOfAction = (text: string, from: number): number | undefined => {
  let quote: string | undefined;
  for (let at = from; at < text.length; at += 1) {
    const char = text[at];
    if (quote !== undefined) {
      if (char === '\\' && quote === '"') at += 1;
      else if (char === quote) quote = undefined;
    } else if (char === '"' || char === '`') quote = char;
    else if (char === '}' && text[at + 1] === '}') return at;
  }
  return undefined;
};

class TemplateParser {
  readonly #chunks: readonly Chunk[];
  #at = 0;

  constructor(chunks: readonly Chunk[]) {
    this.#chunks = chunks;
  }

  parseAll(): Template {
    const template = this.#parseList(0);
    const chunk = this.#chunks[this.#at];
    if (chunk !== undefined) throw new TemplateFault(`{{ ${chunk.text} }} stands without its {{ if }}`);
    return template;
  }

  /** Until `end` or `else`, which stays. */
  #parseList(depth: number): Template {
    if (depth > depthLimit) throw new TemplateFault(`{{ if }} is nested more than ${depthLimit} deep`);
    const pieces: Piece[] = [];
    for (let chunk = this.#chunks[this.#at]; chunk !== undefined; chunk = this.#chunks[this.#at]) {
      const { kind, text } = chunk;
      if (kind === 'action' && /^(end|else)\b/.test(text)) break;
      this.#at += 1;
      if (kind === 'text') {
        if (text !== '') pieces.push({ kind: 'text', text });
      } else if (/^\/\*.*\*\/$/s.test(text)) continue;
      else if (/^if\b/.test(text)) pieces.push(this.#parseIf(text.slice(2), depth));
      else pieces.push({ kind: 'print', expression: parseExpression(text) });
    }
    return pieces;
  }

  #parseIf(condition: string, depth: number): Piece {
    const branches: Branch[] = [{ when: parseExpression(condition), body: this.#parseList(depth + 1) }];
    let otherwise: Template = [];
    for (;;) {
      const text = this.#chunks[this.#at]?.text;
      this.#at += 1;
      if (text === undefined) throw new TemplateFault('{{ if }} has no {{ end }}');
      if (text === 'end') return { kind: 'choose', branches, otherwise };
      const [, more] = /^else\s+if\b(.*)$/s.exec(text) ?? [];
      if (more !== undefined) branches.push({ when: parseExpression(more), body: this.#parseList(depth + 1) });
      else if (text === 'else') {
        otherwise = this.#parseList(depth + 1);
        if (this.#chunks[this.#at]?.text !== 'end') throw new TemplateFault('{{ else }} is not followed by {{ end }}');
      } else throw new TemplateFault(`{{ ${text} }} is not understood`);
    }
  }
}

const token =
  /\s*(?:("(?:[^"\\]|\\.)*"|`[^`]*`)|([+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.])|([|()])|([$.]?[A-Za-z_][\w.]*))/y;

type Token = { readonly kind: 'text' | 'number' | 'sign' | 'word'; readonly text: string };

const tokensOf = (text: string): readonly Token[] => {
  const source = text.trimEnd();
  const tokens: Token[] = [];
  token.lastIndex = 0;
  while (token.lastIndex < source.length) {
    const at = token.lastIndex;
    const [, literal, number, sign, word] = token.exec(source) ?? [];
    if (literal !== undefined) tokens.push({ kind: 'text', text: unquote(literal) });
    else if (number !== undefined) tokens.push({ kind: 'number', text: number });
    else if (sign !== undefined) tokens.push({ kind: 'sign', text: sign });
    else if (word !== undefined) tokens.push({ kind: 'word', text: word });
    else throw new TemplateFault(`${quoted(source.slice(at))} in a template is not understood`);
  }
  return tokens;
};

const unquote = (literal: string): string =>
  literal.startsWith('`')
    ? literal.slice(1, -1)
    : literal
        .slice(1, -1)
        .replaceAll(/\\(.)/gs, (_, char: string) => (char === 'n' ? '\n' : char === 't' ? '\t' : char));

const parseExpression = (text: string): Expression => {
  const tokens = tokensOf(text);
  if (tokens.length === 0) throw new TemplateFault('{{ }} is empty');
  const { expression, end } = parsePipeline(tokens, 0, 0);
  if (end < tokens.length) throw new TemplateFault(`${quoted(tokens[end]?.text ?? '')} in a template stands too much`);
  return expression;
};

type Parsed = { readonly expression: Expression; readonly end: number };

const parsePipeline = (tokens: readonly Token[], from: number, depth: number): Parsed => {
  if (depth > depthLimit) throw new TemplateFault('parentheses are nested too deeply');
  let { expression, end } = parseCommand(tokens, from, depth, undefined);
  while (isSign(tokens[end], '|')) ({ expression, end } = parseCommand(tokens, end + 1, depth, expression));
  return { expression, end };
};

const isSign = (token: Token | undefined, text: string): boolean => token?.kind === 'sign' && token.text === text;

/** A value alone, or a function with its arguments, of which a pipeline gives the last one. */
const parseCommand = (tokens: readonly Token[], from: number, depth: number, piped: Expression | undefined): Parsed => {
  const first = tokens[from];
  if (first?.kind !== 'word' || /^[$.]/.test(first.text) || first.text === 'true' || first.text === 'false') {
    if (piped !== undefined) throw new TemplateFault('behind | stands a function');
    return parseOperand(tokens, from, depth);
  }
  const arity = knownFunctions.get(first.text);
  if (arity === undefined) throw new TemplateFault(`the function ${quoted(first.text)} is not known here`);
  const args: Expression[] = [];
  let end = from + 1;
  while (tokens[end] !== undefined && !isSign(tokens[end], '|') && !isSign(tokens[end], ')')) {
    const operand = parseOperand(tokens, end, depth);
    args.push(operand.expression);
    end = operand.end;
  }
  if (piped !== undefined) args.push(piped);
  if (args.length < arity.least || args.length > arity.most)
    throw new TemplateFault(`${first.text} has ${args.length} arguments, and takes ${arityText(arity)}`);
  return { expression: { kind: 'call', name: first.text, args }, end };
};

const arityText = ({ least, most }: { readonly least: number; readonly most: number }): string =>
  least === most ? String(least) : `${least} to ${most}`;

const parseOperand = (tokens: readonly Token[], from: number, depth: number): Parsed => {
  const token = tokens[from];
  if (token === undefined) throw new TemplateFault('a value is expected before }}');
  if (isSign(token, '(')) {
    const inside = parsePipeline(tokens, from + 1, depth + 1);
    if (!isSign(tokens[inside.end], ')')) throw new TemplateFault('( is not closed');
    return { expression: inside.expression, end: inside.end + 1 };
  }
  return { expression: operandOf(token), end: from + 1 };
};

const operandOf = ({ kind, text }: Token): Expression => {
  if (kind === 'text') return { kind: 'literal', value: text };
  if (kind === 'number') return { kind: 'literal', value: Number(text) };
  if (text === 'true' || text === 'false') return { kind: 'literal', value: text === 'true' };
  if (text === '$value' || text === '.Value') return { kind: 'value' };
  if (text === '$externalURL' || text === '.ExternalURL') return { kind: 'externalUrl' };
  const label = /^(?:\$labels|\.Labels)\.([A-Za-z_]\w*)$/.exec(text)?.[1];
  if (label !== undefined) return { kind: 'label', name: label };
  throw new TemplateFault(`${quoted(text)} is not a value that templates know here`);
};

/** The text for one alert. Missing labels are empty, as in Prometheus; too long a text ends with an ellipsis. */
export const fillTemplate = (template: Template, data: TemplateData): string => {
  const text = fill(template, data);
  return text.length > outputLimit ? `${text.slice(0, outputLimit)}…` : text;
};

const fill = (template: Template, data: TemplateData): string =>
  template.map((piece) => fillPiece(piece, data)).join('');

const fillPiece = (piece: Piece, data: TemplateData): string => {
  switch (piece.kind) {
    case 'text':
      return piece.text;
    case 'print':
      return textOf(evaluate(piece.expression, data));
    case 'choose': {
      const taken = piece.branches.find(({ when }) => isTruthy(evaluate(when, data)));
      return fill(taken?.body ?? piece.otherwise, data);
    }
  }
};

const evaluate = (expression: Expression, data: TemplateData): TemplateValue => {
  switch (expression.kind) {
    case 'literal':
      return expression.value;
    case 'value':
      return data.value;
    case 'label':
      return data.labels.get(expression.name) ?? '';
    case 'externalUrl':
      return data.externalUrl;
    case 'call':
      return callFunction(
        expression.name,
        expression.args.map((arg) => evaluate(arg, data)),
      );
  }
};
