/**
 * Free ports on an address, asked of the system. All are held at once while they are collected, so that they differ;
 * whoever uses them must still expect that another process was faster (PORT_BUSY).
 */
import { createServer, type Server } from 'node:net';
import { fail, reasonOf } from '@coequal/kernel';

export const freePorts = async (address: string, count: number): Promise<readonly number[]> => {
  const servers: Server[] = [];
  try {
    const ports: number[] = [];
    for (let index = 0; index < count; index += 1) {
      const server = createServer();
      servers.push(server);
      ports.push(await listen(server, address));
    }
    return ports;
  } finally {
    await Promise.all(servers.map(close));
  }
};

const listen = (server: Server, address: string): Promise<number> =>
  new Promise((resolve, reject) => {
    const refuse = (reason: string) =>
      reject(
        fail('PERMISSION_MISSING', {
          what: `no port can be opened on ${address} (${reason})`,
          advice: 'The address must belong to this machine; on Linux all of 127.0.0.0/8 does.',
        }),
      );
    server.once('error', (error) => refuse(reasonOf(error)));
    server.listen({ host: address, port: 0, exclusive: true }, () => {
      const bound = server.address();
      if (bound !== null && typeof bound === 'object') resolve(bound.port);
      else refuse('the system named no port');
    });
  });

const close = (server: Server): Promise<void> =>
  new Promise((resolve) => {
    if (server.listening) server.close(() => resolve());
    else resolve();
  });
