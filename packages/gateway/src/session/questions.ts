/**
 * What the gateway answers itself, and what it refuses before an instance sees it: questions about outcomes, warnings of a
 * write that it wrapped, KILL of its own connection ids, and changes of tables that would block every site.
 */
import { formatBytes } from '@coequal/kernel';
import { encodeCommand, frame, SERVER_ERROR } from '@coequal/mysql-wire';
import { outcomeKey } from '../instances/outcomes.ts';
import { alterTarget, killTarget, outcomeQuestion, rewriteRowCount, showWarnings } from '../sql/parts.ts';
import { flag, type Statement } from '../sql/statement.ts';
import type { Relay } from './relay.ts';
import { has } from './requests.ts';

/** Connection ids that a gateway has shown begin here; below are the instances' own. */
const firstOwnId = 0x8000_0000;

/** True: the client has its answer, now or soon. */
export const answersItself = (relay: Relay, statement: Statement, sql: Buffer): boolean => {
  if (statement.kind === 'kill') {
    const target = killTarget(sql);
    if (target === undefined || target.id === undefined || target.id < firstOwnId) return false;
    relay.killSession(target.id, target.what);
    return true;
  }
  if (has(statement, flag.coequal)) return answerOfOutcome(relay, sql);
  if (has(statement, flag.diagnostics)) return answerOfWarnings(relay, sql);
  return false;
};

const answerOfOutcome = (relay: Relay, sql: Buffer): boolean => {
  const question = outcomeQuestion(sql);
  if (question === undefined) return false;
  if (question.kind === 'session') {
    relay.rowStays = true;
    const { session, sequence } = relay.identity;
    const key = outcomeKey(session, sequence, relay.ports.clock.now());
    relay.answerRows([question.column], [[key.toString('hex')]]);
    relay.rest();
    return true;
  }
  const key = /^[0-9a-f]{80}$/i.test(question.key) ? Buffer.from(question.key, 'hex') : null;
  if (key === null) {
    relay.answerError(SERVER_ERROR.unknown, 'coequal.outcome takes the key that coequal.session() gave.');
    relay.rest();
    return true;
  }
  relay.enter('asking');
  relay.ports.ask(key).then(
    (answer) => {
      if (relay.phase !== 'asking') return;
      relay.answerRows([question.column], [[answer]]);
      relay.rest();
    },
    () => {
      if (relay.phase !== 'asking') return;
      relay.answerRows([question.column], [['unknown']]);
      relay.rest();
    },
  );
  return true;
};

/** After a wrapped write the instance has forgotten its warnings: the outcome row brought them along. */
const answerOfWarnings = (relay: Relay, sql: Buffer): boolean => {
  const { warnings } = relay.last;
  const asked = showWarnings(sql);
  if (warnings === null || asked === undefined) return false;
  const isError = ([code]: (typeof warnings)[number]): boolean => code === relay.last.failed;
  const errors = warnings.filter(isError);
  switch (asked) {
    case 'warnings':
    case 'errors':
      relay.answerRows(
        ['Level', 'Code', 'Message'],
        (asked === 'warnings' ? warnings : errors).map((one) => [
          isError(one) ? 'Error' : 'Warning',
          String(one[0]),
          one[1],
        ]),
      );
      break;
    default:
      relay.answerRows(
        [asked.includes('error') ? '@@session.error_count' : '@@session.warning_count'],
        [[String(asked.includes('error') ? errors.length : warnings.length)]],
      );
  }
  relay.restKeepingDiagnostics();
  return true;
};

export type Checked = 'answered' | undefined;

/** What has to be asked elsewhere before the statement may be sent; null: nothing. */
export const refusalOf = (relay: Relay, statement: Statement, sql: Buffer): Promise<Checked> | null => {
  const { schemaChangeBytes } = relay.rules;
  if (statement.kind !== 'ddl' || schemaChangeBytes === null || has(statement, flag.blockingComment)) return null;
  const target = alterTarget(sql);
  return target === undefined || target.instant ? null : checkSize(relay, statement, target, schemaChangeBytes);
};

const checkSize = async (
  relay: Relay,
  statement: Statement,
  target: { readonly schema?: string | undefined; readonly table: string },
  limitBytes: number,
): Promise<Checked> => {
  const schema = target.schema ?? relay.settings.schema;
  const bytes = await relay.ports.tableBytes(schema, target.table);
  if (relay.phase !== 'asking' || bytes === undefined || bytes <= limitBytes) return undefined;
  relay.ports.tell.refused('schema-change', statement.verb, `${schema}.${target.table}`);
  relay.answerError(
    SERVER_ERROR.optionPreventsStatement,
    `${statement.verb} of ${schema}.${target.table} (${formatBytes(bytes)}) would hold up writes at every site until it is done; the estate allows this up to ${formatBytes(limitBytes)}. Use ALGORITHM=INSTANT where it serves, or write /* coequal: allow-blocking */ into the statement when you mean it.`,
  );
  return 'answered';
};

/** ROW_COUNT() speaks of the statement before it, which may have been one of the gateway's own: the number is put in its place. */
export const withRowCount = (relay: Relay, statement: Statement, sql: Buffer): Buffer | null => {
  // Without an instance it is about to be moved, and restored by statements of the gateway's own.
  if (!has(statement, flag.rowCount) || (!relay.last.disturbed && relay.link !== null)) return null;
  return frame(encodeCommand.query(rewriteRowCount(sql, relay.last.rowCount)), 0);
};
