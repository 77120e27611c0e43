/**
 * The hot path: follows the answer to one command through a stream of bytes, without decoding rows and without
 * holding what is only passed on.
 *
 *     scanner.start('query', capabilities);
 *     for each chunk from the server, with offset = 0:
 *       while (offset < chunk.length && !scanner.done) {
 *         const end = scanner.scan(chunk, offset);
 *         pass on scanner.released (usually empty), then chunk.subarray(offset, end);
 *         offset = scanner.resumeAt;
 *         if (scanner.problem) give the connection up;
 *         if (scanner.event) { look at it; pass on event.raw or hold it back; scanner.accept(); }
 *       }
 *
 * What it keeps true:
 * - Every byte of the stream is handed out exactly once and in order, as plain bytes or in an event's `raw`,
 *   however the stream is cut into chunks; the events are the same for every way of cutting.
 * - A packet that tells how the command went (OK, ERR, the end of a result, the request for a local file, the
 *   answer to COM_STMT_PREPARE, the steps of an authentication) is an event; everything else is plain.
 * - It holds at most one packet that may become an event, never more than `heldLimit` bytes, and never more than
 *   twice what has arrived of it.
 * - Bytes that cannot be an answer set `problem`. Nothing throws because of them.
 *
 * It does not know which command was sent (`responseKindOf` does), and leaves the meaning of events to others.
 */
import { type Capabilities, CLIENT, hasBase, hasExtended, MARIADB, noCapabilities } from './capabilities.ts';
import { headerBytes } from './framing.ts';
import { eofLimit, isProgress, type Prepared, parsePrepareOk } from './packets.ts';
import { isProblem, type ProblemKind, problemOf, type WireProblem } from './problem.ts';
import { frameLimit, STATUS } from './protocol.ts';

/** What the answer to a command looks like. `none`: there is no answer. */
export type ResponseKind =
  | 'query'
  | 'prepare'
  | 'execute'
  | 'fetch'
  | 'field-list'
  | 'statistics'
  | 'simple'
  | 'change-user'
  | 'none';

export type ResponseEvent = {
  /**
   * `ok` where the packet has the form of an OK, also at the end of rows under DEPRECATE_EOF; `eof` where it is an
   * EOF; the two of authentication after COM_CHANGE_USER only.
   */
  readonly type: 'ok' | 'err' | 'eof' | 'local-infile' | 'prepare-ok' | 'auth-switch' | 'auth-more';
  readonly payload: Buffer;
  readonly sequence: number;
  /** With its header, as it came. */
  readonly raw: Buffer;
  /** SERVER_STATUS flags; 0 where the packet has none. */
  readonly status: number;
  /** It ends a result with columns, as opposed to answering a statement that has none. */
  readonly endsRows: boolean;
  /** Nothing follows until the next command. */
  readonly last: boolean;
};

/** OK, ERR and EOF packets are small; above this something is wrong. */
export const heldLimit = 1_024 * 1_024;

/** For `start`: the first frame may have any number. */
export const anySequence = -1;

const FIRST = 0;
const DEFINITIONS = 1;
const DEFINITIONS_END = 2;
const ROWS = 3;
const FIELDS = 4;
const TEXT = 5;
const DONE = 6;
type Phase = 0 | 1 | 2 | 3 | 4 | 5 | 6;

const firstPhase: Readonly<Record<ResponseKind, Phase>> = {
  query: FIRST,
  prepare: FIRST,
  execute: FIRST,
  fetch: ROWS,
  'field-list': FIELDS,
  statistics: TEXT,
  simple: FIRST,
  'change-user': FIRST,
  none: DONE,
};

/** A column count is a length-encoded integer and perhaps a flag. */
const columnCountLimit = 10;

const nothing: Buffer = Buffer.alloc(0);

export class ResponseScanner {
  /** The packet to be looked at; scanning stands still until `accept`. */
  event: ResponseEvent | undefined;
  /** The stream is no answer. Nothing more is scanned until the next `start`. */
  problem: WireProblem | undefined;
  /** Plain bytes of earlier chunks that had to be held; they go before those that the last `scan` found. */
  released: Buffer = nothing;
  /** Where in the chunk to go on after the last `scan`. */
  resumeAt = 0;
  /** Rows of this answer so far, of all its results; a row counts when it begins. */
  rows = 0;
  /** Results with columns that have begun. */
  results = 0;
  /** Bytes of this answer handed out as plain so far. */
  plainBytes = 0;
  /** After `prepare-ok`. */
  prepared: Prepared | undefined;

