/**
 * The way of one site to the platform and its stores: a socket in the lab's folder for each, carried on by the daemon, and shut while
 * everything of the site is cut off.
 */

import { rm } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';

export type Gate = {
  /** Shut: what is open ends, and nothing new is carried. */
  readonly shut: (on: boolean) => void;
  readonly close: () => void;
};

export type GateWay = { readonly path: string; readonly host: string; readonly port: number };

export const openGate = async (ways: readonly GateWay[]): Promise<Gate> => {
  const open = new Set<Socket>();
  let isShut = false;
  const servers: Server[] = [];
  for (const { path, host, port } of ways) {
    await rm(path, { force: true });
    const server = createServer((incoming) => {
      if (isShut) {
        incoming.destroy();
        return;
      }
      carry(incoming, connect({ host, port }), open);
    });
    servers.push(server);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(path, resolve);
    });
  }
  return {
    shut: (on) => {
      isShut = on;
      if (on) for (const socket of open) socket.destroy();
    },
    close: () => {
      for (const server of servers) server.close();
      for (const socket of open) socket.destroy();
    },
  };
};

const carry = (incoming: Socket, outgoing: Socket, open: Set<Socket>): void => {
  for (const [one, other] of [
    [incoming, outgoing],
    [outgoing, incoming],
  ] as const) {
    open.add(one);
    one.on('error', () => other.destroy());
    one.on('close', () => {
      open.delete(one);
      other.destroy();
    });
    one.pipe(other);
  }
};
