/** Kill test with MariaDB's own connector for Node. What every program does is told in the README beside it. */
import { existsSync, readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import mariadb from 'mariadb';

const env = process.env;
const run = Number(env.RUN);
const pace = Number(env.PACE_MS);
const say = (line) => process.stdout.write(`${line}\n`);

const connect = async () => {
  const opened = await mariadb.createConnection({
    host: env.DB_HOST,
    port: Number(env.DB_PORT),
    user: env.DB_USER,
    password: env.DB_PASSWORD,
    database: env.DB_NAME,
    // The library names no host to the check of the certificate when the host is an address.
    ssl: { ca: readFileSync(env.DB_CA), host: env.DB_HOST },
  });
  // A connection that ends while nothing is asked tells this event; the next statement fails as well.
  opened.on('error', (error) => process.stderr.write(`${error.message}\n`));
  return opened;
};

const expect = ({ affectedRows }) => {
  if (affectedRows !== 1) throw new Error(`${affectedRows} rows instead of one`);
};

const work = async (connection, n) => {
  const ask = (sql, values) =>
    Math.floor(n / 3) % 2 === 0 ? connection.query(sql, values) : connection.execute(sql, values);
  switch (n % 3) {
    case 0:
      await connection.beginTransaction();
      await ask('SELECT balance FROM kill_account WHERE id = ?', [2 * run]);
      expect(await ask('UPDATE kill_account SET balance = balance + 1 WHERE id = ?', [2 * run]));
      expect(await ask('INSERT INTO kill_entry (run, n) VALUES (?, ?)', [run, n]));
      await connection.commit();
      break;
    case 1:
      expect(await ask('INSERT INTO kill_entry (run, n) VALUES (?, ?)', [run, n]));
      break;
    default:
      expect(await ask('UPDATE kill_account SET balance = balance + 1 WHERE id = ?', [2 * run + 1]));
  }
};

let connection;
let n = 0;
while (!existsSync(env.STOP_FILE)) {
  try {
    connection ??= await connect();
    await work(connection, n);
    say(`ok ${n}`);
    n += 1;
  } catch (error) {
    if (error.errno === 1213) {
      say(`conflict ${n}`);
      continue;
    }
    say(`error ${n} ${error.errno ?? error.code ?? error.name} ${error.message.split('\n')[0]}`);
    connection?.destroy();
    connection = undefined;
    n += 1;
    await setTimeout(100);
  }
  await setTimeout(pace);
}
await connection?.end();
say('done');
