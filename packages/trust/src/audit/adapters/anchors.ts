/**
 * Anchors: checkpoints in a folder outside of the machine that made them, one file each, never written twice. What makes it write-once is
 * the storage (a WORM share, an object store with a lock, another host that only takes new files); what is kept here is that nothing of
 * ours ever changes or removes a file. Processes find each other's checkpoints there too, and witness them.
 */
import { mkdir, open, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf, fail, reasonOf } from '@coequal/kernel';
import { type AnchoredCheckpoint, parseAnchored } from '../checkpoint.ts';

/** `gateway-north.000000000042.json` */
const namePattern = /^([a-z][a-z0-9-]{0,62})\.(\d{12})\.json$/;
const nameOf = ({ chain, sequence }: AnchoredCheckpoint): string =>
  `${chain}.${String(sequence).padStart(12, '0')}.json`;

/** @throws AUDIT_ANCHOR_REFUSED, also when another checkpoint is there under its name: then somebody forked the chain */
export const anchor = async (folder: string, checkpoint: AnchoredCheckpoint): Promise<void> => {
  const path = join(folder, nameOf(checkpoint));
  const text = `${JSON.stringify(checkpoint)}\n`;
  const refused = (reason: string, advice: string, cause?: unknown) =>
    fail('AUDIT_ANCHOR_REFUSED', { chain: checkpoint.chain, path: folder, reason, advice }, { cause });
  try {
    if (!(await isFolder(folder))) await mkdir(folder, { recursive: true });
    const file = await open(path, 'wx', 0o444);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (error) {
    if (codeOf(error) !== 'EEXIST' || !(await isFolder(folder)))
      throw refused(reasonOf(error), 'Check that the folder is there and takes new files of this user.', error);
    const kept = parseAnchored(await textOf(path));
    if (kept?.head !== checkpoint.head)
      throw refused(
        `${nameOf(checkpoint)} is there and says something else`,
        'The chain was changed, or two processes write chains of one name: run `coequal audit verify` with this folder.',
      );
  }
};

export type FoundAnchor = { readonly checkpoint: AnchoredCheckpoint; readonly file: string };

/** All of the chains that are wanted, in the order of their names; files that are no anchors are named apart. */
export const readAnchors = async (
  folder: string,
): Promise<{ readonly anchors: readonly FoundAnchor[]; readonly unreadable: readonly string[] }> => {
  const anchors: FoundAnchor[] = [];
  const unreadable: string[] = [];
  for (const { name, checkpoint } of await readAll(folder, await namesIn(folder))) {
    const file = join(folder, name);
    // A name that says something else than the file was given to it by somebody else.
    if (checkpoint === undefined || nameOf(checkpoint) !== name) unreadable.push(file);
    else anchors.push({ checkpoint, file });
  }
  return { anchors, unreadable };
};

/** The newest one of each chain but one's own. What cannot be read is left out: nothing may hang on a stranger's file. */
export const newestOfOthers = async (folder: string, own: string): Promise<readonly AnchoredCheckpoint[]> => {
  const newest = new Map<string, string>();
  for (const name of await namesIn(folder)) {
    const chain = namePattern.exec(name)?.[1] ?? '';
    if (chain !== own) newest.set(chain, name);
  }
  const found = await readAll(folder, [...newest.values()]);
  return found.flatMap(({ name, checkpoint }) =>
    checkpoint === undefined || nameOf(checkpoint) !== name ? [] : [checkpoint],
  );
};

const namesIn = async (folder: string): Promise<readonly string[]> => {
  try {
    return (await readdir(folder)).filter((name) => namePattern.test(name)).sort();
  } catch (error) {
    throw fail(
      'AUDIT_INVALID',
      { path: folder, reason: `its anchors cannot be read (${reasonOf(error)})` },
      { cause: error },
    );
  }
};

const isFolder = async (path: string): Promise<boolean> => {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    // Whatever keeps it from being looked at is told by what is done with it next.
    return false;
  }
};

/** What cannot be read is no anchor. */
const textOf = (path: string): Promise<string> => readFile(path, 'utf8').catch(() => '');

const readAll = async (folder: string, names: readonly string[]) => {
  const found: { readonly name: string; readonly checkpoint: AnchoredCheckpoint | undefined }[] = [];
  for (const name of names) {
    found.push({ name, checkpoint: parseAnchored(await textOf(join(folder, name))) });
  }
  return found;
};
