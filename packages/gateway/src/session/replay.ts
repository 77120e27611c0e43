/**
 * Brings a connection to where the session was, and sends again what is open: opening, settings, prepared statements, the requests
 * of the transaction. What it shows is compared with what the client has seen. What follows from that is decided in
 * `recovery.ts` and `conflicts.ts`.
 */
import { CLIENT, encodeCommand, frame, hasBase } from '@coequal/mysql-wire';
import { isConflict } from './answers.ts';
import { type SessionBooks, settledGtid } from './books.ts';
import type { ReplayEnd } from './continuity.ts';
import { flights, queryPacket } from './flights.ts';
import type { End, Request, Step } from './model.ts';
import type { Prepared } from './prepared.ts';
import type { Relay } from './relay.ts';
import { isSameSettings, type SessionSettings, settingStatements } from './settings-of-session.ts';
import { firstNumberOf, ownStep, packetFrom, preambleOf, preambleSteps } from './steps.ts';
import { type Entry, Seen, type Unit } from './unit.ts';
import { readTexts, readUserVariables } from './user-variables.ts';

/** Before something is tried again: long enough for the winner to finish, growing with each time. */
const backoffMs = { first: 2, longest: 60 };

type Command = {
  readonly step: Omit<Step, 'done'>;
  readonly raw: Buffer;
  readonly entry?: Entry;
  /** Sent when everything before it has been answered. */
  readonly begins?: boolean;
};

const own = (raw: Buffer, response: Step['response'] = 'query'): Command => ({ step: ownStep('only', response), raw });

/** Sends commands at once and waits for all their answers. 'lost': the connection went meanwhile. */
const ask = (relay: Relay, commands: readonly Command[]): Promise<readonly End[] | 'lost'> => {
  if (relay.link === null) return Promise.resolve('lost');
  if (commands.length === 0) return Promise.resolve([]);
  const answered = Promise.withResolvers<readonly End[] | 'lost'>();
  relay.recoveryLost = () => answered.resolve('lost');
  const ends: End[] = [];
  const expected = commands.filter(({ step }) => step.response !== 'none').length;
  const steps = commands
    .filter(({ step }) => step.response !== 'none')
    .map(
      ({ step }): Step => ({
        ...step,
        done: (end) => {
          ends.push(end);
          if (ends.length === expected) answered.resolve(ends);
        },
      }),
    );
  // Executions are made only now: which types the instance knows follows from what was sent before.
  relay.sendSteps(
    steps,
    commands.map(({ raw, entry }) => (entry === undefined ? raw : packetFrom(entry))),
  );
  if (expected === 0) answered.resolve(ends);
  return answered.promise.finally(() => {
    relay.recoveryLost = null;
  });
};

/** Rows of a small question of the gateway's own, as texts; null: it was refused, or the connection went meanwhile. */
export const askRows = async (relay: Relay, sql: string): Promise<readonly (readonly (string | null)[])[] | null> => {
  const collected: Buffer[] = [];
  const from = relay.link;
  const step = { ...ownStep('only', 'query'), collected };
  const answers = await ask(relay, [{ step, raw: queryPacket(sql) }]);
  relay.last.disturbed = true;
  if (answers === 'lost' || answers.some(({ kind }) => kind === 'err')) return null;
  return readTexts(Buffer.concat(collected), from);
};

/** Reads the user variables back, so that another instance can be told. */
export const captureStep = (relay: SessionBooks, part: 'only' | 'capture'): Step =>
  ownStep(part, 'query', (end, plain) => {
    relay.captureDue = false;
    relay.last.disturbed = true;
    const found = end.kind === 'err' ? undefined : readUserVariables(plain, relay.link);
    if (found === undefined) relay.raise('user-variables');
    else {
      relay.lift('user-variables');
      relay.settings = { ...relay.settings, userVariables: found };
    }
  });