  #kind: ResponseKind = 'none';
  #phase: Phase = DONE;
  #deprecateEof = false;
  #cacheMetadata = false;
  /** The number that the next frame must have, or `anySequence`. */
  #sequence = anySequence;
  /** Bytes left of a frame that is passed on, header included while it is not. */
  #skip = 0;
  /** The frame that was passed on last is of the longest kind: the next one continues its packet. */
  #continues = false;
  /** Definitions left of the group that is running, and the size of the one behind it (COM_STMT_PREPARE). */
  #definitions = 0;
  #followingGroup = 0;
  /** A packet whose meaning is not yet known, from earlier chunks. */
  #held: Buffer = nothing;
  #heldLength = 0;
  /** How many bytes of it are needed for the next decision. */
  #needed = headerBytes;

  /**
   * Begins with the answer to a command. `capabilities` are those that client and server agreed upon;
   * `firstSequence` is one more than the number of the command's last frame.
   */
  start(kind: ResponseKind, capabilities: Capabilities = noCapabilities, firstSequence = 1): void {
    this.#kind = kind;
    this.#phase = firstPhase[kind];
    this.#deprecateEof = hasBase(capabilities, CLIENT.DEPRECATE_EOF);
    this.#cacheMetadata = hasExtended(capabilities, MARIADB.CACHE_METADATA);
    this.#sequence = firstSequence < 0 ? anySequence : firstSequence & 0xff;
    this.#skip = 0;
    this.#continues = false;
    this.#definitions = 0;
    this.#followingGroup = 0;
    this.#drop();
    this.event = undefined;
    this.problem = undefined;
    this.released = nothing;
    this.rows = 0;
    this.results = 0;
    this.plainBytes = 0;
    this.prepared = undefined;
  }

  /** The answer has ended, with an event that was accepted or with plain bytes. */
  get done(): boolean {
    return this.#phase === DONE && this.#skip === 0 && !this.#continues && this.event === undefined;
  }

  /** Between the definitions of a result and its end. */
  get inRows(): boolean {
    return this.#phase === ROWS;
  }

  /** Nothing of this answer has been seen. */
  get untouched(): boolean {
    return (
      this.plainBytes === 0 &&
      this.event === undefined &&
      this.#heldLength === 0 &&
      this.#phase === firstPhase[this.#kind]
    );
  }

  /** What was handed out so far ends with a packet; one of somebody else's could be put behind it. */
  get betweenPackets(): boolean {
    return this.#skip === 0 && !this.#continues;
  }

