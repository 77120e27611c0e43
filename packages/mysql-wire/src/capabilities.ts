/**
 * What two ends of a connection can do: the flags that both exchange in the handshake. MariaDB has 32 more
 * than MySQL; the two halves are two unsigned numbers, so that no arithmetic on them needs a bigint.
 *
 * Names are the protocol's own, without the prefix CLIENT_.
 */

export const CLIENT = {
  /** Also called MYSQL or LONG_PASSWORD: set by MySQL's servers. Where it is clear, MariaDB's extended flags count. */
  MYSQL: 0x0000_0001,
  /** The server counts the rows found, not the rows changed. */
  FOUND_ROWS: 0x0000_0002,
  LONG_FLAG: 0x0000_0004,
  CONNECT_WITH_DB: 0x0000_0008,
  NO_SCHEMA: 0x0000_0010,
  COMPRESS: 0x0000_0020,
  ODBC: 0x0000_0040,
  LOCAL_FILES: 0x0000_0080,
  IGNORE_SPACE: 0x0000_0100,
  PROTOCOL_41: 0x0000_0200,
  INTERACTIVE: 0x0000_0400,
  SSL: 0x0000_0800,
  IGNORE_SIGPIPE: 0x0000_1000,
  TRANSACTIONS: 0x0000_2000,
  RESERVED: 0x0000_4000,
  SECURE_CONNECTION: 0x0000_8000,
  MULTI_STATEMENTS: 0x0001_0000,
  MULTI_RESULTS: 0x0002_0000,
  PS_MULTI_RESULTS: 0x0004_0000,
  PLUGIN_AUTH: 0x0008_0000,
  CONNECT_ATTRS: 0x0010_0000,
  PLUGIN_AUTH_LENENC_CLIENT_DATA: 0x0020_0000,
  CAN_HANDLE_EXPIRED_PASSWORDS: 0x0040_0000,
  SESSION_TRACK: 0x0080_0000,
  DEPRECATE_EOF: 0x0100_0000,
  OPTIONAL_RESULTSET_METADATA: 0x0200_0000,
  ZSTD_COMPRESSION_ALGORITHM: 0x0400_0000,
  QUERY_ATTRIBUTES: 0x0800_0000,
  MULTI_FACTOR_AUTHENTICATION: 0x1000_0000,
  CAPABILITY_EXTENSION: 0x2000_0000,
  SSL_VERIFY_SERVER_CERT: 0x4000_0000,
  REMEMBER_OPTIONS: 0x8000_0000,
} as const;

/** MariaDB's extended flags: bits 32 and up of one 64-bit set. */
export const MARIADB = {
  PROGRESS: 0x0000_0001,
  COM_MULTI: 0x0000_0002,
  STMT_BULK_OPERATIONS: 0x0000_0004,
  EXTENDED_METADATA: 0x0000_0008,
  CACHE_METADATA: 0x0000_0010,
  BULK_UNIT_RESULTS: 0x0000_0020,
} as const;

export type Capabilities = {
  /** The low 32 bits, `CLIENT`. */
  readonly base: number;
  /** The high 32 bits, `MARIADB`; 0 towards MySQL. */
  readonly extended: number;
};

export const noCapabilities: Capabilities = { base: 0, extended: 0 };

/** True when every bit of the flag is set. */
export const hasBase = ({ base }: Capabilities, flag: number): boolean => (base & flag) >>> 0 === flag;

export const hasExtended = ({ extended }: Capabilities, flag: number): boolean => (extended & flag) >>> 0 === flag;

/** What both ends can do: what counts on a connection between them. */
export const intersect = (one: Capabilities, other: Capabilities): Capabilities => ({
  base: (one.base & other.base) >>> 0,
  extended: (one.extended & other.extended) >>> 0,
});

/** Without some flags of either half. */
export const without = (from: Capabilities, base: number, extended = 0): Capabilities => ({
  base: (from.base & ~base) >>> 0,
  extended: (from.extended & ~extended) >>> 0,
});

/**
 * Without what changes the stream in ways this codec does not follow: both compressions, attributes before the
 * text of a query, results without definitions as MySQL does it, a second factor, and MariaDB's withdrawn
 * COM_MULTI. Whoever offers or asks for capabilities passes them through here, and the peer does without.
 */
export const withoutUnsupported = (from: Capabilities): Capabilities =>
  without(
    from,
    CLIENT.COMPRESS |
      CLIENT.ZSTD_COMPRESSION_ALGORITHM |
      CLIENT.QUERY_ATTRIBUTES |
      CLIENT.OPTIONAL_RESULTSET_METADATA |
      CLIENT.MULTI_FACTOR_AUTHENTICATION |
      CLIENT.CAPABILITY_EXTENSION,
    MARIADB.COM_MULTI,
  );
