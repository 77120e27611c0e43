/**
 * The database's own accounts, as MariaDB keeps them in `mysql.global_priv`: one JSON text each. Parsed once; a row
 * that cannot be read is an account that nobody can use, never one that opens.
 */

/** A row of `mysql.global_priv`. */
export type AccountRow = { readonly user: string; readonly host: string; readonly priv: string };

/** One way to prove that one is this account. */
export type Method = {
  /** The server's name of it: `mysql_native_password`, `ed25519`, `unix_socket`, … */
  readonly plugin: string;
  /** What the server compares with; a secret of lesser sort. */
  readonly authentication: string;
};

export type Account = {
  /** Empty: stands for everybody. */
  readonly user: string;
  /** A pattern; `%` for every host. */
  readonly host: string;
  /** In the order in which the server tries them; at least one. */
  readonly methods: readonly Method[];
  readonly locked: boolean;
  /** By PASSWORD EXPIRE. */
  readonly expired: boolean;
  /** Seconds since 1970; undefined: not recorded. */
  readonly passwordChangedAt?: number;
  /** Days until the password expires; 0: never; undefined: as the server's `default_password_lifetime` says. */
  readonly passwordLifetimeDays?: number;
  /** `any`: some TLS; `x509`: a certificate of the client; `specified`: one with certain names, or a certain cipher. */
  readonly tls: 'none' | 'any' | 'x509' | 'specified';
  /** 0: no limit of its own; below 0: none may connect. */
  readonly maxUserConnections: number;
  /** May end the sessions of others: CONNECTION ADMIN, or SUPER where it is still included. */
  readonly privileged: boolean;
};

/** Roles are left out: nobody logs in as a role. */
export const parseAccounts = (rows: readonly AccountRow[]): readonly Account[] =>
  rows.flatMap((row) => {
    const priv = parseObject(row.priv);
    return priv?.['is_role'] === true ? [] : [accountOf(row, priv)];
  });

/** A method that no client can satisfy. */
const never: Method = { plugin: 'mysql_native_password', authentication: 'invalid' };

const accountOf = (row: AccountRow, priv: Readonly<Record<string, unknown>> | undefined): Account => {
  const { user, host } = row;
  const named = { user, host: host === '' ? '%' : host };
  if (priv === undefined) return { ...named, ...unusable };
  const changedAt = numberIn(priv, 'password_last_changed');
  const lifetime = numberIn(priv, 'password_lifetime');
  return {
    ...named,
    methods: methodsOf(priv),
    locked: priv['account_locked'] === true,
    expired: changedAt === 0,
    ...(changedAt === undefined ? {} : { passwordChangedAt: changedAt }),
    ...(lifetime === undefined || lifetime < 0 ? {} : { passwordLifetimeDays: lifetime }),
    tls: tlsOf(priv),
    maxUserConnections: numberIn(priv, 'max_user_connections') ?? 0,
    privileged: isPrivileged(row.priv, numberIn(priv, 'version_id') ?? 0),
  };
};

const unusable = {
  methods: [never],
  locked: true,
  expired: false,
  tls: 'none',
  maxUserConnections: 0,
  privileged: false,
} as const satisfies Omit<Account, 'user' | 'host'>;

const methodsOf = (priv: Readonly<Record<string, unknown>>): readonly Method[] => {
  const own = methodIn(priv, 'mysql_native_password');
  const alternatives: unknown = priv['auth_or'];
  if (alternatives === undefined) return [own];
  if (!Array.isArray(alternatives)) return [never];
  // An empty object holds the place of what stands outside of the list.
  const methods = alternatives.map((one: unknown) => {
    const fields = asObject(one);
    if (fields === undefined) return never;
    return Object.keys(fields).length === 0 ? own : methodIn(fields, '');
  });
  return methods.length === 0 ? [never] : methods;
};

const methodIn = (fields: Readonly<Record<string, unknown>>, usual: string): Method => {
  const plugin = fields['plugin'] ?? usual;
  const authentication = fields['authentication_string'] ?? '';
  if (typeof plugin !== 'string' || typeof authentication !== 'string') return never;
  // As the server writes it when the account has neither: a native account without a password.
  return { plugin: plugin === '' ? 'mysql_native_password' : plugin.toLowerCase(), authentication };
};

const tlsOf = (priv: Readonly<Record<string, unknown>>): Account['tls'] => {
  const kinds = ['none', 'any', 'x509', 'specified'] as const;
  const type = priv['ssl_type'] ?? 0;
  // What we do not know demands the most.
  return (typeof type === 'number' ? kinds[type] : undefined) ?? 'specified';
};

const superBit = 15n;
const connectionAdminBit = 32n;
/** From here on SUPER does not include CONNECTION ADMIN. */
const separateSince = 101_100;

/** The bits of rights reach beyond what a number in JSON holds exactly, so they are read from the text. */
const isPrivileged = (text: string, versionId: number): boolean => {
  const access = BigInt(/"access"\s*:\s*(\d{1,20})/.exec(text)?.[1] ?? '0');
  const has = (bit: bigint): boolean => ((access >> bit) & 1n) === 1n;
  return has(connectionAdminBit) || (versionId < separateSince && has(superBit));
};

const parseObject = (text: string): Readonly<Record<string, unknown>> | undefined => {
  try {
    return asObject(JSON.parse(text));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
};

const asObject = (value: unknown): Readonly<Record<string, unknown>> | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined;

const numberIn = (fields: Readonly<Record<string, unknown>>, name: string): number | undefined => {
  const value = fields[name];
  return typeof value === 'number' ? value : undefined;
};
