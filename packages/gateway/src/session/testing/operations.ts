/** What simulated clients ask for: operations as values, and the texts and packets that they become. */
import { ByteWriter, COM, encodeCommand, TYPE } from '@coequal/mysql-wire';

/** Each adds a row; what they do to the transaction beside that is in their names. */
export type Procedure = 'add_log' | 'add_maybe' | 'add_commit' | 'add_commit_begin';

export type Operation =
  | { readonly do: 'read'; readonly id: number; readonly binary: boolean }
  | { readonly do: 'read-all'; readonly binary: boolean }
  | { readonly do: 'cursor'; readonly rows: number }
  | { readonly do: 'add'; readonly id: number; readonly binary: boolean }
  | { readonly do: 'log'; readonly binary: boolean; readonly long: boolean }
  | { readonly do: 'log-warned' }
  | { readonly do: 'log-returning' }
  | { readonly do: 'load'; readonly lines: number }
  | { readonly do: 'multi'; readonly id: number }
  | { readonly do: 'fail'; readonly binary: boolean }
  | { readonly do: 'begin'; readonly modifiers: '' | ' READ ONLY' | ' WITH CONSISTENT SNAPSHOT' }
  | { readonly do: 'commit'; readonly modifiers: '' | ' AND CHAIN' | ' RELEASE' }
  | { readonly do: 'rollback'; readonly modifiers: '' | ' AND CHAIN' }
  | { readonly do: 'savepoint' | 'back-to' | 'release'; readonly name: string }
  | { readonly do: 'autocommit'; readonly on: boolean }
  | { readonly do: 'set-variable'; readonly value: number }
  | { readonly do: 'set-setting'; readonly value: number }
  | { readonly do: 'use'; readonly schema: string }
  | { readonly do: 'call'; readonly name: Procedure }
  | {
      readonly do:
        | 'get-variable'
        | 'get-setting'
        | 'database'
        | 'last-insert-id'
        | 'row-count'
        | 'warnings'
        | 'ddl'
        | 'ping'
        | 'statistics'
        | 'reset-connection'
        | 'close-statements'
        | 'lock';
    };

/** What one operation becomes on the wire. */
export type Asked =
  | { readonly kind: 'query'; readonly sql: string }
  | {
      readonly kind: 'execute';
      readonly sql: string;
      readonly parameters: readonly (string | number)[];
      readonly long: boolean;
      readonly cursor: boolean;
    }
  | { readonly kind: 'command'; readonly payload: Buffer; readonly answer: 'simple' | 'text' }
  /** A statement that cannot be prepared, and the execution of "the last one prepared" behind it. */
  | { readonly kind: 'bad-statement' }
  | { readonly kind: 'close-statements' };

const query = (sql: string): Asked => ({ kind: 'query', sql });
const execute = (
  sql: string,
  parameters: readonly (string | number)[],
  options: { long?: boolean; cursor?: boolean } = {},
): Asked => ({
  kind: 'execute',
  sql,
  parameters,
  long: options.long ?? false,
  cursor: options.cursor ?? false,
});

/** `tag` marks what the operation changes, so that each change can be found again. */
export const askedBy = (operation: Operation, tag: string): Asked => {
  switch (operation.do) {
    case 'read':
      return operation.binary
        ? execute('SELECT v FROM t WHERE id=?', [operation.id])
        : query(`SELECT v FROM t WHERE id=${operation.id}`);
    case 'read-all':
      return operation.binary ? execute('SELECT id, v, pad FROM t', []) : query('SELECT id, v, pad FROM t');
    case 'cursor':
      return execute('SELECT id, v, pad FROM t', [], { cursor: true });
    case 'add':
      return operation.binary
        ? execute("UPDATE t SET v=v+1 WHERE id=? AND ?<>''", [operation.id, tag])
        : query(`UPDATE t SET v=v+1 WHERE id=${operation.id} /* tag ${tag} */`);
    case 'log':
      return operation.binary
        ? execute('INSERT INTO log (tag) VALUES (?)', [tag], { long: operation.long })
        : query(`INSERT INTO log (tag) VALUES ('${tag}')`);
    case 'log-warned':
      return query(`INSERT IGNORE INTO log (tag) VALUES ('${tag}')`);
    case 'log-returning':
      return query(`INSERT INTO log (tag) VALUES ('${tag}') RETURNING id`);
    case 'load':
      return query("LOAD DATA LOCAL INFILE 'f' INTO TABLE log");
    case 'multi':
      return query(
        `UPDATE t SET v=v+1 WHERE id=${operation.id} /* tag ${tag} */; INSERT INTO log (tag) VALUES ('${tag}.i')`,
      );
    case 'fail':
      return operation.binary ? { kind: 'bad-statement' } : query('INSERT INTO nowhere VALUES (1)');
    case 'call':
      return query(`CALL ${operation.name}('${tag}')`);
    case 'ddl':
      return query(`CREATE TABLE x_${tag} (a INT)`);
    default:
      return controlAskedBy(operation);
  }
};

