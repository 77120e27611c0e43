/**
 * Kill test with the mariadb command line client: a script on its standard input, which it carries out statement by
 * statement and gives up at the first error. What every program does is told in the README beside it.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';

const env = process.env;
const run = Number(env.RUN);
const pace = Number(env.PACE_MS);
const goesOn = () => !existsSync(env.STOP_FILE);
const say = (line) => process.stdout.write(`${line}\n`);

const scripts = [
  (n) =>
    `BEGIN;\nSELECT balance FROM kill_account WHERE id = ${2 * run};\n` +
    `UPDATE kill_account SET balance = balance + 1 WHERE id = ${2 * run};\n` +
    `INSERT INTO kill_entry (run, n) VALUES (${run}, ${n});\nCOMMIT;\n`,
  (n) => `INSERT INTO kill_entry (run, n) VALUES (${run}, ${n});\n`,
  () => `UPDATE kill_account SET balance = balance + 1 WHERE id = ${2 * run + 1};\n`,
];

const options = [
  ...['--batch', '--skip-column-names', '--unbuffered', `--host=${env.DB_HOST}`, `--port=${env.DB_PORT}`],
  ...['--protocol=tcp', `--user=${env.DB_USER}`, `--ssl-ca=${env.DB_CA}`, '--ssl-verify-server-cert', env.DB_NAME],
];

/** Feeds one client until the time is over or the client gives up; answers the next number. */
const feed = async (first) => {
  const client = spawn(env.MARIADB, options, { env: { ...env, MYSQL_PWD: env.DB_PASSWORD } });
  let complaint = '';
  client.stderr.on('data', (chunk) => {
    complaint += chunk;
  });
  // A client that has given up takes no more of its script; its exit says why.
  client.stdin.on('error', () => undefined);
  let n = first;
  const write = () => client.stdin.write(`${scripts[n % 3](n)}SELECT 'ok ${n}';\n`);
  write();
  for await (const line of createInterface({ input: client.stdout })) {
    if (line !== `ok ${n}`) continue;
    say(line);
    n += 1;
    await setTimeout(pace);
    if (goesOn()) write();
    else client.stdin.end();
  }
  if (client.exitCode === null && client.signalCode === null)
    await new Promise((resolve) => client.once('exit', resolve));
  if (client.exitCode === 0) return n;
  const code = /ERROR (\d+)/.exec(complaint)?.[1] ?? 0;
  if (Number(code) === 1213) {
    say(`conflict ${n}`);
    return n;
  }
  say(`error ${n} ${code} ${complaint.trim().replaceAll('\n', ' ')}`);
  await setTimeout(100);
  return n + 1;
};

for (let n = 0; goesOn(); ) n = await feed(n);
say('done');
