/** One connection to a PostgreSQL server. Everything stays text. Everything beyond the driver is in Link. */
import { connect, type Socket } from 'node:net';
import { codeOf } from '@coequal/kernel';
import type { Client, DatabaseError } from 'pg';
import type { Session } from '../../database/adapters/link.ts';

export type PostgresTarget = {
  /** Folder of the server's socket; takes precedence over the host. */
  readonly socketFolder?: string;
  readonly host?: string;
  readonly port?: number;
  readonly user: string;
  readonly password: string | (() => string | Promise<string>);
  /** Where tables are counted; everything else is of the whole server. */
  readonly database?: string;
  /** PEM of the authority that the server's certificate must come from; undefined: no TLS. */
  readonly authority?: string;
  /** The name that the certificate must have; without it any certificate of the authority is taken. */
  readonly serverName?: string;
};

const asText = { getTypeParser: () => (value: unknown) => value };

/** Rejects with the driver's error. What is not ready when the signal aborts is destroyed. */
export const openPostgresSession = async (target: PostgresTarget, signal: AbortSignal): Promise<Session> => {
  const password = typeof target.password === 'string' ? target.password : await target.password();
  // Loaded when it is first needed: whoever watches no such database has no use for its memory.
  const pg = await import('pg');
  signal.throwIfAborted();
  const port = target.port ?? 5432;
  const socket =
    target.socketFolder === undefined
      ? connect(port, target.host ?? '127.0.0.1')
      : connect(`${target.socketFolder}/.s.PGSQL.${port}`);
  socket.setKeepAlive(true, 10_000);
  // The driver asks a stream to connect; this one is on its way already.
  const stream = Object.assign(socket, { connect: () => socket });
  const client = new pg.Client({
    stream: () => stream,
    user: target.user,
    password,
    database: target.database ?? 'postgres',
    application_name: 'coequal-collector',
    ...(target.authority === undefined ? {} : { ssl: tlsOf(target.authority, target.serverName) }),
    connectionTimeoutMillis: 10_000,
    types: asText,
  });
  let open = true;
  const ended = (): void => {
    open = false;
  };
  // A connection that ends says so on the next question; the event itself has nobody to tell.
  client.on('error', ended);
  client.on('end', ended);
  socket.on('close', ended);
  const abort = (): void => void socket.destroy();
  signal.addEventListener('abort', abort, { once: true });
  try {
    await client.connect();
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    signal.removeEventListener('abort', abort);
  }
  return sessionOf(client, socket, () => open, refusalBy(pg.DatabaseError));
};

const tlsOf = (authority: string, serverName: string | undefined) => ({
  ca: authority,
  rejectUnauthorized: true,
  ...(serverName === undefined ? { checkServerIdentity: () => undefined } : { servername: serverName }),
});

const sessionOf = (
  client: Client,
  socket: Socket,
  isOpen: () => boolean,
  refusalOf: Session['refusalOf'],
): Session => ({
  query: async (text, values) => {
    const asked = {
      text,
      rowMode: 'array' as const,
      types: asText,
      ...(values.length === 0 ? {} : { values: [...values] }),
    };
    const { fields, rows } = await client.query<(string | null)[]>(asked);
    return { columns: (fields ?? []).map(({ name }) => name), rows: rows ?? [] };
  },
  leave: () => void client.end().catch(() => undefined),
  destroy: () => void socket.destroy(),
  isOpen,
  bytes: () => ({ sent: socket.bytesWritten, received: socket.bytesRead }),
  refusalOf,
});

/** What the server says of a statement leaves the connection usable; FATAL does not. */
const refusalBy =
  (OfServer: typeof DatabaseError) =>
  (error: unknown): string | undefined =>
    error instanceof OfServer && error.severity === 'ERROR' ? error.code : undefined;

/** Invalid password, and every other invalid authorization (no entry in pg_hba.conf, a role that may not log in). */
export const isLogInRefused = (error: unknown): boolean => ['28P01', '28000'].includes(codeOf(error) ?? '');
