/**
 * What a session does when its instance is lost, or refuses a transaction because another one was first: decide
 * (`continuity.ts`), settle what is in doubt, move, restore, replay, and go on or tell the client.
 *
 * Everything here is the slow path: it waits, with deadlines. While it runs the relay is `recovering`, and nothing
 * of the client's next request is sent.
 */
import { assert, reasonOf } from '@coequal/kernel';
import { SERVER_ERROR, STATUS } from '@coequal/mysql-wire';
import type { Verdict } from '../instances/outcomes.ts';
import { flag } from '../sql/statement.ts';
import { failedEnd, nothingEnd, settledGtid } from './books.ts';
import { type Decision, type Finding, onFinding, onLoss, onReplayEnd, type Standing } from './continuity.ts';
import type { Request } from './model.ts';
import type { Relay } from './relay.ts';
import { giveUpReplay, pause, restoreAndReplay } from './replay.ts';
import { has } from './requests.ts';

const replayTries = 5;
/** A request whose outcome is in doubt each time it is sent is given up. */
const doubtTries = 8;
/** An instance that ends its connections may say so through an interrupted statement first. */
export const interruptionMs = 150;

export const standingOf = (relay: Relay): Standing => ({
  open: relay.open || relay.request?.uploadLost === true,
  unitBarrier: relay.request?.uploadLost === true ? 'too-large' : (relay.unit?.barrier ?? null),
  sessionBarrier: relay.barrier,
  request: relay.request?.class ?? null,
  sent: relay.request?.sent ?? false,
});

// Losing the instance.

/** The connection is gone, or what comes through it means that the instance is of no use. */
export const onLinkLost = (relay: Relay, reason: string): void => {
  if (relay.phase === 'ended') return;
  const link = relay.detach('destroy');
  if (link === null) return;
  relay.verifying = null;
  relay.avoid.add(link.instance);
  if (reason !== 'in-doubt') relay.ports.saw(link.instance, sightingOf(reason));
  const waiting = relay.recoveryLost;
  if (waiting !== null) {
    relay.recoveryLost = null;
    waiting();
    return;
  }
  // A recovery is between two steps, and finds it gone with the next one.
  if (relay.phase === 'recovering') return;
  relay.lostFrom = link.instance;
  relay.ports.tell.lost(link.instance, reason, relay.inTransaction, relay.request?.class ?? null);
  if (relay.rules.observe) {
    observeLoss(relay);
    return;
  }
  if (relay.afterwards) {
    relay.afterwards = false;
    relay.loseUserVariables();
    relay.rest();
    return;
  }
  const standing = standingOf(relay);
  const decision = decisionOf(relay, standing);
  if (standing.request === null && decision.kind === 'move-later') {
    // Whoever owns the session may move it before it is asked for something.
    relay.onBoundary?.();
    return;
  }
  if (standing.request === null && relay.phase === 'asking') return;
  recoverFor(relay, decision);
};

/** What a transaction without writes has left in the session's variables comes back only with its repetition. */
const decisionOf = (relay: Relay, standing: Standing): Decision => {
  const decision = onLoss(standing);
  const ends = relay.request !== null && has(relay.request.statement, flag.release);
  const repeats = decision.kind === 'answer-ok' && relay.captureDue && standing.unitBarrier === null;
  return repeats && !ends ? { kind: 'replay' } : decision;
};

const sightingOf = (reason: string): 'lost' | 'silent' | 'isolated' => {
  if (reason === 'silent') return 'silent';
  return reason === 'isolated' ? 'isolated' : 'lost';
};

/** Watching only: the client sees what it would have seen. */
const observeLoss = (relay: Relay): void => {
  relay.ports.tell.observed('loss', relay.barrier);
  relay.end('closed', 'its instance was lost');
};

/** Bytes that nobody asked for: the instance says good-bye, or talks nonsense. Either way it is left. */
export const onUnexpectedEnd = (relay: Relay, bytes: Buffer): void => {
  onLinkLost(relay, bytes[4] === 0xff ? 'stopping' : 'garbage');
};

/** Carries a decision out in the background; a bug of ours ends this session and no other. */
export const recoverFor = (relay: Relay, decision: Decision): void => {
  relay.enter('recovering');
  recover(relay, decision).catch((error: unknown) => {
    relay.ports.log('error', 'recovery failed', { reason: reasonOf(error) });
    if (relay.phase !== 'ended') relay.end('broken', 'recovery failed');
  });
};

