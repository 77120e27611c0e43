/**
 * The beginning of a connection, both sides: the server's greeting (HandshakeV10), the client's request for TLS,
 * its response (HandshakeResponse41), the change of method in between, and COM_CHANGE_USER, which is the same
 * once more on a connection in use.
 *
 * Clients and servers from before protocol 4.1 are refused as `unsupported`. Who may log in is decided elsewhere.
 */
import { ed25519Plugin } from './authentication/ed25519.ts';
import { ByteReader, ByteWriter } from './bytes.ts';
import { type Capabilities, CLIENT, hasBase } from './capabilities.ts';
import { isProblem, problemOf, type WireProblem } from './problem.ts';
import { COM } from './protocol.ts';

export type Greeting = {
  readonly serverVersion: string;
  readonly connectionId: number;
  /** 20 bytes for every method but ed25519, without the zero behind them. */
  readonly scramble: Buffer;
  readonly capabilities: Capabilities;
  readonly collation: number;
  readonly status: number;
  /** Empty towards servers without PLUGIN_AUTH. */
  readonly plugin: string;
};

const scrambleStart = 8;

export const encodeGreeting = (greeting: Greeting): Buffer => {
  const { base, extended } = greeting.capabilities;
  const { scramble } = greeting;
  const writer = new ByteWriter(128)
    .uint8(10)
    .nulText(greeting.serverVersion)
    .uint32(greeting.connectionId)
    .bytes(scramble.subarray(0, scrambleStart))
    .uint8(0)
    .uint16(base & 0xffff)
    .uint8(greeting.collation)
    .uint16(greeting.status)
    .uint16(base >>> 16)
    .uint8(hasBase(greeting.capabilities, CLIENT.PLUGIN_AUTH) ? scramble.length + 1 : 0)
    .zeros(6)
    .uint32(hasBase(greeting.capabilities, CLIENT.MYSQL) ? 0 : extended)
    .bytes(scramble.subarray(scrambleStart))
    .zeros(1 + Math.max(0, 20 - scramble.length));
  if (hasBase(greeting.capabilities, CLIENT.PLUGIN_AUTH)) writer.nulText(greeting.plugin);
  return writer.take();
};

/** Check for an ERR packet (first byte 0xFF) before: a server that has no room greets with one. */
export const parseGreeting = (payload: Buffer): Greeting | WireProblem => {
  const reader = new ByteReader(payload);
  const version = reader.uint8();
  if (version !== 10) return problemOf('unsupported', `the server greets with protocol ${version}, not 10`);
  const serverVersion = reader.nulText();
  const connectionId = reader.uint32();
  const first = reader.fixed(scrambleStart);
  reader.skip(1);
  const low = reader.uint16();
  if (reader.failed) return problemOf('truncated', 'the greeting ends early');
  if (reader.remaining === 0) return problemOf('unsupported', 'the server is older than protocol 4.1');
  const collation = reader.uint8();
  const status = reader.uint16();
  const base = (low | (reader.uint16() << 16)) >>> 0;
  const scrambleLength = reader.uint8();
  reader.skip(6);
  const reserved = reader.uint32();
  const capabilities = { base, extended: (base & CLIENT.MYSQL) === 0 ? reserved : 0 };
  if (!hasBase(capabilities, CLIENT.PROTOCOL_41 | CLIENT.SECURE_CONNECTION))
    return problemOf('unsupported', 'the server is older than protocol 4.1');
  const second = reader.fixed(Math.max(13, scrambleLength - scrambleStart));
  const plugin = hasBase(capabilities, CLIENT.PLUGIN_AUTH) ? reader.nulOrRestText() : '';
  if (reader.failed) return problemOf('truncated', 'the greeting ends early');
  const scramble = Buffer.concat([first, second.subarray(0, -1)]);
  return { serverVersion, connectionId, scramble, capabilities, collation, status, plugin };
};

export type SslRequest = {
  readonly kind: 'ssl-request';
  readonly capabilities: Capabilities;
  readonly maxPacketBytes: number;
  readonly collation: number;
};

export type Attributes = ReadonlyMap<string, string>;

export type Login = {
  readonly kind: 'login';
  readonly capabilities: Capabilities;
  readonly maxPacketBytes: number;
  readonly collation: number;
  readonly user: string;
  /** The answer to the greeting's scramble, by the method `plugin`. */
  readonly answer: Buffer;
  /** Empty: none was asked for. */
  readonly database: string;
  /** Empty: the client has not said; mysql_native_password is meant. */
  readonly plugin: string;
  readonly attributes: Attributes;
  readonly zstdLevel?: number;
};

const fixedLoginBytes = 32;

