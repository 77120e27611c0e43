/**
 * Answers of servers, built packet by packet together with what a scanner has to make of each: the reference that
 * `response.test.ts` compares with. It writes streams from what the protocol says, and never reads one.
 */
import fc from 'fast-check';
import { type Capabilities, CLIENT, hasBase, hasExtended, MARIADB } from '../capabilities.ts';
import { encodeColumn, textColumn } from '../columns.ts';
import { frame } from '../framing.ts';
import { encodeEof, encodeErr, encodeLocalInfile, encodeOk, encodePrepareOk } from '../packets.ts';
import { STATUS } from '../protocol.ts';
import type { ResponseEvent, ResponseKind, ResponseScanner } from '../response.ts';
import { encodeTextRow } from '../rows.ts';
import { bytesOf } from './bytes.ts';

export type Part = { readonly type: 'plain' | ResponseEvent['type']; readonly bytes: Buffer; readonly last?: boolean };

export type Answer = {
  readonly kind: ResponseKind;
  readonly capabilities: Capabilities;
  readonly parts: readonly Part[];
  readonly rows: number;
};

/** Numbers frames one after the other. */
export class AnswerWriter {
  readonly parts: Part[] = [];
  rows = 0;
  #sequence: number;

  constructor(firstSequence = 1) {
    this.#sequence = firstSequence;
  }

  add(type: Part['type'], payload: Buffer, last?: boolean): void {
    const bytes = frame(payload, this.#sequence);
    this.#sequence = (this.#sequence + Math.floor(payload.length / 0xff_ffff) + 1) & 0xff;
    this.parts.push({ type, bytes, ...(last === undefined ? {} : { last }) });
  }

  row(payload: Buffer): void {
    this.rows += 1;
    this.add('plain', payload);
  }
}

export const progressPayload = Buffer.from('ffffff0101020000000470726f67', 'hex');

const definition = (capabilities: Capabilities): Buffer => encodeColumn(textColumn('column'), capabilities);

type ResultShape = {
  readonly columns: number;
  readonly rows: readonly Buffer[];
  readonly ending: 'end' | 'error' | 'cursor';
  readonly progress: boolean;
  readonly withoutDefinitions: boolean;
};

type StatementShape =
  | { readonly type: 'ok'; readonly info: string }
  | { readonly type: 'infile' }
  | { readonly type: 'error' }
  | ({ readonly type: 'result' } & ResultShape);

const rowBytes: fc.Arbitrary<Buffer> = fc.oneof(
  fc
    .array(fc.option(fc.string({ maxLength: 300 }), { nil: null }), { minLength: 1, maxLength: 4 })
    .map((values) => encodeTextRow(values)),
  bytesOf({ max: 60 }).map((bytes) => Buffer.concat([Buffer.of(0), bytes])),
);

const statement: fc.Arbitrary<StatementShape> = fc.oneof(
  fc.record({ type: fc.constant('ok' as const), info: fc.string({ maxLength: 400 }) }),
  fc.constant({ type: 'infile' as const }),
  fc.constant({ type: 'error' as const }),
  fc.record({
    type: fc.constant('result' as const),
    columns: fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 248, max: 300 })),
    rows: fc.array(rowBytes, { maxLength: 12 }),
    ending: fc.constantFrom('end' as const, 'end' as const, 'error' as const, 'cursor' as const),
    progress: fc.boolean(),
    withoutDefinitions: fc.boolean(),
  }),
);

const capabilitySets: fc.Arbitrary<Capabilities> = fc
  .record({ deprecateEof: fc.boolean(), cacheMetadata: fc.boolean(), track: fc.boolean() })
  .map(({ deprecateEof, cacheMetadata, track }) => ({
    base: CLIENT.PROTOCOL_41 | (deprecateEof ? CLIENT.DEPRECATE_EOF : 0) | (track ? CLIENT.SESSION_TRACK : 0),
    extended: cacheMetadata ? MARIADB.CACHE_METADATA : 0,
  }));

const failure = encodeErr({ number: 1213, sqlState: '40001', message: 'Deadlock found' });

const end = (writer: AnswerWriter, capabilities: Capabilities, status: number): void => {
  const last = (status & STATUS.MORE_RESULTS_EXISTS) === 0;
  if (hasBase(capabilities, CLIENT.DEPRECATE_EOF))
    writer.add('ok', encodeOk({ status, header: 0xfe }, capabilities), last);
  else writer.add('eof', encodeEof({ warnings: 0, status }), last);
};

/** Definitions, and the EOF behind them where there is one. */
const definitions = (writer: AnswerWriter, capabilities: Capabilities, count: number): void => {
  for (let index = 0; index < count; index += 1) writer.add('plain', definition(capabilities));
};

const addResult = (writer: AnswerWriter, capabilities: Capabilities, shape: ResultShape, more: number): void => {
  const cached = hasExtended(capabilities, MARIADB.CACHE_METADATA);
  const without = cached && shape.withoutDefinitions;
  const count =
    shape.columns < 251 ? Buffer.of(shape.columns) : Buffer.of(0xfc, shape.columns & 0xff, shape.columns >> 8);
  if (shape.progress) writer.add('plain', progressPayload);
  writer.add('plain', cached ? Buffer.concat([count, Buffer.of(without ? 0 : 1)]) : count);
  definitions(writer, capabilities, without ? 0 : shape.columns);
  if (shape.ending === 'cursor') {
    end(writer, capabilities, STATUS.CURSOR_EXISTS);
    return;
  }
  if (!hasBase(capabilities, CLIENT.DEPRECATE_EOF)) writer.add('plain', encodeEof({ warnings: 0, status: 2 }));
  for (const row of shape.rows) writer.row(row);
  if (shape.progress) writer.add('plain', progressPayload);
  if (shape.ending === 'error') writer.add('err', failure, true);
  else end(writer, capabilities, STATUS.AUTOCOMMIT | more);
};

