/**
 * Whether somebody already listens at an address of this host. An address that is not this network namespace's
 * own cannot be asked about from here; then the server's log says it later.
 */
import { createServer } from 'node:net';
import { codeOf } from '@coequal/kernel';

export const isPortBusy = (address: string, port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error) => resolve(codeOf(error) === 'EADDRINUSE'));
    server.listen({ host: address, port, exclusive: true }, () => server.close(() => resolve(false)));
  });
