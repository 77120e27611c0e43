/**
 * The evidence pack: from these files alone, offline, someone who does not trust us can re-compute the verdict.
 * `history.ndjson` says what clients did and were told, `states.ndjson` what the instances held, `report.json` what
 * we concluded, `manifest.json` the hash of each file, signed.
 *
 * Pure: values to texts and back. Files are written and read in `adapters/evidence.ts`.
 */
import { fail } from '@coequal/kernel';
import { canonicalJson, sha256Hex } from '@coequal/trust';
import type { Opening, Reconciliation } from './bank/reconcile.ts';
import type { AccountRow, Contents, EntryRow, TransferRow } from './bank/schema.ts';

export const evidenceFiles = ['history.ndjson', 'report.html', 'report.json', 'states.ndjson'] as const;
export type EvidenceFile = (typeof evidenceFiles)[number];

/** What is signed: the canonical JSON (RFC 8785) of this, in UTF-8. */
export type Manifest = {
  readonly format: 'coequal-evidence';
  readonly version: 1;
  readonly files: Readonly<Record<string, { readonly sha256: string; readonly bytes: number }>>;
};

export type SignedManifest = Manifest & {
  /** SPKI PEM of the key that made the signature. Says who only when it is pinned. */
  readonly key: string;
  /** Ed25519, base64. */
  readonly signature: string;
};

export const signedBytes = ({ format, version, files }: Manifest): Uint8Array =>
  new TextEncoder().encode(canonicalJson({ format, version, files }));

/** Contents as lines. An instance that holds the same rows as an earlier one says only that. */
export function* stateLines(opening: Opening, instances: readonly Contents[]): Generator<string> {
  yield* openingLines(opening);
  const written = new Map<string, string>();
  for (const contents of instances) {
    const digests = tableDigests(contents);
    const digest = canonicalJson(digests);
    const same = written.get(digest);
    yield line({ type: 'instance', instance: contents.instance, digests, ...(same === undefined ? {} : { same }) });
    if (same !== undefined) continue;
    written.set(digest, contents.instance);
    yield* rowLines(contents);
  }
}

export type TableDigests = { readonly accounts: string; readonly transfers: string; readonly entries: string };

/** SHA-256 of each table's rows, one canonical line each, in the order of the key. */
export const tableDigests = (contents: Contents): TableDigests => ({
  accounts: sha256Hex(contents.accounts.map(accountLine).join('')),
  transfers: sha256Hex(contents.transfers.map(transferLine).join('')),
  entries: sha256Hex(contents.entries.map(entryLine).join('')),
});

function* openingLines({ accounts, transfers }: Opening): Generator<string> {
  yield line({ type: 'opening' });
  for (const { id, opening } of accounts) yield line(['o', id, opening]);
  for (const id of transfers) yield line(['b', id]);
}

function* rowLines({ accounts, transfers, entries }: Contents): Generator<string> {
  for (const row of accounts) yield accountLine(row);
  for (const row of transfers) yield transferLine(row);
  for (const row of entries) yield entryLine(row);
}

const line = (value: unknown): string => `${JSON.stringify(value)}\n`;
const accountLine = ({ id, opening, balance, version }: AccountRow) => line(['a', id, opening, balance, version]);
const transferLine = ({ id, from, to, amount, site, at }: TransferRow) => line(['t', id, from, to, amount, site, at]);
const entryLine = ({ id, transfer, account, amount }: EntryRow) => line(['e', id, transfer, account, amount]);

export type States = { readonly opening: Opening; readonly instances: readonly Contents[] };

type Filling = { readonly instance: string; accounts: AccountRow[]; transfers: TransferRow[]; entries: EntryRow[] };

