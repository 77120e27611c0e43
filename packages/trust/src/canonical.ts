/**
 * Canonical JSON (RFC 8785, JCS): one value has exactly one text, so that a hash or a signature over the text
 * is a statement about the value. Whatever JSON cannot say exactly (undefined, NaN, a Date, half of a surrogate
 * pair) is refused, never dropped or converted.
 */
import { fail } from '@coequal/kernel';

/** Deeper values are refused: they are cycles, or an attack on the stack. */
const depthLimit = 200;

/** The one text of a value. Object keys are in the order of their UTF-16 units. Throws JSON_NOT_CANONICAL. */
export const canonicalJson = (value: unknown): string => write(value, '$', 0);

const write = (value: unknown, path: string, depth: number): string => {
  if (depth > depthLimit) throw refused(path, `it is nested deeper than ${depthLimit}, or contains itself`);
  switch (typeof value) {
    case 'string':
      return writeString(value, path);
    case 'number':
      if (!Number.isFinite(value)) throw refused(path, `${value} is not a number that JSON has`);
      return JSON.stringify(value);
    case 'boolean':
      return String(value);
    case 'object':
      return value === null ? 'null' : writeContainer(value, path, depth);
    default:
      throw refused(path, `JSON has no ${typeof value}`);
  }
};

const writeString = (text: string, path: string): string => {
  if (!text.isWellFormed()) throw refused(path, 'the text holds half of a surrogate pair');
  return JSON.stringify(text);
};

const writeContainer = (value: object, path: string, depth: number): string => {
  if (Array.isArray(value)) {
    // Array.from visits holes too, so that a sparse array is refused as undefined instead of shortened.
    const items = Array.from(value, (item: unknown, index) => write(item, `${path}[${index}]`, depth + 1));
    return `[${items.join(',')}]`;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) throw refused(path, 'it is not a plain object');
  if (Object.getOwnPropertySymbols(value).length > 0) throw refused(path, 'it has a key that is a symbol');
  const entries = Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1));
  const members = entries.map(([key, item]) => `${writeString(key, path)}:${write(item, `${path}.${key}`, depth + 1)}`);
  return `{${members.join(',')}}`;
};

const refused = (path: string, reason: string) => fail('JSON_NOT_CANONICAL', { path, reason });
