/**
 * The words that matter to the gateway, in a table that is searched by the bytes of a statement without making a
 * string of them. A word has a number (0: unknown), flags that its mere mention sets, and an opinion about
 * `WORD(`: whether that can only be a function or a construct of the server itself.
 *
 * The opinion is the delicate part: most keywords that are not reserved can be names of stored functions, and the
 * server calls those. Only words are listed as harmless of which a test on a real server shows that a stored
 * function of that name is not reached.
 */
import { detail, flag } from './statement.ts';

/** How `WORD(` is to be taken. */
export const call = {
  /** A stored function, as far as we know. */
  unknown: 0,
  /** The server's own, also with white space before the parenthesis. */
  known: 1,
  /** The server's own when the parenthesis follows at once or the session ignores spaces; else a stored function. */
  adjacent: 2,
} as const;

/** Words that code asks for, by number. A literal, so that reading one costs nothing. */
export const word = {
  ALGORITHM: 1,
  ALTER: 2,
  ANALYZE: 3,
  AND: 4,
  AS: 5,
  ATOMIC: 6,
  AUTOCOMMIT: 7,
  BACKUP: 8,
  BEGIN: 9,
  BINLOG: 10,
  BODY: 11,
  BY: 12,
  CACHE: 13,
  CALL: 14,
  CASE: 15,
  CHAIN: 16,
  CHANGE: 17,
  CHARACTER: 18,
  CHARSET: 19,
  CHECK: 20,
  CHECKSUM: 21,
  COEQUAL: 22,
  COMMIT: 23,
  CONCURRENT: 24,
  CONNECTION: 25,
  CONSISTENT: 26,
  COPY: 27,
  COUNT: 28,
  CREATE: 29,
  CROSS: 30,
  DATA: 31,
  DATABASE: 32,
  DATABASES: 33,
  DEALLOCATE: 34,
  DECLARE: 35,
  DEFAULT: 36,
  DEFINER: 37,
  DELAYED: 38,
  DELETE: 39,
  DESC: 40,
  DESCRIBE: 41,
  DIAGNOSTICS: 42,
  DO: 43,
  DROP: 44,
  END: 45,
  ERRORS: 46,
  ERROR_COUNT: 47,
  EVENT: 48,
  EXECUTE: 49,
  EXISTS: 50,
  EXPLAIN: 51,
  FALSE: 52,
  FLUSH: 53,
  FOR: 54,
  FROM: 55,
  FUNCTION: 56,
  GET: 57,
  GLOBAL: 58,
  GRANT: 59,
  HANDLER: 60,
  HARD: 61,
  HELP: 62,
  HIGH_PRIORITY: 63,
  ID: 64,
  IF: 65,
  IGNORE: 66,
  IMMEDIATE: 67,
  IN: 68,
  INDEX: 69,
  INNER: 70,
  INPLACE: 71,
  INSERT: 72,
  INSTALL: 73,
  INSTANT: 74,
  INTO: 75,
  ISOLATION: 76,
  JOIN: 77,
  KEY: 78,
  KILL: 79,
  LAST_INSERT_ID: 80,
  LEFT: 81,
  LEVEL: 82,
  LIMIT: 83,
  LIMITS: 84,
  LOAD: 85,
  LOCAL: 86,
  LOCK: 87,
  LOOP: 88,
  LOW_PRIORITY: 89,
  NAMES: 90,
  NATURAL: 91,
  NEXT: 92,
  NEXTVAL: 93,
  NO: 94,
  NOCOPY: 95,
  NOT: 96,
  NO_WRITE_TO_BINLOG: 97,
  NULL: 98,
  ON: 99,
  ONLINE: 100,
  ONLY: 101,
  OPTIMIZE: 102,
  OR: 103,
  ORDER: 104,
  OUTCOME: 105,
  OUTFILE: 106,
  PACKAGE: 107,
  PARTITION: 108,
  PASSWORD: 109,
  PREPARE: 110,
  PREVIOUS: 111,
  PROCEDURE: 112,
  PURGE: 113,
  QUERY: 114,
  QUICK: 115,
  READ: 116,
  RELEASE: 117,
  RENAME: 118,
  REPAIR: 119,
  REPEAT: 120,
  REPLACE: 121,
  RESET: 122,
  RESIGNAL: 123,
  RETURN: 124,
  RETURNING: 125,
  REVOKE: 126,
  RIGHT: 127,
  ROLE: 128,
  ROLLBACK: 129,
  ROW_COUNT: 130,
  SAVEPOINT: 131,
  SELECT: 132,
  SEQUENCE: 133,
  SESSION: 134,
  SESSION_TRACK_SCHEMA: 135,
  SESSION_TRACK_STATE_CHANGE: 136,
  SESSION_TRACK_SYSTEM_VARIABLES: 137,
  SESSION_TRACK_TRANSACTION_INFO: 138,
  SET: 139,
  SETVAL: 140,
  SHARE: 141,
  SHOW: 142,
  SHUTDOWN: 143,
  SIGNAL: 144,
  SNAPSHOT: 145,
  SOFT: 146,
  START: 147,
  STATEMENT: 148,
  STOP: 149,
  STRAIGHT_JOIN: 150,
  TABLE: 151,
  TABLES: 152,
  TEMPORARY: 153,
  TO: 154,
  TRANSACTION: 155,
  TRIGGER: 156,
  TRUE: 157,
  TRUNCATE: 158,
  UNINSTALL: 159,
  UNLOCK: 160,
  UPDATE: 161,
  USE: 162,
  USER: 163,
  USING: 164,
  VALUE: 165,
  VALUES: 166,
  VIEW: 167,
  WARNINGS: 168,
  WARNING_COUNT: 169,
  WHERE: 170,
  WHILE: 171,
  WITH: 172,
  WORK: 173,
  WRITE: 174,
  WSREP_SYNC_WAIT: 175,
  XA: 176,
  XML: 177,
} as const;

