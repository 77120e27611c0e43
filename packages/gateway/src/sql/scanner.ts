/**
 * Reads the bytes of a statement as a MariaDB server's lexer does, one token after the other, without making
 * strings. It knows where texts, quoted names and comments begin and end under the session's way of writing, and
 * nothing about grammar. Whenever two readings are possible, or a byte would make the server stop, it says so in
 * `doubtful`; it never throws, and its work is linear in the length of the statement.
 *
 * The rules follow the server's documented syntax and what 10.11 answered when tried: a line comment ends at a
 * NUL as well, `--` needs white space or a control character behind it, `1.5e--` swallows the sign.
 */
import type { CharacterFamily, Lexing } from './statement.ts';
import { findWord, hashStep, lookUp } from './words.ts';

export const token = {
  end: 0,
  word: 1,
  /** A name in backticks, or in double quotes where these quote names. */
  quoted: 2,
  text: 3,
  number: 4,
  /** @name, whole */
  variable: 5,
  /** @@name without what follows a dot; start and end are those of the name. */
  system: 6,
  open: 7,
  close: 8,
  dot: 9,
  comma: 10,
  semicolon: 11,
  /** = */
  equals: 12,
  /** := */
  assign: 13,
  other: 14,
  /** Bytes above 0x7f that may belong to a name or stand alone: what follows them may be the rest of a name. */
  glue: 15,
} as const;

const kind = {
  space: 0,
  letter: 1,
  digit: 2,
  high: 3,
  quote: 4,
  doubleQuote: 5,
  backtick: 6,
  slash: 7,
  star: 8,
  minus: 9,
  hash: 10,
  at: 11,
  dot: 12,
  colon: 13,
  single: 14,
  bracket: 15,
  nul: 16,
  other: 17,
} as const;

const plainKinds = (): Uint8Array => {
  const kinds = new Uint8Array(256).fill(kind.other);
  const set = (characters: string, value: number): void => {
    for (const byte of Buffer.from(characters, 'latin1')) kinds[byte] = value;
  };
  set(' \t\n\v\f\r', kind.space);
  set('abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_$', kind.letter);
  set('0123456789', kind.digit);
  set("'", kind.quote);
  set('"', kind.doubleQuote);
  set('`', kind.backtick);
  set('/', kind.slash);
  set('*', kind.star);
  set('-', kind.minus);
  set('#', kind.hash);
  set('@', kind.at);
  set('.', kind.dot);
  set(':', kind.colon);
  set('(),;=', kind.single);
  set('[', kind.bracket);
  set('\0', kind.nul);
  kinds.fill(kind.high, 0x80);
  return kinds;
};

const kinds = plainKinds();
/** Where characters hold no ASCII byte beyond the first, a high byte is a letter like any other. */
const kindsOfUtf8 = kinds.map((one) => (one === kind.high ? kind.letter : one));

/** Tokens of one byte, by the byte. */
const singles = new Uint8Array(256);
for (const [character, value] of [
  ['(', token.open],
  [')', token.close],
  [',', token.comma],
  [';', token.semicolon],
  ['=', token.equals],
] as const) {
  singles[character.charCodeAt(0)] = value;
}

const quote = 0x27;
const backslash = 0x5c;
const star = 0x2a;
const slash = 0x2f;
const newline = 0x0a;

/** Texts longer than this are left to the search of the runtime, which is many times faster. */
const byHandBytes = 48;

/** In place of a statement that is done with. */
const nothing = Buffer.alloc(0);

/** Versions in executable comments that every server the gateway works with runs. */
const oldest = 101_100;

/** Whether a byte begins a character of two bytes, where characters hold ASCII bytes. */
const leads = (family: CharacterFamily, byte: number): boolean => {
  switch (family) {
    case 'gbk':
      return byte >= 0x81 && byte <= 0xfe;
    case 'big5':
      return byte >= 0xa1 && byte <= 0xf9;
    case 'sjis':
      return (byte >= 0x81 && byte <= 0x9f) || (byte >= 0xe0 && byte <= 0xfc);
    default:
      return false;
  }
};

const trails = (family: CharacterFamily, byte: number): boolean =>
  (byte >= 0x40 && byte <= 0x7e) || (byte >= (family === 'big5' ? 0xa1 : 0x80) && byte <= 0xfe);

