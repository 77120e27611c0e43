/**
 * The client's side of a session: its requests are taken up one after the other, its answers are written as it takes them, and
 * what the gateway answers itself is said here.
 */
import { reasonOf } from '@coequal/kernel';
import {
  encodeTextResult,
  errPacket,
  isProblem,
  okPacket,
  type Packet,
  SERVER_ERROR,
  type ServerError,
  type WireProblem,
} from '@coequal/mysql-wire';
import { SessionBooks } from './books.ts';
import type { End, Link, Request } from './model.ts';

/** Unread requests above this make the client wait. */
const waitingRequestBytes = 1_048_576;
/** Small pieces are joined before they are written. */
const joinBelowBytes = 32_768;

/** The answer to one piece of a statement that is carried out in several: added up, and not sent. */
export type PieceAnswer = {
  affected: bigint;
  error: { readonly number: number; readonly sqlState: string; readonly message: string } | null;
};

export abstract class ClientSide extends SessionBooks {
  #piece: { readonly answer: PieceAnswer; readonly done: (answer: PieceAnswer) => void } | null = null;
  #out: Buffer[] = [];
  #pumping = false;
  /** Why nothing is read from the client at the moment. */
  readonly #stops = new Set<'requests' | 'instance'>();

  /** Takes up one command. */
  protected abstract begin(packet: Packet): void;

  /** Lets go of the instance: what comes from it from now on is not heard. */
  abstract detach(how: 'destroy' | 'quit'): Link | null;

  /** Where the client stands in its answer, while the scanner is at another one; null: where the scanner is. */
  voice: { readonly whole: boolean; readonly next: number } | null = null;

  /** From now on something else is read than what the client sees. */
  keepVoice(): void {
    const { request, scanner } = this;
    if (request?.begun !== true || this.voice !== null) return;
    this.voice = {
      whole: scanner.betweenPackets,
      next: scanner.plainBytes > 0 ? scanner.nextSequence : this.sequence,
    };
  }

  /** The number of a frame as the client waits for it: an instance that has not asked for the file counts without it. */
  protected numberFor({ due, asked }: Request, sequence: number): number {
    return due !== null && !asked ? due : sequence;
  }

  /** The client is between two packets: an error can be put there, with the number that is due. */
  get canSpeak(): boolean {
    this.keepVoice();
    if (this.voice === null) return true;
    this.sequence = this.voice.next;
    return this.voice.whole;
  }

