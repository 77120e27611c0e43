/** What the account of a collector may do: read statistics and settings of everybody, and nobody's rows. */

const name = (text: string): string => `"${text.replaceAll('"', '""')}"`;
const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;

/**
 * Statements for an administrator to run, in order. `pg_monitor` is PostgreSQL's own role for this. Without the extension, which must be in
 * shared_preload_libraries, there are no statements by kind.
 */
export const postgresCollectorAccount = ({
  user,
  password,
}: {
  readonly user: string;
  readonly password: string;
}): readonly string[] => [
  'CREATE EXTENSION IF NOT EXISTS pg_stat_statements',
  // Backslashes in the password are ordinary characters only with this setting, which is the server's own default.
  'SET standard_conforming_strings = on',
  `CREATE ROLE ${name(user)} LOGIN PASSWORD ${literal(password)} CONNECTION LIMIT 3`,
  `GRANT pg_monitor TO ${name(user)}`,
];
