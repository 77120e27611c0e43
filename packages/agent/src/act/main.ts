/** The acting half of an agent: composition root. `node main.ts --config FILE [--host NAME] [--check]` */
import { readFileSync } from 'node:fs';
import { systemClock, systemRandom } from '@coequal/kernel';
import { act } from './adapters/serve.ts';

const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
const version =
  typeof manifest === 'object' && manifest !== null && 'version' in manifest ? String(manifest.version) : '0';

process.exitCode = await act({
  argv: process.argv.slice(2),
  environment: process.env,
  clock: systemClock,
  random: systemRandom,
  version,
});
process.exit();
