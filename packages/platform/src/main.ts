/** The platform: composition root of its process. `node main.ts --config FILE [--name NAME] [--check]` */
import { readFileSync } from 'node:fs';
import { systemClock, systemRandom } from '@coequal/kernel';
import { runPlatform } from './adapters/run.ts';

const manifest: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
const version =
  typeof manifest === 'object' && manifest !== null && 'version' in manifest ? String(manifest.version) : '0';

process.exitCode = await runPlatform({
  argv: process.argv.slice(2),
  version,
  clock: systemClock,
  random: systemRandom,
});
process.exit();
