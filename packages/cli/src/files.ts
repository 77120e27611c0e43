/** The files that a user names on the command line, and the person at the keyboard. */
import { access, constants, open, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { type Readable, Writable } from 'node:stream';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { type CoequalError, codeOf, fail, formatBytes, reasonOf } from '@coequal/kernel';
import type { Files } from './world.ts';

/** What a program may hand over as a secret, at most. */
const secretBytes = 4_096;

/** @param input standard input, for when nobody sits at the keyboard */
export const makeFiles = (folder: string, person: Person | undefined, input: Readable): Files => ({
  absolute: (path) => resolve(folder, path),
  readText: (path, limitBytes, advice) => readText(resolve(folder, path), path, limitBytes, advice),
  readData: (path, limitBytes, advice) => readData(resolve(folder, path), path, limitBytes, advice),
  writeText: (path, text, advice) => writeText(resolve(folder, path), text, advice),
  mustBeReadable: async (path, advice) => {
    const absolute = resolve(folder, path);
    try {
      const found = await stat(absolute);
      if (!found.isFile()) throw fail('FILE_UNREADABLE', { path, reason: 'it is not a regular file' });
      await access(absolute, constants.R_OK);
    } catch (error) {
      throw fileError(error, path, advice);
    }
  },
  ask: person === undefined ? undefined : (question, signal) => ask(person, question, signal),
  secret: (question, signal) => (person === undefined ? firstLine(input, signal) : askHidden(person, question, signal)),
});

/** The question is shown; what is typed is not. */
const askHidden = async (person: Person, question: string, signal: AbortSignal): Promise<string> => {
  person.output.write(question);
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  try {
    return await ask({ input: person.input, output: nowhere, terminal: true }, '', signal);
  } finally {
    person.output.write('\n');
  }
};

const firstLine = async (input: Readable, signal: AbortSignal): Promise<string> => {
  if (Reflect.get(input, 'isTTY') === true)
    throw fail('COMMAND_USAGE', {
      problem: 'A secret cannot be asked for while standard error is redirected: it would be shown.',
      help: 'coequal gateway credential --help',
    });
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of input) {
    if (signal.aborted) throw fail('INTERRUPTED', {});
    chunks.push(Buffer.from(chunk));
    length += chunks.at(-1)?.length ?? 0;
    if (length > secretBytes || chunks.at(-1)?.includes(10) === true) break;
  }
  return (Buffer.concat(chunks).toString('utf8').split('\n')[0] ?? '').replace(/\r$/, '');
};

type Person = { readonly input: Readable; readonly output: Writable; readonly terminal?: boolean };

/** Ctrl-C at the question is an interruption; Ctrl-D is an empty answer. */
const ask = async (person: Person, question: string, signal: AbortSignal): Promise<string> => {
  const lines = createInterface(person);
  const interruption = new AbortController();
  lines.once('SIGINT', () => interruption.abort());
  const closed = new Promise<string>((resolve) => lines.once('close', () => resolve('')));
  try {
    const answer = lines.question(question, { signal: AbortSignal.any([signal, interruption.signal]) });
    return await Promise.race([answer, closed]);
  } catch (error) {
    if (signal.aborted || interruption.signal.aborted) throw fail('INTERRUPTED', {}, { cause: error });
    throw error;
  } finally {
    lines.close();
  }
};

/** Reads at most one byte more than allowed: a device or a disk image given by mistake is not read to its end. */
const readBytes = async (absolute: string, path: string, limitBytes: number, advice: string): Promise<Uint8Array> => {
  try {
    const found = await stat(absolute);
    if (!found.isFile()) throw fail('FILE_UNREADABLE', { path, reason: 'it is not a regular file' });
    await using file = await open(absolute, 'r');
    const buffer = new Uint8Array(Math.min(limitBytes, Math.max(found.size, 65_536)) + 1);
    let length = 0;
    for (;;) {
      const { bytesRead } = await file.read(buffer, length, buffer.length - length);
      length += bytesRead;
      if (bytesRead === 0 || length === buffer.length) break;
    }
    return buffer.subarray(0, length);
  } catch (error) {
    throw fileError(error, path, advice);
  }
};

const readText = async (absolute: string, path: string, limitBytes: number, advice: string): Promise<string> =>
  textOf(await readBytes(absolute, path, limitBytes, advice), path);

const textOf = (bytes: Uint8Array, path: string): string => {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw unreadable(path, 'it is not UTF-8 text', error);
  }
};

const readData = async (absolute: string, path: string, limitBytes: number, advice: string): Promise<string> => {
  const bytes = await readBytes(absolute, path, limitBytes, advice);
  const compressed = bytes[0] === 0x1f && bytes[1] === 0x8b;
  let plain = bytes;
  try {
    if (compressed) plain = await promisify(gunzip)(bytes, { maxOutputLength: limitBytes + 1 });
  } catch (error) {
    const reason =
      codeOf(error) === 'ERR_BUFFER_TOO_LARGE' ? `it unpacks to more than ${formatBytes(limitBytes)}` : reasonOf(error);
    throw unreadable(path, reason, error);
  }
  if (plain.length > limitBytes) throw unreadable(path, `it is larger than ${formatBytes(limitBytes)}`, undefined);
  return textOf(plain, path);
};

const writeText = async (absolute: string, text: string, advice: string): Promise<void> => {
  const unfinished = `${absolute}.unfinished-${process.pid}`;
  try {
    await writeFile(unfinished, text);
    await rename(unfinished, absolute);
  } catch (error) {
    await rm(unfinished, { force: true });
    throw fail('FOLDER_UNWRITABLE', { path: dirname(absolute), reason: reasonOf(error), advice }, { cause: error });
  }
};

const fileError = (error: unknown, path: string, advice: string): unknown => {
  switch (codeOf(error)) {
    case 'ENOENT':
    case 'ENOTDIR':
      return fail('FILE_MISSING', { path, advice }, { cause: error });
    case 'EACCES':
    case 'EPERM':
      return unreadable(path, 'permission denied', error);
    case 'EISDIR':
    case 'ELOOP':
    case 'ENAMETOOLONG':
    case 'EIO':
      return unreadable(path, reasonOf(error), error);
    default:
      return error;
  }
};

const unreadable = (path: string, reason: string, cause: unknown): CoequalError =>
  fail('FILE_UNREADABLE', { path, reason }, { cause });
