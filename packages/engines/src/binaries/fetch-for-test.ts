/** A process of its own that fetches programs and says how far it is, so that a test can kill it. For tests only. */
import { systemClock } from '@coequal/kernel';
import { findProgramsOn } from './adapters/find.ts';

const { bare, need, cache } = JSON.parse(process.argv[2] ?? '{}');
const progress = (text: string) => process.stdout.write(`${text}\n`);
await findProgramsOn(bare, need, { cacheFolder: cache, environment: process.env, clock: systemClock, progress });
