/** The agent: composition root of its start. `node main.ts --config FILE [--host NAME] [--check]` */
import { fileURLToPath } from 'node:url';
import { startInPlace } from './adapters/start.ts';

const fileOf = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

process.exitCode = await startInPlace({
  argv: process.argv.slice(2),
  checkFile: fileOf('./check/main.ts'),
  serveFile: fileOf('./serve/main.ts'),
  environment: process.env,
});
process.exit();
