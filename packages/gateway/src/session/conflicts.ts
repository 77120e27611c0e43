/**
 * When an instance refuses a transaction because another one was first: hide it by a replay where nobody can tell, or tell the client
 * for certain that nothing of it is left.
 */
import { reasonOf } from '@coequal/kernel';
import { SERVER_ERROR, STATUS } from '@coequal/mysql-wire';
import { endInWords, isConflict, isTooLarge } from './answers.ts';
import { failedEnd } from './books.ts';
import { onConflict } from './continuity.ts';
import type { End, Request } from './model.ts';
import { elapsed, moveAndReplay, standingOf, tellEscaped } from './recovery.ts';
import type { Relay } from './relay.ts';
import { catchUp, giveUpReplay, pause, restoreAndReplay, rollBack } from './replay.ts';
import { changesUserVariables } from './requests.ts';

/** A transaction that the client has seen parts of is tried this often; one that it has seen nothing of, more often. */
const conflictTries = { seen: 5, unseen: 12 };

/** The instance refused the request, and with it the transaction: hide it, or tell the client for certain. */
export const onConflictAnswer = (relay: Relay, end: End): void => {
  const { request } = relay;
  if (request === null) return;
  relay.enter('recovering');
  hideConflict(relay, request, end).catch((error: unknown) => {
    relay.ports.log('error', 'replay failed', { reason: reasonOf(error) });
    if (relay.phase !== 'ended') relay.end('broken', 'replay failed');
  });
};

const hideConflict = async (relay: Relay, request: Request, end: End): Promise<void> => {
  const begunMs = relay.ports.clock.monotonic();
  const instance = relay.link?.instance ?? '';
  if (!isConflict(end.errorNumber, relay.rules.rollbackOnTimeout)) {
    if (end.errorNumber === fencedElsewhere)
      relay.ports.tell.conflict(instance, end.errorNumber, false, 'its outcome was asked for elsewhere', 1);
    await passOn(relay, request, end, instance);
    return;
  }
  request.conflicts += 1;
  // It was answered, and the answer says that nothing of it is left.
  request.sent = false;
  const most = relay.unit !== null && relay.unit.seen.bytes > 0 ? conflictTries.seen : conflictTries.unseen;
  const decision = onConflict(standingOf(relay), { times: request.conflicts, most, answerBegun: request.begun });
  // What it has made of user variables before it was refused is taken back with its connection.
  const assigns = changesUserVariables(request.statement);
  const stays = decision.kind !== 'replay' || (assigns && relay.barrier !== null);
  if (stays) {
    const reason = 'reason' in decision ? decision.reason : (relay.barrier ?? '');
    relay.ports.tell.conflict(instance, end.errorNumber, false, reason, request.conflicts);
    await passOn(relay, request, end, instance);
    return;
  }
  await pause(relay, request.conflicts);
  if (relay.phase !== 'recovering') return;
  if (assigns) {
    relay.settings = { ...relay.settings, userVariables: request.settings.userVariables };
    relay.captureDue = false;
    relay.detach('quit');
  }
  if (relay.link !== null) {
    const result = await restoreAndReplay(relay);
    if (relay.phase !== 'recovering') return;
    if (result === 'same') {
      relay.ports.tell.conflict(instance, end.errorNumber, true, '', request.conflicts);
      if (relay.unit !== null) relay.replays += 1;
      relay.send(request);
      return;
    }
    if (result === 'escaped') {
      await tellEscaped(relay, begunMs);
      return;
    }
    if (result !== 'lost') {
      const reason =
        result === 'different' ? 'a repetition shows the client something else' : 'its repetition met a conflict';
      if (result === 'conflict' && request.conflicts < most) {
        await hideConflict(relay, request, end);
        return;
      }
      relay.ports.tell.conflict(instance, end.errorNumber, false, reason, request.conflicts);
      await giveUpReplay(relay);
      await passOn(relay, request, end, instance);
      return;
    }
  }
  relay.ports.tell.conflict(instance, end.errorNumber, true, '', request.conflicts);
  await moveAndReplay(relay, begunMs);
};

/** The client gets the error; the transaction is ended for certain before it does. */
const passOn = async (relay: Relay, request: Request, end: End, instance: string): Promise<void> => {
  await rollBack(relay);
  if (relay.phase !== 'recovering') return;
  const conflict = isConflict(end.errorNumber, true);
  const gone = conflict || isTooLarge(end) || request.class === 'commit' || request.class === 'wrapped';
  if (gone) {
    relay.closeUnit(false);
    relay.status &= ~STATUS.IN_TRANS;
  }
  if (end.errorNumber === fencedElsewhere) await learnEpoch(relay);
  if (relay.phase !== 'recovering') return;
  relay.request = null;
  request.onAnswer?.(failedEnd);
  // An execution that was refused may not have been read: the next one says again what its parameters are.
  if (request.prepared !== null) request.prepared.instanceTypes = null;
  relay.ports.tell.request(request.statement.verb, instance, elapsed(relay, request.arrivedMs), end.errorNumber);
  if (request.begun && !relay.canSpeak) {
    relay.end('closed', endInWords(end));
    return;
  }
  if (conflict && end.errorNumber !== 1205)
    relay.answerError(SERVER_ERROR.lockDeadlock, end.errorNumber === 1213 ? end.errorMessage : conflictWords);
  else if (end.errorNumber === fencedElsewhere) relay.answerError(SERVER_ERROR.lockDeadlock, fencedWords);
  else relay.answerError({ number: end.errorNumber, sqlState: end.errorState }, end.errorMessage);
  relay.rest();
};

const fencedElsewhere = 1_048;
const conflictWords = 'Deadlock found when trying to get lock; try restarting transaction';
const fencedWords =
  'The outcome of this session was asked for at another gateway: the transaction is rolled back. Try it again.';

/** Somebody has asked what became of this session: what they were told stands, and the session goes on from there. */
const learnEpoch = async (relay: Relay): Promise<void> => {
  const { identity, rules, avoid, ending } = relay;
  const verdict = await relay.ports.settle(identity.session, identity.epoch, identity.sequence, {
    avoid,
    deadlineMs: rules.recoveryMs,
    signal: ending.signal,
  });
  if (verdict.kind === 'undecided') return;
  identity.epoch = verdict.epoch;
  await catchUp(relay);
};
