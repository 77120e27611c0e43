/** A process that takes over a socket, reads it to a given length and answers with the hash of all of it. */
import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import { unread } from '../adapters/sockets.ts';

type Moved = { readonly taken: Uint8Array; readonly total: number };

process.on('message', (value: unknown, handle: unknown) => {
  const { taken, total } = value as Moved;
  const socket = handle as Socket;
  const hash = createHash('sha256');
  let length = 0;
  unread(socket, taken);
  socket.on('data', (chunk: Buffer) => {
    hash.update(chunk);
    length += chunk.length;
    if (length === total) socket.end(hash.digest('hex'));
  });
});
