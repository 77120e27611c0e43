/**
 * A small program inside a site: carries connections from sockets in the lab's folder to addresses that only the site has, such
 * as the loopback on which gateways show their metrics. Arguments: pairs of a socket's path and HOST:PORT. Says `ready` on one
 * line, and ends with its standard input.
 */
import { rm } from 'node:fs/promises';
import { reasonOf } from '@coequal/kernel';
import { forward } from '../forward.ts';

const main = async (args: readonly string[]): Promise<void> => {
  for (let index = 0; index + 1 < args.length; index += 2) {
    const [path = '', target = ''] = args.slice(index, index + 2);
    const colon = target.lastIndexOf(':');
    await rm(path, { force: true });
    await forward({ path }, { host: target.slice(0, colon), port: Number(target.slice(colon + 1)) });
  }
  process.stdout.write('ready\n');
  process.stdin.resume().once('end', () => process.exit(0));
};

try {
  await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${reasonOf(error)}\n`);
  process.exit(2);
}
