/**
 * Brings the schema `coequal` to the database, or says what an administrator must do first. Idempotent: where the version row
 * has the digest of this gateway's text, nothing is written. Several gateways may do it at the same time.
 */
import { type Clock, fail, type Log } from '@coequal/kernel';
import type { Directory } from '../directory.ts';
import { textOf } from '../rows.ts';
import { accountStatements, schemaDigest, schemaSession, schemaStatements, versionStatement } from '../schema.ts';
import { isDenial, serverError } from '../sql-failure.ts';
import type { Administration } from './administration.ts';
import { type AnyInstance, onAnyInstance } from './any-instance.ts';
import { failureOf } from './sql.ts';

export type InstallOptions = {
  readonly directory: Pick<Directory, 'choose' | 'untilServing'>;
  readonly administration: Administration;
  readonly clock: Clock;
  readonly log: Log;
  readonly tls: boolean;
};

const installMs = 30_000;

/** @throws GATEWAY_SCHEMA_MISSING with the statements to run, when the account lacks rights */
export const installSchema = async (options: InstallOptions): Promise<'present' | 'installed'> => {
  const account = await ownAccount(options);
  const lacking = await lackingRights(options);
  if (lacking.length > 0) throw schemaMissing(account, options.tls, lacking.join(', '));
  if (await isPresent(options, account)) return 'present';
  try {
    await onAnyInstance(options, installText, installMs);
  } catch (error) {
    const failure = failureOf(error);
    if (failure.kind === 'answer' && isDenial(failure.errno)) throw schemaMissing(account, options.tls, failure.reason);
    throw error;
  }
  options.log('info', 'the schema coequal was written', { digest: schemaDigest });
  return 'installed';
};

const installText = [schemaSession, ...schemaStatements, versionStatement].join(';\n');

type Account = { readonly user: string; readonly host: string };

/** As the server knows it: the host part is the pattern that matched. */
const ownAccount = async (where: AnyInstance): Promise<Account> => {
  const [row] = await onAnyInstance(where, 'SELECT CURRENT_USER() AS account', installMs);
  const account = textOf(row, 'account');
  const at = account.lastIndexOf('@');
  return { user: account.slice(0, at), host: account.slice(at + 1) };
};

const needed = ['PROCESS', 'CONNECTION ADMIN'];

const lackingRights = async (where: AnyInstance): Promise<readonly string[]> => {
  const rows = await onAnyInstance(
    where,
    'SELECT PRIVILEGE_TYPE AS kind FROM information_schema.USER_PRIVILEGES',
    installMs,
  );
  const held = new Set(rows.map((row) => textOf(row, 'kind')));
  const accounts = await answers(where, 'SELECT 1 FROM mysql.global_priv LIMIT 1');
  return [
    ...needed.filter((right) => !held.has(right)),
    ...(accounts === 'denied' ? ['SELECT on mysql.global_priv'] : []),
  ];
};

/** The text is ours, the procedures are there, and the account they run as exists. */
const isPresent = async (where: AnyInstance, account: Account): Promise<boolean> => {
  if ((await answers(where, 'SELECT 1 FROM coequal.version LIMIT 1')) !== 'yes') return false;
  const [version] = await onAnyInstance(where, 'SELECT digest FROM coequal.version WHERE id = 1', installMs);
  if (textOf(version, 'digest') !== schemaDigest) return false;
  const [made] = await onAnyInstance(
    where,
    `SELECT COUNT(*) AS n FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = 'coequal'
     AND (DEFINER = CONCAT(${hexText(account.user)}, '@', ${hexText(account.host)})
       OR DEFINER IN (SELECT CONCAT(User, '@', Host) FROM mysql.global_priv))`,
    installMs,
  );
  return Number(textOf(made, 'n')) >= proceduresMade;
};

const proceduresMade = schemaStatements.filter((text) => text.startsWith('CREATE OR REPLACE PROCEDURE')).length;

const hexText = (text: string): string => `CONVERT(X'${Buffer.from(text, 'utf8').toString('hex')}' USING utf8mb4)`;

const answers = async (where: AnyInstance, text: string): Promise<'yes' | 'denied' | 'missing'> => {
  try {
    await onAnyInstance(where, text, installMs);
    return 'yes';
  } catch (error) {
    const failure = failureOf(error);
    if (failure.kind !== 'answer') throw error;
    if (isDenial(failure.errno)) return 'denied';
    if (failure.errno === serverError.noTable || failure.errno === serverError.unknownDatabase) return 'missing';
    throw error;
  }
};

const schemaMissing = ({ user, host }: Account, tls: boolean, lacking: string) =>
  fail('GATEWAY_SCHEMA_MISSING', {
    account: `${user}@${host}`,
    lacking,
    statements: `${accountStatements(user, host, tls).slice(1).join('; ')};`,
  });
