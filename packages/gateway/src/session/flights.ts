/** Commands of the gateway's own, as packets ready to be sent. */
import { encodeCommand, encodeExecute, frame } from '@coequal/mysql-wire';

const query = (sql: string): Buffer => frame(encodeCommand.query(sql), 0);

/**
 * The outcome CALL commits by itself (`instances/schema.ts`), so what follows it is ROLLBACK: it ends what the CALL did not.
 *
 * A single write becomes a transaction by switching autocommit off, and not by BEGIN: an instance that has just lost its
 * majority refuses BEGIN, and had it found it again a moment later, the write behind would have committed alone.
 */
export const flights = {
  open: query('SET @@SESSION.autocommit=0'),
  /** An instance that refuses ROLLBACK may carry out what follows: then it must not commit what is still open. */
  close: query('SET @@SESSION.autocommit=1-@@in_transaction'),
  begin: query('START TRANSACTION'),
  /** Whatever the session has made of `completion_type`. */
  rollback: query('ROLLBACK AND NO CHAIN'),
  rollbackAndChain: query('ROLLBACK AND CHAIN'),
  rollbackRelease: query('ROLLBACK RELEASE'),
  prepareRecord: frame(encodeCommand.prepare('CALL coequal.record(?, ?, ?)'), 0),
  prepareGuarded: frame(encodeCommand.prepare('CALL coequal.record_guarded(?, ?, ?, ?)'), 0),
  /** In hexadecimal, so that no character set of the session comes between. */
  userVariables: query(
    'SELECT HEX(VARIABLE_NAME), VARIABLE_TYPE, HEX(VARIABLE_VALUE), CHARACTER_SET_NAME FROM information_schema.USER_VARIABLES',
  ),
  ping: frame(encodeCommand.ping(), 0),
  lastInsertId: query('SELECT LAST_INSERT_ID()'),
  quit: frame(encodeCommand.quit(), 0),
} as const;

export const queryPacket = query;

export type RecordCall = {
  /** The instance's number of the prepared CALL. */
  readonly statement: number;
  readonly session: Buffer;
  readonly epoch: number;
  readonly sequence: number;
  readonly guards: readonly string[];
};

export const recordPacket = ({ statement, session, epoch, sequence, guards }: RecordCall): Buffer =>
  frame(
    encodeExecute({
      statement,
      parameters: [session, epoch, sequence, ...(guards.length > 0 ? [guards.join(',')] : [])],
    }),
    0,
  );
