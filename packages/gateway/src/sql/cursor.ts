/**
 * A place in a statement that can be read from and moved on: names and texts as values, for the parts of statements
 * that the gateway has to understand. Slower than `reader.ts`, and only used when that one raised a flag.
 */
import { Scanner, token } from './scanner.ts';
import type { Lexing } from './statement.ts';
import { word } from './words.ts';

export type TableName = { readonly schema?: string; readonly table: string };

export class Cursor {
  readonly sql: Buffer;
  /** The present token. */
  kind: number = token.end;
  word = 0;
  start = 0;
  end = 0;
  /** Where the token before it ends. */
  lastEnd = 0;
  private readonly scanner = new Scanner();
  private readonly lexing: Lexing;

  /** `from`: begins there instead of at the beginning. */
  constructor(sql: Buffer, lexing: Lexing = {}, from = 0) {
    this.sql = sql;
    this.lexing = lexing;
    this.scanner.open(sql, lexing, true, from);
    this.next();
  }

  next(): number {
    this.lastEnd = this.end;
    this.kind = this.scanner.next();
    this.word = this.scanner.word;
    this.start = this.scanner.start;
    this.end = this.scanner.end;
    return this.kind;
  }

  /** The same place, to look ahead from. */
  copy(): Cursor {
    return new Cursor(this.sql, this.lexing, this.start);
  }

  at(kind: number): boolean {
    return this.kind === kind;
  }

  is(...numbers: readonly number[]): boolean {
    return this.kind === token.word && numbers.includes(this.word);
  }

  /** Steps over any of these words. True: one was here. */
  skip(...numbers: readonly number[]): boolean {
    const here = this.is(...numbers);
    if (here) this.next();
    return here;
  }

  /** Steps over a token of this kind. */
  skipKind(kind: number): boolean {
    const here = this.at(kind);
    if (here) this.next();
    return here;
  }

  get over(): boolean {
    return this.kind === token.end || this.kind === token.semicolon;
  }

  /** Nothing but semicolons is left. */
  atEnd(): boolean {
    while (this.at(token.semicolon)) this.next();
    return this.at(token.end);
  }

  /** Past the parenthesis that belongs to the one here. */
  skipGroup(): void {
    let depth = 0;
    for (; !this.at(token.end); this.next()) {
      if (this.at(token.open)) depth++;
      else if (this.at(token.close)) depth--;
      if (depth === 0) break;
    }
    this.next();
  }

  /** Where the comments that speak to the gateway begin, among those that were passed. */
  get hints(): readonly number[] {
    return this.scanner.hints;
  }

  raw(start = this.start, end = this.end): string {
    return this.sql.toString('utf8', start, end);
  }

  /** The name at this token, without its quotes; undefined: there is none. */
  name(): string | undefined {
    if (this.at(token.word)) return this.raw();
    // A number can be the beginning of a name: `2024_orders`.
    if (this.at(token.number) && !/^[\d.]*$/.test(this.raw())) return this.raw();
    if (!this.at(token.quoted)) return undefined;
    const quote = this.raw(this.start, this.start + 1);
    return this.raw(this.start + 1, this.end - 1).replaceAll(`${quote}${quote}`, quote);
  }

  /** Reads `table` or `schema.table`; of `table.*` the table. */
  tableName(): TableName | undefined {
    const first = this.name();
    if (first === undefined) return undefined;
    this.next();
    if (!this.at(token.dot)) return { table: first };
    this.next();
    const second = this.name();
    const star = second === undefined && this.raw() === '*';
    if (second === undefined && !star) return undefined;
    this.next();
    return second === undefined ? { table: first } : { schema: first, table: second };
  }

  /** The value of the text at this token; undefined: it is none. */
  text(): string | undefined {
    if (!this.at(token.text)) return undefined;
    const quote = this.raw(this.start, this.start + 1);
    const content = this.raw(this.start + 1, this.end - 1).replaceAll(`${quote}${quote}`, quote);
    if (this.lexing.noBackslashEscapes === true) return content;
    return content.replaceAll(/\\([\s\S])/g, (_, escaped: string) => escapes[escaped] ?? escaped);
  }

  /** Past SET STATEMENT … FOR, if that is how it begins. */
  skipSetStatement(): void {
    if (!this.is(word.SET)) return;
    const ahead = this.copy();
    ahead.next();
    if (!ahead.is(word.STATEMENT)) return;
    while (!this.over && !this.is(word.FOR)) {
      if (this.at(token.open)) this.skipGroup();
      else this.next();
    }
    this.next();
  }
}

const escapes: Readonly<Record<string, string>> = {
  '0': '\0',
  b: '\b',
  n: '\n',
  r: '\r',
  t: '\t',
  Z: '\x1a',
  // Kept for LIKE, as the server does.
  '%': '\\%',
  _: '\\_',
};