/** The first key that an INSERT with rows for an answer has generated. */
export const numberStep = (relay: SessionBooks, request: Request, part: 'only' | 'capture'): Step =>
  ownStep(part, 'query', (end, plain) => {
    relay.last.disturbed = true;
    const number = end.kind === 'err' ? null : (readTexts(plain, relay.link)?.[0]?.[0] ?? null);
    if (number !== null && /^\d+$/.test(number)) request.generated = BigInt(number);
  });

/** What every connection begins with: what the instance is to report, and the outcome statement. */
export const openingSteps = (relay: Relay): readonly Step[] => [
  ...relay.rules.opening.map(() => ownStep('opening', 'simple')),
  ...(relay.rules.observe ? [] : [prepareStep(relay, false)]),
  ...(relay.rules.observe || relay.rules.guards.length === 0 ? [] : [prepareStep(relay, true)]),
];

export const openingBytes = (relay: Relay): readonly Buffer[] => [
  ...relay.rules.opening.map(queryPacket),
  ...(relay.rules.observe ? [] : [flights.prepareRecord]),
  ...(relay.rules.observe || relay.rules.guards.length === 0 ? [] : [flights.prepareGuarded]),
];

const prepareStep = (relay: Relay, guarded: boolean): Step =>
  ownStep('opening', 'prepare', (end) => {
    if (end.kind === 'err') return;
    const id = relay.scanner.prepared?.statement ?? null;
    if (guarded) relay.guardedStatement = id;
    else relay.recordStatement = id;
  });

/** Brings a new connection to where the session was at the beginning of what is open. */
const restore = async (relay: Relay): Promise<ReplayEnd | 'ready'> => {
  const settings = relay.unit?.settings ?? relay.settings;
  if (relay.recordStatement === null) {
    const opening = openingSteps(relay).map(
      (step, index): Command => ({ step, raw: openingBytes(relay)[index] ?? flights.rollback }),
    );
    const statements = settingStatements(settings).map((sql) => own(queryPacket(sql)));
    const options = optionCommands(relay);
    const waits = hasToWait(relay) ? [own(queryPacket(waitFor(relay.gtid)))] : [];
    const prepared = statementsOf(relay);
    const answers = await askOpening(relay, [...opening, ...waits, ...options, ...statements]);
    if (answers === 'lost') return 'lost';
    if (answers.some(({ kind }) => kind === 'err')) {
      const failed = answers.find(({ kind }) => kind === 'err');
      relay.ports.log('warn', 'a session could not be restored', { error: failed?.errorNumber ?? 0 });
      relay.detach('destroy');
      return 'lost';
    }
    return (await prepareAll(relay, prepared)) === 'lost' ? 'lost' : 'ready';
  }
  const { unit } = relay;
  if (unit !== null && !goesBack(relay, unit.settings)) {
    // What this connection has besides can neither be brought back nor be left.
    if (relay.barrier !== null) return 'different';
    relay.detach('quit');
    return 'lost';
  }
  const back = unit === null || unit.settings === relay.settings ? [] : settingStatements(settings, relay.settings);
  const answers = await ask(relay, [own(flights.rollback, 'simple'), ...back.map((sql) => own(queryPacket(sql)))]);
  if (answers === 'lost') return 'lost';
  // What an instance refuses it may not have read: it is told the types again.
  for (const statement of relay.prepared.values()) statement.instanceTypes = null;
  return prepareAll(
    relay,
    statementsOf(relay).filter(({ instanceId }) => instanceId === null),
  );
};

/** Variables of the session go back to what they were; for what else has changed since, a new connection is the surer way. */
const goesBack = ({ settings, captureDue }: Relay, before: SessionSettings): boolean =>
  !captureDue &&
  settings.schema === before.schema &&
  settings.role === before.role &&
  settings.names === before.names &&
  settings.userVariables === before.userVariables;

