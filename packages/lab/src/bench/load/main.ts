/**
 * Thousands of sessions in one process, for the parts of `bench gateway` that count sessions: it connects them, gives
 * each a state of its own, opens transactions in some, and then asks every one of them at once whether it is still what it
 * was. Told what to do by lines of JSON on standard input, it answers one line each on standard output. It
 * judges nothing but its own sessions.
 */
import { createInterface } from 'node:readline';
import { codeOf } from '@coequal/kernel';
import { type Connection, createConnection, type RowDataPacket } from 'mysql2';

type Order =
  | {
      readonly do: 'connect';
      readonly sessions: number;
      readonly host: string;
      readonly port: number;
      readonly user: string;
      readonly password: string;
      readonly database: string;
      readonly authority?: string;
    }
  /** Opens transactions in the first so many sessions, each with a row of its own. */
  | { readonly do: 'open'; readonly active: number }
  /** Asks all; `since` is when it began, milliseconds since 1970. */
  | { readonly do: 'ask'; readonly since: number };

/** Log-ins at the same time; more would only wait for each other. */
const atOnce = 16;

const sessions: Connection[] = [];
let active = 0;

const query = (
  connection: Connection,
  text: string,
  values: readonly unknown[] = [],
): Promise<readonly RowDataPacket[]> =>
  new Promise((resolve, reject) => {
    connection.query<RowDataPacket[]>(text, [...values], (error, rows) =>
      error === null ? resolve(rows) : reject(error),
    );
  });

const connectOne = async (order: Extract<Order, { do: 'connect' }>, index: number): Promise<Connection> => {
  const { host, port, user, password, database, authority } = order;
  const connection = createConnection({
    ...{ host, port, user, password, database, connectTimeout: 60_000, maxPreparedStatements: 1 },
    ...(authority === undefined ? {} : { ssl: { ca: authority } }),
  });
  // A connection that ends tells its next query; the event itself has nobody to tell.
  connection.on('error', () => undefined);
  await query(connection, 'SET @mark = ?, time_zone = ?', [index, zoneOf(index)]);
  return connection;
};

/**
 * Whole hours, so that sessions differ in what has to be restored. The server itself mixes up offsets whose seconds, as bytes, are the
 * same letters in upper and lower case: +08:10 can come out as +05:54.
 */
const zoneOf = (index: number): string => `+${String(index % 13).padStart(2, '0')}:00`;

const connectAll = async (order: Extract<Order, { do: 'connect' }>): Promise<object> => {
  const began = Date.now();
  let next = sessions.length;
  const goal = next + order.sessions;
  const worker = async (): Promise<void> => {
    while (next < goal) {
      const index = next++;
      sessions[index] = await connectOne(order, index);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return { connected: sessions.length, ms: Date.now() - began };
};

const open = async (count: number): Promise<object> => {
  active = count;
  for (const [index, session] of sessions.slice(0, count).entries()) {
    await query(session, 'BEGIN');
    await query(session, 'UPDATE bench_session SET n = n + 1 WHERE id = ?', [index]);
  }
  return { open: count };
};

const askOne = async (session: Connection, index: number): Promise<void> => {
  const [row] = await query(session, 'SELECT @mark AS mark, @@time_zone AS zone');
  if (Number(row?.['mark']) !== index || row?.['zone'] !== zoneOf(index))
    throw new Error('the state of the session is lost');
  if (index >= active) return;
  await query(session, 'UPDATE bench_session SET n = n + 1 WHERE id = ?', [index]);
  await query(session, 'COMMIT');
};

const ask = async (since: number): Promise<object> => {
  const times: number[] = [];
  const problems = new Map<string, number>();
  const one = async (session: Connection, index: number): Promise<void> => {
    try {
      await askOne(session, index);
      times.push(Date.now() - since);
    } catch (error) {
      const problem = numberOf(error);
      problems.set(problem, (problems.get(problem) ?? 0) + 1);
    }
  };
  await Promise.all(sessions.map(one));
  times.sort((a, b) => a - b);
  return {
    restored: times.length,
    lastMs: times.at(-1) ?? null,
    medianMs: times[Math.floor(times.length / 2)] ?? null,
    problems: Object.fromEntries(problems),
  };
};

const numberOf = (error: unknown): string => {
  const number: unknown = error instanceof Error && 'errno' in error ? error.errno : undefined;
  return typeof number === 'number' && number > 0 ? String(number) : (codeOf(error) ?? String(error));
};

const obey = async (order: Order): Promise<object> => {
  switch (order.do) {
    case 'connect':
      return await connectAll(order);
    case 'open':
      return await open(order.active);
    case 'ask':
      return await ask(order.since);
  }
};

for await (const line of createInterface({ input: process.stdin })) {
  const answer = await obey(JSON.parse(line) as Order).catch((error: unknown) => ({
    failed: numberOf(error),
    words: String(error),
  }));
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
process.exit(0);