const adjacentFunctions =
  'ADDDATE BIT_AND BIT_OR BIT_XOR CAST COUNT CUME_DIST CURDATE CURTIME DATE_ADD DATE_SUB DENSE_RANK EXTRACT FIRST_VALUE ' +
  'GROUP_CONCAT JSON_ARRAYAGG JSON_OBJECTAGG LAG LEAD MAX MEDIAN MID MIN NOW NTH_VALUE NTILE POSITION PERCENT_RANK ' +
  'PERCENTILE_CONT PERCENTILE_DISC RANK SESSION_USER STD STDDEV STDDEV_POP STDDEV_SAMP SUBDATE SUBSTR SUBSTRING SUM ' +
  'SYSTEM_USER TRIM VARIANCE VAR_POP VAR_SAMP';

const ownFunctions =
  'ABS ACOS ADDTIME ADD_MONTHS AES_DECRYPT AES_ENCRYPT ASIN ATAN ATAN2 BENCHMARK BIN BINLOG_GTID_POS BIT_COUNT BIT_LENGTH ' +
  'CEIL CEILING CHARACTER_LENGTH CHAR_LENGTH CHR COALESCE COERCIBILITY COLLATION COLUMN_CHECK COLUMN_EXISTS COLUMN_LIST ' +
  'COLUMN_JSON COMPRESS CONCAT CONCAT_WS CONNECTION_ID CONV CONVERT_TZ COS COT CRC32 CRC32C DATABASE DATEDIFF DATE_FORMAT ' +
  'DAYNAME DAYOFMONTH DAYOFWEEK DAYOFYEAR DECODE_HISTOGRAM DEGREES ELT ENCRYPT EXP EXPORT_SET EXTRACTVALUE FIELD ' +
  'FIND_IN_SET FLOOR FORMAT FOUND_ROWS FROM_BASE64 FROM_DAYS FROM_UNIXTIME GET_LOCK GREATEST HEX IFNULL INET6_ATON ' +
  'INET6_NTOA INET_ATON INET_NTOA INSTR ISNULL IS_FREE_LOCK IS_IPV4 IS_IPV4_COMPAT IS_IPV4_MAPPED IS_IPV6 IS_USED_LOCK ' +
  'JSON_ARRAY JSON_ARRAY_APPEND JSON_ARRAY_INSERT JSON_COMPACT JSON_CONTAINS JSON_CONTAINS_PATH JSON_DEPTH JSON_DETAILED ' +
  'JSON_EQUALS JSON_EXISTS JSON_EXTRACT JSON_INSERT JSON_KEYS JSON_LENGTH JSON_LOOSE JSON_MERGE JSON_MERGE_PATCH ' +
  'JSON_MERGE_PRESERVE JSON_NORMALIZE JSON_OBJECT JSON_OVERLAPS JSON_PRETTY JSON_QUERY JSON_QUOTE JSON_REMOVE ' +
  'JSON_REPLACE JSON_SEARCH JSON_SET JSON_TYPE JSON_UNQUOTE JSON_VALID JSON_VALUE LAST_DAY LAST_INSERT_ID LCASE LEAST ' +
  'LENGTH LENGTHB LN LOAD_FILE LOCATE LOG LOG10 LOG2 LOWER LPAD LTRIM MAKEDATE MAKETIME MAKE_SET MASTER_GTID_WAIT ' +
  'MASTER_POS_WAIT MD5 MICROSECOND MOD MONTHNAME NAME_CONST NATURAL_SORT_KEY NULLIF NVL NVL2 OCT OCTET_LENGTH ORD ' +
  'PASSWORD PERIOD_ADD PERIOD_DIFF PI POW POWER QUARTER QUOTE RADIANS RAND RANDOM_BYTES REGEXP_INSTR REGEXP_REPLACE ' +
  'REGEXP_SUBSTR RELEASE_ALL_LOCKS RELEASE_LOCK REVERSE ROUND ROW_COUNT RPAD RTRIM SCHEMA SEC_TO_TIME SFORMAT SHA SHA1 ' +
  'SHA2 SIGN SIN SLEEP SOUNDEX SPACE SQRT STRCMP STR_TO_DATE SUBSTRING_INDEX SUBTIME SYS_GUID TAN TIMEDIFF TIME_FORMAT ' +
  'TIME_TO_SEC TO_BASE64 TO_CHAR TO_DAYS TO_SECONDS UCASE UNCOMPRESS UNCOMPRESSED_LENGTH UNHEX UNIX_TIMESTAMP UPDATEXML ' +
  'UPPER UUID UUID_SHORT VERSION WEEK WEEKDAY WEEKOFYEAR WSREP_LAST_SEEN_GTID WSREP_LAST_WRITTEN_GTID ' +
  'WSREP_SYNC_WAIT_UPTO_GTID YEARWEEK ' +
  'ST_AREA ST_ASBINARY ST_ASGEOJSON ST_ASTEXT ST_ASWKB ST_ASWKT ST_BOUNDARY ST_BUFFER ST_CENTROID ST_CONTAINS ' +
  'ST_CONVEXHULL ST_CROSSES ST_DIFFERENCE ST_DIMENSION ST_DISJOINT ST_DISTANCE ST_DISTANCE_SPHERE ST_ENDPOINT ' +
  'ST_ENVELOPE ST_EQUALS ST_EXTERIORRING ST_GEOMETRYN ST_GEOMETRYTYPE ST_GEOMFROMGEOJSON ST_GEOMFROMTEXT ' +
  'ST_GEOMFROMWKB ST_INTERSECTION ST_INTERSECTS ST_ISCLOSED ST_ISEMPTY ST_ISRING ST_ISSIMPLE ST_LENGTH ' +
  'ST_NUMGEOMETRIES ST_NUMPOINTS ST_OVERLAPS ST_POINTFROMTEXT ST_POINTN ST_RELATE ST_SRID ST_STARTPOINT ' +
  'ST_SYMDIFFERENCE ST_TOUCHES ST_UNION ST_WITHIN ST_X ST_Y MBRCONTAINS MBRINTERSECTS MBRWITHIN';