/** Reads `states.ndjson` line by line. Digests are checked at the end, so that rows and claims cannot differ. */
export const stateReader = (path: string) => {
  const accounts: { id: number; opening: number }[] = [];
  const before: string[] = [];
  const instances: { readonly contents: Filling; readonly digests: string }[] = [];
  let number = 0;
  const invalid = (reason: string) => fail('EVIDENCE_INVALID', { path, reason: `line ${number} ${reason}` });
  const text = (value: unknown): string => {
    if (typeof value !== 'string') throw invalid('has no text where one belongs');
    return value;
  };
  const integer = (value: unknown): number => {
    if (!Number.isSafeInteger(value)) throw invalid('has no whole number where one belongs');
    return Number(value);
  };
  const current = (): Filling => {
    const last = instances.at(-1);
    if (last === undefined) throw invalid('is a row of no instance');
    return last.contents;
  };
  const row = (value: readonly unknown[]): void => {
    const [kind, a, b, c, d, e, f] = value;
    if (kind === 'o') accounts.push({ id: integer(a), opening: integer(b) });
    else if (kind === 'b') before.push(text(a));
    else if (kind === 'a')
      current().accounts.push({ id: integer(a), opening: integer(b), balance: integer(c), version: integer(d) });
    else if (kind === 't')
      current().transfers.push({
        id: text(a),
        from: integer(b),
        to: integer(c),
        amount: integer(d),
        site: text(e),
        at: integer(f),
      });
    else if (kind === 'e')
      current().entries.push({ id: integer(a), transfer: text(b), account: integer(c), amount: integer(d) });
    else throw invalid('is of no known kind');
  };
  const heading = (value: object): void => {
    const { type, instance, digests, same } = Object.fromEntries<unknown>(Object.entries(value));
    if (type === 'opening') return;
    if (type !== 'instance') throw invalid('is of no known kind');
    const earlier = instances.find(({ contents }) => contents.instance === same);
    if (same !== undefined && earlier === undefined) throw invalid('refers to an instance that is not there');
    const rows = earlier?.contents ?? { accounts: [], transfers: [], entries: [] };
    instances.push({ contents: { ...rows, instance: text(instance) }, digests: canonicalJson(digests) });
  };
  return {
    line: (content: string): void => {
      number += 1;
      const value = parseJson(content);
      if (Array.isArray(value)) row(value);
      else if (typeof value === 'object' && value !== null) heading(value);
      else throw invalid('is not JSON');
    },
    finish: (): States => {
      for (const { contents, digests } of instances) {
        if (canonicalJson(tableDigests(contents)) === digests) continue;
        throw fail('EVIDENCE_INVALID', {
          path,
          reason: `the rows of ${contents.instance} do not have the digests it claims`,
        });
      }
      return { opening: { accounts, transfers: before }, instances: instances.map(({ contents }) => contents) };
    },
  };
};

/** The figures that a verdict rests on, by name. */
const judged = [
  'acknowledged',
  'refused',
  'conflicts',
  'failed',
  'inDoubt',
  'decided',
  'answered',
  'misjudged',
  'lost',
  'doubled',
  'diverged',
  'damaged',
  'unexplained',
  'balanceExact',
] as const;

/** Where a report claims something else than its own evidence shows. `claimed` is the parsed `report.json`. */
export const contradictions = (claimed: unknown, found: Reconciliation): readonly string[] => {
  const report = new Map<string, unknown>(
    typeof claimed === 'object' && claimed !== null ? Object.entries(claimed) : [],
  );
  return (
    judged
      .filter((name) => report.get(name) !== found[name])
      // Packs from before clients asked gateways do not have the figure, and nothing to count.
      .filter((name) => report.has(name) || found[name] !== 0)
      .map((name) => `The report says ${name} = ${JSON.stringify(report.get(name))}; its evidence says ${found[name]}.`)
  );
};

export const parseManifest = (text: string, path: string): SignedManifest => {
  const value = parseJson(text);
  if (!isManifest(value)) throw fail('EVIDENCE_INVALID', { path, reason: 'its manifest is malformed' });
  return value;
};

const isManifest = (value: unknown): value is SignedManifest => {
  if (typeof value !== 'object' || value === null) return false;
  const { format, version, files, key, signature } = Object.fromEntries<unknown>(Object.entries(value));
  const named =
    format === 'coequal-evidence' && version === 1 && typeof key === 'string' && typeof signature === 'string';
  return named && typeof files === 'object' && files !== null && Object.values(files).every(isFileEntry);
};

const isFileEntry = (value: unknown): boolean => {
  if (typeof value !== 'object' || value === null) return false;
  const { sha256, bytes } = Object.fromEntries<unknown>(Object.entries(value));
  return typeof sha256 === 'string' && typeof bytes === 'number';
};

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
};
