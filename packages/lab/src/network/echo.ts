/**
 * A small program that runs inside each site while the network is opened: it answers bytes with the same bytes, and
 * measures round trips to the other sites when told to. Lines in: `{"to": ADDRESS, "count": N}`; lines out:
 * `{"ready": true}` once, then `{"to": ADDRESS, "medianMs": X}` or `{"to": ADDRESS, "problem": TEXT}`, as they are done. Ends with its standard input.
 */
import { connect, createServer } from 'node:net';
import { createInterface } from 'node:readline';

/** Privileged in name only: each site has a network of its own, and this program is root in it. */
const PORT = 7;

const measure = (from: string, to: string, count: number): Promise<number> =>
  new Promise((resolve, reject) => {
    const figures: number[] = [];
    const socket = connect({ host: to, port: PORT, localAddress: from, noDelay: true });
    let sentAt = 0;
    const send = (): void => {
      sentAt = performance.now();
      socket.write('.');
    };
    socket.setTimeout(10_000, () => socket.destroy(new Error('no answer')));
    socket.once('error', reject);
    socket.once('connect', send);
    socket.on('data', () => {
      figures.push(performance.now() - sentAt);
      if (figures.length < count) return send();
      socket.destroy();
      figures.sort((a, b) => a - b);
      resolve(figures[Math.floor(figures.length / 2)] ?? 0);
    });
  });

const say = (answer: unknown): void => {
  process.stdout.write(`${JSON.stringify(answer)}\n`);
};

const address = process.argv[2] ?? '';
const server = createServer({ noDelay: true }, (socket) => {
  socket.on('data', (data) => socket.write(data));
  socket.on('error', () => socket.destroy());
});
server.listen(PORT, address, () => say({ ready: true }));
const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => {
  const task = JSON.parse(line) as { readonly to: string; readonly count: number };
  measure(address, task.to, task.count).then(
    (medianMs) => say({ to: task.to, medianMs }),
    (error: unknown) => say({ to: task.to, problem: String(error) }),
  );
});
lines.on('close', () => process.exit(0));
