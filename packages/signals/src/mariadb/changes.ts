/**
 * Changes that a reading shows, found by counters that are read anyway: membership by the number of the
 * group's configuration, schema changes and accounts by the counters of their statements (`Com_alter_table`, …). The group applies a
 * schema change on every member by the same statement, which every member counts; so each sees it, wherever it was made.
 */
import type { ChangeEvent, ChangeKind } from '@coequal/contract';
import { numberOf, type Row, textOf } from '../database/answer.ts';
import { changeEvent, type Whereabouts } from '../database/changes.ts';
import { maskLiterals } from '../database/mask.ts';
import type { Process } from './sessions.ts';
import { tidyDigest } from './statements.ts';
import type { NamedRow } from './status.ts';

type Membership = {
  readonly configuration: string;
  readonly state: string;
  readonly primary: boolean;
  readonly size: number;
  readonly members: readonly string[];
};

/** wsrep's view of who is in the group. */
export class MembershipWatch {
  #before: Membership | undefined;

  step(status: ReadonlyMap<string, string>, where: Whereabouts, atMs: number): readonly ChangeEvent[] {
    const configuration = status.get('wsrep_cluster_conf_id');
    if (configuration === undefined || configuration === '') return [];
    const now: Membership = {
      configuration,
      state: status.get('wsrep_cluster_state_uuid') ?? '',
      primary: status.get('wsrep_cluster_status') === 'Primary',
      size: numberOf(status.get('wsrep_cluster_size')) ?? 0,
      members: (status.get('wsrep_incoming_addresses') ?? '').split(',').filter((one) => one !== ''),
    };
    const before = this.#before;
    this.#before = now;
    if (before === undefined || (before.configuration === now.configuration && before.primary === now.primary))
      return [];
    const told = { source: 'wsrep' };
    if (!now.primary)
      return [
        changeEvent(where, 'membership', `${where.instance} lost its group`, `lost ${configuration}`, atMs, told),
      ];
    const [left, came] = [missingIn(before.members, now.members), missingIn(now.members, before.members)];
    const words = [
      `the group ${before.primary ? `went from ${before.size} to ${now.size} members` : `has ${now.size} members again`}`,
      ...(left.length === 0 || !before.primary ? [] : [`${left.join(', ')} left`]),
      ...(came.length === 0 || !before.primary ? [] : [`${came.join(', ')} joined`]),
    ];
    const key = `${now.state} ${configuration}`;
    return [changeEvent(where, 'membership', words.join('; '), key, atMs, { ...told, shared: true })];
  }
}

const missingIn = (these: readonly string[], others: readonly string[]): readonly string[] =>
  these.filter((one) => one !== 'AUTO' && !others.includes(one));

/** Counters of statements that change something beyond rows (`Com_…` of the status), and the words their statements begin with. */
const watched: readonly (readonly [counter: string, kind: ChangeKind, words: RegExp, shown: string])[] = [
  ...(
    [
      ['create_table', 'CREATE (\\w+ ){0,3}TABLE'],
      ['alter_table', 'ALTER (\\w+ ){0,2}TABLE'],
      ['drop_table', 'DROP TABLE'],
      ['rename_table', 'RENAME TABLE'],
      ['truncate', 'TRUNCATE'],
      ['create_index', 'CREATE (\\w+ ){0,3}INDEX'],
      ['drop_index', 'DROP INDEX'],
      ['create_db', 'CREATE (\\w+ ){0,2}(DATABASE|SCHEMA)'],
      ['alter_db', 'ALTER (DATABASE|SCHEMA)'],
      ['drop_db', 'DROP (DATABASE|SCHEMA)'],
      ['create_view', 'CREATE .*VIEW'],
      ['drop_view', 'DROP VIEW'],
      ['create_trigger', 'CREATE .*TRIGGER'],
      ['drop_trigger', 'DROP TRIGGER'],
      ['create_procedure', 'CREATE .*PROCEDURE'],
      ['drop_procedure', 'DROP PROCEDURE'],
      ['create_function', 'CREATE .*FUNCTION'],
      ['drop_function', 'DROP FUNCTION'],
      ['create_event', 'CREATE .*EVENT'],
      ['alter_event', 'ALTER .*EVENT'],
      ['drop_event', 'DROP EVENT'],
      ['optimize', 'OPTIMIZE'],
      ['analyze', 'ANALYZE'],
    ] as const
  ).map(([counter, words]) => [counter, 'ddl' as const, new RegExp(`^${words}\\b`), shownOf(counter)] as const),
  ...(
    [
      ['create_user', 'CREATE .*USER'],
      ['alter_user', 'ALTER .*USER'],
      ['drop_user', 'DROP .*USER'],
      ['rename_user', 'RENAME .*USER'],
      ['set_password', 'SET PASSWORD'],
      ['grant', 'GRANT'],
      ['revoke', 'REVOKE'],
      ['revoke_all', 'REVOKE'],
      ['create_role', 'CREATE .*ROLE'],
      ['drop_role', 'DROP ROLE'],
      ['grant_role', 'GRANT'],
      ['revoke_role', 'REVOKE'],
    ] as const
  ).map(([counter, words]) => [counter, 'account' as const, new RegExp(`^${words}\\b`), shownOf(counter)] as const),
];

