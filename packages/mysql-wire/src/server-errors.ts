/**
 * Errors of the server that the gateway answers with or acts upon: numbers and SQLSTATEs as MariaDB has them.
 * What they mean for a transaction is decided where transactions are known, not here.
 */

export type ServerError = {
  readonly number: number;
  /** Five characters; HY000 where the server has nothing better. */
  readonly sqlState: string;
};

const is = (number: number, sqlState = 'HY000'): ServerError => ({ number, sqlState });

export const SERVER_ERROR = {
  lockDeadlock: is(1213, '40001'),
  lockWaitTimeout: is(1205),
  /** The record has changed since the snapshot was taken. */
  checkRead: is(1020),
  errorDuringCommit: is(1180),
  duplicateKey: is(1062, '23000'),
  accessDenied: is(1045, '28000'),
  databaseAccessDenied: is(1044, '42000'),
  tableAccessDenied: is(1142, '42000'),
  badDatabase: is(1049, '42000'),
  tooManyConnections: is(1040, '08004'),
  outOfResources: is(1041),
  badHandshake: is(1043, '08S01'),
  unknownCommand: is(1047, '08S01'),
  shutdownInProgress: is(1053, '08S01'),
  parseError: is(1064, '42000'),
  noSuchThread: is(1094),
  killDenied: is(1095),
  unknown: is(1105),
  hostBlocked: is(1129),
  hostNotPrivileged: is(1130),
  commandNotAllowed: is(1148, '42000'),
  abortingConnection: is(1152, '08S01'),
  packetTooLarge: is(1153, '08S01'),
  readErrorFromPipe: is(1154, '08S01'),
  packetsOutOfOrder: is(1156, '08S01'),
  cannotUncompress: is(1157, '08S01'),
  readError: is(1158, '08S01'),
  readInterrupted: is(1159, '08S01'),
  writeError: is(1160, '08S01'),
  writeInterrupted: is(1161, '08S01'),
  newAbortingConnection: is(1184, '08S01'),
  tooManyUserConnections: is(1203, '42000'),
  specificAccessDenied: is(1227, '42000'),
  userLimitReached: is(1226, '42000'),
  notSupportedYet: is(1235, '42000'),
  unknownStatement: is(1243),
  notSupportedAuthMode: is(1251, '08004'),
  optionPreventsStatement: is(1290),
  queryInterrupted: is(1317, '70100'),
  malformedPacket: is(1835),
  pluginNotLoaded: is(1524),
  /** MySQL; MariaDB answers 1045 where TLS is required and missing. */
  secureTransportRequired: is(3159),
  accessDeniedNoPassword: is(1698, '28000'),
  mustChangePassword: is(1820),
  mustChangePasswordLogin: is(1862),
  connectionKilled: is(1927, '70100'),
  statementTimeout: is(1969, '70100'),
  wsrepNotReady: is(1047, '08S01'),
  accountLocked: is(4151),
  accountLockedMySql: is(3118),
  clientInteractionTimeout: is(4031),
  /** Raised by client libraries; here because the gateway's own connections meet the same. */
  serverGone: is(2006),
  serverLost: is(2013),
  /** Of the SQL standard: the outcome of the transaction is unknown. MariaDB has no number for it. */
  outcomeUnknown: is(1105, '08007'),
} as const satisfies Record<string, ServerError>;