/** Keywords behind which a parenthesis is a construct of the language, or that are functions of their own. */
const ownKeywords =
  'ALL AND ANY AS ASCII AVG BETWEEN BINARY BY CASE CHAR CHARSET COLUMN_ADD COLUMN_CREATE COLUMN_DELETE COLUMN_GET CONTAINS ' +
  'CONVERT CURRENT_DATE CURRENT_ROLE CURRENT_TIME CURRENT_TIMESTAMP CURRENT_USER DATE DAY DECIMAL DEFAULT DESC DISTINCT ' +
  'DISTINCTROW DIV ELSE EXCEPT EXISTS FORCE FROM GET_FORMAT GROUP HAVING HOUR IF IGNORE IN INDEX INSERT INTERSECT INTERVAL ' +
  'IS JOIN KEY LASTVAL LAST_VALUE LEFT LIKE LIMIT LOCALTIME LOCALTIMESTAMP MATCH MINUTE MONTH NEXTVAL NOT OFFSET ON OR ' +
  'ORDER OVER PARTITION REGEXP REPEAT REPLACE RIGHT RLIKE ROW ROW_NUMBER SECOND SELECT SETVAL SOME STRAIGHT_JOIN SYSDATE ' +
  'THEN TIME TIMESTAMP TIMESTAMPADD TIMESTAMPDIFF TRUNCATE UNION USER USING UTC_DATE UTC_TIME UTC_TIMESTAMP VALUE VALUES ' +
  'WEIGHT_STRING WHEN WHERE WITH WITHIN XOR YEAR';

