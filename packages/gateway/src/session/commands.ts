/**
 * Takes up a command of the client: says what it means for continuity, answers what the gateway answers itself, refuses
 * what the estate forbids, and passes everything else on. The way of the packet itself is in `relay.ts`.
 */
import { reasonOf } from '@coequal/kernel';
import {
  COM,
  type Command,
  CURSOR,
  isProblem,
  lastPrepared,
  type Packet,
  parseCommand,
  responseKindOf,
  SERVER_ERROR,
  STATUS,
} from '@coequal/mysql-wire';
import { classify } from '../sql/classify.ts';
import { guardNames, setAssignments, tablesWritten } from '../sql/parts.ts';
import { detail, flag, type Lexing, lexingOf, type Statement, type StatementKind } from '../sql/statement.ts';
import { inPieces, tellChunkFailure } from './chunks.ts';
import { onLoss, type RequestClass } from './continuity.ts';
import type { End, Request } from './model.ts';
import type { Prepared } from './prepared.ts';
import { answersItself, refusalOf, withRowCount } from './questions.ts';
import { recoverFor, standingOf, tellRefusal } from './recovery.ts';
import type { Relay } from './relay.ts';
import { openingBytes, openingSteps } from './replay.ts';
import {
  barrierLifted,
  barrierOf,
  belongsToTransaction,
  changesUserVariables,
  classOf,
  completed,
  has,
  hasDetail,
  mayWrite,
  switchOf,
} from './requests.ts';
import { freshSettings } from './settings-of-session.ts';
import { typesOf } from './steps.ts';
import { Unit } from './unit.ts';

/** A command that is no statement, as one. */
const plainly = (kind: StatementKind, verb: string): Statement => ({ kind, flags: 0, verb });

/** What a session may keep of statements' long data before it is executed, bytes. */
const longDataLimit = 64 * 2 ** 20;

export const beginCommand = (relay: Relay, packet: Packet): void => {
  relay.sequence = (packet.sequence + 1) & 0xff;
  if (packet.payload[0] === COM.QUERY) {
    query(relay, packet, packet.payload.subarray(1));
    return;
  }
  const command = parseCommand(packet.payload);
  if (isProblem(command)) {
    relay.answerError(SERVER_ERROR.malformedPacket, `The gateway cannot read this command: ${command.reason}.`);
    return;
  }
  other(relay, packet, command);
};

const query = (relay: Relay, packet: Packet, sql: Buffer): void => {
  const statement = classify(sql, modeOf(relay));
  if (relay.rules.observe) {
    observe(relay, statement);
    start(relay, bare(relay, packet, statement));
    return;
  }
  if (answersItself(relay, statement, sql)) return;
  const rewritten = withRowCount(relay, statement, sql);
  const sent = rewritten === null ? packet : { raw: rewritten, payload: rewritten.subarray(4) };
  const pieces = inPieces(relay, statement, sql, (raw, text) =>
    start(relay, makeRequest(relay, { raw, payload: raw.subarray(4) }, statement, text, null)),
  );
  if (pieces !== null) {
    carryOutInPieces(relay, pieces, makeRequest(relay, sent, statement, sql, null));
    return;
  }
  const refusal = refusalOf(relay, statement, sql);
  if (refusal === null) {
    start(relay, makeRequest(relay, sent, statement, sql, null));
    return;
  }
  // What has to be asked elsewhere first: the size of a table, or somebody else's session.
  relay.enter('asking');
  refusal.then(
    (answered) => {
      if (relay.phase !== 'asking') return;
      if (answered === 'answered') relay.rest();
      else {
        relay.enter('idle');
        start(relay, makeRequest(relay, sent, statement, sql, null));
      }
    },
    (error: unknown) => {
      relay.answerError(SERVER_ERROR.unknown, `The gateway could not check this statement: ${reasonOf(error)}`);
      relay.rest();
    },
  );
};

const carryOutInPieces = (relay: Relay, pieces: Promise<boolean>, whole: Request): void => {
  relay.enter('asking');
  pieces.then(
    (done) => {
      if (relay.phase !== 'asking') return;
      if (done) relay.rest();
      else start(relay, whole);
    },
    (error: unknown) => {
      tellChunkFailure(relay, error);
      relay.rest();
    },
  );
};

/** How the session writes statements; asked for each, so it is remembered with the settings that it comes from. */
const modeOf = (relay: Relay): Lexing => {
  const { variables } = relay.settings;
  if (relay.lexing?.from !== variables)
    relay.lexing = {
      from: variables,
      mode: lexingOf(
        variables.get('sql_mode') ?? relay.rules.sqlMode,
        variables.get('character_set_client') ?? relay.charset,
      ),
    };
  return relay.lexing.mode;
};

