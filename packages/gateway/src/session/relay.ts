/**
 * One session: requests of the client go to an instance, answers come back, and what is needed to go on elsewhere is
 * kept on the way. This file is the path of every packet; what happens when the instance is lost or refuses is in
 * `recovery.ts`, what a statement means in `requests.ts`.
 *
 * What it keeps true:
 * - One request is under way at a time, and nothing of the next one is sent before its answer has ended.
 * - Answers go through without being decoded; the client gets the end of an answer only after everything that was sent
 *   along with the request (outcome row, COMMIT) has succeeded.
 * - When this class is idle, what it believes of the session is what the instance last said.
 */
import { CLIENT, frame, hasBase, type Packet, type ResponseEvent, SERVER_ERROR, STATUS } from '@coequal/mysql-wire';
import {
  endInWords,
  isConflict,
  meansLoss,
  packetFor,
  passesAsIs,
  type Rewrite,
  readEnd,
  surelyRolledBack,
} from './answers.ts';
import { nothingEnd } from './books.ts';
import { beginCommand } from './commands.ts';
import { onConflictAnswer } from './conflicts.ts';
import { flights } from './flights.ts';
import type { End, Link, RelayRules, Request, Step } from './model.ts';
import type { Prepared } from './prepared.ts';
import { interruptionMs, onDifferentAnswer, onLinkLost, onUnexpectedEnd } from './recovery.ts';
import { captureStep, openingBytes, openingSteps } from './replay.ts';
import { Sending } from './sending.ts';
import type { SessionSettings } from './settings-of-session.ts';
import { clientStep, endingPacket, ownStep, packetFrom, preambleOf, preambleSteps, secondSteps } from './steps.ts';
import { readWarnings } from './user-variables.ts';

const empty: Buffer = Buffer.alloc(0);

export class Relay extends Sending {
  protected begin(packet: Packet): void {
    beginCommand(this, packet);
  }

  #held: { event: ResponseEvent; end: End }[] = [];
  #heldPlain: Buffer[] = [];
  /** The first error of a flight, with the part it came from. */
  #flightError: { readonly part: Step['part']; readonly end: End } | null = null;
  /** Autocommit could not be switched off (a KILL met it): the statement behind has committed by itself. */
  #openFailed = false;

  // To the instance.

  /** Sends a request with what belongs to it. The link must be there. */
  send(request: Request): void {
    const { link } = this;
    if (link === null) throw new Error('Bug: sending without an instance');
    if (request.response === 'fetch' && request.prepared?.cursor === 'lost') {
      this.#tellLostCursor(request.prepared);
      return;
    }
    this.request = request;
    if (!request.begun) this.voice = null;
    request.sent = true;
    request.asked = false;
    this.enter('busy');
    this.gtidAtRequest = this.gtid;
    this.#held = [];
    this.#heldPlain = [];
    this.#flightError = null;
    this.#openFailed = false;
    if (request.class === 'wrapped') this.#sendWrapped(request);
    else if (request.class === 'commit') this.#sendCommit(request);
    else this.sendPlain(request);
  }

