/**
 * What the account of a collector may do, and nothing beyond: it sees sessions, statuses and digests, and no row of anybody's table.
 * SHOW VIEW is there because information_schema.TABLES shows a table only to those who may do something with it.
 */
import type { Flavour } from './server.ts';

const quoted = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;

/**
 * Statements for an administrator to run, in order, without ends. MariaDB 10.5 and MySQL 5.7 or newer; on a Galera group on one member.
 * `host`: from where it connects; `localhost` for the socket.
 */
export const collectorAccount = (
  flavour: Flavour,
  { user, host, password }: { readonly user: string; readonly host: string; readonly password: string },
): readonly string[] => {
  const account = `${quoted(user)}@${quoted(host)}`;
  const rights = flavour === 'mariadb' ? 'PROCESS, BINLOG MONITOR, SLAVE MONITOR' : 'PROCESS, REPLICATION CLIENT';
  return [
    // One connection at a time, and some that are being closed: a collector gone wrong cannot take those of others.
    `CREATE USER ${account} IDENTIFIED BY ${quoted(password)} WITH MAX_USER_CONNECTIONS 3`,
    `GRANT ${rights}, SHOW VIEW ON *.* TO ${account}`,
    `GRANT SELECT ON performance_schema.* TO ${account}`,
  ];
};