  /** A bug of ours ends this session and no other. */
  guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.ports.log('error', 'a session failed', { reason: reasonOf(error) });
      this.end('broken', 'a bug of the gateway');
    }
  }

  fromClient(chunk: Buffer): void {
    if (this.phase === 'ended') return;
    const problem = this.reader.push(chunk);
    if (problem !== undefined) {
      this.broken(problem);
      return;
    }
    this.pump();
    // Of what is being taken up the rest must come, however much that is.
    const waits = this.taker === null && this.phase !== 'idle';
    if (waits && this.reader.bufferedBytes > waitingRequestBytes) this.stopClient('requests');
  }

  /** Takes up what the client has asked, one after the other. */
  pump(): void {
    // What is answered at once comes back here: the loop goes on with the next request by itself.
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      while (this.taker !== null || this.phase === 'idle') {
        const packet = this.reader.next();
        if (packet === undefined) break;
        if (isProblem(packet)) {
          this.broken(packet);
          return;
        }
        if (this.taker !== null) this.taker(packet);
        else this.begin(packet);
      }
    } finally {
      this.#pumping = false;
    }
    const takesUp = this.taker !== null || this.phase === 'idle';
    if (takesUp || this.reader.bufferedBytes <= waitingRequestBytes) this.letClientGo('requests');
    if (this.phase === 'idle' && this.reader.bufferedBytes === 0) this.onBoundary?.();
  }

  /** `requests`: it asks faster than it is answered; `instance`: its file comes faster than the instance takes it. */
  protected stopClient(why: 'requests' | 'instance'): void {
    if (this.#stops.size === 0) this.client.pause();
    this.#stops.add(why);
  }

  protected letClientGo(why: 'requests' | 'instance'): void {
    if (this.#stops.delete(why) && this.#stops.size === 0) this.client.resume();
  }

  /** Writes what is for the client; an instance whose client does not keep up waits. */
  flush(): void {
    const out = this.#out;
    if (out.length === 0) return;
    this.#out = [];
    let keepsUp = true;
    let total = 0;
    for (const bytes of out) total += bytes.length;
    const [only] = out;
    if (out.length === 1 && only !== undefined) keepsUp = this.client.write(only);
    else if (total < joinBelowBytes) keepsUp = this.client.write(Buffer.concat(out, total));
    else for (const bytes of out) keepsUp = this.client.write(bytes);
    if (keepsUp) return;
    // Also one that has taken the place of another meanwhile.
    this.link?.pause();
  }

  /** The client keeps up again. */
  drained(): void {
    this.link?.resume();
  }

  /** What is answered until the session rests is kept from the client, and handed to `done`. */
  beginPiece(done: (answer: PieceAnswer) => void): void {
    this.#piece = { answer: { affected: 0n, error: null }, done };
  }

  /** The instance has answered the piece. */
  protected pieceAnswered(end: End): void {
    if (this.#piece === null) return;
    const { answer } = this.#piece;
    answer.affected = end.affected;
    if (end.kind === 'err')
      answer.error = { number: end.errorNumber, sqlState: end.errorState, message: end.errorMessage };
  }

  protected toClient(request: Request, bytes: Buffer): void {
    if (this.#piece !== null) return;
    request.begun = true;
    this.#out.push(bytes);
  }

  /** The instance asks for a file: the client is asked, and what it sends is passed on and kept. */
  protected askForFile(link: Link, request: Request, question: Buffer): void {
    this.toClient(request, question);
    this.flush();
    request.upload = [];
    this.uploading = Promise.withResolvers();
    let bytes = 0;
    this.taker = (packet) => {
      bytes += packet.raw.length;
      if (bytes <= this.rules.transactionBytes) request.upload?.push(Buffer.from(packet.raw));
      else request.upload = null;
      request.uploadLost = request.upload === null;
      if (this.link === link && !link.write(packet.raw)) this.stopClient('instance');
      if (packet.payload.length > 0) return;
      this.taker = null;
      this.sequence = (packet.sequence + 1) & 0xff;
      request.due = this.sequence;
      if (this.voice !== null) this.voice = { whole: true, next: this.sequence };
      this.uploading?.resolve();
      this.uploading = null;
    };
    this.pump();
  }

  /** KILL of a connection that a gateway has shown. */
  killSession(id: number, what: 'query' | 'connection'): void {
    this.enter('asking');
    const told = (answer: 'done' | 'unknown' | 'denied'): void => {
      if (this.phase !== 'asking') return;
      if (answer === 'done') this.answerOk();
      else if (answer === 'denied') this.answerError(SERVER_ERROR.killDenied, `You are not owner of thread ${id}`);
      else this.answerError(SERVER_ERROR.noSuchThread, `Unknown thread id: ${id}`);
      this.rest();
    };
    this.ports.kill(id, what).then(told, () => told('unknown'));
  }

  /** Idle again: the client's next request may come. */
  rest(): void {
    this.flush();
    if (this.phase === 'ended') return;
    if (this.#piece !== null) {
      const { answer, done } = this.#piece;
      this.#piece = null;
      this.enter('asking');
      done(answer);
      return;
    }
    this.enter('idle');
    this.pump();
  }

  /** After an answer of the gateway's own that must not be the last thing asked about. */
  restKeepingDiagnostics(): void {
    this.rest();
  }

  answerOk(fields: { affected?: bigint; insertId?: bigint; status?: number; warnings?: number } = {}): void {
    if (this.#piece !== null) {
      this.#piece.answer.affected = fields.affected ?? 0n;
      return;
    }
    const status = fields.status ?? this.status;
    this.#out.push(
      okPacket(
        {
          affectedRows: fields.affected ?? 0n,
          lastInsertId: fields.insertId ?? 0n,
          status,
          warnings: fields.warnings ?? 0,
        },
        this.client.capabilities,
        this.sequence,
      ),
    );
    this.flush();
  }

  answerError(error: ServerError, message: string): void {
    if (this.#piece !== null) {
      this.#piece.answer.error = { ...error, message };
      return;
    }
    this.#out.push(errPacket({ ...error, message }, this.sequence));
    this.flush();
  }

  answerRows(columns: readonly string[], rows: readonly (readonly (string | null)[])[]): void {
    this.#out.push(encodeTextResult({ columns, rows, status: this.status }, this.client.capabilities, this.sequence));
    this.flush();
  }

  /** The client does not keep to the protocol. */
  broken({ problem, reason }: WireProblem): void {
    if (problem === 'too-large')
      this.answerError(SERVER_ERROR.packetTooLarge, `Got a packet bigger than 'max_allowed_packet' bytes: ${reason}.`);
    else this.answerError(SERVER_ERROR.packetsOutOfOrder, `The gateway cannot read this connection: ${reason}.`);
    this.end('broken', reason);
  }

  /** Ends the session, whatever it is doing. */
  end(reason: 'idle' | 'slow-client' | 'killed' | 'quit' | 'closed' | 'broken', detail = ''): void {
    if (this.phase === 'ended') return;
    this.flush();
    this.enter('ended');
    const piece = this.#piece;
    this.#piece = null;
    piece?.done(piece.answer);
    this.ending.abort();
    this.closeUnit(false);
    this.taker = null;
    this.detach(reason === 'quit' || reason === 'idle' ? 'quit' : 'destroy');
    this.client.end();
    this.ports.tell.ended(reason, detail);
  }
}
