export {
  CACHING_SHA2,
  cachingSha2Answer,
  cachingSha2Plugin,
  clearAnswer,
  clearPlugin,
  rsaAnswer,
} from './authentication/caching-sha2.ts';
export {
  ed25519Answer,
  ed25519Check,
  ed25519Hash,
  ed25519Plugin,
  parseEd25519Hash,
} from './authentication/ed25519.ts';
export {
  type NativeCheck,
  nativeAnswer,
  nativeAnswerFromStage1,
  nativeCheck,
  nativePlugin,
  parseNativeHash,
} from './authentication/native.ts';
export { scramble, scrambleBytes } from './authentication/scramble.ts';
export { ByteReader, ByteWriter } from './bytes.ts';
export {
  type Capabilities,
  CLIENT,
  hasBase,
  hasExtended,
  intersect,
  MARIADB,
  noCapabilities,
  without,
  withoutUnsupported,
} from './capabilities.ts';
export { type Column, encodeColumn, parseColumn, textColumn } from './columns.ts';
export { type Command, encodeCommand, parseCommand, responseKindOf, setStatement } from './commands.ts';
export { frame, headerBytes, type Packet, PacketReader, PacketWriter } from './framing.ts';
export {
  type Attributes,
  type AuthSwitch,
  type ChangeUser,
  encodeAuthMore,
  encodeAuthSwitch,
  encodeChangeUser,
  encodeGreeting,
  encodeLogin,
  encodeSslRequest,
  type Greeting,
  type Login,
  parseAuthMore,
  parseAuthSwitch,
  parseChangeUser,
  parseClientHello,
  parseGreeting,
  type SslRequest,
} from './handshake.ts';
export {
  type Eof,
  type Err,
  encodeEof,
  encodeErr,
  encodeLocalInfile,
  encodeOk,
  encodePrepareOk,
  isProgress,
  type Ok,
  type OkFields,
  type Prepared,
  type Progress,
  parseEof,
  parseErr,
  parseLocalInfile,
  parseOk,
  parsePrepareOk,
  parseProgress,
  sessionChangesOf,
} from './packets.ts';
export { isProblem, type ProblemKind, problemOf, type WireProblem } from './problem.ts';
export { BULK, COLLATION, COLUMN, COM, CURSOR, frameLimit, lastPrepared, STATUS, TYPE } from './protocol.ts';
export {
  type Endpoints,
  encodeProxyV1,
  encodeProxyV2,
  type ProxyHeader,
  type ProxyParsed,
  parseProxyHeader,
} from './proxy.ts';
export { anySequence, heldLimit, type ResponseEvent, type ResponseKind, ResponseScanner } from './response.ts';
export { encodeTextResult, errPacket, okPacket, type TextResult } from './results.ts';
export { type BinaryValue, encodeTextRow, parseBinaryRow, parseTextRow } from './rows.ts';
export { SERVER_ERROR, type ServerError } from './server-errors.ts';
export { encodeSessionChanges, parseSessionChanges, type SessionChange } from './session-track.ts';
export {
  type Binding,
  type Execution,
  encodeExecute,
  type Parameter,
  parameterTypesOf,
  parseBinding,
  withParameterTypes,
} from './statements.ts';
