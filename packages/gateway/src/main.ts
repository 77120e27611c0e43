/** The gateway: composition root of its supervisor. `node main.ts --config FILE [--name NAME] [--observe] [--check]` */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { systemClock } from '@coequal/kernel';
import { runGateway } from './operate/adapters/run.ts';

const manifest: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
const version =
  typeof manifest === 'object' && manifest !== null && 'version' in manifest ? String(manifest.version) : '0';

process.exitCode = await runGateway({
  argv: process.argv.slice(2),
  workerFile: fileURLToPath(new URL('./worker/main.ts', import.meta.url)),
  checkFile: fileURLToPath(new URL('./check/main.ts', import.meta.url)),
  environment: process.env,
  version,
  clock: systemClock,
});
process.exit();
