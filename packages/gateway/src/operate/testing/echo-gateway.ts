/** A gateway with echoing sessions, as a process of its own: everything of it is real but the sessions. */
import { fileURLToPath } from 'node:url';
import { systemClock } from '@coequal/kernel';
import { runGateway } from '../adapters/run.ts';

process.exitCode = await runGateway({
  argv: process.argv.slice(2),
  workerFile: fileURLToPath(new URL('./echo-worker.ts', import.meta.url)),
  checkFile: fileURLToPath(new URL('./echo-check.ts', import.meta.url)),
  environment: process.env,
  version: 'test',
  clock: systemClock,
});
process.exit();