const other = (relay: Relay, packet: Packet, command: Command): void => {
  switch (command.kind) {
    case 'prepare':
      prepare(relay, packet, command.sql);
      return;
    case 'execute':
    case 'bulk-execute':
      execute(relay, packet, command.statement, command.kind === 'execute' && (command.cursor & ~CURSOR.NONE) !== 0);
      return;
    case 'fetch':
    case 'reset':
      onStatement(relay, packet, command.kind, command.statement);
      return;
    case 'close':
      close(relay, packet, command.statement);
      return;
    case 'long-data':
      longData(relay, packet, command.statement);
      return;
    case 'quit':
      relay.end('quit');
      return;
    case 'init-db':
      start(relay, makeRequest(relay, packet, plainly('use', 'USE'), null, null));
      return;
    case 'set-option':
      start(relay, {
        ...makeRequest(relay, packet, plainly('set', 'SET'), null, null),
        onAnswer: (end) => {
          if (end.kind !== 'err') relay.multiStatements = command.multiStatements;
        },
      });
      return;
    case 'reset-connection':
      resetConnection(relay, packet);
      return;
    case 'change-user':
      relay.onChangeUser?.(packet);
      return;
    case 'kill':
      if (command.connection >= 0x8000_0000) relay.killSession(command.connection, 'connection');
      else start(relay, makeRequest(relay, packet, plainly('admin', 'KILL'), null, null));
      return;
    case 'create-db':
    case 'drop-db':
      start(
        relay,
        makeRequest(relay, packet, plainly('ddl', command.kind === 'create-db' ? 'CREATE' : 'DROP'), null, null),
      );
      return;
    case 'ping':
    case 'statistics':
    case 'field-list':
    case 'process-info':
      start(relay, bare(relay, packet, plainly('read', command.kind.toUpperCase())));
      return;
    case 'debug':
      start(relay, makeRequest(relay, packet, plainly('admin', 'DEBUG'), null, null));
      return;
    default:
      relay.answerError(
        SERVER_ERROR.unknownCommand,
        `The gateway does not pass on the command ${packet.payload[0] ?? 0}; send it to an instance directly.`,
      );
  }
};

/** A request that is no part of a transaction's replay, and may be sent again at any time. */
const bare = (relay: Relay, packet: Packet, statement: Statement): Request => ({
  ...makeRequest(relay, packet, statement, null, null),
  class: 'read',
  kept: false,
});

export const makeRequest = (
  relay: Relay,
  packet: Pick<Packet, 'raw' | 'payload'>,
  written: Statement,
  sql: Buffer | null,
  prepared: Prepared | null,
): Request => {
  const statement = completed(written, relay.settings.variables.get('completion_type'));
  const cursor = prepared !== null && cursorAsked(packet.payload);
  const text = sql ?? prepared?.sql ?? null;
  const found = classOf(statement, {
    inTransaction: relay.inTransaction,
    autocommit: relay.autocommit,
    wrote: (relay.unit?.wrote ?? false) && !relay.readOnly,
    switches: switchedTo(relay, statement, text),
  });
  const requestClass: RequestClass = cursor && found === 'read' ? 'inside' : found;
  return {
    raw: packet.raw,
    payload: packet.payload,
    response: responseKindOf(packet.payload[0] ?? 0) ?? 'simple',
    statement,
    prepared,
    class: requestClass,
    kept: requestClass === 'inside' && belongsToTransaction(statement),
    arrivedMs: relay.ports.clock.monotonic(),
    settings: relay.settings,
    // Where the client has set the time itself, it is set again with its settings.
    clockSeconds:
      has(statement, flag.now) && !relay.settings.variables.has('timestamp')
        ? Math.floor(relay.ports.clock.now() / 1_000)
        : null,
    seeds: has(statement, flag.random) ? [relay.ports.random.below(2 ** 30), relay.ports.random.below(2 ** 30)] : null,
    guards: text === null ? [] : guardsOf(relay, statement, text),
    afterSteps: [],
    afterBytes: [],
    onAnswer: answerHook(relay, statement, text),
    upload: null,
    uploadLost: false,
    generated: 0n,
    types: prepared === null ? null : (typesOf(packet.payload, prepared.parameters) ?? prepared.types),
    due: null,
    asked: false,
    long: prepared !== null && packet.payload[0] === COM.STMT_EXECUTE ? prepared.longData : [],
    loose: null,
    begun: false,
    sent: false,
    conflicts: 0,
    sequence: 0,
  };
};