/** Opening steps have work of their own to do with their answers. */
const askOpening = (relay: Relay, commands: readonly (Command & { readonly step: Step | Omit<Step, 'done'> })[]) => {
  if (relay.link === null) return Promise.resolve<'lost'>('lost');
  // Watching only, nothing of the gateway's own is sent.
  if (commands.length === 0) return Promise.resolve<readonly End[]>([]);
  const answered = Promise.withResolvers<readonly End[] | 'lost'>();
  relay.recoveryLost = () => answered.resolve('lost');
  const ends: End[] = [];
  const steps = commands.map(
    ({ step }): Step => ({
      ...step,
      done: (end, plain) => {
        if ('done' in step) step.done?.(end, plain);
        ends.push(end);
        if (ends.length === commands.length) answered.resolve(ends);
      },
    }),
  );
  relay.sendSteps(
    steps,
    commands.map(({ raw }) => raw),
  );
  return answered.promise.finally(() => {
    relay.recoveryLost = null;
  });
};

/** A fence is a write of the session too, and has to be seen in any case: behind it, the row of before would refuse the next one. */
const hasToWait = ({ gtid, rules }: Relay): boolean => gtid === settledGtid || (rules.readsOwnWrites && gtid !== '');

const waitFor = (gtid: string): string =>
  /^[\d,-]+$/.test(gtid) ? `SELECT WSREP_SYNC_WAIT_UPTO_GTID('${gtid}', 5)` : waitForAll;

const waitForAll = 'SET STATEMENT wsrep_sync_wait=1 FOR SELECT 1';

/** The instance where the session is gets to know what was settled elsewhere. */
export const catchUp = async (relay: Relay): Promise<void> => {
  relay.gtid = settledGtid;
  if (relay.link !== null) await ask(relay, [own(queryPacket(waitForAll))]);
};

const optionCommands = (relay: Relay): readonly Command[] => {
  const asLoggedIn = hasBase(relay.client.capabilities, CLIENT.MULTI_STATEMENTS);
  return relay.multiStatements === asLoggedIn
    ? []
    : [own(frame(encodeCommand.setOption(relay.multiStatements), 0), 'simple')];
};

/** Open statements, and closed ones that an open transaction has used. */
const statementsOf = (relay: Relay) => {
  const used = relay.unit?.entries.flatMap(({ prepared }) => (prepared === null ? [] : [prepared])) ?? [];
  const inFlight = relay.request?.prepared ?? null;
  const all = new Set([
    ...relay.prepared.values(),
    ...used,
    ...(inFlight === null || inFlight.parameters + inFlight.columns === 0 ? [] : [inFlight]),
  ]);
  return [...all].filter((one) => one !== inFlight || relay.prepared.has(one.id) || used.includes(one));
};

const prepareAll = async (relay: Relay, statements: ReturnType<typeof statementsOf>): Promise<'lost' | 'ready'> => {
  for (const one of statements) {
    one.instanceId = null;
    one.instanceTypes = null;
  }
  const commands = statements.map((one) => ({
    step: ownStep('only', 'prepare', (end) => {
      if (end.kind !== 'err') one.instanceId = relay.scanner.prepared?.statement ?? null;
    }),
    raw: one.raw,
  }));
  if (commands.length === 0) return 'ready';
  const answers = await askOpening(relay, commands);
  if (answers === 'lost') return 'lost';
  // It has waited in vain for the others (1205), and would not know the statement when it is executed.
  if (!answers.some(({ errorNumber }) => isConflict(errorNumber, true))) return 'ready';
  relay.detach('destroy');
  return 'lost';
};

/** Restores, sends again what is open, and compares. */
export const restoreAndReplay = async (relay: Relay): Promise<ReplayEnd> => {
  const { settings } = relay;
  const end = await compareReplay(relay);
  // What the repetition has set on its way is not what the client was told last.
  if (end !== 'same') relay.settings = settings;
  // The last answer and the end of the connection may have come together.
  return relay.link === null ? 'lost' : end;
};

