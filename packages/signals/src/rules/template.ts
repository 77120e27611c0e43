/**
 * The part of Go's templates that labels and annotations of alerts use, filled in for one alert. Filling in is pure, bounded, and never
 * fails: what is missing is empty. What `query` asks is answered from what the caller has found out; a question that has no answer yet
 * is told back, the caller asks the store, and fills in again.
 *
 * Sources: pkg.go.dev/text/template; prometheus.io/docs/prometheus/latest/configuration/template_reference.
 */
import { callFunction, isTruthy, itemsOf, type TemplateValue, textOf } from './functions.ts';
import type { Expression, Piece, Template } from './template-parse.ts';
import type { TemplateSample } from './values.ts';

export type TemplateData = {
  readonly value: number;
  readonly labels: ReadonlyMap<string, string>;
  /** Where people find the platform; the empty text when it is not known. */
  readonly externalUrl: string;
  readonly externalLabels?: ReadonlyMap<string, string>;
  /** What the store answered to the questions of `query`, by their text. */
  readonly answers?: ReadonlyMap<string, readonly TemplateSample[]>;
};

/** Longer texts are no message for a person. */
const outputLimit = 16_384;
/** All turns of all loops of one text. */
const turnLimit = 10_000;
/** Questions of one text; each is a query of the store. */
const askLimit = 20;

class Filling {
  readonly data: TemplateData;
  readonly asks = new Set<string>();
  turns = 0;
  length = 0;

  constructor(data: TemplateData) {
    this.data = data;
  }

  ask(query: string): readonly TemplateSample[] {
    const found = this.data.answers?.get(query);
    if (found === undefined && this.asks.size < askLimit) this.asks.add(query);
    return found ?? [];
  }
}

/** Variables, the innermost first. Assigning changes where it was declared. */
class Scope {
  readonly #above: Scope | undefined;
  readonly #values = new Map<string, TemplateValue>();
  readonly dot: TemplateValue;

  constructor(above: Scope | undefined, dot: TemplateValue) {
    this.#above = above;
    this.dot = dot;
  }

  declare(name: string, value: TemplateValue): void {
    this.#values.set(name, value);
  }

  assign(name: string, value: TemplateValue): void {
    if (this.#values.has(name) || this.#above === undefined) this.#values.set(name, value);
    else this.#above.assign(name, value);
  }

  read(name: string): TemplateValue {
    return this.#values.has(name) ? this.#values.get(name) : this.#above?.read(name);
  }
}

/** The text for one alert. Missing labels are empty, as in Prometheus; too long a text ends with an ellipsis. */
export const fillTemplate = (template: Template, data: TemplateData): string => fillAndAsk(template, data).text;

/** The same, with the questions that have no answer yet. */
export const fillAndAsk = (
  template: Template,
  data: TemplateData,
): { readonly text: string; readonly asks: readonly string[] } => {
  const filling = new Filling(data);
  const [labels, value] = [{ kind: 'labels', labels: data.labels } as const, data.value];
  const externalLabels = { kind: 'labels', labels: data.externalLabels ?? new Map<string, string>() } as const;
  const fields: ReadonlyMap<string, TemplateValue> = new Map<string, TemplateValue>([
    ['Labels', labels],
    ['Value', value],
    ['ExternalLabels', externalLabels],
    ['ExternalURL', data.externalUrl],
  ]);
  const root = new Scope(undefined, { kind: 'fields', fields });
  root.declare('$labels', labels);
  root.declare('$value', value);
  root.declare('$externalLabels', externalLabels);
  root.declare('$externalURL', data.externalUrl);
  root.declare('$', root.dot);
  const text = fill(template, root, filling);
  return { text: text.length > outputLimit ? `${text.slice(0, outputLimit)}…` : text, asks: [...filling.asks] };
};

const fill = (template: Template, scope: Scope, filling: Filling): string => {
  let text = '';
  for (const piece of template) {
    // What is cut off later need not be made.
    if (filling.length > outputLimit) break;
    text += fillPiece(piece, scope, filling);
  }
  return text;
};

const counted = (text: string, filling: Filling): string => {
  filling.length += text.length;
  return text;
};

const fillPiece = (piece: Piece, scope: Scope, filling: Filling): string => {
  switch (piece.kind) {
    case 'text':
      return counted(piece.text, filling);
    case 'print':
      return counted(textOf(evaluate(piece.expression, scope, filling)), filling);
    case 'set': {
      const value = evaluate(piece.expression, scope, filling);
      if (piece.declares) scope.declare(piece.name, value);
      else scope.assign(piece.name, value);
      return '';
    }
    case 'choose': {
      for (const { when, body } of piece.branches)
        if (isTruthy(evaluate(when, scope, filling))) return fill(body, new Scope(scope, scope.dot), filling);
      return fill(piece.otherwise, new Scope(scope, scope.dot), filling);
    }
    case 'with': {
      const value = evaluate(piece.expression, scope, filling);
      if (!isTruthy(value)) return fill(piece.otherwise, new Scope(scope, scope.dot), filling);
      const inner = new Scope(scope, value);
      if (piece.name !== undefined) inner.declare(piece.name, value);
      return fill(piece.body, inner, filling);
    }
    case 'range':
      return fillRange(piece, scope, filling);
  }
};

const fillRange = (piece: Extract<Piece, { kind: 'range' }>, scope: Scope, filling: Filling): string => {
  const items = itemsOf(evaluate(piece.expression, scope, filling));
  if (items.length === 0) return fill(piece.otherwise, new Scope(scope, scope.dot), filling);
  let text = '';
  for (const [key, item] of items) {
    filling.turns += 1;
    if (filling.turns > turnLimit || filling.length > outputLimit) break;
    const inner = new Scope(scope, item);
    if (piece.key !== undefined) inner.declare(piece.key, key);
    if (piece.item !== undefined) inner.declare(piece.item, item);
    text += fill(piece.body, inner, filling);
  }
  return text;
};

const evaluate = (expression: Expression, scope: Scope, filling: Filling): TemplateValue => {
  switch (expression.kind) {
    case 'literal':
      return expression.value;
    case 'dot':
      return scope.dot;
    case 'variable':
      return scope.read(expression.name);
    case 'field':
      return fieldOf(evaluate(expression.of, scope, filling), expression.name);
    case 'call': {
      const args = expression.args.map((arg) => evaluate(arg, scope, filling));
      if (expression.name === 'query') return { kind: 'list', items: filling.ask(textOf(args[0])) };
      return callFunction(expression.name, args, filling.data.externalUrl);
    }
  }
};

const fieldOf = (value: TemplateValue, name: string): TemplateValue => {
  if (typeof value !== 'object') return undefined;
  switch (value.kind) {
    case 'fields':
      return value.fields.get(name);
    case 'labels':
      return value.labels.get(name) ?? '';
    case 'sample':
      return name === 'Value' ? value.value : name === 'Labels' ? { kind: 'labels', labels: value.labels } : undefined;
    case 'list':
      return undefined;
  }
};
