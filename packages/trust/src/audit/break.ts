/** What happened where a chain breaks: from the first line that does not follow, and those after it, to a sentence. Pure. */
import { type Checkpoint, checkpointOf } from './checkpoint.ts';
import { type AuditRecord, ownActions } from './record.ts';
import type { AuditProblem, AuditProblemKind } from './verify.ts';

/** A line as it was read. Undefined: it is no record. */
export type Seen = {
  readonly file: string;
  readonly line: number;
  readonly record: AuditRecord | undefined;
  readonly sound: boolean;
};

export type Before = {
  readonly chain: string;
  /** So many records are right. */
  readonly records: number;
  readonly previous: string;
  readonly lastPlace: { readonly file: string; readonly line: number };
  readonly isSigned: (checkpoint: Checkpoint) => boolean;
};

export const explainBreak = (lines: readonly Seen[], before: Before): AuditProblem => {
  const [first, ...rest] = lines;
  if (first === undefined) throw new Error('Bug: a chain breaks without a line');
  const expected = before.records + 1;
  const problem = (
    kind: AuditProblemKind,
    sequence: number,
    text: string,
    place: { readonly file: string; readonly line: number } = first,
  ): AuditProblem => ({ kind, chain: before.chain, sequence, file: place.file, line: place.line, text });
  const { record } = first;
  const after = rest.find((one) => isNext(one, before));

  if (record === undefined || !first.sound) {
    if (after !== undefined && after === rest[0])
      return problem('inserted', expected, `A line that is no record of this chain was put before record ${expected}.`);
    const what = record === undefined ? 'it is not a record any more' : 'its content does not fit its hash';
    return problem('changed', expected, `Record ${expected} was changed: ${what}.`);
  }
  if (before.chain !== '' && record.chain !== before.chain)
    return problem(
      'inserted',
      expected,
      `A record of another chain (${record.chain}) was put where record ${expected} belongs.`,
    );
  if (after !== undefined) {
    const belongsLater =
      record.sequence > expected &&
      rest.some((one) => one.record?.sequence === record.sequence - 1 && one.record.hash === record.previous);
    return belongsLater
      ? problem(
          'reordered',
          expected,
          `The order was changed: record ${record.sequence} stands where record ${expected} belongs.`,
        )
      : problem('inserted', expected, insertedText(record, expected));
  }
  if (record.sequence > expected) {
    const missing = record.sequence - expected;
    const which = missing === 1 ? `Record ${expected} was` : `Records ${expected} to ${record.sequence - 1} were`;
    return problem(
      'removed',
      expected,
      `${which} removed: record ${record.sequence} follows on record ${before.records}.`,
    );
  }
  if (record.sequence === before.records && rest[0]?.sound === true && rest[0].record?.previous === record.hash)
    return problem(
      'inserted',
      before.records,
      `Two records say that they are record ${before.records}, and the chain goes on from the second: the first was put in.`,
      before.lastPlace,
    );
  if (record.sequence < expected) return problem('inserted', expected, insertedText(record, expected));
  if (expected > 1 && isVouchedFor(first, rest, before))
    return problem(
      'changed',
      before.records,
      `Record ${before.records} was changed and its hash computed anew: it is not the one that record ${expected} and a signed checkpoint name.`,
      before.lastPlace,
    );
  return problem(
    'changed',
    expected,
    `Record ${expected} does not follow from record ${before.records}: one of both was changed and its hash computed anew.`,
  );
};

const insertedText = (record: AuditRecord, expected: number): string =>
  record.sequence < expected
    ? `Record ${record.sequence} is there a second time, before record ${expected}.`
    : `A record was put before record ${expected}: it does not follow from record ${expected - 1}.`;

const isNext = ({ record, sound }: Seen, { records, previous }: Before): boolean =>
  sound && record?.sequence === records + 1 && record.previous === previous;

/** Whether an unbroken stretch leads from this record to a checkpoint that the chain's key signed. */
const isVouchedFor = (first: Seen, rest: readonly Seen[], { isSigned }: Before): boolean => {
  let last = first.record;
  for (const { record, sound } of rest) {
    if (last === undefined || record === undefined || !sound) return false;
    if (record.sequence !== last.sequence + 1 || record.previous !== last.hash) return false;
    if (record.action === ownActions.checkpoint) {
      const checkpoint = checkpointOf(record.details);
      return checkpoint !== undefined && checkpoint.head === last.hash && isSigned(checkpoint);
    }
    last = record;
  }
  return false;
};