const recover = async (relay: Relay, decision: Decision): Promise<void> => {
  // A client that was asked for a file listens only when it has sent it.
  await relay.uploading?.promise;
  const { request } = relay;
  const still = request?.uploadLost === true && decision.kind === 'replay' ? onLoss(standingOf(relay)) : decision;
  await carryOut(relay, still, relay.ports.clock.monotonic());
};

const carryOut = async (relay: Relay, decision: Decision, begunMs: number): Promise<void> => {
  if (relay.phase === 'ended') return;
  switch (decision.kind) {
    case 'move-later':
    case 'replay':
      await moveAndReplay(relay, begunMs);
      return;
    case 'fence':
      await fence(relay, begunMs);
      return;
    case 'answer-ok':
      answerEnded(relay, begunMs);
      return;
    case 'answer-recorded':
      throw new Error('Bug: nothing was recorded yet');
    case 'refuse':
      refuse(relay, decision.reason, decision.ends, begunMs);
      return;
    case 'unknown':
      tellUnknown(relay, decision.reason, decision.ends, begunMs);
  }
};

export const elapsed = (relay: Relay, begunMs: number): number => relay.ports.clock.monotonic() - begunMs;
const left = (relay: Relay, begunMs: number): number => Math.max(0, relay.rules.recoveryMs - elapsed(relay, begunMs));

/** A COMMIT was in flight: settle for ever whether it happened. */
const fence = async (relay: Relay, begunMs: number): Promise<void> => {
  const { identity, ports, request } = relay;
  assert(request !== null && request.sequence > 0, 'only what was sent with an outcome row can be fenced');
  relay.rowStays = true;
  const verdict = await ports.settle(identity.session, identity.epoch, request.sequence, {
    avoid: relay.avoid,
    deadlineMs: left(relay, begunMs),
    signal: relay.ending.signal,
  });
  if (relay.phase !== 'recovering') return;
  const from = relay.lostFrom ?? '';
  const took = elapsed(relay, begunMs);
  if (verdict.kind === 'undecided') {
    ports.tell.outcome(from, 'undecided', took, verdict.reason);
    await carryOut(relay, onFinding(standingOf(relay), 'undecided', verdict.reason), begunMs);
    return;
  }
  identity.epoch = verdict.epoch;
  relay.gtid = settledGtid;
  ports.tell.outcome(from, verdict.kind, took, '');
  const finding = findingOf(request, verdict);
  request.conflicts += 1;
  request.sent = finding === 'committed' || finding === 'rows-lost';
  if (finding !== 'committed' && request.conflicts > doubtTries) {
    refuse(relay, 'it was left in doubt again and again', false, begunMs);
    return;
  }
  const decision = onFinding(standingOf(relay), finding, whyOf(finding));
  if (decision.kind !== 'answer-recorded' || verdict.kind !== 'committed') await carryOut(relay, decision, begunMs);
  else answerRecorded(relay, request, verdict.affected, verdict.insertId, begunMs);
};

/** Of a wrapped statement the row says -1 where it failed without effect, and -2 where it answered with rows. */
const findingOf = (request: Request, verdict: Exclude<Verdict, { kind: 'undecided' }>): Finding => {
  if (verdict.kind === 'absent') return verdict.answeredElsewhere ? 'told-elsewhere' : 'absent';
  if (request.class !== 'wrapped') return 'committed';
  return verdict.affected === -1n ? 'failed' : verdict.affected < 0n ? 'rows-lost' : 'committed';
};

const whyOf = (finding: Finding): string => {
  if (finding === 'rows-lost') return 'it has committed, but the rows of its answer are lost';
  return finding === 'told-elsewhere'
    ? 'another gateway was asked about it and answered that it had not committed'
    : '';
};

