/**
 * What goes to the instance for a request: the statement itself, what the gateway sets ahead of it, what it reads behind it, and
 * the outcome row. Answers are `relay.ts`; packets are made in `steps.ts` and `flights.ts`.
 *
 * The invariant: in an open transaction nothing of the gateway's own is unanswered when a statement is sent behind it.
 */
import { flag } from '../sql/statement.ts';
import { flights, recordPacket } from './flights.ts';
import type { Request, Step } from './model.ts';
import { captureStep, numberStep } from './replay.ts';
import { changesUserVariables, has } from './requests.ts';
import { Showing } from './showing.ts';
import { clientStep, packetFrom, preambleOf, preambleSteps } from './steps.ts';

export abstract class Sending extends Showing {
  /**
   * Within a transaction nothing of the gateway's own is sent ahead of a statement unanswered: an instance says once that
   * it has ended the transaction, to whatever comes next, and what comes behind that would commit by itself.
   */
  protected sendPlain(request: Request): void {
    const ahead = preambleSteps(request);
    const last = ahead.at(-1);
    if (last === undefined || !this.inTransaction) this.#sendBody(request, ahead, preambleOf(request));
    else this.sendSteps([...ahead.slice(0, -1), { ...last, done: () => this.#sendBody(request) }], preambleOf(request));
  }

  #sendBody(request: Request, ahead: readonly Step[] = [], bytes: readonly Buffer[] = []): void {
    const numbers = this.#numbersAlong(request);
    const captures = this.capturesAlong(request);
    if (numbers && captures)
      this.sendSteps(
        [...ahead, clientStep('along', request), numberStep(this, request, 'only'), captureStep(this, 'capture')],
        [...bytes, packetFrom(request), flights.lastInsertId, flights.userVariables],
      );
    else if (numbers)
      this.sendSteps(
        [...ahead, clientStep('along', request), numberStep(this, request, 'capture')],
        [...bytes, packetFrom(request), flights.lastInsertId],
      );
    else if (captures)
      this.sendSteps(
        [...ahead, clientStep('along', request), captureStep(this, 'capture')],
        [...bytes, packetFrom(request), flights.userVariables],
      );
    else
      this.sendSteps(
        [...ahead, clientStep('only', request), ...request.afterSteps],
        [...bytes, packetFrom(request), ...request.afterBytes],
      );
  }

  /** An answer of rows does not tell which key was generated, and a repetition has to know. */
  #numbersAlong({ class: known, statement }: Request): boolean {
    return known === 'inside' && statement.kind === 'write' && has(statement, flag.returning);
  }

  /**
   * What sets user variables, or ends a transaction that has, is answered when their values are known: until then all of it can be
   * sent again.
   */
  protected capturesAlong({ class: known, statement }: Request): boolean {
    if (this.rules.observe || has(statement, flag.release)) return false;
    if (changesUserVariables(statement) && known !== 'wrapped' && known !== 'commit')
      // Where a file may be asked for, what is sent behind would be taken for it.
      return statement.kind !== 'multi' && statement.kind !== 'load-local';
    return this.captureDue && (known === 'commit-read' || known === 'rollback');
  }

  /** The outcome row that the next flight writes. */
  protected record(request: Request): Buffer {
    const { identity } = this;
    const guards = [...new Set([...(this.unit?.guards ?? []), ...request.guards])];
    const statement = guards.length > 0 ? this.guardedStatement : this.recordStatement;
    if (statement === null) throw new Error('Bug: a session without its outcome statement');
    this.settled = false;
    identity.sequence += 1;
    request.sequence = identity.sequence;
    return recordPacket({
      statement,
      session: identity.session,
      epoch: identity.epoch,
      sequence: identity.sequence,
      guards,
    });
  }

  /** Sends commands of the gateway's own, or of a replay; `done` of each is called in turn. */
  sendSteps(steps: readonly Step[], bytes: readonly Buffer[]): void {
    const wasEmpty = this.steps.length === 0;
    this.steps.push(...steps);
    this.link?.write(bytes.length === 1 && bytes[0] !== undefined ? bytes[0] : Buffer.concat(bytes));
    if (wasEmpty) this.startHead();
  }

  protected startHead(): void {
    const head = this.steps[0];
    if (head !== undefined && this.link !== null)
      this.scanner.start(head.response, this.link.capabilities, head.firstNumber);
  }
}