const addStatement = (writer: AnswerWriter, capabilities: Capabilities, shape: StatementShape, more: number): void => {
  switch (shape.type) {
    case 'error':
      writer.add('err', failure, true);
      return;
    case 'result':
      addResult(writer, capabilities, shape, more);
      return;
    case 'infile':
      writer.add('local-infile', encodeLocalInfile('a.csv'), false);
      break;
    case 'ok':
      break;
  }
  const info = shape.type === 'ok' ? shape.info : 'Records: 1';
  writer.add('ok', encodeOk({ status: 2 | more, info }, capabilities), more === 0);
};

const endsAll = (shape: StatementShape): boolean =>
  shape.type === 'error' || (shape.type === 'result' && shape.ending !== 'end');

const statements: fc.Arbitrary<Answer> = fc
  .record({
    kind: fc.constantFrom('query' as const, 'execute' as const),
    capabilities: capabilitySets,
    shapes: fc.array(statement, { minLength: 1, maxLength: 4 }),
  })
  .map(({ kind, capabilities, shapes }) => {
    const writer = new AnswerWriter();
    // Only COM_STMT_EXECUTE opens cursors.
    const possible = shapes.map((shape) =>
      shape.type === 'result' && shape.ending === 'cursor' && kind === 'query'
        ? { ...shape, ending: 'end' as const }
        : shape,
    );
    const stop = possible.findIndex(endsAll);
    const sent = stop < 0 ? possible : possible.slice(0, stop + 1);
    for (const [index, shape] of sent.entries()) {
      addStatement(writer, capabilities, shape, index + 1 < sent.length ? STATUS.MORE_RESULTS_EXISTS : 0);
    }
    return { kind, capabilities, parts: writer.parts, rows: writer.rows };
  });

const preparations: fc.Arbitrary<Answer> = fc
  .record({
    capabilities: capabilitySets,
    parameters: fc.integer({ min: 0, max: 4 }),
    columns: fc.integer({ min: 0, max: 4 }),
  })
  .map(({ capabilities, parameters, columns }) => {
    const writer = new AnswerWriter();
    const last = parameters === 0 && columns === 0;
    writer.add('prepare-ok', encodePrepareOk({ statement: 7, columns, parameters, warnings: 0 }), last);
    for (const count of [parameters, columns].filter((each) => each > 0)) {
      definitions(writer, capabilities, count);
      if (!hasBase(capabilities, CLIENT.DEPRECATE_EOF)) writer.add('plain', encodeEof({ warnings: 0, status: 2 }));
    }
    return { kind: 'prepare', capabilities, parts: writer.parts, rows: 0 };
  });

const lists: fc.Arbitrary<Answer> = fc
  .record({
    kind: fc.constantFrom('fetch' as const, 'field-list' as const),
    capabilities: capabilitySets,
    rows: fc.array(bytesOf({ min: 1, max: 50 }), { maxLength: 10 }),
  })
  .map(({ kind, capabilities, rows }) => {
    const writer = new AnswerWriter();
    for (const row of rows) writer.row(Buffer.concat([Buffer.of(kind === 'fetch' ? 0 : 3), row]));
    end(writer, capabilities, STATUS.LAST_ROW_SENT);
    return { kind, capabilities, parts: writer.parts, rows: kind === 'fetch' ? writer.rows : 0 };
  });

export const answers: fc.Arbitrary<Answer> = fc.oneof(
  { weight: 5, arbitrary: statements },
  { weight: 1, arbitrary: preparations },
  { weight: 1, arbitrary: lists },
);

/** What a scanner made of a stream, in the form of parts: neighbouring plain bytes are one part. */
export const scanAll = (scanner: ResponseScanner, chunks: readonly Buffer[]): readonly Part[] => {
  const parts: Part[] = [];
  let plain: Buffer[] = [];
  const flush = () => {
    const bytes = Buffer.concat(plain);
    if (bytes.length > 0) parts.push({ type: 'plain', bytes });
    plain = [];
  };
  for (const chunk of chunks) {
    let offset = 0;
    while (offset < chunk.length && !scanner.done && scanner.problem === undefined) {
      const to = scanner.scan(chunk, offset);
      plain.push(scanner.released, chunk.subarray(offset, to));
      offset = scanner.resumeAt;
      const { event } = scanner;
      if (event === undefined) continue;
      flush();
      parts.push({ type: event.type, bytes: event.raw, last: event.last });
      scanner.accept();
    }
  }
  flush();
  return parts;
};

/** Neighbouring plain parts as one. */
export const merged = (parts: readonly Part[]): readonly Part[] => {
  const done: Part[] = [];
  for (const part of parts) {
    const before = done.at(-1);
    if (part.type !== 'plain' || before?.type !== 'plain') done.push(part);
    else done[done.length - 1] = { type: 'plain', bytes: Buffer.concat([before.bytes, part.bytes]) };
  }
  return done;
};