  #tellLostCursor(prepared: Prepared): void {
    prepared.cursor = 'none';
    this.request = null;
    if (!this.open) this.unit = null;
    this.answerError(
      SERVER_ERROR.lockDeadlock,
      'The rows of this cursor went down with an instance, and the transaction that opened it has ended: open it again.',
    );
    this.rest();
  }

  #sendWrapped(request: Request): void {
    // While the instance waits for a file, nothing else may be sent: it would be taken for the file.
    const staged = request.statement.kind === 'load-local';
    const steps = [ownStep('open', 'simple'), ...preambleSteps(request), clientStep('statement', request)];
    const first = [flights.open, ...preambleOf(request), packetFrom(request)];
    const second = [this.record(request), flights.rollback, flights.close];
    this.#second = staged ? second : null;
    this.sendSteps(staged ? steps : [...steps, ...secondSteps()], staged ? first : [...first, ...second]);
  }

  /** The second half of a flight that waits for the answer to the first. */
  #second: Buffer[] | null = null;

  #sendCommit(request: Request): void {
    if (!this.captureDue) {
      this.#sendRecorded(request);
      return;
    }
    const capture = captureStep(this, 'only');
    request.sent = false;
    const done: Step['done'] = (end, plain) => {
      capture.done?.(end, plain);
      this.#sendRecorded(request);
    };
    this.sendSteps([{ ...capture, done }], [flights.userVariables]);
  }

  #sendRecorded(request: Request): void {
    const { statement } = request;
    request.sent = true;
    if (statement.kind === 'commit') {
      const steps = [ownStep('record', 'execute'), clientStep('commit', request)];
      this.sendSteps(steps, [this.record(request), endingPacket(statement)]);
      return;
    }
    // BEGIN, or autocommit switched on: only when it is sure that the transaction before has committed.
    const undo = ownStep('undo', 'simple', () => {
      if (this.#flightError !== null) this.#recordFailed(this.#flightError.end);
      else this.sendSteps([clientStep('commit', request)], [packetFrom(request)]);
    });
    this.sendSteps([ownStep('record', 'execute'), undo], [this.record(request), flights.rollback]);
  }

  // From the instance.

  /** The link that the relay listens to from now on. */
  attach(link: Link): void {
    this.link = link;
    this.recordStatement = null;
    this.guardedStatement = null;
    this.steps.length = 0;
    for (const statement of this.prepared.values()) {
      statement.instanceId = null;
      statement.instanceTypes = null;
      if (statement.cursor === 'orphaned') statement.cursor = 'lost';
    }
    link.listen({
      chunk: (bytes) => {
        if (this.link === link) this.guard(() => this.#fromInstance(link, bytes));
      },
      lost: (reason) => {
        if (this.link === link) this.guard(() => onLinkLost(this, reason));
      },
      drained: () => {
        this.letClientGo('instance');
      },
    });
  }

  /** Lets go of the instance: what comes from it from now on is not heard. */
  detach(how: 'destroy' | 'quit'): Link | null {
    const { link } = this;
    this.keepVoice();
    this.keepEarly();
    this.letClientGo('instance');
    this.link = null;
    this.steps.length = 0;
    this.#second = null;
    if (link !== null) {
      if (how === 'quit') link.quit();
      else link.destroy();
    }
    return link;
  }

  #fromInstance(link: Link, chunk: Buffer): void {
    const { scanner } = this;
    let offset = 0;
    while (offset < chunk.length) {
      const step = this.steps[0];
      if (step === undefined) {
        onUnexpectedEnd(this, chunk.subarray(offset));
        return;
      }
      const from = offset;
      const end = scanner.scan(chunk, offset);
      offset = scanner.resumeAt;
      if (scanner.released.length > 0) this.#plain(step, scanner.released);
      if (end > from) this.#plain(step, end - from === chunk.length ? chunk : chunk.subarray(from, end));
      // What was shown last time is no longer what is shown now: recovery has taken over.
      if (this.link !== link) return;
      if (scanner.problem !== undefined) {
        onLinkLost(this, 'garbage');
        return;
      }
      const { event } = scanner;
      if (event !== undefined) {
        scanner.accept();
        this.#event(link, step, event);
      } else if (scanner.done) this.#plainEnded(step);
      else if (offset < chunk.length && scanner.resumeAt === from) throw new Error('Bug: the scanner does not move');
      if (this.link !== link) {
        this.flush();
        return;
      }
    }
    this.keepEarly();
    this.flush();
  }

  /** Bytes that are handed on without a look. */
  #plain(step: Step, bytes: Buffer): void {
    if (step.owner === 'own') {
      step.collected?.push(bytes);
      return;
    }
    if (step.owner === 'replay') {
      this.verifying?.fresh.plain(bytes);
      return;
    }
    if (this.verifying !== null) this.verify(bytes);
    else this.show(step, bytes);
  }

  protected onDifferent(): void {
    onDifferentAnswer(this);
  }

  protected show(step: Step, bytes: Buffer): void {
    const { request } = this;
    if (request === null || bytes.length === 0) return;
    if (step.part === 'statement') {
      this.#heldPlain.push(bytes);
      return;
    }
    this.note(request, bytes);
    this.toClient(request, bytes);
  }

  #event(link: Link, step: Step, event: ResponseEvent): void {
    if (event.type === 'local-infile') {
      this.#localFile(link, step, event);
      return;
    }
    if (event.type === 'prepare-ok') {
      this.#preparedAnswer(step, event);
      return;
    }
    const read = readEnd(event, link.capabilities);
    if (read === undefined || event.type === 'auth-switch' || event.type === 'auth-more') {
      onLinkLost(this, 'garbage');
      return;
    }
    const { end, changes } = read;
    // Whatever the instance refuses this way, it will refuse everything.
    if (end.kind === 'err' && meansLoss(end) && !this.rules.observe) {
      onLinkLost(this, end.errorNumber === 1053 || end.errorNumber === 1927 ? 'stopping' : 'isolated');
      return;
    }
    if (changes.length > 0) this.track(changes, step);
    if (step.owner === 'client') this.#clientEnd(link, step, event, end);
    else this.#otherEnd(step, event, end);
  }

  #otherEnd(step: Step, event: ResponseEvent, end: End): void {
    if (end.kind === 'err' && this.#meantForTransaction(step, end)) {
      this.#transactionEnded(end);
      return;
    }
    if (step.owner === 'replay') this.verifying?.fresh.end(endInWords(end));
    if (end.kind !== 'err' && step.owner === 'replay') this.status = end.status;
    if (!event.last) return;
    // It does not report what it has to, or has no outcome statement: it is of no use.
    if (end.kind === 'err' && step.part === 'opening' && this.phase === 'busy') {
      onLinkLost(this, 'in-doubt');
      return;
    }
    if (end.kind === 'err' && step.part === 'open') this.#openRefused();
    else if (end.kind === 'err' && step.part !== 'only') this.#flightError ??= { part: step.part, end };
    if (step.part === 'record' && step.collected !== null) this.#takeWarnings(step.collected);
    this.#finish(step, end);
    if (step.part === 'close') this.#wrappedEnd(end);
    if (step.part === 'capture') this.#askStatus();
  }

  /** Beside a transaction, or within one, the gateway has asked something, and it is the transaction that was refused. */
  #meantForTransaction({ owner, part }: Step, { errorNumber }: End): boolean {
    if (owner !== 'own' || (part !== 'only' && part !== 'capture') || this.phase !== 'busy') return false;
    return this.unit !== null && isConflict(errorNumber, true);
  }

  #transactionEnded(end: End): void {
    const { request } = this;
    if (request === null) {
      onLinkLost(this, 'in-doubt');
      return;
    }
    this.steps.shift();
    this.startHead();
    const held = this.#held.pop();
    this.keepEarly();
    if (request.begun && held !== undefined)
      this.voice ??= { whole: true, next: this.numberFor(request, held.event.sequence) };
    onConflictAnswer(this, end);
  }

  /** What follows commits by itself, without its outcome row: a loss leaves open whether it has. */
  #openRefused(): void {
    this.#openFailed = true;
    if (this.request !== null) this.request = { ...this.request, class: 'opaque' };
  }

  /** Its answer has ended. What is done with it may send more; the next answer is waited for in any case. */
  #finish(step: Step, end: End): void {
    this.steps.shift();
    step.done?.(end, step.collected === null ? empty : Buffer.concat(step.collected));
    this.startHead();
    if (!this.afterwards || this.steps.length > 0) return;
    this.afterwards = false;
    this.rest();
  }

  /** The end of what the client asked, or of one of its results. */
  #clientEnd(link: Link, step: Step, event: ResponseEvent, end: End): void {
    const { request } = this;
    if (request === null) return;
    if (step.part === 'statement') {
      this.#held.push({ event, end });
      if (end.kind === 'err') this.#flightError ??= { part: 'statement', end };
      if (event.last) this.#statementAnswered();
      return;
    }
    if (step.part === 'commit' && (this.#flightError !== null || end.kind === 'err')) {
      this.steps.shift();
      // The record has succeeded, and what came behind it has not: then it is settled, and answered as committed.
      if (this.#flightError === null) onLinkLost(this, 'in-doubt');
      else this.#recordFailed(this.#flightError.end);
      return;
    }
    if (end.kind === 'err' && isConflict(end.errorNumber, this.rules.rollbackOnTimeout) && !this.rules.observe) {
      this.steps.shift();
      this.startHead();
      this.keepEarly();
      if (request.begun) this.voice ??= { whole: true, next: this.numberFor(request, event.sequence) };
      onConflictAnswer(this, end);
      return;
    }
    const interrupted = end.errorNumber === SERVER_ERROR.queryInterrupted.number && !this.interrupted;
    // Where something was sent along, its answer or the loss tells by itself.
    if (interrupted && this.steps.length === 1 && !this.rules.observe) {
      this.#waitForMore(link, step, event, end);
      return;
    }
    if (this.verifying !== null && !this.verifyEnd(end, event.last)) return;
    if (!event.last) {
      this.noteEnd(request, end, false);
      this.#forward(link, request, event, null);
      this.sequence = (event.sequence + 1) & 0xff;
      return;
    }
    this.steps.shift();
    this.#held.push({ event, end });
    if (step.part === 'along') {
      // The scanner goes on to other answers; the client stands before this end.
      if (request.begun) this.voice = { whole: true, next: event.sequence };
      this.startHead();
    } else this.#askStatus();
  }

  /**
   * What may commit by itself has failed, and an error does not say whether a transaction is open behind it, nor what was
   * committed on the way (DDL commits before it fails). The client hears of it when that is known.
   */
  #askStatus(): void {
    const end = this.#held.at(-1)?.end;
    if (end?.kind !== 'err' || this.request?.class !== 'opaque' || this.rules.observe) {
      this.startHead();
      this.#giveEnd();
      return;
    }
    const asked = ownStep('only', 'simple', (answer) => {
      if (answer.kind !== 'err') this.status = answer.status;
      this.#giveEnd();
    });
    this.sendSteps([asked], [flights.ping]);
  }

  /** Everything that was sent along with the request has been answered: the client gets the end that was held back. */
  #giveEnd(): void {
    const { request, link } = this;
    const held = this.#held.pop();
    if (request === null || link === null || held === undefined) return;
    this.voice = null;
    this.noteEnd(request, held.end, true);
    this.#forward(link, request, held.event, null);
    this.#answered(request, held.end);
  }

  /** An interrupted statement may be the last word of an instance that ends: then its connection goes too. */
  #waitForMore(link: Link, step: Step, event: ResponseEvent, end: End): void {
    this.interrupted = true;
    this.ports.clock.sleep(interruptionMs, this.ending.signal).then(
      () => {
        if (this.link !== link || this.phase !== 'busy') return;
        this.#clientEnd(link, step, event, end);
        this.flush();
      },
      () => undefined,
    );
  }

  #statementAnswered(): void {
    this.steps.shift();
    if (this.#second !== null) {
      const second = this.#second;
      this.#second = null;
      this.sendSteps(secondSteps(), second);
      return;
    }
    this.startHead();
  }

  /** The outcome row was refused. Where that leaves open whether the transaction has committed, it is settled elsewhere. */
  #recordFailed(end: End): void {
    if (surelyRolledBack(end)) onConflictAnswer(this, end);
    else onLinkLost(this, 'in-doubt');
  }

  /** The client gets what was held back. Answers with its end. */
  #release(link: Link, request: Request, rewrite: Rewrite | null): End | undefined {
    for (const bytes of this.#heldPlain) this.toClient(request, bytes);
    for (const { event } of this.#held) this.#forward(link, request, event, rewrite);
    const end = this.#held.at(-1)?.end;
    this.#heldPlain = [];
    this.#held = [];
    return end;
  }

  /** All answers of a wrapped write are there: together they say what became of it. */
  #wrappedEnd(close: End): void {
    const { request, link } = this;
    if (request === null || link === null) return;
    const failure = this.#flightError;
    if (failure !== null && failure.part === 'statement') {
      if (isConflict(failure.end.errorNumber, this.rules.rollbackOnTimeout)) {
        onConflictAnswer(this, failure.end);
        return;
      }
    } else if (failure !== null && !this.#openFailed) {
      this.#recordFailed(failure.end);
      return;
    }
    // Then ROLLBACK was not carried out: what is open there is left to itself, and settled.
    if (close.kind === 'err' || (close.status & STATUS.AUTOCOMMIT) === 0) {
      onLinkLost(this, 'in-doubt');
      return;
    }
    this.status = (close.status | STATUS.AUTOCOMMIT) & ~STATUS.IN_TRANS;
    const end = this.#release(link, request, { set: STATUS.AUTOCOMMIT, clear: STATUS.IN_TRANS }) ?? close;
    this.last.disturbed = true;
    if (end.kind !== 'err') {
      this.ports.tell.acknowledged('committed', this.identity.epoch, request.sequence, this.gtid);
      this.countWrite(request);
    }
    this.#answered(request, { ...end, status: this.status });
  }

  #forward(link: Link, request: Request, event: ResponseEvent, rewrite: Rewrite | null): void {
    const { capabilities } = this.client;
    const asIs = passesAsIs(event, capabilities, rewrite);
    const packet = asIs ? event.raw : packetFor(event, link.capabilities, capabilities, rewrite);
    const number = this.numberFor(request, event.sequence);
    this.toClient(request, number === event.sequence ? packet : frame(packet.subarray(4), number));
  }

  // Other kinds of answers.

  #plainEnded(step: Step): void {
    const { request } = this;
    const end: End = { ...nothingEnd, status: this.status };
    this.forgetEarly();
    if (step.owner === 'client' && request !== null) {
      // Definitions of a prepared statement, or COM_STATISTICS: they have no end of their own.
      this.steps.shift();
      this.startHead();
      if (this.verifying !== null && !this.verifyEnd(end, true)) return;
      this.#answered(request, end);
    } else this.#finish(step, end);
  }

  #preparedAnswer(step: Step, event: ResponseEvent): void {
    const { request, scanner } = this;
    const told = scanner.prepared;
    if (told === undefined) return;
    if (step.owner === 'client' && request !== null && request.prepared !== null) {
      const { prepared } = request;
      prepared.instanceId = told.statement;
      prepared.parameters = told.parameters;
      prepared.columns = told.columns;
      this.prepared.set(prepared.id, prepared);
      this.lastPrepared = prepared;
      const copy = Buffer.from(event.raw);
      copy.writeUInt32LE(prepared.id, 5);
      if (this.verifying === null) {
        this.note(request, copy);
        this.toClient(request, copy);
      } else this.verify(copy);
    }
    if (event.last) this.#plainEnded(step);
  }

  /** The instance asks for a file: the client sends it, or what was kept of it is sent again. */
  #localFile(link: Link, step: Step, event: ResponseEvent): void {
    const { request } = this;
    const kept = step.upload;
    if (step.owner === 'client' && request !== null) request.asked = true;
    if (step.owner !== 'client' || request === null || (kept !== null && kept.length > 0)) {
      // It was refused before the file was asked for: without one, the repetition shows that it goes another way.
      for (const raw of kept ?? [frame(empty, event.sequence + 1)]) link.write(raw);
      return;
    }
    this.askForFile(link, request, event.raw);
  }

  #takeWarnings(collected: readonly Buffer[]): void {
    this.last.warnings = collected.length === 0 ? null : readWarnings(Buffer.concat(collected), this.link);
  }

  // The end of a request.

  #answered(request: Request, end: End): void {
    const { ports } = this;
    if (end.kind !== 'err')
      this.status = request.response === 'prepare' || request.response === 'statistics' ? this.status : end.status;
    this.statements += 1;
    const along = !this.rules.observe && this.capturesAlong(request);
    request.onAnswer?.(end);
    this.pieceAnswered(end);
    this.accountFor(request, end);
    if (request.class !== 'wrapped') {
      this.last.disturbed = along;
      this.last.warnings = null;
    }
    if (request.response === 'query' || request.response === 'execute')
      this.last.rowCount = end.kind === 'err' || end.endsRows ? -1n : end.affected;
    this.last.failed = end.errorNumber;
    if (end.insertId !== 0n && end.kind === 'ok' && request.response !== 'prepare')
      this.settings = { ...this.settings, lastInsertId: end.insertId };
    ports.tell.request(
      request.statement.verb,
      this.link?.instance ?? null,
      ports.clock.monotonic() - request.arrivedMs,
      end.errorNumber,
    );
    this.request = null;
    this.settled = true;
    this.interrupted = false;
    if (this.endDue) {
      this.end('quit');
      return;
    }
    if (this.reopenDue && this.link !== null) {
      this.reopenDue = false;
      this.sendSteps(openingSteps(this), openingBytes(this));
    }
    if (along) this.captureDue = false;
    else if (this.captureDue && this.unit === null && this.link !== null)
      this.sendSteps([captureStep(this, 'only')], [flights.userVariables]);
    // What the session does for itself behind an answer comes first: the next request counts on it.
    this.afterwards = this.steps.length > 0;
    if (!this.afterwards) this.rest();
  }

  /** COM_CHANGE_USER: nothing of before is left but the client's connection and what becomes of its last COMMIT. */
  startOver(settings: SessionSettings, rules: RelayRules): void {
    this.closeUnit(false);
    this.detach('quit');
    this.settings = settings;
    this.rules = rules;
    this.prepared.clear();
    this.lastPrepared = null;
    this.barriers.clear();
    this.owed = null;
    this.captureDue = false;
    this.status = STATUS.AUTOCOMMIT;
    this.multiStatements = hasBase(this.client.capabilities, CLIENT.MULTI_STATEMENTS);
  }

  /** Another worker goes on with it. */
  giveAway(): void {
    this.enter('ended');
    this.ending.abort();
    this.detach('quit');
  }
}