/** Words that only carry marks. */
const otherWords = 'CURRVAL DUMPFILE HOSTNAME IDENTITY PSEUDO_THREAD_ID SERVER_ID SQL_CALC_FOUND_ROWS WSREP_NODE_NAME';

/** Flags of words by their mere mention: constructs that need no parenthesis. */
const marksOfWords: Readonly<Record<string, number>> = {
  CURRENT_DATE: flag.now,
  CURRENT_TIME: flag.now,
  CURRENT_TIMESTAMP: flag.now,
  LOCALTIME: flag.now,
  LOCALTIMESTAMP: flag.now,
  UTC_DATE: flag.now,
  UTC_TIME: flag.now,
  UTC_TIMESTAMP: flag.now,
  SQL_CALC_FOUND_ROWS: flag.calcFoundRows,
  WARNING_COUNT: flag.diagnostics,
  ERROR_COUNT: flag.diagnostics,
  DIAGNOSTICS: flag.diagnostics,
  RETURNING: flag.returning,
  COEQUAL: flag.coequal,
};

/** Flags of functions when they are called. */
const marksOfCalls: Readonly<Record<string, number>> = {
  CONNECTION_ID: flag.connectionId,
  CURDATE: flag.now,
  CURTIME: flag.now,
  ENCRYPT: flag.random,
  FOUND_ROWS: flag.foundRows,
  GET_LOCK: flag.getLock,
  LAST_INSERT_ID: flag.lastInsertId,
  NOW: flag.now,
  RAND: flag.random,
  RANDOM_BYTES: flag.random,
  RELEASE_ALL_LOCKS: flag.releaseLock,
  RELEASE_LOCK: flag.releaseLock,
  ROW_COUNT: flag.rowCount,
  SYSDATE: flag.now,
  SYS_GUID: flag.uuid,
  UNIX_TIMESTAMP: flag.now,
  UUID: flag.uuid,
  UUID_SHORT: flag.uuid,
};

/** Flags of system variables when they are read as @@name. */
const marksOfVariables: Readonly<Record<string, number>> = {
  IDENTITY: flag.lastInsertId,
  LAST_INSERT_ID: flag.lastInsertId,
  PSEUDO_THREAD_ID: flag.connectionId,
  TIMESTAMP: flag.now,
};

/** Details that words set by their mere mention. Names of functions and variables are rare enough to count too. */
const detailsOfWords: Readonly<Record<string, number>> = {
  NEXTVAL: detail.sequence,
  SETVAL: detail.sequence,
  LASTVAL: detail.sequence,
  CURRVAL: detail.sequence,
  OUTFILE: detail.outfile,
  DUMPFILE: detail.outfile,
  IS_FREE_LOCK: detail.instanceState,
  IS_USED_LOCK: detail.instanceState,
  LOAD_FILE: detail.instanceState,
  MASTER_GTID_WAIT: detail.instanceState,
  MASTER_POS_WAIT: detail.instanceState,
  WSREP_NODE_NAME: detail.instanceState,
};

