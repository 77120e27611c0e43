/**
 * One connection to a MariaDB or MySQL server, made harmless: reads only, waits for no lock and for no other member of a group, and ends
 * a statement of its own that takes long. Everything beyond the driver is in Link.
 */
import { connect, isIP, type Socket } from 'node:net';
import { codeOf } from '@coequal/kernel';
import type { Connection } from 'mysql2';
import type { Session } from '../../database/adapters/link.ts';
import type { Cell, Rows } from '../../database/answer.ts';

export type MariadbTarget = {
  /** Local socket of the server; takes precedence over host and port. */
  readonly socketPath?: string;
  readonly host?: string;
  readonly port?: number;
  readonly user: string;
  readonly password: string | (() => string | Promise<string>);
  /** PEM of the authority that the server's certificate must come from; undefined: no TLS. */
  readonly authority?: string;
  /** The name that the certificate must have; without it any certificate of the authority is taken. */
  readonly serverName?: string;
};

/** Rejects with the driver's error. What is not ready when the signal aborts is destroyed. */
export const openMariadbSession = async (target: MariadbTarget, signal: AbortSignal): Promise<Session> => {
  const password = typeof target.password === 'string' ? target.password : await target.password();
  // Loaded when it is first needed: whoever watches no such database has no use for its memory.
  const { createConnection } = await import('mysql2');
  signal.throwIfAborted();
  const socket =
    target.socketPath === undefined
      ? connect(target.port ?? 3306, target.host ?? '127.0.0.1')
      : connect(target.socketPath);
  socket.setNoDelay(true);
  socket.setKeepAlive(true, 10_000);
  const connection = createConnection({
    stream: () => socket,
    // Only what the certificate is compared with: the socket is there already.
    host: nameOfCertificate(target.serverName ?? target.host ?? '127.0.0.1'),
    user: target.user,
    password,
    ...(target.authority === undefined ? {} : { ssl: tlsOf(target.authority, target.serverName) }),
    connectTimeout: 10_000,
    maxPreparedStatements: 1,
    multipleStatements: false,
    rowsAsArray: true,
    supportBigNumbers: true,
    bigNumberStrings: true,
    dateStrings: true,
    charset: 'utf8mb4',
    connectAttributes: { program_name: 'coequal-collector' },
  });
  const abort = (): void => connection.destroy();
  signal.addEventListener('abort', abort, { once: true });
  try {
    await new Promise<void>((resolve, reject) => {
      connection.once('error', reject);
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
      connection.connect((error) => (error === null ? resolve() : reject(error)));
    });
  } catch (error) {
    connection.destroy();
    socket.destroy();
    throw error;
  } finally {
    signal.removeEventListener('abort', abort);
  }
  return sessionOf(connection, socket);
};

/** Of a host that is an address the driver compares the certificate with `localhost`. With a dot behind it, it is a name to the driver, and itself again to who compares. */
const nameOfCertificate = (name: string): string => (isIP(name) === 0 ? name : `${name}.`);

const tlsOf = (authority: string, serverName: string | undefined) => ({
  ca: authority,
  rejectUnauthorized: true,
  verifyIdentity: serverName !== undefined,
});

const sessionOf = (connection: Connection, socket: Socket): Session => {
  let open = true;
  const ended = (): void => {
    open = false;
  };
  // An idle connection that ends says so on the next question; the event itself has nobody to tell.
  connection.on('error', ended);
  socket.on('close', ended);
  socket.on('error', ended);
  return {
    query: (text, values) => query(connection, text, values),
    leave: () => connection.end(() => undefined),
    destroy: () => {
      connection.destroy();
      socket.destroy();
    },
    isOpen: () => open,
    bytes: () => ({ sent: socket.bytesWritten, received: socket.bytesRead }),
    refusalOf,
  };
};

const query = (connection: Connection, text: string, values: readonly (string | number)[]): Promise<Rows> =>
  new Promise((resolve, reject) => {
    connection.query({ sql: text, values: [...values] }, (error: Error | null, rows: unknown, fields: unknown) => {
      if (error !== null) return reject(error);
      const columns = Array.isArray(fields) ? fields.map(({ name }: { name: string }) => name) : [];
      resolve({ columns, rows: Array.isArray(rows) ? rows.map(cellsOf) : [] });
    });
  });

const cellsOf = (row: readonly unknown[]): readonly Cell[] =>
  row.map((value) => {
    if (typeof value === 'string' || value === null) return value;
    return Buffer.isBuffer(value) ? value.toString('utf8') : String(value);
  });

/** Codes of the server begin with ER_ and leave the connection usable; those of the way to it do not. */
const refusalOf = (error: unknown): string | undefined => {
  const number = (error as { readonly errno?: unknown }).errno;
  const fatal = (error as { readonly fatal?: unknown }).fatal === true;
  return typeof number === 'number' && number >= 1_000 && !fatal ? String(number) : undefined;
};

/** Access denied, for whatever part of the log-in; an account that must change its password or is locked; a host that is blocked. */
const logInCodes: ReadonlySet<string | undefined> = new Set([
  'ER_ACCESS_DENIED_ERROR',
  'ER_ACCESS_DENIED_NO_PASSWORD_ERROR',
  'ER_DBACCESS_DENIED_ERROR',
  'ER_HOST_NOT_PRIVILEGED',
  'ER_HOST_IS_BLOCKED',
  'ER_ACCOUNT_HAS_BEEN_LOCKED',
  'ER_MUST_CHANGE_PASSWORD_LOGIN',
  'ER_SECURE_TRANSPORT_REQUIRED',
]);

export const isLogInRefused = (error: unknown): boolean => logInCodes.has(codeOf(error));
