/** Reads this repository: every file that is part of it, and nothing that was installed, made or ignored. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Entry } from './checks.ts';
import type { SourceFile } from './source.ts';

const left = new Set(['node_modules', '.git', '.cache']);
const textual = /\.(ts|js|mjs|json|md|yaml|yml|sql|css|html|java|php|pl|py|c|lua)$|^(LICENSE|\.ci\/run|\.gitignore)$/;

export type Repository = {
  readonly entries: readonly Entry[];
  readonly folders: ReadonlySet<string>;
  readonly texts: readonly SourceFile[];
  readonly sources: readonly SourceFile[];
};

export const readRepository = (root: string): Repository => {
  const folders = new Set<string>(['']);
  const entries = walk(root, '', folders);
  const texts = entries
    .filter(({ path, bytes }) => textual.test(path) && bytes < 2 ** 21)
    .map(({ path }) => ({ path, text: readFileSync(join(root, path), 'utf8') }));
  const sources = texts.filter(({ path }) => path.endsWith('.ts'));
  return { entries, folders, texts, sources };
};

const walk = (root: string, folder: string, folders: Set<string>): readonly Entry[] =>
  readdirSync(join(root, folder), { withFileTypes: true })
    .filter(({ name }) => !left.has(name) && !name.endsWith('.log'))
    .flatMap((entry) => {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory()) {
        folders.add(path);
        return walk(root, path, folders);
      }
      const { size, mode } = statSync(join(root, path));
      return entry.isFile() ? [{ path, bytes: size, executable: (mode & 0o111) !== 0 }] : [];
    });
