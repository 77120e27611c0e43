/**
 * A program that the network's tests run inside a site: an echo on every address of the site, over TCP and UDP,
 * and a client that asks other echoes. Lines of JSON in, one answer each; ends with its standard input.
 */
import { createSocket } from 'node:dgram';
import { connect, createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';

export type PeerTask =
  /** Connects, sends a byte and waits for it. */
  | { readonly task: 'ask'; readonly from?: string; readonly to: string; readonly deadlineMs: number }
  /** Connects and keeps the connection under a name. */
  | {
      readonly task: 'open';
      readonly name: string;
      readonly from: string;
      readonly to: string;
      readonly deadlineMs: number;
    }
  /** Sends a byte over a kept connection and waits for it. */
  | { readonly task: 'askOn'; readonly name: string; readonly deadlineMs: number }
  /** Waits for what a kept connection still owes. */
  | { readonly task: 'waitOn'; readonly name: string; readonly deadlineMs: number }
  /** Sends a datagram, and knows nothing of its fate. */
  | { readonly task: 'send'; readonly from: string; readonly to: string; readonly text: string }
  /** Waits for a datagram. */
  | { readonly task: 'received'; readonly text: string; readonly deadlineMs: number };

/** `answered` with the milliseconds it took; `silent`: nothing came; `broken`: an error did. */
export type PeerAnswer = {
  readonly seen: 'answered' | 'silent' | 'broken';
  readonly ms: number;
  readonly why?: string;
};

const PORT = 7_000;
const kept = new Map<string, Socket>();
const datagrams = new Set<string>();

const outcome = (deadlineMs: number, begin: (done: (seen: PeerAnswer['seen'], why?: string) => void) => void) =>
  new Promise<PeerAnswer>((resolve) => {
    const startedAt = performance.now();
    const finish = (seen: PeerAnswer['seen'], why?: string): void => {
      clearTimeout(timer);
      resolve({ seen, ms: performance.now() - startedAt, ...(why === undefined ? {} : { why }) });
    };
    const timer = setTimeout(() => finish('silent'), deadlineMs);
    begin(finish);
  });

const openTo = (to: string, from: string | undefined): Socket => {
  const socket = connect({
    host: to,
    port: PORT,
    noDelay: true,
    ...(from === undefined ? {} : { localAddress: from }),
  });
  socket.on('error', () => socket.destroy());
  return socket;
};

const ask = async (socket: Socket, deadlineMs: number, byte: string): Promise<PeerAnswer> =>
  outcome(deadlineMs, (done) => {
    socket.once('data', () => done('answered'));
    socket.once('error', (error) => done('broken', error.message));
    socket.once('close', () => done('broken', 'closed'));
    if (byte !== '') socket.write(byte);
  });

const connectionNamed = (name: string): Socket => {
  const socket = kept.get(name);
  if (socket === undefined) throw new Error(`no connection ${name}`);
  return socket;
};

const carryOut = async (task: PeerTask): Promise<PeerAnswer> => {
  switch (task.task) {
    case 'ask': {
      const socket = openTo(task.to, task.from);
      const answer = await ask(socket, task.deadlineMs, '.');
      socket.destroy();
      return answer;
    }
    case 'open': {
      const socket = openTo(task.to, task.from);
      kept.set(task.name, socket);
      return ask(socket, task.deadlineMs, '.');
    }
    case 'askOn':
      return ask(connectionNamed(task.name), task.deadlineMs, '.');
    case 'waitOn':
      return ask(connectionNamed(task.name), task.deadlineMs, '');
    case 'send':
      return outcome(5_000, (done) => {
        const socket = createSocket('udp4').bind(0, task.from, () => {
          socket.send(task.text, PORT, task.to, (error) => {
            socket.close();
            done(error === null ? 'answered' : 'broken', error?.message);
          });
        });
      });
    case 'received':
      return outcome(task.deadlineMs, (done) => {
        const look = setInterval(() => {
          if (!datagrams.has(task.text)) return;
          clearInterval(look);
          done('answered');
        }, 10);
      });
  }
};

const say = (value: unknown): void => {
  process.stdout.write(`${JSON.stringify(value)}\n`);
};

createServer({ noDelay: true }, (socket) => {
  socket.on('error', () => socket.destroy());
  socket.on('data', (data) => socket.write(data));
}).listen(PORT, '0.0.0.0', () => {
  createSocket('udp4')
    .on('message', (data) => datagrams.add(data.toString()))
    .bind(PORT, '0.0.0.0', () => say({ ready: true }));
});
createInterface({ input: process.stdin })
  .on('line', (line) => {
    const { id, task } = JSON.parse(line) as { readonly id: number; readonly task: PeerTask };
    carryOut(task).then(
      (answer) => say({ id, answer }),
      (error: unknown) => say({ id, answer: { seen: 'broken', ms: 0, why: String(error) } }),
    );
  })
  .on('close', () => process.exit(0));