const switchedTo = (relay: Relay, statement: Statement, text: Buffer | null): boolean | null =>
  text !== null && has(statement, flag.setAutocommit) ? switchOf(setAssignments(text, modeOf(relay))) : null;

const cursorAsked = (payload: Buffer): boolean => payload[0] === COM.STMT_EXECUTE && (payload[5] ?? 0) !== CURSOR.NONE;

const guardsOf = (relay: Relay, statement: Statement, sql: Buffer): readonly string[] => {
  const { guards } = relay.rules;
  if (guards.length === 0) return [];
  const named = has(statement, flag.guardComment) ? guardNames(sql) : [];
  const written = mayWrite(statement) ? tablesWritten(sql) : [];
  return guards
    .filter(({ name, tables }) => named.includes(name) || written.some(({ table }) => tables.includes(table)))
    .map(({ name }) => name);
};

/** What to note when the answer is there. */
const answerHook = (relay: Relay, statement: Statement, sql: Buffer | null): ((end: End) => void) | null => {
  const barrier = barrierOf(statement);
  const lifted = barrierLifted(statement);
  const capture = changesUserVariables(statement);
  const tracking = has(statement, flag.setTracking);
  const oneShot = has(statement, flag.setTransaction) && sql !== null ? sql.toString('utf8') : null;
  const releases = has(statement, flag.release);
  const role = hasDetail(statement, detail.setRole) && sql !== null ? sql.toString('utf8') : null;
  const names = hasDetail(statement, detail.setNames) && sql !== null ? sql.toString('utf8') : '';
  const collates = /collate/i.test(names);
  const consumesOneShot = relay.settings.nextTransaction !== null && oneShot === null;
  if (
    barrier === null &&
    lifted === null &&
    !capture &&
    !tracking &&
    oneShot === null &&
    !releases &&
    !consumesOneShot &&
    role === null &&
    !collates
  )
    return null;
  return (end) => {
    if (end.kind === 'err') return;
    if (barrier !== null) relay.raise(barrier);
    if (lifted !== null) relay.lift(lifted);
    if (capture) relay.captureDue = true;
    if (role !== null) relay.settings = { ...relay.settings, role };
    if (collates) relay.settings = { ...relay.settings, names };
    if (oneShot !== null) relay.settings = { ...relay.settings, nextTransaction: oneShot };
    else if (consumesOneShot && (statement.kind === 'begin' || statement.kind === 'write' || statement.kind === 'read'))
      relay.settings = { ...relay.settings, nextTransaction: null };
    // What it reports is the gateway's eyes: a client may ask for more, never for less.
    if (tracking) relay.reopenDue = true;
    if (releases) relay.endDue = true;
  };
};

/** Sends a request, or finds an instance for it first. */
export const start = (relay: Relay, request: Request): void => {
  if (relay.owed !== null) {
    tellRefusal(relay, request);
    return;
  }
  if (!relay.rules.observe) {
    // Without autocommit, what is asked first begins the transaction, whatever it is.
    const begins = request.class === 'inside' || (request.class === 'opaque' && !relay.autocommit);
    if (begins && relay.unit === null) relay.unit = new Unit(relay.settings, request.arrivedMs);
    if (relay.unit !== null) noteWrites(relay, request);
  }
  if (relay.link !== null) {
    relay.send(request);
    return;
  }
  relay.request = request;
  recoverFor(relay, onLoss(standingOf(relay)));
};

const noteWrites = (relay: Relay, request: Request): void => {
  const { unit } = relay;
  if (unit === null || request.class !== 'inside') return;
  for (const guard of request.guards) unit.guards.add(guard);
  if (!mayWrite(request.statement)) return;
  unit.wrote = true;
};

const observe = (relay: Relay, statement: Statement): void => {
  const barrier = barrierOf(statement);
  if (barrier !== null) relay.raise(barrier);
  const found = classOf(statement, { inTransaction: relay.inTransaction, autocommit: relay.autocommit, wrote: true });
  relay.ports.tell.observed(found, relay.barrier);
};

// Prepared statements.