const compareReplay = async (relay: Relay): Promise<ReplayEnd> => {
  relay.verifying = null;
  const moved = relay.recordStatement === null;
  const restored = await restore(relay);
  if (restored !== 'ready') return restored;
  const { unit, request } = relay;
  if (unit !== null) {
    const expected = unit.seen.mark();
    const fresh = new Seen();
    relay.verifying = { expected, fresh };
    const end = await replay(relay, unit);
    if (end !== 'same') return end;
    if (fresh.bytes > expected.bytes) return 'different';
    if (fresh.bytes < expected.bytes) return request?.begun === true ? resumeLongData(relay, moved) : 'different';
    if (fresh.digest() !== expected.digest) return 'different';
    unit.seen = fresh;
    relay.verifying = null;
  }
  // An answer that is no part of a transaction, and of which the client has seen the beginning.
  if (request?.begun === true && request.loose !== null)
    relay.verifying = { expected: request.loose.mark(), fresh: new Seen() };
  return resumeLongData(relay, moved);
};

/** Long data of the execution under way, and on another instance of those that have not yet been asked for. */
const resumeLongData = async (relay: Relay, moved: boolean): Promise<ReplayEnd> => {
  const underWay = relay.request?.prepared ?? null;
  if (!moved && underWay !== null && underWay.longData.length > 0) {
    const answers = await ask(relay, [forgetLongData(underWay)]);
    if (answers === 'lost') return 'lost';
    if (answers.some(({ kind }) => kind === 'err')) return 'conflict';
  }
  for (const statement of relay.prepared.values()) {
    if (!moved && statement !== underWay) continue;
    for (const raw of statement.longData) relay.link?.write(packetFrom({ raw, prepared: statement, types: null }));
  }
  return 'same';
};

/**
 * Sends the requests of a transaction again. Reads, and what the gateway sets for a write, go together; the write waits until all
 * before it have succeeded: after a conflict the transaction is gone, and what follows would commit by itself.
 */
const replay = async (relay: Relay, unit: Unit): Promise<ReplayEnd> => {
  let keys = false;
  const commands = unit.entries.flatMap((entry) => {
    // A number that was not used (the client had named its key) would go to the next INSERT. Reads may ask about the last one.
    const frees = keys && !entry.reads && entry.insertId === 0n;
    keys = (keys && !frees) || entry.insertId !== 0n;
    return [...(frees ? [own(queryPacket(ownKeys(relay)))] : []), ...commandsOf(entry)];
  });
  for (const batch of batchesOf([...commands, ...unpinning(relay, unit)])) {
    const end = await replayBatch(relay, batch);
    if (end !== 'same') return end;
  }
  return 'same';
};

/** What was set on the connection for the sake of a repetition is taken back: whatever comes next draws its own. */
const unpinning = (relay: Relay, { entries }: Unit): readonly Command[] => {
  const time = relay.settings.variables.get('timestamp') ?? 'DEFAULT';
  return [
    ...(entries.some(({ clockSeconds }) => clockSeconds !== null)
      ? [own(queryPacket(`SET @@SESSION.timestamp=${time}`))]
      : []),
    ...(entries.some(({ insertId }) => insertId !== 0n) ? [own(queryPacket(ownKeys(relay)))] : []),
  ];
};

/** Further rows of the same INSERT step on from the first as they did where it ran: every instance has an offset of its own. */
const keysFrom = (first: bigint): string =>
  `SET @@SESSION.auto_increment_offset=(${first}-1)%@@SESSION.auto_increment_increment+1, @@SESSION.insert_id=${first}`;

const ownKeys = ({ settings }: Relay): string =>
  `SET @@SESSION.auto_increment_offset=${settings.variables.get('auto_increment_offset') ?? 'DEFAULT'}, @@SESSION.insert_id=0`;