function shownOf(counter: string): string {
  return counter
    .replaceAll('_', ' ')
    .replace(/\bdb\b/, 'database')
    .toUpperCase();
}

/** A statement's text that is not found within so many readings is told without it. */
const patience = 4;
/** A script that makes a thousand tables is told as this many changes, and one with their number. */
const pendingLimit = 50;

type Pending = { readonly index: number; readonly atMs: number; readings: number };

export class StatementWatch {
  #counts: ReadonlyMap<string, number> | undefined;
  #pending: Pending[] = [];
  #seen = new Map<string, number>();
  /** Running schema changes that were told already, by session and text: their digest comes when they end. */
  #running = new Map<string, number>();

  /** After a restart every counter begins anew. */
  clear(): void {
    this.#counts = undefined;
    this.#pending = [];
    this.#seen.clear();
    this.#running.clear();
  }

  /** True when texts should be looked for: the counters say that there was something. */
  count(status: readonly NamedRow[], atMs: number): boolean {
    const counts = new Map<string, number>();
    for (const [name, value] of status) if (name.startsWith('com_')) counts.set(name.slice(4), Number(value));
    const before = this.#counts;
    this.#counts = counts;
    if (before === undefined) return false;
    for (const [index, [counter]] of watched.entries()) {
      const more = (counts.get(counter) ?? 0) - (before.get(counter) ?? counts.get(counter) ?? 0);
      for (let one = 0; one < more && this.#pending.length < pendingLimit; one += 1)
        this.#pending.push({ index, atMs, readings: 0 });
    }
    return this.#pending.length > 0;
  }

  /**
   * `rows`: of `recentChanges`, none when performance_schema is off. `processes`: what runs now, for what has not ended yet.
   */
  resolve(rows: readonly Row[], processes: readonly Process[], where: Whereabouts): readonly ChangeEvent[] {
    const found: ChangeEvent[] = [];
    const ended = this.#ended(rows);
    const running = processes.filter(
      ({ id, statement }) => statement !== '' && !this.#running.has(`${id}\n${statement}`),
    );
    const used = new Set<Process>();
    this.#pending = this.#pending.filter((pending) => {
      const [, kind, words, shown] = watched[pending.index] ?? [];
      if (kind === undefined || words === undefined || shown === undefined) return false;
      const tell = (text: string, source: string, by?: string): void => {
        const noun = kind === 'account' ? 'the account change' : 'the schema change';
        const more = { shared: true, source, ...(by === undefined ? {} : { by }) };
        found.push(changeEvent(where, kind, `${noun} ${text}`, keyOf(shown, text), pending.atMs, more));
      };
      const at = ended.findIndex((text) => words.test(text));
      if (at >= 0) {
        tell(ended[at] ?? shown, 'performance_schema');
        ended.splice(at, 1);
        return false;
      }
      const session = running.find((one) => !used.has(one) && words.test(beginningOf(one.statement)));
      if (session !== undefined) {
        used.add(session);
        this.#running.set(`${session.id}\n${session.statement}`, pending.atMs);
        tell(
          maskLiterals(session.statement, 'mysql'),
          'processlist',
          session.user === 'system user' ? undefined : session.user,
        );
        return false;
      }
      pending.readings += 1;
      if (pending.readings < patience) return true;
      tell(shown, 'counters');
      return false;
    });
    const live = new Set(processes.map(({ id, statement }) => `${id}\n${statement}`));
    for (const key of this.#running.keys()) if (!live.has(key)) this.#running.delete(key);
    return found;
  }

  /** Texts of statements that ended since the reading before, each as often as it did. */
  #ended(rows: readonly Row[]): string[] {
    const texts: string[] = [];
    for (const [schema, digest, text, count, isNew] of rows) {
      const key = `${textOf(schema)}\n${textOf(digest)}`;
      const calls = numberOf(count) ?? 0;
      // Not seen before, yet it ended just now: once at least.
      const before = this.#seen.get(key) ?? (textOf(isNew) === '1' ? 0 : calls - 1);
      this.#seen.delete(key);
      this.#seen.set(key, calls);
      for (let one = 0; one < Math.min(calls - before, pendingLimit); one += 1) texts.push(tidyDigest(textOf(text)));
    }
    for (const key of this.#seen.keys()) {
      if (this.#seen.size <= 1_000) break;
      this.#seen.delete(key);
    }
    return texts;
  }
}

const beginningOf = (statement: string): string => maskLiterals(statement, 'mysql', 200).toUpperCase();

/**
 * The same for the text of the digest on one member and that of the running statement on another: without quotes, blanks and what is in
 * brackets, and no further than the name of what is changed.
 */
const keyOf = (shown: string, text: string): string =>
  `${shown} ${text.replaceAll(/[`"]/g, '').replace(/\(.*$/, '').toUpperCase().split(/\s+/).slice(0, 5).join(' ')}`;
