/**
 * The parameters of COM_STMT_EXECUTE. A client sends their types the first time and leaves them away while they stay
 * the same; the server remembers them with the statement. On another instance the statement is prepared anew and
 * remembers nothing, so the types have to be put back. Everything here works on the layout alone: values are
 * passed on as they came.
 */
import { ByteReader, ByteWriter } from './bytes.ts';
import { isProblem, problemOf, type WireProblem } from './problem.ts';
import { COM, parameterUnsigned, TYPE } from './protocol.ts';

/** Code, statement, flags and iteration count. */
const fixedBytes = 10;

export type Binding = {
  /** One bit for each parameter, from the lowest. */
  readonly nulls: Buffer;
  /** Whether the types come with this execution. */
  readonly typesIncluded: boolean;
  /** Two bytes for each parameter; empty when they are not included. */
  readonly types: Buffer;
  readonly values: Buffer;
};

export const parseBinding = (payload: Buffer, parameters: number): Binding | WireProblem => {
  const reader = new ByteReader(payload, 1);
  reader.skip(fixedBytes - 1);
  if (payload[0] !== COM.STMT_EXECUTE || reader.failed) return problemOf('malformed', 'this is no COM_STMT_EXECUTE');
  if (parameters === 0)
    return { nulls: reader.fixed(0), typesIncluded: false, types: reader.fixed(0), values: reader.rest() };
  const nulls = reader.fixed((parameters + 7) >> 3);
  const typesIncluded = reader.uint8() === 1;
  const types = reader.fixed(typesIncluded ? parameters * 2 : 0);
  if (reader.failed) return problemOf('truncated', 'COM_STMT_EXECUTE ends within its types');
  return { nulls, typesIncluded, types, values: reader.rest() };
};

/** The types that come with an execution, as they stand there; undefined when it relies on earlier ones. */
export const parameterTypesOf = (payload: Buffer, parameters: number): Buffer | undefined | WireProblem => {
  const binding = parseBinding(payload, parameters);
  if (isProblem(binding)) return binding;
  return binding.typesIncluded ? binding.types : undefined;
};

/** The same execution with types. One that has its own, or has no parameters, is returned as it is. */
export const withParameterTypes = (payload: Buffer, parameters: number, types: Buffer): Buffer | WireProblem => {
  if (types.length !== parameters * 2)
    return problemOf('malformed', `${types.length} bytes of types do not fit ${parameters} parameters`);
  const binding = parseBinding(payload, parameters);
  if (isProblem(binding)) return binding;
  if (parameters === 0 || binding.typesIncluded) return payload;
  const head = payload.subarray(0, fixedBytes + binding.nulls.length);
  return Buffer.concat([head, Buffer.of(1), types, binding.values]);
};

/** What the gateway binds in statements of its own. Texts go as text, bytes as a blob, numbers as BIGINT or DOUBLE. */
export type Parameter = null | number | bigint | string | Uint8Array;

export type Execution = {
  readonly statement: number;
  readonly parameters?: readonly Parameter[];
  /** `CURSOR`; none when left away. */
  readonly cursor?: number;
};

/** An execution with its types, always. */
export const encodeExecute = ({ statement, parameters = [], cursor = 0 }: Execution): Buffer => {
  const writer = new ByteWriter(64).uint8(COM.STMT_EXECUTE).uint32(statement).uint8(cursor).uint32(1);
  if (parameters.length === 0) return writer.take();
  const nulls = Buffer.alloc((parameters.length + 7) >> 3);
  for (const [index, value] of parameters.entries())
    if (value === null) nulls[index >> 3] = (nulls[index >> 3] ?? 0) | (1 << (index & 7));
  writer.bytes(nulls).uint8(1);
  for (const value of parameters) writeType(writer, value);
  for (const value of parameters) writeValue(writer, value);
  return writer.take();
};

const isInteger = (value: number): boolean => Number.isSafeInteger(value) && !Object.is(value, -0);

const writeType = (writer: ByteWriter, value: Parameter): void => {
  if (value === null) writer.uint8(TYPE.NULL).uint8(0);
  else if (typeof value === 'bigint') writer.uint8(TYPE.LONGLONG).uint8(value < 0n ? 0 : parameterUnsigned);
  else if (typeof value === 'number') writer.uint8(isInteger(value) ? TYPE.LONGLONG : TYPE.DOUBLE).uint8(0);
  else writer.uint8(typeof value === 'string' ? TYPE.VAR_STRING : TYPE.BLOB).uint8(0);
};

const writeValue = (writer: ByteWriter, value: Parameter): void => {
  if (value === null) return;
  if (typeof value === 'bigint') writer.uint64(value);
  else if (typeof value === 'string') writer.lenencText(value);
  else if (typeof value !== 'number') writer.lenencBytes(value);
  else if (isInteger(value)) writer.uint64(BigInt(value));
  else writer.double(value);
};