  /** The number that the next frame has to have; 1 where any will do. */
  get nextSequence(): number {
    if (this.#heldLength >= headerBytes) return this.#held[3] ?? 1;
    return this.#sequence === anySequence ? 1 : this.#sequence;
  }

  get heldBytes(): number {
    return this.#heldLength;
  }

  /**
   * Reads on from `offset` and returns where the plain bytes end: everything from `offset` to there can be passed on,
   * after `released`. Go on at `resumeAt`. It stops at an event, at the end of the answer, at a problem, or at
   * the end of the chunk.
   */
  scan(chunk: Buffer, offset = 0): number {
    this.released = nothing;
    this.resumeAt = offset;
    if (this.event !== undefined || this.problem !== undefined) return offset;
    if (this.#heldLength > 0 && !this.#completeHeld(chunk, offset)) return offset;
    const end = this.#scanPlain(chunk, offset);
    this.plainBytes += end - offset;
    return end;
  }

  /** The event was dealt with; scanning goes on behind it. */
  accept(): void {
    const { event } = this;
    if (event === undefined) return;
    this.event = undefined;
    if (event.last) this.#phase = DONE;
    else if (event.type === 'prepare-ok') this.#beginDefinitions();
    else {
      this.#phase = FIRST;
      // The client speaks in between, in as many frames as it likes.
      if (event.type !== 'ok' && event.type !== 'eof') this.#sequence = anySequence;
    }
  }

  /** Passes over plain bytes. Returns where they end. */
  #scanPlain(chunk: Buffer, offset: number): number {
    const end = chunk.length;
    let position = offset;
    for (;;) {
      if (this.#skip > 0) {
        const step = Math.min(this.#skip, end - position);
        position += step;
        this.#skip -= step;
        if (this.#skip > 0) break;
      }
      if (this.#phase === DONE && !this.#continues) break;
      if (this.#phase === ROWS && !this.#continues) position = this.#scanRows(chunk, position);
      if (position === end) break;
      const needed = this.#decide(chunk, position, end - position);
      if (needed > 0) {
        this.#hold(chunk, position, end, needed);
        this.resumeAt = end;
        return position;
      }
      if (this.problem !== undefined) break;
      if (this.event !== undefined) {
        this.resumeAt = position + this.event.raw.length;
        return position;
      }
    }
    this.resumeAt = position;
    return position;
  }

  /**
   * Rows that are whole in the chunk, in one frame each, and cannot be anything else. Everything unusual is left
   * to `#decide`. This loop sees every row that passes through the gateway.
   */
  #scanRows(chunk: Buffer, from: number): number {
    const last = chunk.length - headerBytes - 1;
    let sequence = this.#sequence;
    let position = from;
    let rows = 0;
    while (position <= last) {
      // The first byte of a payload is read although the payload may be empty: then the length says so.
      const length = (chunk[position] ?? 0) | ((chunk[position + 1] ?? 0) << 8) | ((chunk[position + 2] ?? 0) << 16);
      if (chunk[position + 3] !== sequence || (chunk[position + 4] ?? 0xff) >= 0xfe) break;
      if (length === 0 || length === frameLimit) break;
      const next = position + headerBytes + length;
      if (next > chunk.length) break;
      position = next;
      sequence = (sequence + 1) & 0xff;
      rows += 1;
    }
    this.#sequence = sequence;
    this.rows += rows;
    return position;
  }

  /**
   * Decides what the packet at `at` is. Returns how many bytes of it are needed, or 0 when it is decided: then it
   * is an event, a problem, or plain, with `#skip` bytes to pass on from `at`.
   */
  #decide(bytes: Buffer, at: number, available: number): number {
    if (available < headerBytes) return headerBytes;
    const length = bytes.readUIntLE(at, 3);
    const sequence = bytes[at + 3] ?? 0;
    if (this.#continues) return this.#pass(length, sequence);
    if (length === 0) return this.#stop('malformed', 'an answer has an empty packet');
    if (available <= headerBytes) return headerBytes + 1;
    const first = bytes[at + headerBytes] ?? 0;
    // Servers that end a connection send their last ERR with a number of its own.
    if (first !== 0xff && !this.#isExpected(sequence)) return this.#disorder();
    if (this.#isOrdinary(first, length)) {
      this.#countOrdinary();
      return this.#pass(length, sequence);
    }
    if (length > heldLimit)
      return this.#stop('too-large', `a packet that ends a result is larger than ${heldLimit} bytes`);
    if (available < headerBytes + length) return headerBytes + length;
    const raw = bytes.subarray(at, at + headerBytes + length);
    return this.#read(raw, raw.subarray(headerBytes), sequence);
  }

  #isExpected(sequence: number): boolean {
    return this.#sequence === anySequence || sequence === this.#sequence;
  }

  /** Whether a packet can be passed on after a look at its first byte and its length. */
  #isOrdinary(first: number, length: number): boolean {
    switch (this.#phase) {
      case ROWS:
      case FIELDS:
        // A row that begins with 0xFE begins with a value of 16 MiB or more.
        return first < 0xfe || (first === 0xfe && (this.#deprecateEof ? length === frameLimit : length >= eofLimit));
      case DEFINITIONS:
        return first < 0xfb;
      case TEXT:
        return first !== 0xff;
      default:
        return false;
    }
  }

  #countOrdinary(): void {
    switch (this.#phase) {
      case ROWS:
        this.rows += 1;
        return;
      case DEFINITIONS:
        this.#definitions -= 1;
        if (this.#definitions === 0) this.#endDefinitions();
        return;
      case TEXT:
        this.#phase = DONE;
        return;
      default:
        return;
    }
  }

  /** Reads a whole packet that is not ordinary. */
  #read(raw: Buffer, payload: Buffer, sequence: number): number {
    const first = payload[0] ?? 0;
    if (first === 0xff) {
      if (isProgress(payload))
        return this.#isExpected(sequence) ? this.#pass(payload.length, sequence) : this.#disorder();
      return this.#emit('err', raw, payload, sequence, { status: 0, last: true });
    }
    switch (this.#phase) {
      case FIRST:
        return this.#readFirst(raw, payload, sequence);
      case ROWS:
      case FIELDS:
        return this.#readEnd(raw, payload, sequence);
      case DEFINITIONS_END:
        return this.#readDefinitionsEnd(raw, payload, sequence);
      default:
        return this.#stop('malformed', 'there is no definition where one was announced');
    }
  }

  #readFirst(raw: Buffer, payload: Buffer, sequence: number): number {
    const first = payload[0] ?? 0;
    switch (this.#kind) {
      case 'prepare':
        return this.#readPrepareOk(raw, payload, sequence);
      case 'change-user':
        if (first === 0xfe) return this.#emit('auth-switch', raw, payload, sequence, { status: 0, last: false });
        if (first === 0x01) return this.#emit('auth-more', raw, payload, sequence, { status: 0, last: false });
        break;
      case 'query':
      case 'execute':
        if (first === 0xfb) return this.#emit('local-infile', raw, payload, sequence, { status: 0, last: false });
        if (first !== 0x00 && !(first === 0xfe && payload.length < eofLimit))
          return this.#readColumnCount(payload, sequence);
        break;
      default:
        break;
    }
    if (first === 0x00) return this.#readOk(raw, payload, sequence);
    return first === 0xfe
      ? this.#readEnd(raw, payload, sequence)
      : this.#stop('malformed', 'an answer begins with no known packet');
  }

  #readColumnCount(payload: Buffer, sequence: number): number {
    const { value, size } = lenencAt(payload, 0);
    const flagged = this.#cacheMetadata && payload.length === size + 1;
    if (size === 0 || value === 0 || payload.length > columnCountLimit || payload.length !== size + (flagged ? 1 : 0))
      return this.#stop('malformed', 'an answer begins with no known packet');
    this.results += 1;
    this.#definitions = flagged && payload[size] === 0 ? 0 : value;
    this.#followingGroup = 0;
    this.#phase = DEFINITIONS;
    if (this.#definitions === 0) this.#endDefinitions();
    return this.#pass(payload.length, sequence);
  }

  #readPrepareOk(raw: Buffer, payload: Buffer, sequence: number): number {
    const prepared = parsePrepareOk(payload);
    if (isProblem(prepared)) return this.#stop(prepared.problem, prepared.reason);
    this.prepared = prepared;
    const last = prepared.columns === 0 && prepared.parameters === 0;
    return this.#emit('prepare-ok', raw, payload, sequence, { status: 0, last });
  }

  #beginDefinitions(): void {
    const { parameters = 0, columns = 0 } = this.prepared ?? {};
    this.#phase = DEFINITIONS;
    this.#definitions = parameters > 0 ? parameters : columns;
    this.#followingGroup = parameters > 0 ? columns : 0;
  }

  /** After the last definition of a group: an EOF, unless that is deprecated. */
  #endDefinitions(): void {
    this.#phase = DEFINITIONS_END;
    if (this.#deprecateEof) this.#leaveDefinitions();
  }

  #leaveDefinitions(): void {
    if (this.#kind !== 'prepare') this.#phase = ROWS;
    else if (this.#followingGroup === 0) this.#phase = DONE;
    else {
      this.#phase = DEFINITIONS;
      this.#definitions = this.#followingGroup;
      this.#followingGroup = 0;
    }
  }

  #readDefinitionsEnd(raw: Buffer, payload: Buffer, sequence: number): number {
    if (payload[0] !== 0xfe || payload.length < 5 || payload.length >= eofLimit)
      return this.#stop('malformed', 'there is no end of the definitions');
    // An opened cursor: the rows come with COM_STMT_FETCH.
    if (this.#kind === 'execute' && (payload.readUInt16LE(3) & STATUS.CURSOR_EXISTS) !== 0)
      return this.#readEnd(raw, payload, sequence);
    this.#leaveDefinitions();
    return this.#pass(payload.length, sequence);
  }

  /** The end of rows or of a list of fields; also what some commands answer instead of an OK. */
  #readEnd(raw: Buffer, payload: Buffer, sequence: number): number {
    if (payload[0] !== 0xfe) return this.#stop('malformed', 'a result ends with no known packet');
    if (this.#deprecateEof) return this.#readOk(raw, payload, sequence);
    if (payload.length < 5) return this.#stop('truncated', 'an EOF packet ends early');
    const status = payload.readUInt16LE(3);
    return this.#emit('eof', raw, payload, sequence, { status, last: this.#isLast(status) });
  }

  #readOk(raw: Buffer, payload: Buffer, sequence: number): number {
    const affected = lenencAt(payload, 1);
    const inserted = lenencAt(payload, 1 + affected.size);
    const at = 1 + affected.size + inserted.size;
    if (affected.size === 0 || inserted.size === 0 || payload.length < at + 4)
      return this.#stop('truncated', 'an OK packet ends early');
    const status = payload.readUInt16LE(at);
    return this.#emit('ok', raw, payload, sequence, { status, last: this.#isLast(status) });
  }

  #isLast(status: number): boolean {
    const several = this.#kind === 'query' || this.#kind === 'execute';
    return !several || (status & STATUS.MORE_RESULTS_EXISTS) === 0;
  }

