/**
 * The knowledge file of a platform: read at the start, compared with by every diagnosis, and written as a whole when a person says what an
 * incident was. A file that cannot be read is not written over. The weights beside it are only read.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import {
  confirmIncidents,
  emptyKnowledge,
  formatKnowledge,
  type Incident,
  type Knowledge,
  parseKnowledge,
  parseWeights,
  type Weights,
} from '@coequal/diagnosis';
import { codeOf, fail, reasonOf } from '@coequal/kernel';
import { readText } from './files.ts';

export type KnowledgeFile = {
  readonly now: () => Knowledge;
  /** @throws FOLDER_UNWRITABLE */
  readonly add: (learned: Incident) => void;
};

/** @throws KNOWLEDGE_INVALID, FILE_UNREADABLE */
export const openKnowledge = (path: string | undefined): KnowledgeFile => {
  let knowledge = path === undefined ? emptyKnowledge : read(path);
  return {
    now: () => knowledge,
    add: (learned) => {
      if (learned.profile.signals.size === 0) return;
      knowledge = confirmIncidents(knowledge, [learned]);
      if (path !== undefined) write(path, formatKnowledge(knowledge));
    },
  };
};

const weightsBytes = 2 ** 20;

/** @throws KNOWLEDGE_INVALID, FILE_MISSING, FILE_UNREADABLE */
export const readWeights = async (path: string | undefined): Promise<Weights | undefined> =>
  path === undefined
    ? undefined
    : parseWeights(await readText(path, weightsBytes, 'Write one with `coequal diagnose weigh`.'), path);

const read = (path: string): Knowledge => {
  try {
    return parseKnowledge(readFileSync(path, 'utf8'), path);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return emptyKnowledge;
    if (codeOf(error) === 'KNOWLEDGE_INVALID') throw error;
    throw fail('FILE_UNREADABLE', { path, reason: reasonOf(error) }, { cause: error });
  }
};

const write = (path: string, text: string): void => {
  try {
    writeFileSync(`${path}.new`, text, { mode: 0o600 });
    renameSync(`${path}.new`, path);
  } catch (error) {
    const advice = 'Make its folder writable for the platform, or name another file as `knowledge` in the estate.';
    throw fail('FOLDER_UNWRITABLE', { path, reason: reasonOf(error), advice }, { cause: error });
  }
};