export class Scanner {
  /** The token that `next` found. */
  start = 0;
  end = 0;
  /** The number of the word, of a `word` or `system` token; 0: not in the table. */
  word = 0;
  /** The statement cannot be read for sure. */
  doubtful = false;
  /** It has an executable comment that some servers run and others skip. */
  versioned = false;
  /** Where comments begin that speak to the gateway. */
  readonly hints: number[] = [];
  /** A comment ended since the last token: behind a semicolon that matters. */
  commented = false;

  private sql: Buffer = nothing;
  private limit = 0;
  private kinds: Uint8Array = kindsOfUtf8;
  private family: CharacterFamily = 'utf8';
  private escapes = true;
  private ansiQuotes = false;
  private runVersioned = true;
  private inExecutable = false;
  private nextBackslash = -1;

  /** `runVersioned`: executable comments of doubtful versions are read as statement, or else as comment. */
  open(sql: Buffer, lexing: Lexing, runVersioned: boolean, from = 0): void {
    this.sql = sql;
    this.limit = sql.length;
    this.start = from;
    this.end = from;
    this.word = 0;
    this.doubtful = false;
    this.versioned = false;
    this.hints.length = 0;
    this.commented = false;
    this.family = lexing.characters ?? 'utf8';
    this.kinds = this.family === 'utf8' ? kindsOfUtf8 : kinds;
    this.escapes = lexing.noBackslashEscapes !== true;
    this.ansiQuotes = lexing.ansiQuotes === true;
    this.runVersioned = runVersioned;
    this.inExecutable = false;
    this.nextBackslash = -1;
  }

  /** Lets go of the statement, so that a large one is not kept alive. */
  close(): void {
    this.sql = nothing;
    this.limit = 0;
  }

  /** Moves to the next token and answers its kind. */
  next(): number {
    const { sql, limit } = this;
    let at = this.end;
    this.commented = false;
    while (at < limit) {
      const byte = sql[at] ?? 0;
      switch (this.kinds[byte]) {
        case kind.space:
          at++;
          continue;
        case kind.letter:
          return this.wordFrom(at);
        case kind.digit:
          return this.numberFrom(at);
        case kind.high:
          return this.glueFrom(at);
        case kind.quote:
          return this.take(token.text, at, this.textEnd(at + 1, quote));
        case kind.doubleQuote:
          if (this.ansiQuotes) return this.take(token.quoted, at, this.nameEnd(at + 1, byte));
          return this.take(token.text, at, this.textEnd(at + 1, byte));
        case kind.backtick:
          return this.take(token.quoted, at, this.nameEnd(at + 1, byte));
        case kind.single:
          return this.take(singles[byte] ?? token.other, at, at + 1);
        case kind.dot:
          if (this.kinds[sql[at + 1] ?? 0] === kind.digit) return this.fractionFrom(at);
          return this.take(token.dot, at, at + 1);
        case kind.at:
          return this.variableFrom(at);
        case kind.colon:
          if (sql[at + 1] === 0x3d) return this.take(token.assign, at, at + 2);
          return this.take(token.other, at, at + 1);
        case kind.slash: {
          if (sql[at + 1] !== star) return this.take(token.other, at, at + 1);
          at = this.commentFrom(at);
          continue;
        }
        case kind.star:
          if (!this.inExecutable || sql[at + 1] !== slash) return this.take(token.other, at, at + 1);
          this.inExecutable = false;
          this.commented = true;
          at += 2;
          continue;
        case kind.minus:
          if (sql[at + 1] !== byte || !this.endsWord(at + 2)) return this.take(token.other, at, at + 1);
          at = this.lineEnd(at + 2);
          continue;
        case kind.hash:
          at = this.lineEnd(at + 1);
          continue;
        case kind.bracket:
          // Quotes a name in sql_mode MSSQL, and is no operator otherwise.
          this.doubtful = true;
          return this.take(token.other, at, at + 1);
        case kind.nul:
          this.doubtful = true;
          return this.take(token.other, at, at + 1);
        default:
          return this.take(token.other, at, at + 1);
      }
    }
    if (this.inExecutable) this.doubtful = true;
    return this.take(token.end, limit, limit);
  }

  private take(kindOfToken: number, start: number, end: number): number {
    this.start = start;
    this.end = end;
    this.word = 0;
    return kindOfToken;
  }

