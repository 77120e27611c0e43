/**
 * The front of a lab in full mode: it starts the daemon in namespaces of its own, and carries this machine's
 * loopback ports to it. The two end together: the daemon reads the end of its input, the front sees its child end.
 */
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { reasonOf } from '@coequal/kernel';
import { type LabDefinition, smallHeap } from '../definition.ts';
import { forward } from '../forward.ts';
import { daemonPrefix } from '../network/namespaces.ts';
import { definitionPath, forwardSocket, gatewaySocket, metricsSocket, platformSocket } from '../places.ts';

const daemon = fileURLToPath(new URL('../daemon/main.ts', import.meta.url));

const main = async (folder: string): Promise<void> => {
  const definition = JSON.parse(await readFile(definitionPath(folder), 'utf8')) as LabDefinition;
  for (const [index, { host, port }] of definition.forwards.entries()) {
    await forward({ host, port }, { path: forwardSocket(folder, index) });
  }
  for (const [index, { host, port, metricsPort }] of definition.gatewayForwards.entries()) {
    await forward({ host, port }, { path: gatewaySocket(folder, index) });
    await forward({ host, port: metricsPort }, { path: metricsSocket(folder, index) });
  }
  if (definition.operations !== null)
    await forward({ host: '127.0.0.1', port: definition.operations.forwardPort }, { path: platformSocket(folder) });
  const [program, ...args] = [...daemonPrefix(), process.execPath, ...smallHeap, daemon, folder];
  if (program === undefined) throw new Error('Bug: nothing to run');
  const child = spawn(program, args, { stdio: ['pipe', 'inherit', 'inherit'] });
  child.once('error', (error) => {
    process.stderr.write(`${JSON.stringify({ level: 'error', event: 'daemon not started', reason: error.message })}\n`);
    process.exit(2);
  });
  child.once('exit', (status) => process.exit(status ?? 1));
  for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(name, () => child.kill('SIGTERM'));
};

try {
  await main(process.argv[2] ?? '');
} catch (error) {
  process.stderr.write(`${JSON.stringify({ level: 'error', event: 'front ended', reason: reasonOf(error) })}\n`);
  process.exit(2);
}
