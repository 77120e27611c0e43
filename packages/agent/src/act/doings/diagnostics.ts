/**
 * What somebody wants to see who looks into an instance: figures, settings, sessions, transactions, locks. Texts of statements are without
 * literals; settings are those whose values say nothing secret. The collection stays on the host; where it is and its digest are told.
 */
import { type ActionOf, classOf } from '@coequal/contract';
import { maskLiterals } from '@coequal/signals';
import { type Doing, no, yes } from '../doing.ts';
import type { HandsPorts, InstanceHands, Rows } from '../ports.ts';

/** Rows of one question. */
const most = 5_000;
const secretSetting = /pass|key|secret|token|auth|ssl|tls|init_connect|wsrep_sst|provider_options|proxy/i;

export const diagnosticsCollect = (
  one: ActionOf<'diagnostics-collect'>,
  hands: InstanceHands,
  keep: HandsPorts['keep'],
): Doing => ({
  class: classOf[one.type],
  does: [`Reads figures, settings, sessions and locks of ${one.instance} into a file on its host.`],
  before: async () => {
    const seen = await hands.observe();
    return hands.process() === undefined && seen.state !== 'serving'
      ? no(`There is nothing to ask: ${one.instance} is ${seen.state}.`)
      : yes();
  },
  perform: async ({ key, step }) => {
    step('asking');
    const kept = await keep(key, `${JSON.stringify(await collect(hands), undefined, 1)}\n`);
    return { path: kept.path, sha256: kept.sha256 };
  },
  after: async (_, result) =>
    result === undefined
      ? { is: 'untouched', words: 'It was interrupted; nothing but a file is left of it.' }
      : { is: 'done', words: 'It was collected.' },
  undo: () => undefined,
  putsBack: false,
});

const collect = async (hands: InstanceHands) => {
  const pairs = (rows: Rows) =>
    rows.slice(0, most).map((row) => [String(row['Variable_name']), String(row['Value'])] as const);
  const settings = pairs(await hands.ask('SHOW GLOBAL VARIABLES'));
  return {
    state: await hands.observe(),
    status: Object.fromEntries(pairs(await hands.ask('SHOW GLOBAL STATUS'))),
    settings: Object.fromEntries(settings.filter(([name]) => !secretSetting.test(name))),
    sessions: (
      await hands.ask(
        `SELECT ID AS id, USER AS user, DB AS db, COMMAND AS command, TIME AS seconds, STATE AS state, LEFT(INFO, 2048) AS info
          FROM information_schema.PROCESSLIST LIMIT ${most}`,
      )
    ).map(({ info, ...row }) => ({
      ...row,
      ...(info === null || info === undefined ? {} : { statement: maskLiterals(String(info), 'mysql') }),
    })),
    transactions: await hands.ask(
      `SELECT trx_id, trx_state, trx_started, trx_wait_started, trx_mysql_thread_id, trx_tables_locked, trx_rows_locked,
        trx_rows_modified, trx_isolation_level FROM information_schema.INNODB_TRX LIMIT ${most}`,
    ),
    lockWaits: await hands.ask(
      `SELECT requesting_trx_id, blocking_trx_id FROM information_schema.INNODB_LOCK_WAITS LIMIT ${most}`,
    ),
  };
};
