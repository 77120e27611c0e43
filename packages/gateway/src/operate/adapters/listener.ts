/** The port that applications connect to. It belongs to the supervisor, so that no restart of a worker ever closes it. */
import { createServer, type Server, type Socket } from 'node:net';
import { codeOf, fail, reasonOf } from '@coequal/kernel';

export type Address = { readonly host: string; readonly port: number };

export type Listener = {
  readonly address: Address;
  /** Takes no more connections, and frees the port. */
  readonly close: () => Promise<void>;
};

/** Connections that the kernel holds for us, while the supervisor is busy. */
const backlog = 1_024;
/** A client whose host has gone away without a word is noticed after some minutes. */
const keepAliveMs = 60_000;

/** @throws PORT_BUSY, GATEWAY_NOT_STARTED for an address that is not this machine's */
export const listen = (name: string, address: Address, accept: (socket: Socket) => void): Promise<Listener> => {
  const options = { pauseOnConnect: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: keepAliveMs };
  const server = createServer(options, (socket) => {
    // Otherwise Node asks every worker about its sockets before this server counts as closed; here only the port matters.
    Reflect.set(socket, 'server', null);
    accept(socket);
  });
  return listening(server, name, address, `the gateway ${name}`);
};

/** Makes a server listen, or tells why it cannot. */
export const listening = async (server: Server, name: string, address: Address, subject: string): Promise<Listener> => {
  const { host, port } = address;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(refusal(error, name, address, subject)));
    server.listen({ host, port, backlog }, () => resolve());
  });
  // Running out of descriptors costs a connection; the port stays open.
  server.on('error', () => undefined);
  const bound = server.address();
  return {
    address: { host, port: typeof bound === 'object' && bound !== null ? bound.port : port },
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
};

const refusal = (error: Error, name: string, { host, port }: Address, subject: string): Error => {
  switch (codeOf(error)) {
    case 'EADDRINUSE':
      return fail('PORT_BUSY', { port, address: host, subject }, { cause: error });
    case 'EACCES':
      return fail('PERMISSION_MISSING', {
        what: `port ${port} on ${host} may not be opened`,
        advice: 'Choose a port above 1023.',
      });
    default:
      return fail(
        'GATEWAY_NOT_STARTED',
        {
          name,
          reason: `it cannot listen on ${host}, port ${port}: ${reasonOf(error)}.`,
          advice: "Check that the address in the estate is one of this machine's.",
        },
        { cause: error },
      );
  }
};
