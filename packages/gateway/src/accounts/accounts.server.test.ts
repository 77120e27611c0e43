/**
 * The real server has the last word: which account it picks for a user at an address, and what it says to who may not
 * come in. Addresses are all of this machine's loopback network, so that one server sees clients from many.
 */
import { connect } from 'node:net';
import { startService } from '@coequal/engines';
import { type Ground, openGround } from '@coequal/engines/testing';
import { nativeAnswer } from '@coequal/mysql-wire';
import { createConnection } from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Account, parseAccounts } from './account.ts';
import { findAccount } from './find.ts';
import { openDoor } from './login.ts';

let ground: Ground;

const users = ['app', 'App', 'bank', 'stranger'];
const addresses = ['127.0.0.1', '127.1.2.3', '127.1.2.33', '127.1.20.3', '127.10.2.3', '127.78.61.1', '127.200.0.9'];

const accounts = [
  ...['%', '127.1.%', '127.1.2.3', '127.1.2._', '127.1.2.__', '127.%.2.%', '%.3', '127.1.0.0/255.255.0.0'].map(
    (host) => ['app', host] as const,
  ),
  ...['localhost', '127.0.0.1', '127.10.2.0/255.255.255.0', '127.10.2.%', '127.1.2_.3', '%.%.%.9', '12%'].map(
    (host) => ['bank', host] as const,
  ),
  ...['127.78.61.1', '127.1.2.%', '127.200.%'].map((host) => ['', host] as const),
];

const administer = (sql: string, values?: readonly (string | number)[]) => {
  const [driver] = ground.drivers;
  if (driver === undefined) throw new Error('no driver');
  return driver.administer(sql, values);
};

const parsed = async (): Promise<readonly Account[]> => {
  const rows = await administer('SELECT User, Host, CONVERT(Priv USING utf8mb4) AS Priv FROM mysql.global_priv');
  return parseAccounts(
    rows.map((row) => ({ user: String(row['User']), host: String(row['Host']), priv: String(row['Priv']) })),
  );
};

/** What the server answers to a log-in: its CURRENT_USER(), or the number of its error. */
const logIn = async (user: string, password: string, from: string): Promise<string | number> => {
  const { instance } = ground.options(0);
  try {
    const connection = await createConnection({
      user,
      password,
      stream: () => connect({ host: instance.at.address, port: instance.ports.client, localAddress: from }),
    });
    try {
      const [rows] = await connection.query<never>('SELECT CURRENT_USER() AS account');
      return String(Object.values(Object(rows)[0])[0]);
    } finally {
      connection.destroy();
    }
  } catch (error) {
    const number: unknown = Object(error).errno;
    if (typeof number !== 'number') throw error;
    return number;
  }
};

beforeAll(async () => {
  ground = await openGround(61, {}, 1);
  await startService(ground.drivers, ground.how);
  await administer('SET GLOBAL require_secure_transport = OFF');
  for (const [user, host] of accounts) await administer('CREATE USER ?@? IDENTIFIED BY ?', [user, host, 'secret']);
});

afterAll(async () => {
  await ground.close();
});

describe('the account that is found', () => {
  it('is the one that the server picks, for every user at every address', async () => {
    const known = await parsed();
    for (const user of users) {
      for (const from of addresses) {
        const found = findAccount(known, user, from);
        const expected = found === undefined ? 1045 : `${found.user}@${found.host}`;
        const answered = await logIn(user, 'secret', from);
        // 1130: no account at all matches this host.
        expect(answered === 1130 ? 1045 : answered, `${user} from ${from}`).toBe(expected);
      }
    }
  });
});

describe('who may not come in', () => {
  it('gets the error that the server gives', async () => {
    for (const [user, how] of [
      ['fine', ''],
      ['nothing', ''],
      ['locked', 'ACCOUNT LOCK'],
      ['expired', 'PASSWORD EXPIRE'],
      ['ssl', 'REQUIRE SSL'],
      ['x509', 'REQUIRE X509'],
      ['subject', "REQUIRE SUBJECT '/CN=x'"],
    ] as const)
      await administer(`CREATE USER ?@'%' IDENTIFIED BY ? ${how}`, [user, user === 'nothing' ? '' : 'secret']);
    await administer("CREATE USER closed@'%' IDENTIFIED VIA mysql_native_password USING 'invalid'");
    await administer('SET GLOBAL disconnect_on_expired_password = ON');
    const known = await parsed();
    for (const user of ['fine', 'nothing', 'locked', 'expired', 'ssl', 'x509', 'subject', 'closed', 'unheard-of']) {
      for (const password of ['secret', 'wrong', '']) {
        const door = openDoor(
          { user, address: '127.0.0.2', encrypted: false },
          {
            accounts: known,
            passwordOf: () => undefined,
            connectionsOf: () => 0,
            instanceTls: true,
            passwordLifetimeDays: 0,
            now: Date.now(),
            decoyKey: Buffer.from('tests'),
          },
        );
        const scramble = Buffer.from('0123456789abcdefghij');
        const opening = door.check(nativeAnswer(password, scramble), scramble);
        const decided = opening.kind === 'open' ? `${user}@%` : opening.kind === 'wrong' ? 1045 : opening.error.number;
        expect(decided, `${user} with '${password}'`).toBe(await logIn(user, password, '127.0.0.2'));
      }
    }
  });
});
