/**
 * Walks over the tokens of one statement after the other and notes what each mentions: variables, functions,
 * locking reads, files, comments that speak to the gateway. What sort of statement it is, is decided by
 * `classify.ts`, which asks for tokens here.
 *
 * It keeps the two tokens before the present one, because what a parenthesis or a word means depends on them.
 */
import { Scanner, token } from './scanner.ts';
import { detail, flag, type Lexing } from './statement.ts';
import {
  call,
  callMarks,
  callOfWord,
  lookUp,
  variableDetails,
  variableMarks,
  word,
  wordDetails,
  wordMarks,
} from './words.ts';

/** What comments say to the gateway; read to the end by `parts.ts`. */
const hint = /^coequal:\s*(guard|allow-blocking)\b/i;
const longestHint = 80;

/** In place of a statement that is done with. */
const nothing = Buffer.alloc(0);

export class Reader {
  readonly scanner = new Scanner();
  flags = 0;
  details = 0;
  /** The present token. */
  kind: number = token.end;
  /** Number of the present word; 0: none that we know. */
  word = 0;
  /** The token before it. */
  lastKind: number = token.end;
  lastWord = 0;
  /** Parentheses that are open. */
  depth = 0;
  /** INTO was mentioned. */
  into = false;
  /** Something was called that may be a stored function. */
  unknownCall = false;
  /** A sequence is moved on. */
  writes = false;

  private sql: Buffer = nothing;
  private ignoreSpace = false;
  private lastStart = 0;
  private lastEnd = 0;
  private olderKind: number = token.end;
  private olderWord = 0;
  private olderEnd = 0;
  private insertIdOpen = false;

  /** Puts the first token of the statement into place. */
  open(sql: Buffer, lexing: Lexing, runVersioned: boolean): void {
    this.sql = sql;
    this.ignoreSpace = lexing.ignoreSpace === true;
    this.flags = 0;
    this.details = 0;
    this.scanner.open(sql, lexing, runVersioned);
    this.kind = token.end;
    this.word = 0;
    this.lastKind = token.end;
    this.lastWord = 0;
    this.beginPart();
    this.step();
  }

  /** Forgets what only matters within one of several statements. Flags and details go on. */
  beginPart(): void {
    this.depth = 0;
    this.into = false;
    this.unknownCall = false;
    this.writes = false;
    this.insertIdOpen = false;
  }

  close(): void {
    for (const at of this.scanner.hints) this.hear(at);
    if (this.scanner.doubtful || this.scanner.versioned) this.details |= detail.doubtful;
    this.scanner.close();
    this.sql = nothing;
  }

  /** The statement is over: here it ends, or another one begins. */
  get over(): boolean {
    return this.kind === token.end || this.kind === token.semicolon;
  }

  /** Whether the present token is this word. */
  is(number: number): boolean {
    return this.word === number && this.kind === token.word;
  }

  /** Whether the present token is of this kind. */
  at(kind: number): boolean {
    return this.kind === kind;
  }

  /** Reads on to the end of the statement. */
  rest(): void {
    while (this.kind !== token.end && this.kind !== token.semicolon) this.step();
  }

  /** Moves to the next token, notes what it mentions, and answers its kind. */
  step(): number {
    const { scanner } = this;
    this.olderKind = this.lastKind;
    this.olderWord = this.lastWord;
    this.olderEnd = this.lastEnd;
    this.lastKind = this.kind;
    this.lastWord = this.word;
    this.lastStart = scanner.start;
    this.lastEnd = scanner.end;
    const found = scanner.next();
    this.kind = found;
    this.word = scanner.word;
    switch (found) {
      case token.word:
        if (this.word !== 0) this.mention(this.word);
        break;
      case token.open:
        this.depth++;
        if (this.lastKind === token.word || this.lastKind === token.quoted) this.called();
        else if (this.lastKind === token.number || this.lastKind === token.glue) this.unknownCall = true;
        return found;
      case token.close:
        this.depth--;
        this.insertIdOpen = false;
        return found;
      case token.variable:
        this.flags |= flag.userVariables;
        if (this.into) this.details |= detail.assignsVariables;
        break;
      case token.system:
        this.flags |= flag.systemVariables;
        this.readVariable(this.word);
        break;
      case token.quoted:
        if (this.quotedWord() === word.COEQUAL) this.flags |= flag.coequal;
        break;
      case token.assign:
        this.details |= detail.assignsVariables;
        break;
      default:
    }
    if (this.insertIdOpen) {
      this.details |= detail.setsInsertId;
      this.insertIdOpen = false;
    }
    return found;
  }

  private mention(number: number): void {
    this.flags |= wordMarks[number] ?? 0;
    this.details |= wordDetails[number] ?? 0;
    switch (number) {
      case word.INTO:
        this.into = true;
        return;
      case word.UPDATE:
        if (this.lastWord === word.FOR) this.flags |= flag.forUpdate;
        return;
      case word.SHARE:
        if (this.lastWord === word.IN) this.flags |= flag.forUpdate;
        return;
      case word.VALUE:
        if (this.lastWord === word.NEXT) this.writes = true;
        if (this.lastWord === word.NEXT || this.lastWord === word.PREVIOUS) this.details |= detail.sequence;
        return;
      case word.NEXTVAL:
      case word.SETVAL:
        this.writes = true;
        return;
      default:
        // @@session.name: the name stands behind a dot.
        if (this.lastKind === token.dot && this.olderKind === token.system) this.readVariable(number);
    }
  }

  private readVariable(number: number): void {
    this.flags |= (variableMarks[number] ?? 0) | (wordMarks[number] ?? 0);
    this.details |= variableDetails[number] ?? 0;
  }

  /** A parenthesis behind a name: a call, unless the name is a word of the language. */
  private called(): void {
    if (this.olderWord === word.AS && this.olderKind === token.word) return;
    const number = this.lastKind === token.word ? this.lastWord : 0;
    const how = this.isPartOfName() ? call.unknown : callOfWord[number];
    if (how === call.known || (how === call.adjacent && this.followsAtOnce())) {
      this.flags |= callMarks[number] ?? 0;
      if (number === word.LAST_INSERT_ID) this.insertIdOpen = true;
      return;
    }
    this.unknownCall = true;
  }

  /** Nothing stands between the name and the parenthesis, or only what the session ignores: spaces, but no comments. */
  private followsAtOnce(): boolean {
    const { start } = this.scanner;
    if (start === this.lastEnd) return true;
    if (!this.ignoreSpace) return false;
    for (let at = this.lastEnd; at < start; at++) {
      const byte = this.sql[at] ?? 0;
      if (byte !== 0x20 && (byte < 0x09 || byte > 0x0d)) return false;
    }
    return true;
  }

  /** schema.name, or a word that is only the end of a name. */
  private isPartOfName(): boolean {
    if (this.olderKind === token.dot) return true;
    return this.olderEnd === this.lastStart && (this.olderKind === token.glue || this.olderKind === token.number);
  }

  /** The number of the word in quotes. */
  quotedWord(): number {
    return lookUp(this.sql, this.scanner.start + 1, this.scanner.end - 1);
  }

  private hear(at: number): void {
    const said = hint.exec(this.sql.toString('latin1', at, at + longestHint))?.[1]?.toLowerCase();
    if (said === 'guard') this.flags |= flag.guardComment;
    if (said === 'allow-blocking') this.flags |= flag.blockingComment;
  }
}
