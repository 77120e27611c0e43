/** Steps and packets of requests: what is sent for one, in the order in which the answers come. Pure. */
import {
  anySequence,
  BULK,
  COM,
  frame,
  frameLimit,
  isProblem,
  PacketReader,
  parameterTypesOf,
  type ResponseKind,
  setStatement,
  withParameterTypes,
} from '@coequal/mysql-wire';
import { flag, type Statement } from '../sql/statement.ts';
import { flights, queryPacket } from './flights.ts';
import type { Request, Step } from './model.ts';
import type { Prepared } from './prepared.ts';
import { has } from './requests.ts';

export const ownStep = (part: Step['part'], response: ResponseKind, done: Step['done'] = null): Step => ({
  owner: 'own',
  response,
  firstNumber: 1,
  part,
  // The procedure answers with rows where the statement before it had warnings.
  collected: part === 'record' || done !== null ? [] : null,
  done,
  upload: null,
});

/** An answer is numbered on from the last frame of its command, and a large command has several. */
export const firstNumberOf = (raw: Buffer): number => (raw.length < severalFramesFrom ? 1 : anySequence);

/** Below the longest frame by more than the types of parameters that may be put into the packet. */
const severalFramesFrom = frameLimit - 2 ** 18;

export const clientStep = (part: Step['part'], request: Request): Step => ({
  owner: 'client',
  response: request.response,
  firstNumber: firstNumberOf(request.raw),
  part,
  collected: null,
  done: null,
  upload: request.upload,
});

/** Behind the statement of a wrapped write. */
export const secondSteps = (): readonly Step[] => [
  ownStep('record', 'execute'),
  ownStep('undo', 'simple'),
  ownStep('close', 'simple'),
];

/** What ends the transaction behind the outcome CALL, which has committed already when it comes to this. */
export const endingPacket = (statement: Statement): Buffer => {
  if (has(statement, flag.chain)) return flights.rollbackAndChain;
  return has(statement, flag.release) ? flights.rollbackRelease : flights.rollback;
};

type Random = { readonly seeds: readonly [number, number] | null };

/** Random numbers are made from seeds of ours, so that a replay makes the same. */
export const preambleOf = ({ seeds }: Random): readonly Buffer[] =>
  seeds === null ? [] : [queryPacket(`SET @@SESSION.rand_seed1=${seeds[0]}, @@SESSION.rand_seed2=${seeds[1]}`)];

export const preambleSteps = ({ seeds }: Random): readonly Step[] =>
  seeds === null ? [] : [ownStep('only', 'simple')];

type Sendable = {
  readonly raw: Buffer;
  readonly prepared: Prepared | null;
  /** What the parameters of an execution are; null: it has none, or they were never said. */
  readonly types: Buffer | null;
};

/** The packet with the number that its statement has on the present instance, and with the types that it lacks there. */
export const packetFrom = ({ raw, prepared, types }: Sendable): Buffer => {
  if (prepared === null || raw[4] === COM.STMT_PREPARE) return raw;
  const id = prepared.instanceId ?? unknownStatement;
  if (types !== null && (prepared.instanceTypes === null || !prepared.instanceTypes.equals(types))) {
    prepared.instanceTypes = types;
    const whole = withTypes(raw, prepared.parameters, types);
    if (whole !== null) {
      setStatement(whole, id);
      return frame(whole, 0);
    }
  }
  raw.writeUInt32LE(id, 5);
  return raw;
};

/** No instance gives out this number: it answers that it does not know the statement. */
const unknownStatement = 0xffff_fffe;

/** Null: it has them already. */
const withTypes = (raw: Buffer, parameters: number, types: Buffer): Buffer | null => {
  const payload = payloadOf(raw);
  if (typesOf(payload, parameters) !== null) return null;
  if (payload[0] === COM.STMT_BULK_EXECUTE) {
    const head = Buffer.from(payload.subarray(0, bulkHeadBytes));
    head.writeUInt16LE(head.readUInt16LE(5) | BULK.SEND_TYPES, 5);
    return Buffer.concat([head, types, payload.subarray(bulkHeadBytes)]);
  }
  const whole = withParameterTypes(payload, parameters, types);
  return isProblem(whole) ? null : Buffer.from(whole);
};

/** Code, statement and flags. */
const bulkHeadBytes = 7;

/** The types that an execution brings along; null: none. */
export const typesOf = (payload: Buffer, parameters: number): Buffer | null => {
  if (parameters === 0 || payload.length < bulkHeadBytes) return null;
  if (payload[0] === COM.STMT_BULK_EXECUTE)
    return (payload.readUInt16LE(5) & BULK.SEND_TYPES) === 0
      ? null
      : payload.subarray(bulkHeadBytes, bulkHeadBytes + 2 * parameters);
  const types = parameterTypesOf(payload, parameters);
  return types === undefined || isProblem(types) ? null : types;
};

const payloadOf = (raw: Buffer): Buffer => {
  if (raw.readUIntLE(0, 3) === raw.length - 4) return raw.subarray(4);
  const reader = new PacketReader(raw.length);
  reader.push(raw);
  const packet = reader.next();
  return packet === undefined || isProblem(packet) ? raw.subarray(4) : packet.payload;
};
