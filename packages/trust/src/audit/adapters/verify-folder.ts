/**
 * `coequal audit verify`: finds the chains below a folder (or takes one file), checks each, and checks them against each other, the
 * anchors and the time stamps. Reads only, so that it may run on a copy, on another machine, years later.
 */
import { dirname } from 'node:path';
import { fail, reasonOf } from '@coequal/kernel';
import { isSignedBy, pemOfKey, stampedHash } from '../checkpoint.ts';
import { checkToken } from '../timestamp.ts';
import { type AuditProblem, againstHeld, againstKey, ChainChecker, type CheckedChain, type Held } from '../verify.ts';
import { readAnchors } from './anchors.ts';
import { chainsBelow, linesOf } from './segments.ts';

export type AuditChecks = {
  /** Public keys in PEM: every chain has to be signed by one of them. */
  readonly keys: readonly string[];
  readonly anchorFolder?: string | undefined;
  /** PEM of the authority of time stamps. */
  readonly stampAuthority?: string | undefined;
  /** No record may have waited longer for a time stamp. */
  readonly stampedWithinMs?: number | undefined;
};

export type AuditVerdict = {
  readonly valid: boolean;
  readonly chains: readonly ChainVerdict[];
  /** What is wrong beside the chains: anchors without a chain, anchors that cannot be read. */
  readonly problems: readonly string[];
  readonly records: number;
};

export type ChainVerdict = {
  readonly chain: string;
  readonly records: number;
  readonly entries: number;
  readonly fingerprint: string;
  readonly pinned: boolean;
  readonly problem: AuditProblem | null;
  /** Up to these records the chain is covered by its own signature, by others, and by time stamps. */
  readonly signedTo: number;
  readonly heldTo: number;
  readonly stampedTo: number;
  readonly unfinished: boolean;
};

/** @throws AUDIT_INVALID, FILE_MISSING */
export const verifyAudit = async (paths: readonly string[], checks: AuditChecks): Promise<AuditVerdict> => {
  const sets = (await Promise.all(paths.map((path) => chainsBelow(path)))).flat();
  if (sets.length === 0) throw fail('AUDIT_INVALID', { path: paths.join(', '), reason: 'there are no records in it' });
  const checked: CheckedChain[] = [];
  for (const files of sets) checked.push(await checkFiles(files));
  const { held, problems } = await heldOf(checked, checks.anchorFolder);
  const chains = checked.map((one) => verdictOf(one, held, checks));
  return {
    valid: problems.length === 0 && chains.every(({ problem }) => problem === null),
    chains,
    problems,
    records: chains.reduce((sum, { records }) => sum + records, 0),
  };
};

const checkFiles = async (files: readonly string[]): Promise<CheckedChain> => {
  const checker = new ChainChecker();
  const last = files.at(-1);
  try {
    for await (const lines of linesOf(files))
      for (const { text, file, line, whole } of lines) {
        if (!whole && file === last) checker.addUnfinished();
        else if (!checker.add(text, file, line)) return checker.finish();
      }
  } catch (error) {
    throw fail('AUDIT_INVALID', { path: dirname(files[0] ?? ''), reason: reasonOf(error) }, { cause: error });
  }
  return checker.finish();
};

/** What chains hold about each other, and the anchors. */
const heldOf = async (checked: readonly CheckedChain[], anchorFolder: string | undefined) => {
  const held: Held[] = checked.flatMap(({ witnessed }) => witnessed);
  const problems: string[] = [];
  if (anchorFolder === undefined) return { held, problems };
  const { anchors, unreadable } = await readAnchors(anchorFolder);
  problems.push(...unreadable.map((file) => `${file} is no anchor that can be read: it was changed.`));
  const known = new Set(checked.map(({ chain }) => chain));
  const absent = new Set<string>();
  for (const { checkpoint, file } of anchors) {
    if (!known.has(checkpoint.chain)) absent.add(checkpoint.chain);
    if (isSigned(checkpoint)) held.push({ checkpoint, by: file });
    else problems.push(`${file} is not signed by the key that it names: it was changed.`);
  }
  for (const chain of absent)
    problems.push(`There are anchors of the chain ${chain}, and the chain itself is not here.`);
  return { held, problems };
};

