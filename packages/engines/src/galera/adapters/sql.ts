/**
 * One SQL connection to an instance, with a deadline on everything. A hung server accepts connections and never
 * answers; then the socket is destroyed, never merely forgotten.
 */
import { codeOf, reasonOf } from '@coequal/kernel';
import { type Connection, createConnection, type RowDataPacket } from 'mysql2/promise';
import type { Answer } from '../states.ts';

export type SqlTarget = {
  /** Local socket of the instance; takes precedence over host and port. */
  readonly socketPath?: string;
  readonly host?: string;
  readonly port?: number;
  readonly user: string;
  readonly password: string;
  readonly database?: string;
  /** PEM of the authority that the server's certificate must come from; undefined: no TLS. */
  readonly authority?: string;
};

export class SqlDeadline extends Error {
  readonly afterMs: number;
  constructor(afterMs: number) {
    super(`no answer within ${afterMs} ms`);
    this.afterMs = afterMs;
  }
}

export type Sql = {
  /** Runs one statement; rows as objects of strings and numbers. Destroys the connection at the deadline. */
  readonly query: (text: string, values?: readonly (string | number)[], deadlineMs?: number) => Promise<readonly Row[]>;
  readonly close: () => void;
};

export type Row = Readonly<Record<string, unknown>>;

/** Connects within the deadline. Rejects with the driver's error, or SqlDeadline. */
export const connectSql = async (target: SqlTarget, deadlineMs: number): Promise<Sql> => {
  const connecting = createConnection({
    ...(target.socketPath === undefined
      ? { host: target.host ?? '127.0.0.1', port: target.port ?? 3306 }
      : { socketPath: target.socketPath }),
    user: target.user,
    password: target.password,
    ...(target.database === undefined ? {} : { database: target.database }),
    ...(target.authority === undefined ? {} : { ssl: { ca: target.authority, rejectUnauthorized: true } }),
    connectTimeout: deadlineMs,
    // The library lays out room for 16,000 of them otherwise, half a megabyte for each connection.
    maxPreparedStatements: 1,
    multipleStatements: false,
    supportBigNumbers: true,
    bigNumberStrings: true,
    dateStrings: true,
  });
  const connection = await orDestroy(connecting, deadlineMs);
  // An idle connection that ends says so on the next statement; the event itself has nobody to tell.
  connection.on('error', () => undefined);
  return {
    query: async (text, values = [], statementMs = deadlineMs) => {
      const [rows] = await orDestroyed(connection, connection.query<RowDataPacket[]>(text, [...values]), statementMs);
      return Array.isArray(rows) ? rows : [];
    },
    close: () => connection.destroy(),
  };
};

const orDestroy = async (connecting: Promise<Connection>, deadlineMs: number): Promise<Connection> => {
  let late = false;
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      late = true;
      reject(new SqlDeadline(deadlineMs));
    }, deadlineMs);
  });
  // A connection that comes after all is closed; that it failed after the deadline is no news.
  connecting.then(
    (connection) => (late ? connection.destroy() : undefined),
    () => undefined,
  );
  try {
    return await Promise.race([connecting, timeout]);
  } finally {
    clearTimeout(timer);
  }
};

const orDestroyed = async <T>(connection: Connection, answer: Promise<T>, deadlineMs: number): Promise<T> => {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      connection.destroy();
      reject(new SqlDeadline(deadlineMs));
    }, deadlineMs);
  });
  answer.catch(() => undefined);
  try {
    return await Promise.race([answer, timeout]);
  } finally {
    clearTimeout(timer);
  }
};

/** Turns the failure of a question into an answer about the instance. */
export const failureAnswer = (error: unknown): Answer => {
  if (error instanceof SqlDeadline) return { kind: 'timeout', afterMs: error.afterMs };
  const code = codeOf(error);
  if (code === 'ECONNREFUSED' || code === 'ENOENT' || code === 'EHOSTUNREACH' || code === 'ECONNRESET') {
    return { kind: 'refused' };
  }
  if (code === 'ETIMEDOUT') return { kind: 'timeout', afterMs: 0 };
  if (code === 'ER_ACCESS_DENIED_ERROR' || code === 'ER_ACCESS_DENIED_NO_PASSWORD_ERROR')
    return { kind: 'credentials' };
  return { kind: 'lost', reason: reasonOf(error) };
};
