/**
 * What a server reports of its session in OK packets: the default schema, system variables, whether anything
 * changed, the characteristics and the state of the transaction, GTIDs. Types unknown to us are kept as such:
 * something changed, and we do not know what.
 */
import { ByteReader, ByteWriter } from './bytes.ts';
import { problemOf, type WireProblem } from './problem.ts';

export type SessionChange =
  | { readonly kind: 'variable'; readonly name: string; readonly value: string }
  | { readonly kind: 'schema'; readonly name: string }
  | { readonly kind: 'state-changed'; readonly changed: boolean }
  /** MySQL only; MariaDB reports the variable `last_gtid`. */
  | { readonly kind: 'gtids'; readonly text: string }
  /** The statements that start such a transaction again, empty when none is open. */
  | { readonly kind: 'transaction-characteristics'; readonly statements: string }
  /** Eight characters, each a letter or `_`: `T` explicit, `I` implicit, `r`/`R` read, `w`/`W` wrote, `s` `S` `L` */
  | { readonly kind: 'transaction-state'; readonly text: string }
  | { readonly kind: 'unknown'; readonly type: number };

const TRACK = { variables: 0, schema: 1, stateChange: 2, gtids: 3, characteristics: 4, state: 5 } as const;

const digitOne = 0x31;

/** Reads the whole session state information of one OK packet. */
export const parseSessionChanges = (bytes: Buffer): readonly SessionChange[] | WireProblem => {
  const reader = new ByteReader(bytes);
  const changes: SessionChange[] = [];
  while (reader.remaining > 0) {
    const type = reader.uint8();
    const entry = new ByteReader(reader.lenencBytes());
    readEntry(type, entry, changes);
    if (reader.failed || entry.failed) return problemOf('malformed', 'the session state ends early');
  }
  return changes;
};

const readEntry = (type: number, entry: ByteReader, changes: SessionChange[]): void => {
  switch (type) {
    case TRACK.variables:
      do changes.push({ kind: 'variable', name: entry.lenencText(), value: entry.lenencText() });
      while (entry.remaining > 0);
      return;
    case TRACK.schema:
      changes.push({ kind: 'schema', name: entry.lenencText() });
      return;
    case TRACK.stateChange:
      // The one entry that is no text with a length: servers send the digit alone, some documents show its length too.
      changes.push({ kind: 'state-changed', changed: entry.rest().at(-1) === digitOne });
      return;
    case TRACK.gtids:
      // One byte says how they are encoded; only text exists.
      entry.skip(1);
      changes.push({ kind: 'gtids', text: entry.lenencText() });
      return;
    case TRACK.characteristics:
      changes.push({ kind: 'transaction-characteristics', statements: entry.lenencText() });
      return;
    case TRACK.state:
      changes.push({ kind: 'transaction-state', text: entry.lenencText() });
      return;
    default:
      changes.push({ kind: 'unknown', type });
  }
};

export const encodeSessionChanges = (changes: readonly SessionChange[]): Buffer => {
  const writer = new ByteWriter();
  for (const change of changes) {
    const entry = new ByteWriter(64);
    const type = writeEntry(change, entry);
    writer.uint8(type).lenencBytes(entry.take());
  }
  return writer.take();
};

const writeEntry = (change: SessionChange, entry: ByteWriter): number => {
  switch (change.kind) {
    case 'variable':
      entry.lenencText(change.name).lenencText(change.value);
      return TRACK.variables;
    case 'schema':
      entry.lenencText(change.name);
      return TRACK.schema;
    case 'state-changed':
      entry.text(change.changed ? '1' : '0');
      return TRACK.stateChange;
    case 'gtids':
      entry.uint8(0).lenencText(change.text);
      return TRACK.gtids;
    case 'transaction-characteristics':
      entry.lenencText(change.statements);
      return TRACK.characteristics;
    case 'transaction-state':
      entry.lenencText(change.text);
      return TRACK.state;
    case 'unknown':
      return change.type;
  }
};