/** It has committed: the client gets the answer that the instance could not give any more. */
const answerRecorded = (relay: Relay, request: Request, affected: bigint, insertId: bigint, begunMs: number): void => {
  const { ports, identity } = relay;
  const wrapped = request.class === 'wrapped';
  const goesOn = !wrapped && (request.statement.kind === 'begin' || has(request.statement, flag.chain));
  // Beside a single write only a cursor can be open, and it stays so.
  if (!wrapped) relay.closeUnit(true);
  request.onAnswer?.({ ...nothingEnd, affected, insertId });
  relay.loseUserVariables();
  if (wrapped) relay.countWrite(request);
  relay.status = goesOn ? relay.status | STATUS.IN_TRANS : relay.status & ~STATUS.IN_TRANS;
  if (wrapped) relay.status |= STATUS.AUTOCOMMIT;
  if (goesOn && has(request.statement, flag.readOnly)) relay.status |= STATUS.IN_TRANS_READONLY;
  // It has committed by switching autocommit on, which no instance has heard of yet.
  if (request.statement.kind === 'set') relay.switchAutocommitOn();
  if (goesOn) relay.beginAnew(request);
  ports.tell.acknowledged('committed', identity.epoch, request.sequence, '');
  // The row has what LAST_INSERT_ID() said, which stays what it was behind a statement that generated nothing.
  const generated = insertId === relay.settings.lastInsertId ? 0n : insertId;
  if (wrapped && generated !== 0n) relay.settings = { ...relay.settings, lastInsertId: generated };
  relay.last.rowCount = wrapped ? affected : 0n;
  relay.last.failed = 0;
  relay.last.disturbed = true;
  relay.last.warnings = null;
  relay.request = null;
  relay.answerOk(wrapped ? { affected, insertId: generated } : {});
  ports.tell.continued(relay.lostFrom ?? '', '', 'committed', 0, elapsed(relay, begunMs));
  if (has(request.statement, flag.release)) relay.end('quit');
  else relay.rest();
};

/** A rollback, or the end of a transaction that wrote nothing: with the instance it has ended by itself. */
const answerEnded = (relay: Relay, begunMs: number): void => {
  const { request } = relay;
  relay.closeUnit(request?.class === 'commit-read');
  request?.onAnswer?.(nothingEnd);
  relay.loseUserVariables();
  relay.status &= ~STATUS.IN_TRANS;
  relay.request = null;
  relay.answerOk();
  relay.ports.tell.continued(relay.lostFrom ?? '', '', 'restored', 0, elapsed(relay, begunMs));
  if (request !== null && has(request.statement, flag.release)) relay.end('quit');
  else relay.rest();
};

// Telling the client.

const lossWords = (relay: Relay, reason: string): string =>
  `${relay.lostFrom === null ? 'The' : `The instance ${relay.lostFrom} was lost and the`} transaction is rolled back for certain; it could not be repeated without being seen (${reason}). Try the transaction again.`;

/** One retryable error: surely nothing of it is in the database. */
const refuse = (relay: Relay, reason: string, ends: boolean, begunMs: number): void => {
  const { request, identity } = relay;
  relay.closeUnit(false);
  if (relay.link === null) relay.loseUserVariables();
  relay.status &= ~STATUS.IN_TRANS;
  const message = lossWords(relay, reason);
  relay.ports.tell.told(relay.lostFrom ?? '', SERVER_ERROR.lockDeadlock.number, reason, elapsed(relay, begunMs));
  relay.ports.tell.acknowledged('told-absent', identity.epoch, request?.sequence ?? identity.sequence, '');
  relay.verifying = null;
  if (request === null) {
    // Nobody is waiting for an answer now: the next request gets it.
    relay.owed = { error: SERVER_ERROR.lockDeadlock, message, ends };
    relay.rest();
    return;
  }
  relay.request = null;
  request.onAnswer?.(failedEnd);
  if (request.begun && !relay.canSpeak) {
    relay.end('closed', reason);
    return;
  }
  relay.answerError(SERVER_ERROR.lockDeadlock, message);
  if (ends) relay.end('closed', reason);
  else relay.rest();
};

/** The answer to whatever is asked next after a transaction was lost while nobody was asking. */
export const tellRefusal = (relay: Relay, request: Request): void => {
  const { owed } = relay;
  if (owed === null) return;
  relay.owed = null;
  request.onAnswer?.(failedEnd);
  const surely = owed.error === SERVER_ERROR.lockDeadlock;
  if (request.statement.kind === 'rollback' && surely && !owed.ends) relay.answerOk();
  else relay.answerError(owed.error, owed.message);
  if (owed.ends) relay.end('closed', 'the state of the session was lost');
  else relay.rest();
};

