/**
 * Texts with `{{ … }}` as trees. Known are values (`$labels.NAME`, `$value`, `$externalLabels.NAME`, `$externalURL`, `.Labels.NAME`,
 * variables, texts, numbers), pipelines, `if`, `with`, `range`, variables set with `:=` and `=`, and the functions in `functions.ts`.
 * Everything else (`define`, `template`, `block`, `break` …) is refused when the file is read, with what is wrong, and not when an
 * alert fires in the night.
 */
import { quoted } from '../sample.ts';
import { functionFault, knownFunctions } from './functions.ts';
import type { TemplateValue } from './values.ts';

export type Expression =
  | { readonly kind: 'literal'; readonly value: TemplateValue }
  | { readonly kind: 'dot' }
  | { readonly kind: 'variable'; readonly name: string }
  | { readonly kind: 'field'; readonly of: Expression; readonly name: string }
  | { readonly kind: 'call'; readonly name: string; readonly args: readonly Expression[] };

type Branch = { readonly when: Expression; readonly body: Template };

export type Piece =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'print'; readonly expression: Expression }
  | { readonly kind: 'set'; readonly name: string; readonly declares: boolean; readonly expression: Expression }
  | { readonly kind: 'choose'; readonly branches: readonly Branch[]; readonly otherwise: Template }
  | {
      readonly kind: 'with';
      readonly name: string | undefined;
      readonly expression: Expression;
      readonly body: Template;
      readonly otherwise: Template;
    }
  | {
      readonly kind: 'range';
      readonly key: string | undefined;
      readonly item: string | undefined;
      readonly expression: Expression;
      readonly body: Template;
      readonly otherwise: Template;
    };

export type Template = readonly Piece[];

export type TemplateResult =
  | { readonly ok: true; readonly template: Template }
  | { readonly ok: false; readonly what: string };

const depthLimit = 20;

/** What the parser throws to its own entrance, and nowhere else. */
class TemplateFault extends Error {}

export const parseTemplate = (text: string): TemplateResult => {
  try {
    return { ok: true, template: new TemplateParser(chunksOf(text)).parseAll() };
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

const variableText = String.raw`\$[A-Za-z_]\w*`;
const setting = new RegExp(`^(${variableText})\\s*(:?=)(?!=)(.*)$`, 's');
const rangeHead = new RegExp(`^\\s*(?:(${variableText})\\s*(?:,\\s*(${variableText}))?\\s*:=)?(.*)$`, 's');
const withHead = new RegExp(`^\\s*(?:(${variableText})\\s*:=)?(.*)$`, 's');

class TemplateParser {
  readonly #chunks: readonly Chunk[];
  /** Names that are known where the parser stands; a copy for each body. */
  #names: ReadonlySet<string> = new Set(['$labels', '$value', '$externalLabels', '$externalURL', '$']);
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
      } else if (!/^\/\*.*\*\/$/s.test(text)) pieces.push(this.#parseAction(text, depth));
    }
    return pieces;
  }

  #parseAction(text: string, depth: number): Piece {
    const [, keyword, head = ''] = /^(if|with|range)\b(.*)$/s.exec(text) ?? [];
    switch (keyword) {
      case 'if':
        return this.#parseIf(head, depth);
      case 'with':
        return this.#parseWith(head, depth);
      case 'range':
        return this.#parseRange(head, depth);
      default:
        break;
    }
    const [, name, sign, value] = setting.exec(text) ?? [];
    if (name === undefined || value === undefined) return { kind: 'print', expression: this.#parseExpression(text) };
    const expression = this.#parseExpression(value);
    if (sign === ':=') this.#names = new Set([...this.#names, name]);
    else if (!this.#names.has(name)) throw new TemplateFault(`${quoted(name)} was not declared with :=`);
    return { kind: 'set', name, declares: sign === ':=', expression };
  }

  /** A body knows the names before it and its own; what it declares ends with it. */
  #parseBody(names: readonly string[], depth: number): Template {
    const before = this.#names;
    this.#names = new Set([...before, ...names]);
    const body = this.#parseList(depth + 1);
    this.#names = before;
    return body;
  }

  #parseIf(condition: string, depth: number): Piece {
    const branches: Branch[] = [{ when: this.#parseExpression(condition), body: this.#parseBody([], depth) }];
    for (;;) {
      const text = this.#next('if');
      if (text === 'end') return { kind: 'choose', branches, otherwise: [] };
      const [, more] = /^else\s+if\b(.*)$/s.exec(text) ?? [];
      if (more !== undefined) {
        branches.push({ when: this.#parseExpression(more), body: this.#parseBody([], depth) });
        continue;
      }
      return { kind: 'choose', branches, otherwise: this.#parseElse(text, depth) };
    }
  }

  #parseWith(head: string, depth: number): Piece {
    const [, name, value = ''] = withHead.exec(head) ?? [];
    const expression = this.#parseExpression(value);
    const body = this.#parseBody(name === undefined ? [] : [name], depth);
    const text = this.#next('with');
    const otherwise = text === 'end' ? [] : this.#parseElse(text, depth);
    return { kind: 'with', name, expression, body, otherwise };
  }

  #parseRange(head: string, depth: number): Piece {
    const [, first, second, value = ''] = rangeHead.exec(head) ?? [];
    const expression = this.#parseExpression(value);
    const body = this.#parseBody(
      [first, second].filter((name) => name !== undefined),
      depth,
    );
    const text = this.#next('range');
    const otherwise = text === 'end' ? [] : this.#parseElse(text, depth);
    // One name is the item's, as in Go.
    const [key, item] = second === undefined ? [undefined, first] : [first, second];
    return { kind: 'range', key, item, expression, body, otherwise };
  }

  #next(keyword: string): string {
    const text = this.#chunks[this.#at]?.text;
    this.#at += 1;
    if (text === undefined) throw new TemplateFault(`{{ ${keyword} }} has no {{ end }}`);
    return text;
  }

  #parseElse(text: string, depth: number): Template {
    if (text !== 'else') throw new TemplateFault(`{{ ${text} }} is not understood`);
    const otherwise = this.#parseBody([], depth);
    if (this.#next('else') !== 'end') throw new TemplateFault('{{ else }} is not followed by {{ end }}');
    return otherwise;
  }

  #parseExpression(text: string): Expression {
    const tokens = tokensOf(text);
    if (tokens.length === 0) throw new TemplateFault('{{ }} is empty');
    const { expression, end } = parsePipeline(tokens, 0, 0, this.#names);
    if (end < tokens.length)
      throw new TemplateFault(`${quoted(tokens[end]?.text ?? '')} in a template stands too much`);
    return expression;
  }
}

