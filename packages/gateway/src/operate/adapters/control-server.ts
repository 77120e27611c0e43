/** The control socket: in the state folder, for its owner alone (mode 0600 from the first moment: the folder is 0700). */
import { chmod, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { fail, reasonOf } from '@coequal/kernel';
import { type Call, lineOf, longestLine, parseAsker, parseCall, parseLine } from '../control-lines.ts';
import { toldError } from '../told-error.ts';

/** `by`: who asks, as the command line says. */
export type Answer = (call: Call, by: string) => Promise<unknown>;

export type ControlServer = { readonly close: () => Promise<void> };

/** Paths of Unix sockets are short: 108 bytes with the end mark. */
const longestPath = 107;

/** @throws FOLDER_UNWRITABLE */
export const serveControl = async (path: string, answer: Answer): Promise<ControlServer> => {
  const advice = 'Give the gateway another `stateFolder` in the estate, with a short path.';
  if (Buffer.byteLength(path) > longestPath)
    throw fail('FOLDER_UNWRITABLE', { path, reason: `its path is longer than ${longestPath} bytes`, advice });
  // What lies there is left by a gateway that is gone: the lock is ours.
  await rm(path, { force: true });
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    readLines(socket, (line) => void reply(socket, line, answer));
  });
  server.maxConnections = 32;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(fail('FOLDER_UNWRITABLE', { path, reason: reasonOf(error), advice })));
    server.listen(path, resolve);
  });
  await chmod(path, 0o600);
  return {
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroySoon();
      await closed;
    },
  };
};

/** Whoever sends an endless line is cut off. */
export const readLines = (socket: Socket, take: (line: string) => void, limit = longestLine): void => {
  let rest = '';
  socket.setEncoding('utf8');
  socket.on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line !== '') take(line);
    if (rest.length > limit) socket.destroy();
  });
};

const reply = async (socket: Socket, line: string, answer: Answer): Promise<void> => {
  const { id, method, params, by } = parseLine(line);
  const say = (value: object): void => {
    if (socket.writable) socket.write(lineOf({ id: typeof id === 'number' ? id : 0, ...value }));
  };
  try {
    say({ result: (await answer(parseCall(method, params), parseAsker(by))) ?? null });
  } catch (error) {
    say({ error: toldError(error) });
  }
};