const isSigned = (checkpoint: Parameters<typeof isSignedBy>[0] & { readonly key: string }): boolean => {
  try {
    return isSignedBy(checkpoint, pemOfKey(checkpoint.key));
  } catch {
    // A key that cannot be read has signed nothing.
    return false;
  }
};

const verdictOf = (checked: CheckedChain, held: readonly Held[], checks: AuditChecks): ChainVerdict => {
  const stamps = stampsOf(checked, checks);
  const candidates = [checked.problem, againstKey(checked, checks.keys), againstHeld(checked, held), stamps.problem];
  // The first record that is wrong; of two ways to see it the one that says more comes last.
  const problem = candidates
    .filter((one) => one !== undefined)
    .sort((a, b) => a.sequence - b.sequence)
    .at(0);
  const fitting = held.filter(
    ({ checkpoint }) => checkpoint.chain === checked.chain && checked.hashOf(checkpoint.sequence) === checkpoint.head,
  );
  return {
    chain: checked.chain,
    records: checked.records,
    entries: checked.entries,
    fingerprint: checked.fingerprint,
    pinned: checks.keys.length > 0,
    problem: problem ?? null,
    signedTo: checked.signedTo,
    heldTo: Math.max(0, ...fitting.map(({ checkpoint }) => checkpoint.sequence)),
    stampedTo: stamps.stampedTo,
    unfinished: checked.unfinished,
  };
};

type StampsChecked = { readonly stampedTo: number; readonly problem: AuditProblem | undefined };

const stampsOf = (checked: CheckedChain, { stampAuthority, stampedWithinMs }: AuditChecks): StampsChecked => {
  if (stampAuthority === undefined) return { stampedTo: 0, problem: undefined };
  const good: { readonly sequence: number; readonly atMs: number }[] = [];
  for (const { sequence, token, file, line } of checked.stamps) {
    const checkpoint = checked.checkpoints.get(sequence);
    const found = checkToken(Buffer.from(token, 'base64'), [stampAuthority]);
    const why =
      typeof found === 'string'
        ? found
        : checkpoint === undefined || found.hashHex !== stampedHash(checkpoint)
          ? 'it is of something else'
          : undefined;
    if (typeof found === 'string' || why !== undefined) {
      const text = `The time stamp for record ${sequence} does not hold: ${why}.`;
      return { stampedTo: 0, problem: { kind: 'bad-stamp', chain: checked.chain, sequence, file, line, text } };
    }
    good.push({ sequence, atMs: found.atMs });
  }
  const stampedTo = Math.max(0, ...good.map(({ sequence }) => sequence));
  return { stampedTo, problem: stampedWithinMs === undefined ? undefined : lateStamp(checked, good, stampedWithinMs) };
};

/** The first record whose first time stamp came too late, or never. Clocks may differ by that much too. */
const lateStamp = (
  checked: CheckedChain,
  stamps: readonly { readonly sequence: number; readonly atMs: number }[],
  withinMs: number,
): AuditProblem | undefined => {
  let first = 1;
  const last = Date.parse(checked.timeOf(checked.records) ?? '');
  for (const { sequence, atMs } of [...stamps, { sequence: checked.records, atMs: last }]) {
    const written = Date.parse(checked.timeOf(first) ?? '');
    if (first <= sequence && Math.abs(atMs - written) > withinMs) {
      const when = stamps.some((one) => one.atMs === atMs) ? `only at ${new Date(atMs).toISOString()}` : 'never';
      const text = `Record ${first} says it was written at ${checked.timeOf(first)}, and was time-stamped ${when}.`;
      return { kind: 'late-stamp', chain: checked.chain, sequence: first, ...checked.place(first), text };
    }
    first = Math.max(first, sequence + 1);
  }
  return undefined;
};
