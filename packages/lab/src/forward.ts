/**
 * Carries connections between this machine's loopback ports and the lab's own network, in two halves joined by a
 * Unix socket: one half listens in the machine's network, the other connects inside the lab's.
 */
import { connect, createServer, type NetConnectOpts, type Server, type Socket } from 'node:net';

import { codeOf, fail } from '@coequal/kernel';

/** Listens at `at` and carries every connection to `to`. */
export const forward = (
  at: { readonly path: string } | { readonly host: string; readonly port: number },
  to: NetConnectOpts,
): Promise<Server> => {
  const server = createServer({ noDelay: true }, (incoming) => {
    const outgoing = connect(to);
    outgoing.setNoDelay?.(true);
    join(incoming, outgoing);
    join(outgoing, incoming);
    incoming.pipe(outgoing);
    outgoing.pipe(incoming);
  });
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      const busy = codeOf(error) === 'EADDRINUSE' && 'port' in at;
      reject(
        busy ? fail('PORT_BUSY', { port: at.port, address: at.host, subject: 'the lab' }, { cause: error }) : error,
      );
    });
    server.listen(at, () => resolve(server));
  });
};

/** Both ends of a carried connection end together, also by a reset. */
const join = (one: Socket, other: Socket): void => {
  one.on('error', () => other.destroy());
  one.on('close', () => other.destroy());
};
