/** Sockets that move between real processes while their peer goes on sending. */
import { fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { connect, createServer, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { freeze } from './sockets.ts';

const taker = fileURLToPath(new URL('../testing/socket-taker.ts', import.meta.url));

const listening = async (accept: (socket: Socket) => void) => {
  const server = createServer({ pauseOnConnect: true }, accept);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return { server, port: typeof address === 'object' && address !== null ? address.port : 0 };
};

test('not a byte is lost, doubled or exchanged, wherever in the stream it moves', async () => {
  const child = fork(taker, { serialization: 'advanced' });
  const payload = Buffer.alloc(8 * 2 ** 20);
  for (let index = 0; index < payload.length; index += 4) payload.writeUInt32LE(index, index);
  const wanted = createHash('sha256').update(payload).digest('hex');
  for (const moveAt of [0, 1, 70_000, 2_000_000]) {
    const { server, port } = await listening((socket) => {
      let taken = Buffer.alloc(0);
      const move = (): void => {
        socket.removeAllListeners('data');
        const rest = freeze(socket);
        child.send({ taken: Buffer.concat([taken, rest]), total: payload.length }, socket, { keepOpen: false });
      };
      if (moveAt === 0) {
        move();
        return;
      }
      socket.on('data', (chunk: Buffer) => {
        taken = Buffer.concat([taken, chunk]);
        if (taken.length >= moveAt) move();
      });
      socket.resume();
    });
    const client = connect(port, '127.0.0.1');
    const answer = new Promise<string>((resolve) => client.once('data', (chunk) => resolve(chunk.toString())));
    client.write(payload);
    expect([moveAt, await answer]).toEqual([moveAt, wanted]);
    client.destroy();
    server.close();
  }
  child.kill();
});
