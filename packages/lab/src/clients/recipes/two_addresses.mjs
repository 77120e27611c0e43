/**
 * Two gateways from Node with mysql2: a list of addresses, tried in turn, and the fate of a transaction in doubt asked at
 * whichever gateway answers. What it writes is that of the kill test; docs/clients.md explains it.
 */
import { existsSync, readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import mysql from 'mysql2/promise';

const env = process.env;
const run = Number(env.RUN);
const hosts = env.DB_HOSTS.split(',').map((each) => each.split(':'));
const say = (line) => process.stdout.write(`${line}\n`);

/** To the first gateway that answers, for a few rounds: right after a loss the one that is left may be busy. */
const connect = async () => {
  let last;
  for (let round = 0; round < 20; round += 1) {
    for (const [host, port] of hosts) {
      try {
        return await mysql.createConnection({
          host,
          port: Number(port),
          user: env.DB_USER,
          password: env.DB_PASSWORD,
          database: env.DB_NAME,
          ssl: { ca: readFileSync(env.DB_CA) },
          connectTimeout: 1_000,
        });
      } catch (error) {
        last = error;
      }
    }
    await setTimeout(100);
  }
  throw last;
};

const ask = async (connection, sql) => Object.values((await connection.query(sql))[0][0])[0];

const work = async (connection, n) => {
  await connection.beginTransaction();
  await connection.execute('UPDATE kill_account SET balance = balance + 1 WHERE id = ?', [2 * run]);
  await connection.execute('INSERT INTO kill_entry (run, n) VALUES (?, ?)', [run, n]);
  await connection.commit();
};

/** True: done, also when nobody told us at the time. */
const transaction = async (n) => {
  let key;
  try {
    connection ??= await connect();
    key = await ask(connection, 'SELECT coequal.session()');
    await work(connection, n);
    return true;
  } catch (error) {
    if (error.errno === 1213) {
      say(`conflict ${n}`);
      return false;
    }
    // An error with an SQLSTATE is an answer of the database; without one the connection is gone.
    if (error.sqlState !== undefined && !error.fatal) throw error;
    connection?.destroy();
    connection = await connect();
    const fate = key === undefined ? 'not committed' : await ask(connection, `SELECT coequal.outcome('${key}')`);
    say(`fate ${n} ${fate}`);
    if (fate === 'unknown') throw error;
    return fate === 'committed';
  }
};

let connection;
let n = 0;
while (!existsSync(env.STOP_FILE)) {
  try {
    if (await transaction(n)) {
      say(`ok ${n}`);
      n += 1;
    }
  } catch (error) {
    say(`error ${n} ${error.errno ?? error.code} ${error.message}`);
    n += 1;
  }
  await setTimeout(Number(env.PACE_MS));
}
await connection?.end();
say('done');
