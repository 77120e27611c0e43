/**
 * A small program inside a site: carries connections between sockets in the lab's folder and addresses that only the site has, such
 * as the loopback on which gateways show their metrics, either way. Arguments: pairs of where it listens and where it carries to,
 * each the path of a socket or HOST:PORT. Says `ready` on one line, and ends with its standard input.
 */
import { rm } from 'node:fs/promises';
import { reasonOf } from '@coequal/kernel';
import { forward } from '../forward.ts';

const main = async (args: readonly string[]): Promise<void> => {
  for (let index = 0; index + 1 < args.length; index += 2) {
    const [from = '', to = ''] = args.slice(index, index + 2);
    if (from.startsWith('/')) await rm(from, { force: true });
    await forward(placeOf(from), placeOf(to));
  }
  process.stdout.write('ready\n');
  process.stdin.resume().once('end', () => process.exit(0));
};

const placeOf = (text: string): { path: string } | { host: string; port: number } => {
  if (text.startsWith('/')) return { path: text };
  const colon = text.lastIndexOf(':');
  return { host: text.slice(0, colon), port: Number(text.slice(colon + 1)) };
};

try {
  await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${reasonOf(error)}\n`);
  process.exit(2);
}
