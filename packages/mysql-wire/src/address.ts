/** IP addresses between text and bytes. Pure: nothing is resolved. */
import { isIPv4, isIPv6 } from 'node:net';

/** 4 or 16 bytes; undefined for what is no address. A zone (`%eth0`) means nothing elsewhere and is dropped. */
export const addressBytes = (text: string): Buffer | undefined => {
  if (isIPv4(text)) return fourBytes(text);
  const bare = text.split('%')[0] ?? '';
  return isIPv6(bare) ? sixteenBytes(bare) : undefined;
};

const fourBytes = (text: string): Buffer => Buffer.from(text.split('.').map(Number));

const sixteenBytes = (text: string): Buffer => {
  // An IPv4 address at the end stands for the last two groups.
  const [, front, four] = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text) ?? [];
  const plain = front === undefined || four === undefined ? text : `${front}${groupsOf(fourBytes(four)).join(':')}`;
  const [before = '', after] = plain.split('::');
  const left = before === '' ? [] : before.split(':');
  const right = after === undefined || after === '' ? [] : after.split(':');
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => '0');
  const bytes = Buffer.alloc(16);
  for (const [index, group] of [...left, ...zeros, ...right].entries())
    bytes.writeUInt16BE(Number.parseInt(group, 16), index * 2);
  return bytes;
};

const groupsOf = (bytes: Buffer): readonly string[] =>
  Array.from({ length: bytes.length / 2 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16));

/** As people write it: the longest run of zero groups is `::` (RFC 5952). */
export const addressText = (bytes: Buffer): string => {
  if (bytes.length === 4) return [...bytes].join('.');
  const text = groupsOf(bytes).join(':');
  const runs = [...text.matchAll(/(?<![0-9a-f])0(:0)+(?![0-9a-f])/g)];
  const longest = runs.reduce((best, [run]) => (run.length > best.length ? run : best), '');
  if (longest === '') return text;
  const at = text.search(new RegExp(`(?<![0-9a-f])${longest}(?![0-9a-f])`));
  const before = text.slice(0, at).replace(/:$/, '');
  const after = text.slice(at + longest.length).replace(/^:/, '');
  return `${before}::${after}`;
};

const mappedPrefix = Buffer.from('00000000000000000000ffff', 'hex');

/** The IPv4 address inside `::ffff:1.2.3.4`, which is how sockets for both families show it. */
export const unmapped = (bytes: Buffer): Buffer =>
  bytes.length === 16 && bytes.subarray(0, 12).equals(mappedPrefix) ? bytes.subarray(12) : bytes;

export const mapped = (bytes: Buffer): Buffer => (bytes.length === 4 ? Buffer.concat([mappedPrefix, bytes]) : bytes);
