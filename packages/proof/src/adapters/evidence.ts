/** Evidence packs as folders: written once, at the end of a drill, and verified by whoever doubts it. */
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { codeOf, fail, reasonOf } from '@coequal/kernel';
import { fingerprint, type SigningKey, sign, verify } from '@coequal/trust';
import { type Reconciliation, reconcile } from '../bank/reconcile.ts';
import type { DrillReport } from '../drills/report.ts';
import type { DrillResult } from '../drills/run.ts';
import {
  contradictions,
  evidenceFiles,
  type Manifest,
  parseManifest,
  type SignedManifest,
  type States,
  signedBytes,
  stateLines,
  stateReader,
} from '../evidence.ts';
import { formatLine, formatTransaction, type History } from '../history.ts';
import { reportHtml } from '../report/html.ts';
import { readHistory } from './ledger.ts';

/** A folder's worth of report. The manifest comes last: a pack without one is one that was not finished. */
export const writeEvidence = async (folder: string, result: DrillResult, key: SigningKey): Promise<DrillReport> => {
  const report: DrillReport = { ...result.report, evidence: folder };
  try {
    await mkdir(folder, { recursive: true });
    await writeLines(join(folder, 'history.ndjson'), historyLines(result.history));
    await writeLines(join(folder, 'states.ndjson'), stateLines(result.opening, result.contents));
    await writeFile(join(folder, 'report.json'), `${JSON.stringify(report, null, 2)}\n`);
    await writeFile(join(folder, 'report.html'), reportHtml(report));
    await writeFile(join(folder, 'manifest.json'), `${JSON.stringify(await signedManifest(folder, key), null, 2)}\n`);
  } catch (error) {
    const advice = 'Name a folder that you may write to, with --out.';
    throw fail('FOLDER_UNWRITABLE', { path: folder, reason: reasonOf(error), advice }, { cause: error });
  }
  return report;
};

export type EvidenceVerdict = {
  /** Every hash and the signature are right, the pinned key (when one was given) made it, and the report follows from the evidence. */
  readonly valid: boolean;
  readonly problems: readonly string[];
  readonly fingerprint: string;
  /** False: no key was given to compare with, so the pack may be by anybody. */
  readonly pinned: boolean;
  /** Re-computed from the history and the states; null when they could not be read. */
  readonly found: Reconciliation | null;
};

/** Re-checks a pack. Throws EVIDENCE_INVALID when it is not one. `pinnedKey` is a public key in PEM. */
export const verifyEvidence = async (folder: string, pinnedKey?: string): Promise<EvidenceVerdict> => {
  const manifest = parseManifest(await readText(folder, 'manifest.json'), folder);
  const signer = fingerprintOf(folder, manifest.key);
  const problems = [...(await fileProblems(folder, manifest)), ...signatureProblems(manifest, pinnedKey)];
  const { found, contradicted } = await recompute(folder);
  const all = [...problems, ...contradicted];
  return {
    valid: all.length === 0,
    problems: all,
    fingerprint: signer,
    pinned: pinnedKey !== undefined,
    found,
  };
};

function* historyLines({ headers, transactions }: History): Generator<string> {
  for (const header of headers) yield formatLine(header);
  for (const transaction of transactions) yield formatTransaction(transaction);
}

const writeLines = (path: string, lines: Iterable<string>): Promise<void> =>
  pipeline(Readable.from(inChunks(lines)), createWriteStream(path));

/** Joined to about 64 kB, so that a million short lines are not a million writes. */
function* inChunks(lines: Iterable<string>): Generator<string> {
  let chunk = '';
  for (const line of lines) {
    chunk += line;
    if (chunk.length < 65_536) continue;
    yield chunk;
    chunk = '';
  }
  yield chunk;
}

const signedManifest = async (folder: string, key: SigningKey): Promise<SignedManifest> => {
  const files = await Promise.all(
    evidenceFiles.map(async (name) => [name, await fileEntry(join(folder, name))] as const),
  );
  const manifest: Manifest = { format: 'coequal-evidence', version: 1, files: Object.fromEntries(files) };
  const signature = Buffer.from(sign(key.privatePem, signedBytes(manifest))).toString('base64');
  return { ...manifest, key: key.publicPem, signature };
};

const fileEntry = async (path: string) => {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return { sha256: hash.digest('hex'), bytes: (await stat(path)).size };
};

const fileProblems = async (folder: string, { files }: Manifest): Promise<readonly string[]> => {
  const present = new Set(await readdir(folder));
  const unlisted = evidenceFiles.filter((name) => files[name] === undefined);
  const checked = await Promise.all(
    Object.entries(files).map(async ([name, { sha256 }]) => {
      // A name is looked for among those in the folder, so that it can never lead out of it.
      if (!present.has(name)) return [`${name} is missing.`];
      return (await fileEntry(join(folder, name))).sha256 === sha256
        ? []
        : [`${name} was changed after it was signed.`];
    }),
  );
  return [...unlisted.map((name) => `${name} is not in the manifest.`), ...checked.flat()];
};

const signatureProblems = (manifest: SignedManifest, pinnedKey: string | undefined): readonly string[] => {
  const signature = Buffer.from(manifest.signature, 'base64');
  const problems = verify(manifest.key, signedBytes(manifest), signature)
    ? []
    : ['The signature does not fit the manifest.'];
  if (pinnedKey === undefined || fingerprint(pinnedKey) === fingerprint(manifest.key)) return problems;
  return [...problems, `It was signed by another key (${fingerprint(manifest.key)}) than the one given.`];
};

const fingerprintOf = (folder: string, key: string): string => {
  try {
    return fingerprint(key);
  } catch (error) {
    throw fail('EVIDENCE_INVALID', { path: folder, reason: reasonOf(error) }, { cause: error });
  }
};

/** The verdict once more, from the history and the states alone. */
const recompute = async (folder: string) => {
  try {
    const { transactions } = await readHistory(join(folder, 'history.ndjson'));
    const { opening, instances } = await readStates(join(folder, 'states.ndjson'));
    const found = reconcile(opening, transactions, instances);
    const claimed: unknown = JSON.parse(await readText(folder, 'report.json'));
    return { found, contradicted: contradictions(claimed, found) };
  } catch (error) {
    return { found: null, contradicted: [`The verdict cannot be re-computed: ${reasonOf(error)}`] };
  }
};

const readStates = async (path: string): Promise<States> => {
  const reader = stateReader(path);
  for await (const line of createInterface({ input: createReadStream(path, { encoding: 'utf8' }) })) reader.line(line);
  return reader.finish();
};

const readText = async (folder: string, name: string): Promise<string> => {
  try {
    return await readFile(join(folder, name), 'utf8');
  } catch (error) {
    const missing = codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR';
    const reason = missing ? `there is no ${name} in it` : reasonOf(error);
    throw fail('EVIDENCE_INVALID', { path: folder, reason }, { cause: error });
  }
};
