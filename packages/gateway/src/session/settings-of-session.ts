/**
 * What a session has set and another instance must be told before it can go on there: schema, system variables, user
 * variables, the last generated number. Values that never change once made, so that the state at the
 * beginning of a transaction is kept by keeping the value.
 *
 * It leaves prepared statements to `prepared.ts`, and what cannot be carried over at all to the barriers of `session.ts`.
 */

/** A user variable as `information_schema.USER_VARIABLES` shows it. */
export type UserVariable = {
  readonly name: string;
  /** VARCHAR, INT, INT UNSIGNED, DOUBLE, DECIMAL … */
  readonly type: string;
  /** Text of the value in UTF-8; null: NULL. */
  readonly value: Buffer | null;
  readonly charset: string | null;
};

export type SessionSettings = {
  readonly schema: string;
  /** System variables that differ from what a new session has, as the server told their values. */
  readonly variables: ReadonlyMap<string, string>;
  readonly userVariables: readonly UserVariable[];
  /** What LAST_INSERT_ID() answers; 0: nothing yet. */
  readonly lastInsertId: bigint;
  /** Text of the last SET ROLE; the server does not report roles. */
  readonly role: string | null;
  /** Text of the last SET NAMES that named a collation, while it holds; the server reports the character sets alone. */
  readonly names: string | null;
  /** Text of a SET TRANSACTION that holds for the next transaction only. */
  readonly nextTransaction: string | null;
};

export const freshSettings = (schema: string): SessionSettings => ({
  schema,
  variables: new Map(),
  userVariables: [],
  lastInsertId: 0n,
  role: null,
  names: null,
  nextTransaction: null,
});

/** Variables that the server reports and that are no setting: they follow from what is done, or are the gateway's own. */
const notSettings: ReadonlySet<string> = new Set([
  'last_gtid',
  'last_insert_id',
  'identity',
  'insert_id',
  'rand_seed1',
  'rand_seed2',
  'warning_count',
  'error_count',
  'in_transaction',
  'pseudo_thread_id',
  'session_track_schema',
  'session_track_system_variables',
  'session_track_state_change',
  'session_track_transaction_info',
  'gtid_seq_no',
  'tx_read_only_one_shot',
]);

/** The settings after the server has told of changed variables; the same value when nothing of them is a setting. */
export const withVariables = (
  settings: SessionSettings,
  changed: readonly { readonly name: string; readonly value: string }[],
): SessionSettings => {
  const relevant = changed.filter(({ name }) => !notSettings.has(name));
  if (relevant.length === 0) return settings;
  const variables = new Map(settings.variables);
  // Either of the two sets the other: what was said of them before holds no longer.
  const renamed = relevant.some(({ name }) => connectionSets.has(name));
  if (renamed) for (const name of connectionSets) variables.delete(name);
  for (const { name, value } of relevant) variables.set(name, value);
  return { ...settings, variables, names: renamed ? null : settings.names };
};

const connectionSets: ReadonlySet<string> = new Set(['character_set_connection', 'collation_connection']);

/** Nothing differs that another statement would notice; LAST_INSERT_ID() is anything behind an error. */
export const isSameSettings = (one: SessionSettings, other: SessionSettings): boolean =>
  one.variables === other.variables &&
  one.userVariables === other.userVariables &&
  one.schema === other.schema &&
  one.role === other.role &&
  one.names === other.names &&
  one.nextTransaction === other.nextTransaction;

/**
 * The statements that bring a new session to these settings, in the order in which they must be sent. The schema is
 * not among them: it is named when logging in.
 */
export const settingStatements = (settings: SessionSettings, before?: SessionSettings): readonly string[] => {
  const statements: string[] = [];
  const assignments = [...settings.variables]
    .filter(([name, value]) => before?.variables.get(name) !== value)
    .sort(([a], [b]) => rank(a) - rank(b))
    .map(([name, value]) => `@@SESSION.${quotedName(name)}=${settingLiteral(name, value)}`);
  // A variable that was set since and is not among the settings wanted goes back to the server's own value.
  for (const name of before?.variables.keys() ?? [])
    if (!settings.variables.has(name)) assignments.push(`@@SESSION.${quotedName(name)}=DEFAULT`);
  if (assignments.length > 0) statements.push(`SET ${assignments.join(', ')}`);
  if (settings.userVariables.length > 0)
    statements.push(
      `SET ${settings.userVariables.map((one) => `@${quotedName(one.name)}=${userLiteral(one)}`).join(', ')}`,
    );
  if (settings.lastInsertId !== (before?.lastInsertId ?? 0n))
    statements.push(`SET @@SESSION.last_insert_id=${settings.lastInsertId}`);
  if (settings.names !== null && settings.names !== before?.names) statements.push(settings.names);
  if (settings.role !== null) statements.push(settings.role);
  if (settings.nextTransaction !== null) statements.push(settings.nextTransaction);
  return statements;
};

/** A collation goes behind its character set. Autocommit goes last: switching it off is the beginning of the next transaction. */
const rank = (name: string): number => (name === 'autocommit' ? 2 : name === 'collation_connection' ? 1 : 0);

const quotedName = (name: string): string => `\`${name.replaceAll('`', '``')}\``;

/** Numbers as numbers, since a numeric variable takes no text; all else as bytes in hexadecimal, which no sql_mode reads differently. */
const settingLiteral = (name: string, value: string): string => {
  if (/^-?\d+(\.\d+)?$/.test(value) && !textVariables.has(name)) return value;
  return hexText(Buffer.from(value, 'utf8'), 'utf8mb3');
};

/** Text variables whose value may look like a number. */
const textVariables: ReadonlySet<string> = new Set(['wsrep_osu_method', 'debug', 'time_zone']);

const userLiteral = ({ type, value, charset }: UserVariable): string => {
  if (value === null) return 'NULL';
  const text = value.toString('latin1');
  switch (type.toUpperCase()) {
    case 'INT':
    case 'BIGINT':
      return isNumber(text) ? `CAST(${text} AS SIGNED)` : 'NULL';
    case 'INT UNSIGNED':
    case 'BIGINT UNSIGNED':
      return isNumber(text) ? `CAST(${text} AS UNSIGNED)` : 'NULL';
    case 'DECIMAL':
      return isNumber(text) ? text : 'NULL';
    case 'DOUBLE':
      return isNumber(text) ? (/e/i.test(text) ? text : `${text}e0`) : 'NULL';
    default:
      return hexText(value, charset ?? 'utf8mb4');
  }
};

const isNumber = (text: string): boolean => /^-?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(text);

/** Bytes of UTF-8 as a text of the character set. An unknown set would be text of ours in SQL, so only plain names pass. */
const hexText = (value: Buffer, charset: string): string => {
  if (charset === 'binary') return `X'${value.toString('hex')}'`;
  const set = /^\w{1,32}$/.test(charset) ? charset : 'utf8mb4';
  return `CONVERT(_utf8mb4 X'${value.toString('hex')}' USING ${set})`;
};
