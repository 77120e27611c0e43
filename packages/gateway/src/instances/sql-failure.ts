/** How a connection or a statement of the gateway's own account failed, and what that says. Pure. */

export type SqlFailure =
  /** Nobody listens, or no way leads there. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** The connection was there and ended. */
  | { readonly kind: 'lost'; readonly reason: string }
  | { readonly kind: 'deadline'; readonly reason: string }
  /** The server's own answer, by its number. */
  | { readonly kind: 'answer'; readonly errno: number; readonly reason: string }
  /** The certificate is not that of this instance, or not from its authority. */
  | { readonly kind: 'certificate'; readonly reason: string };

/** Numbers of errors that servers answer with. */
export const serverError = {
  accessDenied: 1_045,
  databaseDenied: 1_044,
  nullRefused: 1_048,
  unreadyInstance: 1_047,
  unknownDatabase: 1_049,
  changedSinceRead: 1_020,
  tooManyConnections: 1_040,
  shutdown: 1_053,
  noTable: 1_146,
  tableDenied: 1_142,
  columnDenied: 1_143,
  commitError: 1_180,
  lockTimeout: 1_205,
  deadlock: 1_213,
  privilegeNeeded: 1_227,
  interrupted: 1_317,
  routineDenied: 1_370,
  userCreationDenied: 1_410,
  readOnly: 1_290,
  statementTime: 1_969,
} as const;

/** Rolled back for certain because another transaction was first: trying again on the same instance is right. */
export const isConflict = (errno: number): boolean => conflicts.has(errno);
const conflicts: ReadonlySet<number> = new Set([
  serverError.changedSinceRead,
  serverError.lockTimeout,
  serverError.deadlock,
]);

/** The account may not do this: no instance will answer otherwise. */
export const isDenial = (errno: number): boolean => denials.has(errno);
const denials: ReadonlySet<number> = new Set([
  serverError.accessDenied,
  serverError.databaseDenied,
  serverError.tableDenied,
  serverError.columnDenied,
  serverError.privilegeNeeded,
  serverError.routineDenied,
  serverError.userCreationDenied,
]);
