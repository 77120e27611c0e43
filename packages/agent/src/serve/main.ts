/** The agent itself: composition root of the process that watches. Started by `main.ts` in its own place. `node main.ts SETTINGS-FILE` */
import { readFileSync } from 'node:fs';
import { systemClock, systemRandom } from '@coequal/kernel';
import { serve } from '../adapters/serve.ts';

const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
const version =
  typeof manifest === 'object' && manifest !== null && 'version' in manifest ? String(manifest.version) : '0';

// It is also loaded to be compiled, before it is started.
if (import.meta.main) {
  const settingsFile = process.argv[2] ?? '';
  process.exitCode = await serve({ settingsFile, version, clock: systemClock, random: systemRandom });
  process.exit();
} else {
  // What is loaded later is compiled now.
  await import('../notice.ts');
}
