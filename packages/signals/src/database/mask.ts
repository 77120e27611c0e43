/**
 * Takes literals out of SQL: the text that comes out holds no value that a person typed, also when the server cut it off inside a
 * literal. What cannot be read for certain (a backslash before a quote means one thing or another, by a setting of the session) ends the
 * text. Comments go too: people put names and ticket numbers there. Never longer than the limit, one line.
 */

export type Dialect = 'mysql' | 'postgres';

/** As `statement` and `text` of the database's detail may be. */
export const statementLimit = 2_000;
/** Longer texts are cut before they are read: what is masked is short anyway. */
const inputLimit = 8_192;

export const maskLiterals = (text: string, dialect: Dialect, limit: number = statementLimit): string => {
  const masked = collapsed(new Masker(text.slice(0, inputLimit), dialect).masked());
  return masked.length > limit ? `${masked.slice(0, limit - 1)}…` : masked;
};

/** Lists of literals say nothing by their length, and would make one statement look like many. */
const collapsed = (text: string): string =>
  text
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/\?(?: ?, ?\?)+/g, '?, …')
    .replaceAll(/(\((?:\?|\?, …)\))(?: ?, ?\((?:\?|\?, …)\))+/g, '$1, …')
    .trim();

const isNamePart = (char: string): boolean => /[\p{L}\p{N}_$@]/u.test(char);

class Masker {
  readonly #text: string;
  readonly #dialect: Dialect;
  #at = 0;
  #out = '';

  constructor(text: string, dialect: Dialect) {
    this.#text = text;
    this.#dialect = dialect;
  }

  masked(): string {
    while (this.#at < this.#text.length) this.#step();
    return this.#out;
  }

  #step(): void {
    const char = this.#text[this.#at] ?? '';
    if (char === "'" || (char === '"' && this.#dialect === 'mysql')) this.#literal(char);
    else if (char === '"' || (char === '`' && this.#dialect === 'mysql')) this.#identifier(char);
    else if (this.#startsComment()) this.#comment();
    else if (char === '$' && this.#dialect === 'postgres') this.#dollar();
    else if (/[0-9]/.test(char) || (char === '.' && /[0-9]/.test(this.#text[this.#at + 1] ?? ''))) this.#number();
    else if (isNamePart(char)) this.#name();
    else this.#keep(1);
  }

  #keep(length: number): void {
    this.#out += this.#text.slice(this.#at, this.#at + length);
    this.#at += length;
  }

  #end(): void {
    this.#at = this.#text.length;
  }

  /** A text in quotes; an open one reaches to the end, since it was cut there. */
  #literal(quote: string): void {
    // What stands right before belongs to it: x'00', b'1', n'…', e'…', u&'…', _utf8'…'.
    this.#changeTail(/(^|[^\p{L}\p{N}_$@])(?:[xbne]|u&|_[a-z0-9]+)$/iu);
    this.#out += '?';
    for (let at = this.#at + 1; at < this.#text.length; at += 1) {
      const char = this.#text[at];
      // Whether the quote is escaped depends on the session's sql_mode (or standard_conforming_strings).
      if (char === '\\' && this.#text[at + 1] === quote) break;
      if (char === '\\' && this.#text[at + 1] === '\\') at += 1;
      else if (char === quote) {
        if (this.#text[at + 1] !== quote) {
          this.#at = at + 1;
          return;
        }
        at += 1;
      }
    }
    this.#end();
  }

  /** Kept as it is; an open one is dropped, because where a name ends nothing is known of what follows. */
  #identifier(quote: string): void {
    for (let at = this.#at + 1; at < this.#text.length; at += 1) {
      if (this.#text[at] !== quote) continue;
      if (this.#text[at + 1] === quote) at += 1;
      else {
        this.#keep(at + 1 - this.#at);
        return;
      }
    }
    this.#end();
  }

  #startsComment(): boolean {
    const two = this.#text.slice(this.#at, this.#at + 2);
    if (two === '/*' || two === '*/') return true;
    if (this.#dialect === 'postgres') return two === '--';
    return this.#text[this.#at] === '#' || (two === '--' && /^$|[\s\p{Cc}]/u.test(this.#text[this.#at + 2] ?? ''));
  }

  #comment(): void {
    const rest = this.#text.slice(this.#at);
    this.#out += ' ';
    // What MySQL runs although it looks like a comment is code: only its brackets go.
    const runs = this.#dialect === 'mysql' ? /^\/\*M?!\d*|^\*\//.exec(rest)?.[0] : undefined;
    if (runs !== undefined) this.#at += runs.length;
    else if (rest.startsWith('*/')) this.#at += 2;
    else if (rest.startsWith('/*')) this.#block();
    else this.#at += /^[^\n]*/.exec(rest)?.[0].length ?? rest.length;
  }

  /** PostgreSQL's may hold others; an open one reaches to the end. */
  #block(): void {
    let depth = 0;
    for (let at = this.#at; at < this.#text.length; at += 1) {
      const two = this.#text.slice(at, at + 2);
      if (two === '/*' && (depth === 0 || this.#dialect === 'postgres')) depth += 1;
      else if (two === '*/') depth -= 1;
      else continue;
      at += 1;
      if (depth > 0) continue;
      this.#at = at + 1;
      return;
    }
    this.#end();
  }

  /** `$1` is a place for a value; `$tag$…$tag$` is a literal. */
  #dollar(): void {
    const place = /^\$\d+/.exec(this.#text.slice(this.#at, this.#at + 8))?.[0];
    if (place !== undefined) {
      this.#keep(place.length);
      return;
    }
    const tag = /^\$(?:[\p{L}_][\p{L}\p{N}_]{0,62})?(\$|$)/u.exec(this.#text.slice(this.#at, this.#at + 66));
    if (tag === null) {
      this.#keep(1);
      return;
    }
    const close = tag[1] === '' ? -1 : this.#text.indexOf(tag[0], this.#at + tag[0].length);
    this.#out += '?';
    if (close < 0) this.#end();
    else this.#at = close + tag[0].length;
  }

  /** Also 0x1F, 1e-5 and what is glued to digits (`1abc` may be the cut beginning of anything). */
  #number(): void {
    const digits = /^(?:[0-9.]+[eE][+-][0-9]+|[\p{L}\p{N}_.$]+)/u.exec(this.#text.slice(this.#at))?.[0] ?? ' ';
    // A sign belongs to the number where no value can stand before it.
    this.#changeTail(/([=(,<>] ?|\b(?:values|in|then|else|and|or|between|limit|select) )[-+]$/i);
    this.#out += '?';
    this.#at += digits.length;
  }

  /** Takes back what was written last and belongs to the literal that begins; only so far as a word may reach. */
  #changeTail(pattern: RegExp): void {
    const tail = this.#out.slice(-24);
    this.#out = `${this.#out.slice(0, this.#out.length - tail.length)}${tail.replace(pattern, '$1')}`;
  }

  #name(): void {
    const name = /^[\p{L}\p{N}_$@]+/u.exec(this.#text.slice(this.#at, this.#at + 256))?.[0] ?? ' ';
    this.#keep(name.length);
  }
}