  private wordFrom(start: number): number {
    const { sql, limit, kinds } = this;
    let hash = 0;
    let at = start;
    while (at < limit) {
      const byte = sql[at] ?? 0;
      const of = kinds[byte];
      if (of !== kind.letter && of !== kind.digit) break;
      hash = hashStep(hash, byte | 0x20);
      at++;
    }
    this.start = start;
    this.end = at;
    this.word = findWord(sql, start, at, hash);
    return token.word;
  }

  /** Not a utf8 session: a high byte may be part of a name, a whole character of two bytes, or a space of its own. */
  private glueFrom(start: number): number {
    let at = start;
    while (at < this.limit && this.kinds[this.sql[at] ?? 0] === kind.high) at += this.characterAt(at);
    return this.take(token.glue, start, Math.min(at, this.limit));
  }

  /** Bytes of the character that begins here. */
  private characterAt(at: number): number {
    return leads(this.family, this.sql[at] ?? 0) && trails(this.family, this.sql[at + 1] ?? 0) ? 2 : 1;
  }

  /** A number, or a name that begins with digits. */
  private numberFrom(start: number): number {
    const { sql, kinds } = this;
    let at = this.digitsEnd(start);
    const behind = kinds[sql[at] ?? 0];
    if (behind === kind.letter || behind === kind.high) {
      const exponent = this.exponentEnd(at);
      if (exponent > at) return this.take(token.number, start, exponent);
      while (at < this.limit) {
        const of = kinds[sql[at] ?? 0];
        if (of !== kind.letter && of !== kind.digit && of !== kind.high) break;
        at += of === kind.high ? this.characterAt(at) : 1;
      }
      return this.take(token.number, start, Math.min(at, this.limit));
    }
    // `1..10` is the range of a FOR loop.
    if (behind === kind.dot && kinds[sql[at + 1] ?? 0] !== kind.dot) {
      at = this.digitsEnd(at + 1);
      return this.take(token.number, start, this.exponentEnd(at));
    }
    return this.take(token.number, start, at);
  }

  private fractionFrom(start: number): number {
    return this.take(token.number, start, this.exponentEnd(this.digitsEnd(start + 1)));
  }

  private digitsEnd(from: number): number {
    let at = from;
    while (at < this.limit && this.kinds[this.sql[at] ?? 0] === kind.digit) at++;
    return at;
  }

  /** Behind `e`, a sign and digits; `at` when there is no exponent. */
  private exponentEnd(at: number): number {
    if (((this.sql[at] ?? 0) | 0x20) !== 0x65) return at;
    const sign = this.sql[at + 1];
    const from = sign === 0x2b || sign === 0x2d ? at + 2 : at + 1;
    const end = this.digitsEnd(from);
    if (end > from) return end;
    // The server takes the sign for part of a number that it then drops: `1.5e-- x` is no comment.
    if (sign === 0x2d && this.sql[at + 2] === 0x2d) this.doubtful = true;
    return at;
  }

  private variableFrom(start: number): number {
    const { sql } = this;
    const byte = sql[start + 1] ?? 0;
    if (byte === 0x40) {
      if (sql[start + 2] === 0x60) {
        this.take(token.system, start + 3, this.nameEnd(start + 3, 0x60));
        this.word = lookUp(sql, this.start, this.end - 1);
        return token.system;
      }
      this.wordFrom(start + 2);
      return token.system;
    }
    if (byte === quote) return this.take(token.variable, start, this.textEnd(start + 2, quote));
    if (byte === 0x22) {
      const end = this.ansiQuotes ? this.nameEnd(start + 2, byte) : this.textEnd(start + 2, byte);
      return this.take(token.variable, start, end);
    }
    if (byte === 0x60) return this.take(token.variable, start, this.nameEnd(start + 2, byte));
    let at = start + 1;
    while (at < this.limit) {
      const of = kinds[sql[at] ?? 0];
      if (of !== kind.letter && of !== kind.digit && of !== kind.dot) break;
      at++;
    }
    return this.take(token.variable, start, at);
  }

