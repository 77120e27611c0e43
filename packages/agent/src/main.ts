/** The agent: composition root. `node main.ts --config FILE [--host NAME] [--check]` */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { systemClock, systemRandom } from '@coequal/kernel';
import { runAgent } from './adapters/run.ts';

const manifest: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
const version =
  typeof manifest === 'object' && manifest !== null && 'version' in manifest ? String(manifest.version) : '0';

process.exitCode = await runAgent({
  argv: process.argv.slice(2),
  checkFile: fileURLToPath(new URL('./check/main.ts', import.meta.url)),
  version,
  clock: systemClock,
  random: systemRandom,
});
process.exit();