const tellUnknown = (relay: Relay, reason: string, ends: boolean, begunMs: number): void => {
  const { request, identity } = relay;
  relay.closeUnit(false);
  if (relay.link === null) relay.loseUserVariables();
  relay.status &= ~STATUS.IN_TRANS;
  relay.request = null;
  request?.onAnswer?.(failedEnd);
  relay.verifying = null;
  const { number } = SERVER_ERROR.outcomeUnknown;
  relay.ports.tell.told(relay.lostFrom ?? '', number, reason, elapsed(relay, begunMs));
  relay.ports.tell.acknowledged('told-unknown', identity.epoch, request?.sequence ?? identity.sequence, '');
  if (request?.begun === true && !relay.canSpeak) {
    relay.end('closed', reason);
    return;
  }
  const message = `Outcome unknown: the instance ${relay.lostFrom ?? ''} was lost while it carried this out (${reason}). It may have been done, or not: look before repeating it.`;
  if (request === null) {
    relay.owed = { error: SERVER_ERROR.outcomeUnknown, message, ends };
    relay.rest();
    return;
  }
  relay.answerError(SERVER_ERROR.outcomeUnknown, message);
  if (ends) relay.end('closed', reason);
  else relay.rest();
};

// Moving and replaying.

export const moveAndReplay = async (relay: Relay, begunMs: number): Promise<void> => {
  for (let tries = { times: 0, most: replayTries }; relay.phase === 'recovering'; ) {
    if (relay.link === null && !(await move(relay, begunMs))) return;
    const end = await restoreAndReplay(relay);
    if (relay.phase !== 'recovering') return;
    tries = { ...tries, times: tries.times + (end === 'conflict' ? 1 : 0) };
    switch (onReplayEnd(end, tries)) {
      case 'go-on':
        goOn(relay, begunMs);
        return;
      case 'again':
        await pause(relay, tries.times);
        break;
      case 'move-again':
        if (left(relay, begunMs) > 0) break;
        refuse(relay, 'no instance could be reached in time', false, begunMs);
        return;
      case 'refuse':
        await giveUpReplay(relay);
        if (relay.phase === 'recovering')
          refuse(
            relay,
            end === 'different' ? 'it would have shown the client something else' : 'it met conflicts each time',
            false,
            begunMs,
          );
        return;
      case 'unknown':
        await tellEscaped(relay, begunMs);
        return;
    }
  }
};

/** A repetition may have committed by itself what had been open: nobody can say. */
export const tellEscaped = async (relay: Relay, begunMs: number): Promise<void> => {
  await giveUpReplay(relay);
  if (relay.phase === 'recovering') tellUnknown(relay, 'its repetition may have committed by itself', false, begunMs);
};

/** A connection to another instance. False: there is none, and the client was told or need not be. */
const move = async (relay: Relay, begunMs: number): Promise<boolean> => {
  const settings = relay.unit?.settings ?? relay.settings;
  for (;;) {
    const opened = await relay.ports.open({
      avoid: relay.avoid,
      schema: settings.schema,
      deadlineMs: left(relay, begunMs),
      signal: relay.ending.signal,
    });
    if (relay.phase !== 'recovering') {
      if (opened.kind === 'open') opened.link.destroy();
      return false;
    }
    if (opened.kind === 'open') {
      relay.attach(opened.link);
      return true;
    }
    if (opened.kind === 'refused') {
      relay.request = null;
      relay.answerError({ number: opened.number, sqlState: opened.sqlState }, opened.message);
      relay.end('closed', 'the instance refused the session');
      return false;
    }
    if (left(relay, begunMs) > 0) continue;
    refuse(relay, opened.reason, false, begunMs);
    return false;
  }
};

const goOn = (relay: Relay, begunMs: number): void => {
  const { request, link } = relay;
  const to = link?.instance ?? '';
  relay.avoid.clear();
  const how = relay.unit === null ? 'restored' : 'replayed';
  if (relay.lostFrom !== null)
    relay.ports.tell.continued(relay.lostFrom, to, how, relay.unit?.entries.length ?? 0, elapsed(relay, begunMs));
  relay.lostFrom = null;
  if (relay.unit !== null) relay.replays += 1;
  relay.last.disturbed = true;
  if (request === null) relay.rest();
  else relay.send(request);
};

/** What the replay has shown is not what the client has seen, in the middle of an answer. */
export const onDifferentAnswer = (relay: Relay): void => {
  relay.enter('recovering');
  const begunMs = relay.ports.clock.monotonic();
  relay.detach('destroy');
  refuse(relay, 'it would have shown the client something else', false, begunMs);
};

// Conflicts.

/** Moves a session that has nothing open, before its next request needs it. */
export const moveIdle = (relay: Relay): boolean => {
  if (relay.phase !== 'idle' || relay.open || relay.barrier !== null || relay.link !== null) return false;
  recoverFor(relay, { kind: 'move-later' });
  return true;
};