const controlAskedBy = (operation: Operation): Asked => {
  switch (operation.do) {
    case 'begin':
      return query(operation.modifiers === '' ? 'BEGIN' : `START TRANSACTION${operation.modifiers}`);
    case 'commit':
      return query(`COMMIT${operation.modifiers}`);
    case 'rollback':
      return query(`ROLLBACK${operation.modifiers}`);
    case 'savepoint':
      return query(`SAVEPOINT ${operation.name}`);
    case 'back-to':
      return query(`ROLLBACK TO SAVEPOINT ${operation.name}`);
    case 'release':
      return query(`RELEASE SAVEPOINT ${operation.name}`);
    case 'autocommit':
      return query(`SET autocommit=${operation.on ? 1 : 0}`);
    case 'set-variable':
      return query(`SET @a=${operation.value}`);
    case 'get-variable':
      return query('SELECT @a');
    case 'set-setting':
      return query(`SET SESSION lock_wait_timeout=${operation.value}`);
    case 'get-setting':
      return query('SELECT @@lock_wait_timeout');
    case 'use':
      return { kind: 'command', payload: encodeCommand.initDb(operation.schema), answer: 'simple' };
    case 'database':
      return query('SELECT DATABASE()');
    case 'last-insert-id':
      return query('SELECT LAST_INSERT_ID()');
    case 'row-count':
      return query('SELECT ROW_COUNT()');
    case 'warnings':
      return query('SHOW WARNINGS');
    case 'lock':
      return query("SELECT GET_LOCK('a', 0)");
    case 'ping':
      return { kind: 'command', payload: encodeCommand.ping(), answer: 'simple' };
    case 'statistics':
      return { kind: 'command', payload: Buffer.of(COM.STATISTICS), answer: 'text' };
    case 'reset-connection':
      return { kind: 'command', payload: encodeCommand.resetConnection(), answer: 'simple' };
    default:
      return { kind: 'close-statements' };
  }
};

export type Execution = {
  readonly statement: number;
  readonly parameters: readonly (string | number)[];
  /** The types come along. */
  readonly types: boolean;
  /** The parameters were sent as long data before. */
  readonly long: boolean;
  readonly cursor: boolean;
};

/** COM_STMT_EXECUTE as client libraries send it, also without the types that the server knows by now. */
export const executePayload = ({ statement, parameters, types, long, cursor }: Execution): Buffer => {
  const writer = new ByteWriter(64)
    .uint8(COM.STMT_EXECUTE)
    .uint32(statement)
    .uint8(cursor ? 1 : 0)
    .uint32(1);
  if (parameters.length === 0) return Buffer.from(writer.take());
  writer.zeros((parameters.length + 7) >> 3).uint8(types ? 1 : 0);
  if (types)
    for (const value of parameters)
      writer.uint8(typeof value === 'number' ? TYPE.LONGLONG : long ? TYPE.BLOB : TYPE.VAR_STRING).uint8(0);
  for (const value of parameters) {
    if (typeof value === 'number') writer.uint64(BigInt(value));
    else if (!long) writer.lenencText(value);
  }
  return Buffer.from(writer.take());
};