const writeFixed = (
  writer: ByteWriter,
  { capabilities, maxPacketBytes, collation }: Omit<SslRequest, 'kind'>,
): ByteWriter =>
  writer
    .uint32(capabilities.base)
    .uint32(maxPacketBytes)
    .uint8(collation)
    .zeros(19)
    .uint32(hasBase(capabilities, CLIENT.MYSQL) ? 0 : capabilities.extended);

/** What a client sends before TLS: the beginning of its response, with SSL set. */
export const encodeSslRequest = (request: Omit<SslRequest, 'kind'>): Buffer => {
  const { base, extended } = request.capabilities;
  const capabilities = { base: (base | CLIENT.SSL) >>> 0, extended };
  return writeFixed(new ByteWriter(fixedLoginBytes), { ...request, capabilities }).take();
};

/**
 * The flags in `login.capabilities` decide how it is written: set CONNECT_WITH_DB to send the database,
 * PLUGIN_AUTH to send the plugin, CONNECT_ATTRS to send attributes. An answer above 255 bytes needs
 * PLUGIN_AUTH_LENENC_CLIENT_DATA.
 */
export const encodeLogin = (login: Omit<Login, 'kind'>): Buffer => {
  const { capabilities } = login;
  const writer = writeFixed(new ByteWriter(256), login).nulText(login.user);
  if (hasBase(capabilities, CLIENT.PLUGIN_AUTH_LENENC_CLIENT_DATA)) writer.lenencBytes(login.answer);
  else if (hasBase(capabilities, CLIENT.SECURE_CONNECTION)) writeShortBytes(writer, login.answer);
  else writer.bytes(login.answer).uint8(0);
  if (hasBase(capabilities, CLIENT.CONNECT_WITH_DB)) writer.nulText(login.database);
  if (hasBase(capabilities, CLIENT.PLUGIN_AUTH)) writer.nulText(login.plugin);
  if (hasBase(capabilities, CLIENT.CONNECT_ATTRS)) writeAttributes(writer, login.attributes);
  if (hasBase(capabilities, CLIENT.ZSTD_COMPRESSION_ALGORITHM)) writer.uint8(login.zstdLevel ?? 3);
  return writer.take();
};

/** The first packet of a client: its wish for TLS, or its response. */
export const parseClientHello = (payload: Buffer): SslRequest | Login | WireProblem => {
  const reader = new ByteReader(payload);
  const low = reader.uint16();
  if (reader.failed) return problemOf('truncated', 'the response to the greeting ends early');
  if ((low & CLIENT.PROTOCOL_41) === 0) return problemOf('unsupported', 'the client is older than protocol 4.1');
  const base = (low | (reader.uint16() << 16)) >>> 0;
  const maxPacketBytes = reader.uint32();
  const collation = reader.uint8();
  reader.skip(19);
  const reserved = reader.uint32();
  if (reader.failed) return problemOf('truncated', 'the response to the greeting ends early');
  const capabilities = { base, extended: (base & CLIENT.MYSQL) === 0 ? reserved : 0 };
  if (hasBase(capabilities, CLIENT.SSL) && reader.remaining === 0)
    return { kind: 'ssl-request', capabilities, maxPacketBytes, collation };
  return parseLoginTail(reader, { capabilities, maxPacketBytes, collation });
};

const parseLoginTail = (reader: ByteReader, fixed: Omit<SslRequest, 'kind'>): Login | WireProblem => {
  const { capabilities } = fixed;
  const user = reader.nulText();
  const answer = readAnswer(reader, capabilities);
  const database = hasBase(capabilities, CLIENT.CONNECT_WITH_DB) && reader.remaining > 0 ? reader.nulOrRestText() : '';
  const plugin = hasBase(capabilities, CLIENT.PLUGIN_AUTH) && reader.remaining > 0 ? reader.nulOrRestText() : '';
  const attributes = readAttributes(reader, capabilities);
  const withLevel = hasBase(capabilities, CLIENT.ZSTD_COMPRESSION_ALGORITHM) && reader.remaining > 0;
  const level = withLevel ? { zstdLevel: reader.uint8() } : {};
  if (reader.failed) return problemOf('truncated', 'the response to the greeting ends early');
  if (isProblem(attributes)) return attributes;
  return { kind: 'login', ...fixed, user, answer, database, plugin, attributes, ...level };
};

const readAnswer = (reader: ByteReader, capabilities: Capabilities): Buffer => {
  if (hasBase(capabilities, CLIENT.PLUGIN_AUTH_LENENC_CLIENT_DATA)) return reader.lenencBytes();
  return hasBase(capabilities, CLIENT.SECURE_CONNECTION) ? reader.fixed(reader.uint8()) : reader.nulBytes();
};

const writeShortBytes = (writer: ByteWriter, bytes: Buffer): void => {
  const short = bytes.subarray(0, 255);
  writer.uint8(short.length).bytes(short);
};

