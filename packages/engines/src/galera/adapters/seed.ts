/**
 * The seed: a data folder with system tables, the accounts of the service and its schema, made once and copied
 * to every instance, together with the files that let all of them form their first component at once. So a new
 * service starts in about a second, without one bootstrap and two full transfers.
 *
 * Only for data that is equal everywhere and was never served: the position in the seed is 0 of a new group.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { fail } from '@coequal/kernel';
import { formatSavedState, formatSavedView } from '../position.ts';
import { copyFolder, makeFolder, writeWhole } from './files.ts';
import { type Launch, runToEnd } from './process.ts';

export type SeedTools = {
  readonly launch: Launch;
  /** Full paths. */
  readonly server: string;
  readonly installer: string;
  readonly baseFolder: string;
  readonly shareFolder: string;
  readonly pluginFolder: string;
  /** User id the files are given to; undefined: the caller's own. */
  readonly owner?: number;
};

export type SeedAccount = {
  readonly user: string;
  /** Host part of the account, `localhost` or a pattern. */
  readonly host: string;
  readonly password: string;
  /** Everything, or only the service's schema. */
  readonly rights: 'all' | 'schema';
};

export type SeedRequest = {
  readonly folder: string;
  readonly database: string;
  readonly accounts: readonly SeedAccount[];
  /** As in the option file; the seed must be made with the same. */
  readonly logFileBytes: number;
  readonly encryptionKeyFile?: string;
};

const installDeadlineMs = 120_000;

/** Makes the seed in `folder` (which must not exist), or leaves nothing. */
export const makeSeed = async (tools: SeedTools, request: SeedRequest): Promise<void> => {
  await makeFolder(request.folder, 0o700, tools.owner);
  try {
    await install(tools, request);
    await addAccounts(tools, request);
    await writeWhole(
      `${request.folder}/grastate.dat`,
      formatSavedState({ group: randomUUID(), sequence: 0, safeToBootstrap: false }),
      0o660,
      tools.owner,
    );
  } catch (error) {
    await rm(request.folder, { recursive: true, force: true });
    throw error;
  }
};

/** Copies the seed to the data folders of all first members, and writes down their first component. */
export const plantSeed = async (seed: string, dataFolders: readonly string[], owner?: number): Promise<void> => {
  const members = dataFolders.map(() => randomUUID());
  await Promise.all(
    dataFolders.map(async (folder, index) => {
      await copyFolder(seed, folder, owner);
      const view = formatSavedView({ self: members[index] ?? '', members });
      await writeWhole(`${folder}/gvwstate.dat`, view, 0o660, owner);
    }),
  );
};

const encryptionFlags = (request: SeedRequest): readonly string[] =>
  request.encryptionKeyFile === undefined
    ? []
    : [
        '--plugin-load-add=file_key_management',
        `--file-key-management-filename=${request.encryptionKeyFile}`,
        '--file-key-management-encryption-algorithm=AES_CTR',
        '--innodb-encrypt-tables=ON',
        '--innodb-encrypt-log=ON',
        '--innodb-encryption-threads=2',
        '--aria-encrypt-tables=ON',
      ];

const install = async (tools: SeedTools, request: SeedRequest): Promise<void> => {
  const { status, output } = await runToEnd(
    tools.launch,
    [
      tools.installer,
      '--no-defaults',
      `--basedir=${tools.baseFolder}`,
      `--datadir=${request.folder}`,
      '--auth-root-authentication-method=normal',
      '--skip-test-db',
      '--skip-name-resolve',
      `--plugin-dir=${tools.pluginFolder}`,
      `--innodb-log-file-size=${request.logFileBytes}`,
      ...encryptionFlags(request),
    ],
    installDeadlineMs,
  );
  if (status !== 0) throw installFailed('mariadb-install-db', status, output);
};

/**
 * Runs the server once in its bootstrap mode, which reads one statement a line from its input and listens
 * nowhere. The statements come from a file that only the server's user can read and that is removed at once.
 */
const addAccounts = async (tools: SeedTools, request: SeedRequest): Promise<void> => {
  const script = `${request.folder}/accounts.sql`;
  await writeWhole(script, `${accountStatements(request).join('\n')}\n`, 0o600, tools.owner);
  const { status, output } = await runToEnd(
    tools.launch,
    [
      tools.server,
      '--no-defaults',
      `--basedir=${tools.baseFolder}`,
      `--datadir=${request.folder}`,
      `--lc-messages-dir=${tools.shareFolder}`,
      `--plugin-dir=${tools.pluginFolder}`,
      `--innodb-log-file-size=${request.logFileBytes}`,
      ...encryptionFlags(request),
      '--bootstrap',
    ],
    installDeadlineMs,
    script,
  );
  await rm(script, { force: true });
  if (status !== 0 || output.includes('[ERROR]')) throw installFailed('mariadbd --bootstrap', status, output);
};

const accountStatements = (request: SeedRequest): readonly string[] => [
  'USE mysql;',
  'FLUSH PRIVILEGES;',
  `CREATE DATABASE IF NOT EXISTS ${identifier(request.database)} CHARACTER SET utf8mb4;`,
  ...request.accounts.flatMap((account) => {
    const name = `${text(account.user)}@${text(account.host)}`;
    const target = account.rights === 'all' ? '*.*' : `${identifier(request.database)}.*`;
    return [
      `CREATE USER ${name} IDENTIFIED BY ${text(account.password)};`,
      `GRANT ALL ON ${target} TO ${name}${account.rights === 'all' ? ' WITH GRANT OPTION' : ''};`,
      // What an application needs to see of the cluster's own health, and no more.
      ...(account.rights === 'all' ? [] : [`GRANT PROCESS ON *.* TO ${name};`]),
    ];
  }),
  // Nobody logs in without a password of this service.
  "DELETE FROM global_priv WHERE User IN ('', 'root');",
  'FLUSH PRIVILEGES;',
];

/** Bootstrap mode has no parameters; names and passwords come from the estate and from us, and are refused unless plain. */
const text = (value: string): string => {
  if (!/^[\w.%:-]{1,128}$/.test(value)) throw new Error(`Bug: not a plain account value (${value.length} characters)`);
  return `'${value}'`;
};

const identifier = (value: string): string => {
  if (!/^\w{1,64}$/.test(value)) throw new Error(`Bug: not a plain identifier: ${value}`);
  return `\`${value}\``;
};

const installFailed = (program: string, status: number | null, output: string) =>
  fail('PROGRAM_FAILED', {
    program,
    status: status === null ? 'a signal' : `status ${status}`,
    output:
      output
        .split('\n')
        .filter((line) => /ERROR|error|FATAL/.test(line))
        .slice(-3)
        .join(' ') || output.slice(-300),
    advice: 'Check free space and the right to write there.',
  });

/** A password that needs no quoting anywhere: 192 bits in hexadecimal. */
export const newPassword = (): string => randomBytes(24).toString('hex');