  /** The place behind a text's closing quote. */
  private textEnd(from: number, mark: number): number {
    const { sql, limit, escapes } = this;
    const wide = this.family !== 'utf8' && this.family !== 'single';
    let at = from;
    let nextMark = -1;
    while (at < limit) {
      const stop = wide ? limit : Math.min(limit, at + byHandBytes);
      while (at < stop) {
        const byte = sql[at] ?? 0;
        if (byte === mark) {
          if (sql[at + 1] !== mark) return at + 1;
          at += 2;
        } else if (byte === backslash && escapes) {
          at += 2;
        } else {
          at += wide && byte > 0x7f ? this.characterAt(at) : 1;
        }
      }
      // Both places are remembered while they lie ahead, so that no byte is searched twice.
      if (nextMark < at) nextMark = this.placeOf(mark, at);
      if (escapes && this.nextBackslash < at) this.nextBackslash = this.placeOf(backslash, at);
      at = escapes ? Math.min(nextMark, this.nextBackslash) : nextMark;
    }
    return this.unfinished();
  }

  /** Where this byte comes next; the end when it does not. */
  private placeOf(byte: number, from: number): number {
    const found = this.sql.indexOf(byte, from);
    return found < 0 ? this.limit : found;
  }

  /** The place behind a quoted name's closing quote. */
  private nameEnd(from: number, mark: number): number {
    const { sql, limit } = this;
    const wide = this.family !== 'utf8' && this.family !== 'single';
    let at = from;
    while (at < limit) {
      const byte = sql[at] ?? 0;
      if (byte === 0) this.doubtful = true;
      if (byte === mark) {
        if (sql[at + 1] !== mark) return at + 1;
        at += 2;
      } else {
        at += wide && byte > 0x7f ? this.characterAt(at) : 1;
      }
    }
    return this.unfinished();
  }

  private unfinished(): number {
    this.doubtful = true;
    return this.limit;
  }

  /** Whether a byte lets the two dashes before it begin a comment: white space, a control character, or the end. */
  private endsWord(at: number): boolean {
    const byte = this.sql[at];
    return byte === undefined || byte <= 0x20 || byte === 0x7f;
  }

  private lineEnd(from: number): number {
    this.commented = true;
    let at = from;
    for (; at < this.limit; at++) {
      const byte = this.sql[at];
      if (byte === newline) break;
      // The server ends the comment here and goes on reading.
      if (byte === 0) this.doubtful = true;
    }
    return at;
  }

  /** A comment of the other sort: skips it, or enters it when the server runs what is in it. */
  private commentFrom(start: number): number {
    const { sql } = this;
    const mariadb = (sql[start + 2] ?? 0) === 0x4d && sql[start + 3] === 0x21;
    if (!mariadb && sql[start + 2] !== 0x21) return this.skipComment(start);
    const content = start + (mariadb ? 4 : 3);
    const digits = this.digitsEnd(content) - content;
    if (digits < 5) {
      this.inExecutable = true;
      return content;
    }
    const length = Math.min(digits, 6);
    const version = Number(sql.toString('latin1', content, content + length));
    const always = version <= oldest && (mariadb || version < 50_700 || version > 99_999);
    if (!always) this.versioned = true;
    if (always || this.runVersioned) {
      this.inExecutable = true;
      return content + length;
    }
    this.commented = true;
    return this.versionedEnd(content + length);
  }

  private skipComment(start: number): number {
    this.commented = true;
    let at = start + 2;
    while (this.kinds[this.sql[at] ?? 1] === kind.space) at++;
    // c, C: may be one that speaks to the gateway.
    if (((this.sql[at] ?? 0) | 0x20) === 0x63) this.hints.push(at);
    return this.commentEnd(at);
  }

  private commentEnd(from: number): number {
    const { sql, limit } = this;
    const stop = Math.min(limit - 1, from + byHandBytes);
    let at = from;
    for (; at < stop; at++) {
      if (sql[at] === star && sql[at + 1] === slash) return at + 2;
    }
    const found = sql.indexOf('*/', at, 'latin1');
    return found < 0 ? this.unfinished() : found + 2;
  }

  /** A skipped version may hold one level of comments. */
  private versionedEnd(from: number): number {
    const { sql, limit } = this;
    for (let at = from; at < limit; at++) {
      const byte = sql[at];
      if (byte === star && sql[at + 1] === slash) return at + 2;
      if (byte === slash && sql[at + 1] === star) at = this.commentEnd(at + 2) - 1;
    }
    return this.unfinished();
  }
}