const prepare = (relay: Relay, packet: Packet, sql: Buffer): void => {
  const statement = classify(sql, modeOf(relay));
  const prepared: Prepared = {
    id: relay.nextStatementId,
    sql: Buffer.from(sql),
    statement,
    raw: Buffer.from(packet.raw),
    parameters: 0,
    columns: 0,
    types: null,
    instanceTypes: null,
    instanceId: null,
    longData: [],
    cursor: 'none',
    closed: false,
  };
  relay.nextStatementId = (relay.nextStatementId % 0x7fff_fff0) + 1;
  start(relay, {
    ...makeRequest(relay, packet, plainly('set', 'PREPARE'), null, null),
    prepared,
    class: 'setting',
    kept: false,
    // Executing "the last one" behind it finds none, and not the one before.
    onAnswer: (end) => {
      if (end.kind === 'err') relay.lastPrepared = null;
    },
  });
};

const known = (relay: Relay, id: number): Prepared | undefined =>
  id === lastPrepared ? (relay.lastPrepared ?? undefined) : relay.prepared.get(id);

const execute = (relay: Relay, packet: Packet, id: number, cursor: boolean): void => {
  const prepared = known(relay, id);
  if (prepared === undefined) {
    unknownStatement(relay, id);
    return;
  }
  const types = typesOf(packet.payload, prepared.parameters);
  if (types !== null) prepared.types = Buffer.from(types);
  const request = makeRequest(relay, packet, prepared.statement, null, prepared);
  const { onAnswer } = request;
  start(relay, {
    ...request,
    onAnswer: (end) => {
      onAnswer?.(end);
      prepared.longData = [];
      const opened = cursor && end.kind !== 'err' && (end.status & STATUS.CURSOR_EXISTS) !== 0;
      // Only what is repeated opens it again.
      prepared.cursor = !opened ? 'none' : request.kept ? 'open' : 'orphaned';
    },
  });
};

const onStatement = (relay: Relay, packet: Packet, kind: 'fetch' | 'reset', id: number): void => {
  const prepared = known(relay, id);
  if (prepared === undefined) {
    unknownStatement(relay, id);
    return;
  }
  const request = makeRequest(
    relay,
    packet,
    plainly(kind === 'fetch' ? 'savepoint' : 'use', kind.toUpperCase()),
    null,
    prepared,
  );
  start(relay, {
    ...request,
    onAnswer: (end) => {
      if (kind === 'reset') prepared.longData = [];
      if (kind === 'reset' || end.kind === 'err' || (end.status & STATUS.LAST_ROW_SENT) !== 0) prepared.cursor = 'none';
    },
  });
};

const unknownStatement = (relay: Relay, id: number): void => {
  relay.answerError(SERVER_ERROR.unknownStatement, `Unknown prepared statement handler (${id}) given to the gateway.`);
};

/** Has no answer. A transaction that used the statement keeps it until it ends. */
const close = (relay: Relay, packet: Packet, id: number): void => {
  const prepared = known(relay, id);
  if (prepared === undefined) return;
  prepared.closed = true;
  prepared.cursor = 'none';
  relay.prepared.delete(prepared.id);
  if (relay.lastPrepared === prepared) relay.lastPrepared = null;
  if (relay.link !== null && prepared.instanceId !== null) {
    packet.raw.writeUInt32LE(prepared.instanceId, 5);
    relay.link.write(packet.raw);
  }
  prepared.instanceId = null;
};

/** Has no answer either: what the server thinks of it is told with the next execution. */
const longData = (relay: Relay, packet: Packet, id: number): void => {
  const prepared = known(relay, id);
  if (prepared === undefined) return;
  const held = prepared.longData.reduce((sum, { length }) => sum + length, 0);
  if (held + packet.raw.length > longDataLimit) relay.raise('long-data');
  else prepared.longData.push(Buffer.from(packet.raw));
  if (relay.link === null || prepared.instanceId === null) return;
  packet.raw.writeUInt32LE(prepared.instanceId, 5);
  relay.link.write(packet.raw);
};

/** From now on nothing of before counts, whatever becomes of the instance: what was open is rolled back, what was set is forgotten. */
const resetConnection = (relay: Relay, packet: Packet): void => {
  relay.closeUnit(false);
  relay.prepared.clear();
  relay.lastPrepared = null;
  relay.barriers.clear();
  relay.owed = null;
  relay.captureDue = false;
  relay.status = STATUS.AUTOCOMMIT;
  relay.settings = freshSettings(relay.settings.schema);
  start(relay, {
    ...makeRequest(relay, packet, plainly('set', 'RESET'), null, null),
    class: 'setting',
    kept: false,
    // The instance forgets what it was asked to report, and the outcome statement.
    afterSteps: openingSteps(relay).map((step) => ({ ...step, part: 'along' })),
    afterBytes: openingBytes(relay),
    onAnswer: null,
  });
};
