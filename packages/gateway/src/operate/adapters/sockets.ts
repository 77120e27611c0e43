/**
 * Sockets between processes. Node sends a descriptor and forgets what it had already read: from the moment a socket is
 * to leave, nothing more may be read here, and what was read goes along.
 */
import type { Socket } from 'node:net';

/** Stops reading at once, and gives back what was read and not consumed. The socket may then be sent. */
export const freeze = (socket: Socket): Buffer => {
  socket.pause();
  // Pausing a stream lets Node fill its own buffer from the kernel's. Only the handle itself can be told to stop.
  stopHandle(socket);
  const parts: Buffer[] = [];
  for (let part = readPart(socket); part !== undefined; part = readPart(socket)) parts.push(part);
  // Reading from an empty stream asks for more; the handle is stopped once again.
  stopHandle(socket);
  return Buffer.concat(parts);
};

/** Puts bytes that another process had read in front of what will be read here. */
export const unread = (socket: Socket, bytes: Uint8Array): void => {
  if (bytes.length > 0) socket.unshift(Buffer.from(bytes));
};

const readPart = (socket: Socket): Buffer | undefined => {
  const part: unknown = socket.read();
  return Buffer.isBuffer(part) ? part : undefined;
};

type Handle = { reading: boolean; readonly readStop: () => number };

const stopHandle = (socket: Socket): void => {
  const handle: unknown = Reflect.get(socket, '_handle');
  if (!isHandle(handle) || !handle.reading) return;
  handle.reading = false;
  handle.readStop();
};

const isHandle = (value: unknown): value is Handle =>
  typeof value === 'object' && value !== null && 'readStop' in value && typeof value.readStop === 'function';
