/** Ends of answers: read once into one shape, told in one line for digests, and written for the client. Pure. */
import {
  ByteWriter,
  type Capabilities,
  CLIENT,
  frame,
  hasBase,
  isProblem,
  parseErr,
  parseOk,
  type ResponseEvent,
  type SessionChange,
  STATUS,
  sessionChangesOf,
} from '@coequal/mysql-wire';
import { recordSurelyRefused } from '../instances/outcomes.ts';
import type { End } from './model.ts';

const none: readonly SessionChange[] = [];

export type ReadEnd = { readonly end: End; readonly changes: readonly SessionChange[] };

/** What an OK, EOF or ERR says. Undefined: it is broken. */
export const readEnd = (event: ResponseEvent, capabilities: Capabilities): ReadEnd | undefined => {
  if (event.type === 'err') return readError(event);
  if (event.type === 'eof')
    return { end: plainEnd('eof', event.status, event.payload.readUInt16LE(1), event.endsRows), changes: none };
  const { payload } = event;
  // The usual end of rows, and OK without counts: nothing to decode.
  if (payload.length === 7 && payload[1] === 0 && payload[2] === 0)
    return { end: plainEnd('ok', event.status, payload.readUInt16LE(5), event.endsRows), changes: none };
  const ok = parseOk(payload, capabilities);
  if (isProblem(ok)) return undefined;
  const changes = sessionChangesOf(ok);
  if (isProblem(changes)) return undefined;
  return {
    end: {
      ...plainEnd('ok', ok.status, ok.warnings, event.endsRows),
      affected: ok.affectedRows,
      insertId: ok.lastInsertId,
      info: ok.info.toString('utf8'),
    },
    changes,
  };
};

const plainEnd = (kind: 'ok' | 'eof', status: number, warnings: number, endsRows: boolean): End => ({
  kind,
  status,
  affected: 0n,
  insertId: 0n,
  warnings,
  info: '',
  errorNumber: 0,
  errorState: '',
  errorMessage: '',
  endsRows,
});

const readError = (event: ResponseEvent): ReadEnd | undefined => {
  const error = parseErr(event.payload);
  if (isProblem(error)) return undefined;
  return {
    end: {
      ...plainEnd('ok', 0, 0, event.endsRows),
      kind: 'err',
      errorNumber: error.number,
      errorState: error.sqlState,
      errorMessage: error.message,
    },
    changes: none,
  };
};

/** Flags that a client acts upon and that do not depend on how the instance carried the statement out. */
const tellingFlags =
  STATUS.IN_TRANS |
  STATUS.AUTOCOMMIT |
  STATUS.MORE_RESULTS_EXISTS |
  STATUS.CURSOR_EXISTS |
  STATUS.LAST_ROW_SENT |
  STATUS.NO_BACKSLASH_ESCAPES |
  STATUS.ANSI_QUOTES |
  STATUS.PS_OUT_PARAMS;

/** An end as a line: equal lines mean that the client cannot tell them apart. */
export const endInWords = (end: End): string =>
  end.kind === 'err'
    ? `E${end.errorNumber},${end.errorState},${end.errorMessage};`
    : `K${end.affected},${end.insertId},${end.status & tellingFlags},${end.warnings},${end.info};`;

/** What a client without session tracking must not see, or whose status has to say something else. */
export type Rewrite = {
  /** Flags to set and to clear in the status. */
  readonly set: number;
  readonly clear: number;
};

/** Whether the packet can go to the client as it came. */
export const passesAsIs = (event: ResponseEvent, client: Capabilities, rewrite: Rewrite | null): boolean =>
  rewrite === null && (event.type !== 'ok' || hasBase(client, CLIENT.SESSION_TRACK) || isBare(event));

/** Nothing behind the counts: such an OK reads the same with and without session tracking. */
const isBare = (event: ResponseEvent): boolean =>
  event.payload.length <= 7 && (event.status & STATUS.SESSION_STATE_CHANGED) === 0;

/** The packet for the client: with the status it should see, and without session tracking where it did not ask for it. */
export const packetFor = (
  event: ResponseEvent,
  from: Capabilities,
  client: Capabilities,
  rewrite: Rewrite | null,
): Buffer => {
  if (event.type === 'eof') {
    const copy = Buffer.from(event.raw);
    if (rewrite !== null) copy.writeUInt16LE((event.status | rewrite.set) & ~rewrite.clear & 0xffff, 4 + 3);
    return copy;
  }
  const ok = parseOk(event.payload, from);
  if (event.type !== 'ok' || isProblem(ok)) return event.raw;
  const tracked = hasBase(client, CLIENT.SESSION_TRACK) && ok.sessionState.length > 0;
  const wanted = (ok.status | (rewrite?.set ?? 0)) & ~(rewrite?.clear ?? 0) & 0xffff;
  const status = tracked ? wanted : wanted & ~STATUS.SESSION_STATE_CHANGED;
  const writer = new ByteWriter(event.payload.length + 16)
    .uint8(event.payload[0] ?? 0)
    .lenencInt(ok.affectedRows)
    .lenencInt(ok.lastInsertId)
    .uint16(status)
    .uint16(ok.warnings);
  if (ok.info.length > 0 || tracked) writer.lenencBytes(ok.info);
  if (tracked) writer.lenencBytes(ok.sessionState);
  return frame(writer.take(), event.sequence);
};

/** The error by which Galera and InnoDB say: another was first, and all of yours is undone (or 1205, where it is). */
export const isConflict = (errorNumber: number, rollbackOnTimeout: boolean): boolean =>
  errorNumber === 1213 || errorNumber === 1020 || (errorNumber === 1205 && rollbackOnTimeout);

/** The instance has left the group, is going down, or does not know what became of the commit. */
export const meansLoss = (end: End): boolean => {
  switch (end.errorNumber) {
    case 1047:
    case 1053:
    // Killed there: what it was doing is rolled back with it, and the session goes on elsewhere.
    case 1927:
      return true;
    case 1180:
      // A write set that is too large was refused before it reached anybody.
      return !isTooLarge(end);
    default:
      return false;
  }
};

/** 1180 or 1105 with the system's "message too long", or the engine's own words for it. */
export const isTooLarge = ({ errorNumber, errorMessage }: End): boolean =>
  (errorNumber === 1180 || errorNumber === 1105) && /errno 90|error 90\b|too long|writeset size/i.test(errorMessage);

/**
 * Errors of the outcome CALL that come before the procedure runs: no such procedure, no right to run it, statement unknown
 * or to be prepared anew. Then nothing has committed, and the ROLLBACK behind it has ended the transaction.
 */
const beforeExecution: ReadonlySet<number> = new Set([1044, 1142, 1143, 1227, 1243, 1305, 1370, 1615]);

/** The transaction is rolled back for certain; with every other error of the outcome CALL it may have committed. */
export const surelyRolledBack = (end: End): boolean =>
  recordSurelyRefused(end.errorNumber) || beforeExecution.has(end.errorNumber) || isTooLarge(end);
