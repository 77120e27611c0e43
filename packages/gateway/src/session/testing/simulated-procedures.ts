/** The procedures `coequal.record` and `coequal.record_guarded` on a simulated instance, step by step as their text has them. */
import { guardKey, outcomeKeyOf } from './simulated-group.ts';
import type { Answer, Cell, SimulatedSession } from './simulated-session.ts';
import { literalOf, partsOf } from './simulated-text.ts';

const failed = (number: number, message: string, sqlState: string): Answer => ({
  kind: 'err',
  number,
  sqlState,
  message,
});
const deadlock = (): Answer =>
  failed(1213, 'Deadlock found when trying to get lock; try restarting transaction', '40001');

export const record = (session: SimulatedSession, text: string): readonly Answer[] => {
  const { host, rowCount, errors, warnings } = session;
  const [name, epoch, sequence, guards] = partsOf(text).map(literalOf);
  const key = outcomeKeyOf(textOf(name));
  const transaction = session.transaction ?? session.begin(false);
  const guarded = textOf(guards)
    .split(',')
    .filter((one) => one !== '');
  if (transaction.readOnly)
    return refused(session, failed(1792, 'Cannot execute statement in a READ ONLY transaction', '25006'));
  for (const one of [...guarded.map(guardKey), key]) {
    const refusal = refusalOf(session, one);
    if (refusal !== null) return refused(session, refusal);
    if (!transaction.keys.has(one)) transaction.keys.set(one, host.applied);
  }
  const before = host.group.outcome(textOf(name), host.applied);
  const known = before === undefined || (before.epoch === Number(epoch) && before.sequence < BigInt(Number(sequence)));
  if (!known) return refused(session, failed(1048, "Column 'sequence' cannot be null", '23000'));
  const affected = rowCount < 0 ? (errors > 0 ? -1 : -2) : rowCount;
  const row = {
    epoch: Number(epoch),
    sequence: BigInt(Number(sequence)),
    affected: BigInt(affected),
    insertId: BigInt(session.lastInsertId),
  };
  const refusal = session.commit({ session: textOf(name), row });
  if (refusal !== null) return refused(session, refusal);
  session.rowCount = 0;
  session.errors = 0;
  session.warnings = [];
  const done: Answer = { kind: 'ok', affected: 0, insertId: 0, warnings: 0 };
  return warnings.length === 0 ? [done] : [warningRows(warnings), done];
};

/** Its row was changed since this transaction has begun to read, or another holds it: a fence, or a guard. */
const refusalOf = (session: SimulatedSession, key: string): Answer | null => {
  const { host, transaction } = session;
  const since = transaction?.snapshot ?? host.applied;
  // Of the outcome row the procedure itself may say it, by the epoch.
  const tells = !key.startsWith('outcome:') || host.random.below(2) === 0;
  if (host.group.lastChange(key, host.applied) > since && tells)
    return failed(1020, "Record has changed since last read in table 'outcome'", 'HY000');
  return session.heldElsewhere(key) ? deadlock() : null;
};

const refused = (session: SimulatedSession, answer: Answer): readonly Answer[] => {
  session.rollBack();
  session.rowCount = -1;
  session.errors = 1;
  session.warnings = [];
  return [answer];
};

const warningRows = (warnings: SimulatedSession['warnings']): Answer => ({
  kind: 'rows',
  columns: [
    { name: 'code', type: 'number' },
    { name: 'message', type: 'text' },
    { name: 'state', type: 'text' },
  ],
  rows: warnings.map(([code, message, state]): readonly Cell[] => [code, message, state]),
  warnings: 0,
});

const textOf = (value: Cell | undefined): string => String(value ?? '');