const token =
  /\s*(?:("(?:[^"\\]|\\.)*"|`[^`]*`)|([+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.])|([|()])|((?:\$[A-Za-z_]\w*|\$)(?:\.[A-Za-z_]\w*)*|(?:\.[A-Za-z_]\w*)+|\.|[A-Za-z_]\w*))/y;

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

type Parsed = { readonly expression: Expression; readonly end: number };
type Names = ReadonlySet<string>;

const parsePipeline = (tokens: readonly Token[], from: number, depth: number, names: Names): Parsed => {
  if (depth > depthLimit) throw new TemplateFault('parentheses are nested too deeply');
  let { expression, end } = parseCommand(tokens, from, depth, names, undefined);
  while (isSign(tokens[end], '|')) ({ expression, end } = parseCommand(tokens, end + 1, depth, names, expression));
  return { expression, end };
};

const isSign = (token: Token | undefined, text: string): boolean => token?.kind === 'sign' && token.text === text;

/** A value alone, or a function with its arguments, of which a pipeline gives the last one. */
const parseCommand = (
  tokens: readonly Token[],
  from: number,
  depth: number,
  names: Names,
  piped: Expression | undefined,
): Parsed => {
  const first = tokens[from];
  if (first?.kind !== 'word' || /^[$.]/.test(first.text) || first.text === 'true' || first.text === 'false') {
    if (piped !== undefined) throw new TemplateFault('behind | stands a function');
    return parseOperand(tokens, from, depth, names);
  }
  const arity = knownFunctions.get(first.text);
  if (arity === undefined) throw new TemplateFault(`the function ${quoted(first.text)} is not known here`);
  const args: Expression[] = [];
  let end = from + 1;
  while (tokens[end] !== undefined && !isSign(tokens[end], '|') && !isSign(tokens[end], ')')) {
    const operand = parseOperand(tokens, end, depth, names);
    args.push(operand.expression);
    end = operand.end;
  }
  if (piped !== undefined) args.push(piped);
  if (args.length < arity.least || args.length > arity.most)
    throw new TemplateFault(`${first.text} has ${args.length} arguments, and takes ${arityText(arity)}`);
  const fault = functionFault(
    first.text,
    args.map((arg) => (arg.kind === 'literal' ? arg.value : undefined)),
  );
  if (fault !== undefined) throw new TemplateFault(fault);
  return { expression: { kind: 'call', name: first.text, args }, end };
};

const arityText = ({ least, most }: { readonly least: number; readonly most: number }): string =>
  least === most ? String(least) : `${least} to ${most}`;

const parseOperand = (tokens: readonly Token[], from: number, depth: number, names: Names): Parsed => {
  const token = tokens[from];
  if (token === undefined) throw new TemplateFault('a value is expected before }}');
  if (!isSign(token, '(')) return { expression: operandOf(token, names), end: from + 1 };
  const inside = parsePipeline(tokens, from + 1, depth + 1, names);
  if (!isSign(tokens[inside.end], ')')) throw new TemplateFault('( is not closed');
  const { expression, end } = withFields(inside.expression, tokens, inside.end + 1);
  return { expression, end };
};

/** `(query "up" | first).Value`: only what stands directly behind would be a field in Go, and nothing else makes sense here. */
const withFields = (of: Expression, tokens: readonly Token[], at: number): Parsed => {
  const next = tokens[at];
  if (next?.kind !== 'word' || !/^\.(Value|Labels)/.test(next.text)) return { expression: of, end: at };
  return { expression: fieldsOf(of, next.text.slice(1).split('.')), end: at + 1 };
};

const fieldsOf = (of: Expression, path: readonly string[]): Expression =>
  path.reduce<Expression>((inner, name) => ({ kind: 'field', of: inner, name }), of);

const operandOf = ({ kind, text }: Token, names: Names): Expression => {
  if (kind === 'text') return { kind: 'literal', value: text };
  if (kind === 'number') return { kind: 'literal', value: Number(text) };
  if (text === 'true' || text === 'false') return { kind: 'literal', value: text === 'true' };
  if (text === '.') return { kind: 'dot' };
  const [head = '', ...path] = text.split('.');
  if (head === '' && path.length > 0) return fieldsOf({ kind: 'dot' }, path);
  if (names.has(head)) return fieldsOf({ kind: 'variable', name: head }, path);
  throw new TemplateFault(
    knownFunctions.has(head)
      ? `the function ${quoted(head)} stands in parentheses when it is an argument`
      : `${quoted(text)} is not a value that templates know here`,
  );
};
