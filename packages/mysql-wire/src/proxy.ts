/**
 * The header of the PROXY protocol, versions 1 and 2, before the first packet of a connection: who the client is that
 * a proxy speaks for. Written towards instances, read from load balancers in front of the gateway.
 * Whose header may be believed is decided elsewhere.
 */
import { addressBytes, addressText, mapped, unmapped } from './address.ts';
import { ByteWriter } from './bytes.ts';
import { problemOf, type WireProblem } from './problem.ts';

export type Endpoints = {
  readonly source: string;
  readonly sourcePort: number;
  readonly destination: string;
  readonly destinationPort: number;
};

/** `local`: the proxy speaks for itself, or says nothing of its client; the connection's own addresses count. */
export type ProxyHeader = ({ readonly kind: 'client' } & Endpoints) | { readonly kind: 'local' };

/** `absent`: the bytes are no such header. `length`: where the protocol itself begins. */
export type ProxyParsed =
  | { readonly state: 'incomplete' }
  | { readonly state: 'absent' }
  | { readonly state: 'found'; readonly header: ProxyHeader; readonly length: number; readonly version: 1 | 2 };

/** By the specification a header of version 1 fits into this, with its end of line. */
const textLimit = 107;
/** Version 2 may announce 64 kB of extensions; nobody sends more than a certificate's names. */
const extensionsLimit = 4_096;
const fixedBytes = 16;
const signature = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
const textStart = Buffer.from('PROXY ', 'latin1');

type Resolved = { readonly source: Buffer; readonly destination: Buffer };

/** Both addresses in one family: IPv4 where both are, also in IPv6's clothes. Undefined when one is no address. */
const resolve = ({ source, destination }: Endpoints): Resolved | undefined => {
  const [from, to] = [addressBytes(source), addressBytes(destination)];
  if (from === undefined || to === undefined) return undefined;
  const bare = { source: unmapped(from), destination: unmapped(to) };
  return bare.source.length === bare.destination.length
    ? bare
    : { source: mapped(bare.source), destination: mapped(bare.destination) };
};

/** Endpoints that are no IP addresses (a local socket) are written as unknown. */
export const encodeProxyV1 = (header: ProxyHeader): Buffer => {
  const resolved = header.kind === 'client' ? resolve(header) : undefined;
  if (header.kind === 'local' || resolved === undefined) return Buffer.from('PROXY UNKNOWN\r\n', 'latin1');
  const family = resolved.source.length === 4 ? 'TCP4' : 'TCP6';
  const addresses = `${addressText(resolved.source)} ${addressText(resolved.destination)}`;
  return Buffer.from(`PROXY ${family} ${addresses} ${header.sourcePort} ${header.destinationPort}\r\n`, 'latin1');
};

export const encodeProxyV2 = (header: ProxyHeader): Buffer => {
  const writer = new ByteWriter(64).bytes(signature);
  if (header.kind === 'local') return writer.uint8(0x20).uint8(0).zeros(2).take();
  const resolved = resolve(header);
  if (resolved === undefined) return writer.uint8(0x21).uint8(0).zeros(2).take();
  const { source, destination } = resolved;
  const ports = Buffer.alloc(4);
  ports.writeUInt16BE(header.sourcePort, 0);
  ports.writeUInt16BE(header.destinationPort, 2);
  return writer
    .uint8(0x21)
    .uint8(source.length === 4 ? 0x11 : 0x21)
    .bytes(Buffer.of(0, source.length * 2 + 4))
    .bytes(source)
    .bytes(destination)
    .bytes(ports)
    .take();
};

/** Give it everything that has arrived so far; it never needs more than about 4 kB to decide. */
export const parseProxyHeader = (bytes: Buffer): ProxyParsed | WireProblem => {
  if (beginsLike(bytes, signature)) return bytes.length < fixedBytes ? { state: 'incomplete' } : parseBinary(bytes);
  if (beginsLike(bytes, textStart)) return parseText(bytes);
  return { state: 'absent' };
};

/** As far as both go. */
const beginsLike = (bytes: Buffer, start: Buffer): boolean => {
  const length = Math.min(bytes.length, start.length);
  return bytes.subarray(0, length).equals(start.subarray(0, length));
};

const parseText = (bytes: Buffer): ProxyParsed | WireProblem => {
  const end = bytes.subarray(0, textLimit).indexOf('\r\n', 0, 'latin1');
  if (end < 0) {
    return bytes.length < textLimit
      ? { state: 'incomplete' }
      : problemOf('too-large', `a PROXY header of version 1 is longer than ${textLimit} bytes`);
  }
  const length = end + 2;
  const [, family = '', ...fields] = bytes.toString('latin1', 0, end).split(' ');
  if (family === 'UNKNOWN') return { state: 'found', header: { kind: 'local' }, length, version: 1 };
  const header = textHeader(family, fields);
  return header === undefined
    ? problemOf('malformed', 'a PROXY header of version 1 names no two addresses')
    : { state: 'found', header, length, version: 1 };
};

const textHeader = (family: string, fields: readonly string[]): ProxyHeader | undefined => {
  const [source = '', destination = '', sourcePort = '', destinationPort = '', ...more] = fields;
  const bytes = family === 'TCP4' ? 4 : family === 'TCP6' ? 16 : 0;
  const fits = [source, destination].every((one) => !one.includes('%') && addressBytes(one)?.length === bytes);
  if (!fits || more.length > 0 || !isPort(sourcePort) || !isPort(destinationPort)) return undefined;
  return {
    kind: 'client',
    source,
    destination,
    sourcePort: Number(sourcePort),
    destinationPort: Number(destinationPort),
  };
};

const isPort = (text: string): boolean => /^(0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 0xffff;

const parseBinary = (bytes: Buffer): ProxyParsed | WireProblem => {
  const command = bytes[12] ?? 0;
  const family = bytes[13] ?? 0;
  const body = bytes.readUInt16BE(14);
  const length = fixedBytes + body;
  if (command !== 0x20 && command !== 0x21)
    return problemOf('unsupported', 'a PROXY header has another version or command');
  if (body > extensionsLimit) return problemOf('too-large', `a PROXY header is longer than ${extensionsLimit} bytes`);
  if (bytes.length < length) return { state: 'incomplete' };
  const size = family === 0x11 ? 4 : family === 0x21 ? 16 : 0;
  // Datagrams and local sockets have no address that the server could use.
  if (command === 0x20 || size === 0) return { state: 'found', header: { kind: 'local' }, length, version: 2 };
  if (body < size * 2 + 4) return problemOf('malformed', 'a PROXY header is too short for its addresses');
  const at = fixedBytes + size;
  const header: ProxyHeader = {
    kind: 'client',
    source: addressText(bytes.subarray(fixedBytes, at)),
    destination: addressText(bytes.subarray(at, at + size)),
    sourcePort: bytes.readUInt16BE(at + size),
    destinationPort: bytes.readUInt16BE(at + size + 2),
  };
  return { state: 'found', header, length, version: 2 };
};