/** Stops where it goes another way than before: behind a BEGIN that failed, what follows would commit by itself. */
const replayBatch = async (relay: Relay, batch: readonly Command[]): Promise<ReplayEnd> => {
  const expected = batch.filter(({ step }) => step.response !== 'none');
  const entries = batch.flatMap(({ entry }) => entry ?? []);
  const opaque = entries.some((entry) => entry.opaque);
  const { gtid } = relay;
  const answers = await ask(relay, batch);
  if (answers === 'lost') return opaque ? 'escaped' : 'lost';
  const odd = answers.find(({ kind }, index) => (kind === 'err') !== (expected[index]?.entry?.failed ?? false));
  // Also a wait that only undoes its statement: a repetition begins from the beginning.
  if (odd?.kind === 'err' && !opaque && isConflict(odd.errorNumber, true)) return 'conflict';
  const last = entries.at(-1);
  const asBefore = last === undefined || last.failed || relay.inTransaction === last.open;
  if (opaque && (odd !== undefined || !asBefore || relay.gtid !== gtid)) return 'escaped';
  return odd === undefined && asBefore ? 'same' : 'different';
};

/** A write is the first of its batch, and what may ask for a file its last. */
const batchesOf = (commands: readonly Command[]): readonly (readonly Command[])[] => {
  const batches: Command[][] = [];
  for (const command of commands) {
    const current = batches.at(-1);
    if (current === undefined || command.begins === true || current.at(-1)?.entry?.asks === true)
      batches.push([command]);
    else current.push(command);
  }
  return batches;
};

const commandsOf = (entry: Entry): readonly Command[] => [
  ...(entry.clockSeconds === null ? [] : [own(queryPacket(`SET @@SESSION.timestamp=${entry.clockSeconds}`))]),
  ...(entry.insertId === 0n ? [] : [own(queryPacket(keysFrom(entry.insertId)))]),
  ...preambleSteps(entry).map((step, index) => ({ step, raw: preambleOf(entry)[index] ?? flights.rollback })),
  ...(entry.long.length > 0 && entry.prepared !== null ? [forgetLongData(entry.prepared)] : []),
  ...entry.long.map(
    (raw, index): Command => ({
      ...own(packetFrom({ raw, prepared: entry.prepared, types: null }), 'none'),
      begins: index === 0,
    }),
  ),
  {
    step: {
      owner: 'replay',
      response: entry.response,
      firstNumber: firstNumberOf(entry.raw),
      part: 'only',
      collected: null,
      upload: entry.upload,
    },
    raw: entry.raw,
    entry,
    begins: !entry.reads && entry.long.length === 0,
  },
];

/** An execution that was refused before it began has left its long data there. */
const forgetLongData = (prepared: Prepared): Command =>
  own(packetFrom({ raw: frame(encodeCommand.reset(0), 0), prepared, types: null }), 'simple');

/**
 * A repetition that is given up leaves its connection somewhere between the beginning of the transaction and where the client
 * stands. Where that can be noticed, the connection is left: the next one is restored from what the client was told.
 */
export const giveUpReplay = async (relay: Relay): Promise<void> => {
  const { unit, settings, captureDue } = relay;
  if (unit !== null && (captureDue || !isSameSettings(unit.settings, settings))) relay.detach('quit');
  else {
    relay.verifying = null;
    const back = unit === null ? [] : unpinning(relay, unit);
    if (relay.link !== null) await ask(relay, [own(flights.rollback, 'simple'), ...back]);
  }
};

export const rollBack = async (relay: Relay): Promise<void> => {
  relay.verifying = null;
  if (relay.link !== null) await ask(relay, [own(flights.rollback, 'simple')]);
};

export const pause = async (relay: Relay, times: number): Promise<void> => {
  const most = Math.min(backoffMs.longest, backoffMs.first * 2 ** times);
  await relay.ports.clock.sleep(relay.ports.random.next() * most + 1);
};

/** Brings a new session's first connection into shape. False: it was lost, or refused what the gateway needs. */
export const openSession = async (relay: Relay): Promise<boolean> => {
  relay.enter('recovering');
  const restored = await restore(relay);
  if (relay.phase !== 'recovering') return false;
  relay.enter('idle');
  return restored === 'ready';
};