/** More than any client sends; the server keeps 512 by default. */
const attributesLimit = 64 * 1024;

const writeAttributes = (writer: ByteWriter, attributes: Attributes): void => {
  const inner = new ByteWriter();
  for (const [name, value] of attributes) inner.lenencText(name).lenencText(value);
  writer.lenencBytes(inner.take());
};

const readAttributes = (reader: ByteReader, capabilities: Capabilities): Attributes | WireProblem => {
  const attributes = new Map<string, string>();
  if (!hasBase(capabilities, CLIENT.CONNECT_ATTRS) || reader.remaining === 0) return attributes;
  const bytes = reader.lenencBytes();
  if (bytes.length > attributesLimit)
    return problemOf('too-large', `the connection attributes are larger than ${attributesLimit} bytes`);
  const inner = new ByteReader(bytes);
  while (inner.remaining > 0) attributes.set(inner.lenencText(), inner.lenencText());
  return inner.failed ? problemOf('malformed', 'the connection attributes end early') : attributes;
};

export type AuthSwitch = {
  readonly plugin: string;
  /** What the method challenges with, without the zero that stands behind a scramble of 20 bytes. */
  readonly data: Buffer;
};

/** Methods that challenge with bare bytes: the last of them may well be a zero, one time in 256. */
const hasZeroBehind = (plugin: string): boolean => plugin !== ed25519Plugin;

/** The server asks for another method. The challenge is written as the method's own clients expect it. */
export const encodeAuthSwitch = ({ plugin, data }: AuthSwitch): Buffer => {
  const writer = new ByteWriter(64).uint8(0xfe).nulText(plugin).bytes(data);
  return (hasZeroBehind(plugin) ? writer.uint8(0) : writer).take();
};

export const parseAuthSwitch = (payload: Buffer): AuthSwitch | WireProblem => {
  const reader = new ByteReader(payload);
  if (reader.uint8() !== 0xfe) return problemOf('malformed', 'this is no request to change the method');
  if (reader.remaining === 0) return problemOf('unsupported', 'the server asks for passwords from before protocol 4.1');
  const plugin = reader.nulText();
  if (reader.failed) return problemOf('truncated', 'the request to change the method ends early');
  const data = reader.rest();
  return { plugin, data: hasZeroBehind(plugin) && data.at(-1) === 0 ? data.subarray(0, -1) : data };
};

/** A method's own packet from the server to the client. */
export const encodeAuthMore = (data: Buffer): Buffer => Buffer.concat([Buffer.of(1), data]);

export const parseAuthMore = (payload: Buffer): Buffer | WireProblem =>
  payload[0] === 1 ? payload.subarray(1) : problemOf('malformed', 'this is no packet of an authentication method');

export type ChangeUser = {
  readonly user: string;
  readonly answer: Buffer;
  readonly database: string;
  /** Undefined: the client sent nothing behind the database. */
  readonly collation: number | undefined;
  readonly plugin: string;
  readonly attributes: Attributes;
};

/** `capabilities` are those of the connection on which it is sent. */
export const encodeChangeUser = (change: ChangeUser, capabilities: Capabilities): Buffer => {
  const writer = new ByteWriter(128).uint8(COM.CHANGE_USER).nulText(change.user);
  if (hasBase(capabilities, CLIENT.SECURE_CONNECTION)) writeShortBytes(writer, change.answer);
  else writer.bytes(change.answer).uint8(0);
  writer.nulText(change.database);
  if (change.collation === undefined) return writer.take();
  writer.uint16(change.collation);
  if (hasBase(capabilities, CLIENT.PLUGIN_AUTH)) writer.nulText(change.plugin);
  if (hasBase(capabilities, CLIENT.CONNECT_ATTRS)) writeAttributes(writer, change.attributes);
  return writer.take();
};

export const parseChangeUser = (payload: Buffer, capabilities: Capabilities): ChangeUser | WireProblem => {
  const reader = new ByteReader(payload);
  if (reader.uint8() !== COM.CHANGE_USER) return problemOf('malformed', 'this is no COM_CHANGE_USER');
  const user = reader.nulText();
  const secure = hasBase(capabilities, CLIENT.SECURE_CONNECTION);
  const answer = secure ? reader.fixed(reader.uint8()) : reader.nulBytes();
  const database = reader.nulOrRestText();
  const collation = reader.remaining > 1 ? reader.uint16() : undefined;
  const plugin = hasBase(capabilities, CLIENT.PLUGIN_AUTH) && reader.remaining > 0 ? reader.nulOrRestText() : '';
  const attributes = readAttributes(reader, capabilities);
  if (reader.failed) return problemOf('truncated', 'COM_CHANGE_USER ends early');
  if (isProblem(attributes)) return attributes;
  return { user, answer, database, collation, plugin, attributes };
};
