/**
 * Ending statements and sessions. Who is to be ended was seen some time ago by somebody else; so it is looked at again right before: the same
 * session, the same account, the same statement (by the digest of its text without literals). A statement is then ended by its own
 * number, which the server gives to no other one, so that nothing lies between the look and the end.
 */
import { type ActionOf, classOf } from '@coequal/contract';
import { maskLiterals } from '@coequal/signals';
import { sha256Hex } from '@coequal/trust';
import { type Doing, type Notes, no, type Standing, text, yes } from '../doing.ts';
import type { InstanceHands } from '../ports.ts';

/** As collectors cut statements: both digests are of the same text. */
const statementBytes = 2_048;

type Found = {
  readonly user: string;
  readonly command: string;
  readonly query: string;
  readonly statement: string | null;
  readonly transaction: string | null;
};

/** What names a statement without showing it. */
export const statementDigest = (statement: string): string => sha256Hex(maskLiterals(statement, 'mysql'));

const look = async (hands: InstanceHands, session: number): Promise<Found | undefined> => {
  const [row] = await hands.ask(
    `SELECT p.USER AS user, p.COMMAND AS command, p.QUERY_ID AS query, LEFT(p.INFO, ${statementBytes}) AS info,
      t.trx_id AS transaction, p.ID AS id FROM information_schema.PROCESSLIST p
      LEFT JOIN information_schema.INNODB_TRX t ON t.trx_mysql_thread_id = p.ID WHERE p.ID = ?`,
    [session],
  );
  if (row === undefined) return undefined;
  const { user, command, query, info, transaction } = row;
  const statement = info === null || info === undefined ? '' : String(info);
  return {
    user: String(user),
    command: String(command),
    query: String(query),
    statement: statement === '' ? null : statementDigest(statement),
    transaction: transaction === null || transaction === undefined ? null : String(transaction),
  };
};

/** Threads of the server itself: appliers, the scheduler of events. */
const isOwn = ({ user, command }: Found): boolean =>
  user === 'system user' || user === 'event_scheduler' || command === 'Daemon' || command.startsWith('Binlog Dump');

const differs = (
  found: Found | undefined,
  { session, user, statement }: ActionOf<'query-kill' | 'session-kill'>,
): string | undefined => {
  if (found === undefined) return `There is no session ${session} any more.`;
  if (isOwn(found)) return `Session ${session} is one of the server itself.`;
  if (found.user !== user) return `Session ${session} is of another account now.`;
  if (statement !== null && found.statement !== statement)
    return found.statement === null
      ? `Session ${session} no longer runs a statement.`
      : `Session ${session} runs another statement now.`;
  if (statement === null && (found.command !== 'Sleep' || found.transaction === null))
    return `Session ${session} is not idle inside a transaction now.`;
  return undefined;
};

export const queryKill = (one: ActionOf<'query-kill'>, hands: InstanceHands): Doing => ({
  class: classOf[one.type],
  does: [
    `Ends the statement that session ${one.session} of ${one.user} runs at ${one.instance}, if it is still that one.`,
  ],
  before: async () => {
    const found = await look(hands, one.session);
    const reason = differs(found, one);
    return reason === undefined ? yes({ query: found?.query ?? '' }) : no(reason);
  },
  perform: async ({ seen }) => {
    const query = Number(text(seen, 'query'));
    await hands.ask(`KILL QUERY ID ${Math.trunc(query)}`).catch(ignoreGone);
    return undefined;
  },
  after: async (seen) => {
    const found = await look(hands, one.session);
    if (found === undefined || found.query !== text(seen, 'query') || found.statement === null)
      return { is: 'done', words: `Session ${one.session} no longer runs that statement.` };
    return stillThere(found, `Session ${one.session} still runs that statement`);
  },
  undo: () => undefined,
  putsBack: false,
});

/** The engine's table of transactions is read from a copy that is a tenth of a second old at most: older than that nothing may be believed. */
const freshLook = async (hands: InstanceHands, session: number): Promise<Found | undefined> => {
  await hands.ask('DO SLEEP(0.15)');
  return look(hands, session);
};

export const sessionKill = (one: ActionOf<'session-kill'>, hands: InstanceHands): Doing => ({
  class: classOf[one.type],
  does: [
    one.statement === null
      ? `Ends session ${one.session} of ${one.user} at ${one.instance}, if it still sits idle in its transaction, which is rolled back.`
      : `Ends session ${one.session} of ${one.user} at ${one.instance}, if it still runs that statement; its transaction is rolled back.`,
  ],
  before: async () => {
    const found = await freshLook(hands, one.session);
    const reason = differs(found, one);
    return reason === undefined ? yes({ transaction: found?.transaction ?? '' }) : no(reason);
  },
  perform: async ({ seen }) => {
    const found = await freshLook(hands, one.session);
    // In the moment since it was written down the session may have gone on.
    if (differs(found, one) !== undefined || !isSame(found, seen)) return undefined;
    await hands.ask(`KILL CONNECTION ${Math.trunc(one.session)}`).catch(ignoreGone);
    return undefined;
  },
  after: async () => {
    const found = await look(hands, one.session);
    if (found === undefined) return { is: 'done', words: `Session ${one.session} is gone.` };
    return stillThere(found, `Session ${one.session} is still there`);
  },
  undo: () => undefined,
  putsBack: false,
});

const isSame = (found: Found | undefined, seen: Notes): boolean =>
  (found?.transaction ?? '') === text(seen, 'transaction');

const stillThere = ({ command }: Found, words: string): Standing =>
  command === 'Killed'
    ? { is: 'between', words: `${words}: it was told to end, and is rolling back.` }
    : { is: 'untouched', words: `${words}.` };

/** Error 1094 and 1957: it ended by itself in the meantime. */
const ignoreGone = (error: unknown): void => {
  const number = typeof error === 'object' && error !== null && 'errno' in error ? error.errno : undefined;
  if (number !== 1094 && number !== 1957) throw error;
};