/** Details of system variables when they are read as @@name. */
const detailsOfVariables: Readonly<Record<string, number>> = {
  HOSTNAME: detail.instanceState,
  SERVER_ID: detail.instanceState,
  WSREP_NODE_NAME: detail.instanceState,
};

const list = (words: string): readonly string[] => words.split(' ');

/** The number of a word is its place here; place 0 is for all words that we do not know. */
const names: readonly string[] = [
  ...new Set([
    '',
    ...Object.keys(word),
    ...list(adjacentFunctions),
    ...list(ownFunctions),
    ...list(ownKeywords),
    ...list(otherWords),
  ]),
];

export const nameOfWord = (number: number): string => names[number] ?? '';

/** Those of which `WORD(` is taken for the server's own; for the test that asks a server. */
export const harmlessCalls = {
  known: [...list(ownFunctions), ...list(ownKeywords)],
  adjacent: list(adjacentFunctions),
} as const;

const perWord = (value: (name: string) => number): Int32Array => Int32Array.from(names, value);
const adjacentSet = new Set(list(adjacentFunctions));
const knownSet = new Set(harmlessCalls.known);

export const callOfWord = perWord((name) =>
  adjacentSet.has(name) ? call.adjacent : knownSet.has(name) ? call.known : call.unknown,
);
export const wordMarks = perWord((name) => marksOfWords[name] ?? 0);
export const callMarks = perWord((name) => marksOfCalls[name] ?? 0);
export const variableMarks = perWord((name) => marksOfVariables[name] ?? 0);
export const wordDetails = perWord((name) => detailsOfWords[name] ?? 0);
export const variableDetails = perWord((name) => detailsOfVariables[name] ?? 0);

/**
 * The table itself: open addressing over a hash of the folded bytes. Folding is `| 0x20`, which makes upper and
 * lower case of a letter the same byte and keeps digits, `$` and `_` apart from each other and from letters.
 */
const slotCount = 4096;
const slots = new Int16Array(slotCount);
const offsets = new Int32Array(names.length + 1);
const folded = Buffer.alloc(names.reduce((sum, name) => sum + name.length, 0));

/** Longer words are in no table. */
export const longestWord = names.reduce((most, name) => Math.max(most, name.length), 0);

/** One step of the hash, over a folded byte. */
export const hashStep = (hash: number, byte: number): number => (Math.imul(hash, 31) + byte) | 0;

const slotOf = (hash: number): number => (hash ^ (hash >>> 12)) & (slotCount - 1);

const fill = (): void => {
  let offset = 0;
  for (const [number, name] of names.entries()) {
    offsets[number] = offset;
    let hash = 0;
    for (const character of Buffer.from(name, 'latin1')) {
      folded[offset++] = character | 0x20;
      hash = hashStep(hash, character | 0x20);
    }
    if (number === 0) continue;
    let slot = slotOf(hash);
    while (slots[slot] !== 0) slot = (slot + 1) & (slotCount - 1);
    slots[slot] = number;
  }
  offsets[names.length] = offset;
};
fill();

/** The number of the word whose bytes are `sql[start, end)` and whose hash is `hash`; 0 for none of ours. */
export const findWord = (sql: Buffer, start: number, end: number, hash: number): number => {
  const length = end - start;
  if (length > longestWord) return 0;
  let slot = slotOf(hash);
  for (;;) {
    const number = slots[slot] ?? 0;
    if (number === 0) return 0;
    const offset = offsets[number] ?? 0;
    if ((offsets[number + 1] ?? 0) - offset === length) {
      let at = 0;
      while (at < length && ((sql[start + at] ?? 0) | 0x20) === folded[offset + at]) at++;
      if (at === length) return number;
    }
    slot = (slot + 1) & (slotCount - 1);
  }
};

/** The same for bytes whose hash nobody has computed yet. */
export const lookUp = (sql: Buffer, start: number, end: number): number => {
  if (end - start > longestWord) return 0;
  let hash = 0;
  for (let at = start; at < end; at++) hash = hashStep(hash, (sql[at] ?? 0) | 0x20);
  return findWord(sql, start, end, hash);
};
