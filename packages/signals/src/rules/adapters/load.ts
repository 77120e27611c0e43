/** Rule files from disk: files and folders of them. All are read and checked before any is used. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { reasonOf } from '@coequal/kernel';
import type { RuleGroup, RuleProblem } from '../model.ts';
import { parseRuleFile } from '../parse.ts';

export type LoadedGroup = {
  /** `hosts.yml;disks`, which names it in series and counters. */
  readonly id: string;
  readonly group: RuleGroup;
  /** The text of its file: a group of the same text is the same. */
  readonly text: string;
};

export type LoadedRules =
  | { readonly ok: true; readonly groups: readonly LoadedGroup[] }
  | { readonly ok: false; readonly problems: readonly RuleProblem[] };

const fileLimit = 200;
const groupLimit = 500;

/** `paths`: files, and folders whose `*.yml` and `*.yaml` are taken, without the folders in them. */
export const loadRules = async (paths: readonly string[]): Promise<LoadedRules> => {
  const [groups, problems]: [LoadedGroup[], RuleProblem[]] = [[], []];
  for (const path of await filesOf(paths, problems)) {
    const text = await readFile(path, 'utf8').catch((error: unknown) => {
      problems.push({ file: path, line: 1, what: `it cannot be read: ${reasonOf(error)}` });
      return undefined;
    });
    if (text === undefined) continue;
    const parsed = parseRuleFile(path, text);
    if (!parsed.ok) {
      problems.push(...parsed.problems);
      continue;
    }
    for (const group of parsed.groups) {
      const id = `${basename(path)};${group.name}`;
      if (groups.some((other) => other.id === id))
        problems.push({ file: path, line: 1, what: `there is another file of this name with a group ${group.name}` });
      groups.push({ id, group, text });
    }
  }
  if (groups.length > groupLimit)
    problems.push({ file: paths.join(', '), line: 1, what: `there are more than ${groupLimit} groups` });
  return problems.length === 0 ? { ok: true, groups } : { ok: false, problems };
};

const filesOf = async (paths: readonly string[], problems: RuleProblem[]): Promise<readonly string[]> => {
  const files: string[] = [];
  for (const path of paths) {
    try {
      if (!(await stat(path)).isDirectory()) files.push(path);
      else for (const name of (await readdir(path)).sort()) if (/\.ya?ml$/.test(name)) files.push(join(path, name));
    } catch (error) {
      problems.push({ file: path, line: 1, what: `it cannot be read: ${reasonOf(error)}` });
    }
  }
  if (files.length > fileLimit)
    problems.push({ file: paths.join(', '), line: 1, what: `there are more than ${fileLimit} files` });
  return files.slice(0, fileLimit);
};
