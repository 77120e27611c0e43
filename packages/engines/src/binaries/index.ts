/** Finding or fetching the programs that engines and labs need. */
export { type CompanionOptions, type FoundCompanion, findCompanion } from './adapters/companion.ts';
export { type FindOptions, findPrograms, type Programs } from './adapters/find.ts';
export { cacheFolderOf } from './cache-folder.ts';
export { labPrograms, type ProgramName } from './catalog.ts';
export type { CompanionName } from './companions.ts';
