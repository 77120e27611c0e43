/**
 * Database sessions over mysql2. The socket is ours, so that a server that hangs, and will never answer, loses it
 * at the deadline. TLS verifies the chain and the name: the instance's own name, because addresses differ by where
 * one stands (inside a site, or through a forwarded port).
 */
import { connect as connectSocket, type Socket } from 'node:net';
import mysql, { type Connection, type ConnectionOptions, type SslOptions } from 'mysql2';
import type { Endpoint } from '../../arena.ts';
import { type Link, LinkFailure, type OpenLink, type Row, type Value } from '../link.ts';

export type LinkDeadlines = {
  /** From the first packet to an open session. */
  readonly connectMs: number;
  readonly statementMs: number;
};

/** Makes the opener of sessions. Certificates of authorities are parsed once for all of them. */
export const linkOpener = (deadlines: LinkDeadlines): OpenLink => {
  const authorities = new Map<string, SslOptions>();
  return async (endpoint) => {
    const socket = connectSocket({
      host: endpoint.host,
      port: endpoint.port,
      noDelay: true,
      ...(endpoint.localAddress === undefined ? {} : { localAddress: endpoint.localAddress }),
    });
    const session = mysql.createConnection(sessionOptions(endpoint, socket, authorities));
    // Every failure reaches the statement in flight, or the next one; the event itself carries nothing more.
    session.on('error', () => {});
    const guard = deadlineGuard(session, socket);
    await guard<void>(deadlines.connectMs, 'connecting', (done) => {
      session.once('connect', () => done(null, undefined));
      session.once('error', (error) => done(error, undefined));
    });
    return linkOver(endpoint.instance, session, socket, guard, deadlines.statementMs);
  };
};

const sessionOptions = (
  endpoint: Endpoint,
  socket: Socket,
  authorities: Map<string, SslOptions>,
): ConnectionOptions => ({
  stream: socket,
  // Not where to connect (the socket knows), but the name that the server's certificate has to carry.
  host: endpoint.serverName ?? endpoint.instance,
  port: endpoint.port,
  user: endpoint.user,
  password: endpoint.password,
  database: endpoint.database,
  charset: 'utf8mb4',
  rowsAsArray: true,
  // The library lays out room for 16,000 of them otherwise, half a megabyte for each connection.
  maxPreparedStatements: 16,
  supportBigNumbers: true,
  dateStrings: true,
  ...(endpoint.authority === undefined ? {} : { ssl: sslOf(endpoint.authority, authorities) }),
});

const sslOf = (authority: string, known: Map<string, SslOptions>): SslOptions => {
  const made = known.get(authority) ?? { ca: authority, rejectUnauthorized: true, verifyIdentity: true };
  known.set(authority, made);
  return made;
};

type Done<T> = (error: unknown, value: T) => void;
type Guard = <T>(deadlineMs: number, what: string, start: (done: Done<T>) => void) => Promise<T>;

/** Runs one thing with a deadline. At its end, or at any loss, the socket is destroyed and the waiter told at once. */
const deadlineGuard =
  (session: Connection, socket: Socket): Guard =>
  <T>(deadlineMs: number, what: string, start: (done: Done<T>) => void) =>
    new Promise<T>((resolve, reject) => {
      const end = (failure: LinkFailure): void => {
        clearTimeout(timer);
        socket.off('close', lost);
        if (failure.failure !== 'answer') destroy(session, socket);
        reject(failure);
      };
      const lost = (): void => end(new LinkFailure('lost', 'CONNECTION_LOST', `the connection ended while ${what}`));
      const timer = setTimeout(
        () => end(new LinkFailure('deadline', 'DEADLINE_PASSED', `no answer within ${deadlineMs} ms while ${what}`)),
        deadlineMs,
      );
      socket.once('close', lost);
      if (socket.destroyed) {
        lost();
        return;
      }
      start((error, value) => {
        if (error !== null && error !== undefined) {
          end(failureOf(error));
          return;
        }
        clearTimeout(timer);
        socket.off('close', lost);
        resolve(value);
      });
    });

const linkOver = (instance: string, session: Connection, socket: Socket, guard: Guard, statementMs: number): Link => ({
  instance,
  query: (sql) =>
    guard(statementMs, sql, (done) => {
      session.query({ sql, rowsAsArray: true }, (error, rows) => done(error, rowsOf(rows)));
    }),
  execute: (sql, values) =>
    guard(statementMs, sql, (done) => {
      session.execute({ sql, rowsAsArray: true }, [...values], (error, rows) => done(error, rowsOf(rows)));
    }),
  ended: () => socket.destroyed || socket.readableEnded,
  close: () => destroy(session, socket),
});

/** Destroys rather than says good-bye: a hung server would never hear it, and the socket would stay. */
const destroy = (session: Connection, socket: Socket): void => {
  session.destroy();
  socket.destroy();
};

/** Rows of a query as plain values; an empty list for statements that return none. */
const rowsOf = (rows: unknown): readonly Row[] => (Array.isArray(rows) ? rows.map(rowOf) : []);

const rowOf = (row: unknown): Row => (Array.isArray(row) ? row.map(plain) : []);

const plain = (value: unknown): Value =>
  typeof value === 'string' || typeof value === 'number' || value === null ? value : String(value);

/** An error packet carries a number and an SQL state; everything else means that the session is over. */
const failureOf = (error: unknown): LinkFailure => {
  if (error instanceof LinkFailure) return error;
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof Error && 'errno' in error && 'sqlState' in error && typeof error.errno === 'number') {
    return new LinkFailure('answer', String(error.errno), message);
  }
  return new LinkFailure('lost', 'CONNECTION_LOST', message);
};
