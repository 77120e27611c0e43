/**
 * The gateway's own connections to instances, with its own account: a deadline on everything. A hung server accepts
 * connections and never answers; then the socket is destroyed, never merely forgotten.
 *
 * Certificates are checked by authority when the connection is made, and by name before the first statement.
 */
import { connect as connectSocket, type Socket } from 'node:net';
import { checkServerIdentity, TLSSocket } from 'node:tls';
import { type Clock, codeOf, reasonOf } from '@coequal/kernel';
import { type Connection, createConnection } from 'mysql2';
import type { InstanceTarget } from '../../settings.ts';
import type { Row } from '../rows.ts';
import type { SqlFailure } from '../sql-failure.ts';

/** What the gateway's own account needs to reach instances. Held by adapters, never logged. */
export type InstanceAccess = {
  readonly user: string;
  readonly password: string;
  /** PEM of the authority that certificates of instances come from; undefined: no TLS. */
  readonly authority?: string;
  readonly localAddress?: string;
};

export type Sql = {
  /** Runs a text of one or more statements: the rows of each, none where it has none. Destroys the connection at the deadline. */
  readonly run: (text: string, deadlineMs: number, signal?: AbortSignal) => Promise<readonly (readonly Row[])[]>;
  /** Called once when the connection is no more, also when it was `destroy`. */
  readonly onEnd: (listener: () => void) => void;
  readonly destroy: () => void;
};

export type Dial = {
  readonly target: InstanceTarget;
  readonly access: InstanceAccess;
  /** Statements that the session begins with. */
  readonly setup: string;
  readonly deadlineMs: number;
  readonly signal?: AbortSignal;
};

class SqlDeadline extends Error {
  constructor(afterMs: number) {
    super(`no answer within ${Math.round(afterMs)} ms`);
  }
}
class WrongCertificate extends Error {}

/** Connects and sets the session up within the deadline. Rejects with an error that `failureOf` understands. */
export const connectSql = async (clock: Clock, dial: Dial): Promise<Sql> => {
  const { target, access, setup, deadlineMs, signal } = dial;
  const until = clock.monotonic() + deadlineMs;
  const socket = connectSocket({
    host: target.host,
    port: target.port,
    noDelay: true,
    ...(access.localAddress === undefined ? {} : { localAddress: access.localAddress }),
  });
  const connection = createConnection({
    // A socket of our own can be destroyed at any moment, also before the server has said a word.
    stream: socket,
    user: access.user,
    password: access.password,
    ...(access.authority === undefined ? {} : { ssl: { ca: access.authority, rejectUnauthorized: true } }),
    connectTimeout: 0,
    // The library lays out room for 16,000 of them otherwise, half a megabyte for each attempt to connect.
    maxPreparedStatements: 1,
    multipleStatements: true,
    supportBigNumbers: true,
    bigNumberStrings: true,
    dateStrings: true,
    jsonStrings: true,
  });
  const connecting = new Promise<void>((resolve, reject) => {
    connection.once('connect', () => resolve());
    // It stays for ever: the library may report the end of one connection several times, and without a listener that ends
    // the process. What an idle connection ends with shows in its closing.
    connection.on('error', reject);
  });
  await bounded(connecting, deadlineMs, () => socket.destroy(), signal);
  const sql = overConnection(connection, socket);
  try {
    checkIdentity(connection, target);
    await sql.run(setup, Math.max(1, until - clock.monotonic()), signal);
    return sql;
  } catch (error) {
    sql.destroy();
    throw error;
  }
};

const overConnection = (connection: Connection, socket: Socket): Sql => {
  // With TLS the end of the connection shows on the secured stream.
  const stream = streamOf(connection);
  const secured = stream instanceof TLSSocket ? stream : socket;
  const destroy = (): void => {
    connection.destroy();
    socket.destroy();
  };
  return {
    run: async (text, deadlineMs, signal) => {
      const answer = new Promise<unknown>((resolve, reject) => {
        connection.query(text, (error, found) => (error === null ? resolve(found) : reject(error)));
      });
      return resultsOf(await bounded(answer, deadlineMs, destroy, signal));
    },
    onEnd: (listener) => {
      if (secured.destroyed) listener();
      else secured.once('close', listener);
    },
    destroy,
  };
};

/** One statement answers with rows or with a header, several with a list of those. */
const resultsOf = (answer: unknown): readonly (readonly Row[])[] => {
  if (!Array.isArray(answer)) return [[]];
  const parts: readonly unknown[] = answer;
  const several = parts.length > 0 && parts.every((part) => Array.isArray(part) || isHeader(part));
  return several ? parts.map(rowsOf) : [rowsOf(parts)];
};
const isHeader = (part: unknown): boolean =>
  typeof part === 'object' && part !== null && 'affectedRows' in part && 'serverStatus' in part;
const rowsOf = (part: unknown): readonly Row[] => (Array.isArray(part) ? part.filter(isRow) : []);
const isRow = (value: unknown): value is Row => typeof value === 'object' && value !== null;

/** Gives up at the deadline or when told to, and then breaks off what was waited for. */
const bounded = async <T>(
  promise: Promise<T>,
  deadlineMs: number,
  breakOff: () => void,
  signal: AbortSignal | undefined,
): Promise<T> => {
  // When it was broken off its failure is no news.
  promise.catch(() => undefined);
  let timer: NodeJS.Timeout | undefined;
  let onAbort: (() => void) | undefined;
  const end = new Promise<never>((_, reject) => {
    const giveUp = (error: unknown): void => {
      breakOff();
      reject(error);
    };
    timer = setTimeout(() => giveUp(new SqlDeadline(deadlineMs)), deadlineMs);
    onAbort = () => giveUp(signal?.reason);
    if (signal?.aborted === true) onAbort();
    else signal?.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([promise, end]);
  } finally {
    clearTimeout(timer);
    if (onAbort !== undefined) signal?.removeEventListener('abort', onAbort);
  }
};

/** Certificates carry the name of the instance or the address it is reached at. */
const checkIdentity = (connection: Connection, target: InstanceTarget): void => {
  const stream = streamOf(connection);
  if (!(stream instanceof TLSSocket)) return;
  const certificate = stream.getPeerCertificate();
  if (checkServerIdentity(target.name, certificate) === undefined) return;
  const wrong = checkServerIdentity(target.host, certificate);
  if (wrong !== undefined) throw new WrongCertificate(wrong.message);
};

/** The library keeps its socket to itself in its types. */
const streamOf = (connection: Connection): unknown => Reflect.get(connection, 'stream');

export const failureOf = (error: unknown): SqlFailure => {
  const reason = reasonOf(error);
  if (error instanceof SqlDeadline) return { kind: 'deadline', reason };
  if (error instanceof WrongCertificate) return { kind: 'certificate', reason };
  const code = codeOf(error) ?? '';
  if (refusals.has(code)) return { kind: 'refused', reason };
  if (/^(ERR_TLS|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_)|HANDSHAKE_(NO_)?SSL/.test(code))
    return { kind: 'certificate', reason };
  const errno = error instanceof Error && 'errno' in error ? Number(error.errno) : 0;
  // Node numbers its own errors below zero.
  return errno > 0 ? { kind: 'answer', errno, reason } : { kind: 'lost', reason };
};

const refusals: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EHOSTDOWN',
  'ENOTFOUND',
]);