  #emit(
    type: ResponseEvent['type'],
    raw: Buffer,
    payload: Buffer,
    sequence: number,
    { status, last }: { readonly status: number; readonly last: boolean },
  ): number {
    const endsRows = this.#phase === ROWS || this.#phase === DEFINITIONS_END;
    this.event = { type, payload, sequence, raw, status, endsRows, last };
    this.#sequence = (sequence + 1) & 0xff;
    return 0;
  }

  #pass(length: number, sequence: number): number {
    if (!this.#isExpected(sequence)) return this.#disorder();
    this.#sequence = (sequence + 1) & 0xff;
    this.#skip = headerBytes + length;
    this.#continues = length === frameLimit;
    return 0;
  }

  #disorder(): number {
    return this.#stop('out-of-order', 'the frames of an answer are not numbered one after the other');
  }

  #stop(problem: ProblemKind, reason: string): number {
    this.problem = problemOf(problem, reason);
    this.#drop();
    return 0;
  }

  /** Completes the held packet from the chunk. True when there may be plain bytes to pass over behind it. */
  #completeHeld(chunk: Buffer, offset: number): boolean {
    const before = this.#heldLength;
    let position = offset;
    let needed = this.#needed;
    while (needed > 0) {
      const step = Math.min(needed - this.#heldLength, chunk.length - position);
      this.#append(chunk, position, position + step, needed);
      position += step;
      this.resumeAt = position;
      if (this.#heldLength < needed) {
        this.#needed = needed;
        return false;
      }
      needed = this.#decide(this.#held.subarray(0, this.#heldLength), 0, this.#heldLength);
    }
    if (this.problem !== undefined) return false;
    const held = this.#held.subarray(0, before);
    this.#drop();
    if (this.event !== undefined) return false;
    // Plain after all. What lies in this chunk is passed over there; what came before is handed out now.
    this.released = held;
    this.plainBytes += before;
    this.#skip -= before;
    return true;
  }

  #hold(chunk: Buffer, from: number, to: number, needed: number): void {
    this.#append(chunk, from, to, needed);
    this.#needed = needed;
  }

  #append(chunk: Buffer, from: number, to: number, needed: number): void {
    const length = this.#heldLength + (to - from);
    if (length > this.#held.length) {
      const grown = Buffer.allocUnsafe(Math.max(length, Math.min(needed, this.#held.length * 2)));
      this.#held.copy(grown, 0, 0, this.#heldLength);
      this.#held = grown;
    }
    chunk.copy(this.#held, this.#heldLength, from, to);
    this.#heldLength = length;
  }

  #drop(): void {
    this.#held = nothing;
    this.#heldLength = 0;
    this.#needed = headerBytes;
  }
}

/** A length-encoded integer, and how many bytes it has; 0 where there is none. */
const lenencAt = (bytes: Buffer, at: number): { readonly value: number; readonly size: number } => {
  const first = bytes[at] ?? 0xff;
  if (first < 0xfb) return { value: first, size: 1 };
  const size = first === 0xfc ? 3 : first === 0xfd ? 4 : first === 0xfe ? 9 : 0;
  if (size === 0 || at + size > bytes.length) return { value: 0, size: 0 };
  // Above 2^48 only its size matters: nothing here counts that far.
  return { value: bytes.readUIntLE(at + 1, Math.min(6, size - 1)), size };
};
