/** Steps and packets of requests: what is sent for one, in the order in which the answers come. Pure. */
import {
  COM,
  frame,
  isProblem,
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
  part,
  // The procedure answers with rows where the statement before it had warnings.
  collected: part === 'record' || done !== null ? [] : null,
  done,
  upload: null,
});

export const clientStep = (part: Step['part'], request: Request): Step => ({
  owner: 'client',
  response: request.response,
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

type Sendable = { readonly raw: Buffer; readonly prepared: Prepared | null };

/** The packet with the number that its statement has on the present instance, and with the types that it lacks there. */
export const packetFrom = ({ raw, prepared }: Sendable): Buffer => {
  const code = raw[4];
  if (prepared === null || code === COM.STMT_PREPARE) return raw;
  const id = prepared.instanceId ?? unknownStatement;
  if (code === COM.STMT_EXECUTE && !prepared.typesKnown && prepared.parameters > 0 && isOneFrame(raw)) {
    prepared.typesKnown = true;
    const payload = raw.subarray(4);
    const included = parameterTypesOf(payload, prepared.parameters);
    if (included === undefined && prepared.types !== null) {
      const whole = withParameterTypes(payload, prepared.parameters, prepared.types);
      if (!isProblem(whole)) {
        const copy = Buffer.from(whole);
        setStatement(copy, id);
        return frame(copy, 0);
      }
    }
  }
  raw.writeUInt32LE(id, 5);
  return raw;
};

/** No instance gives out this number: it answers that it does not know the statement. */
const unknownStatement = 0xffff_fffe;

const isOneFrame = (raw: Buffer): boolean => raw.readUIntLE(0, 3) === raw.length - 4;
