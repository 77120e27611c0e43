/**
 * Who waits for whom: the session at the root of a blocking tree, and what it is doing. Idle in a transaction, changing very many
 * rows, changing a table, or reading all of it are different causes with the same waiting behind them.
 */
import type { DatabaseDetail, DatabaseSession } from '@coequal/contract';
import { type Finding, grade } from '../../incident/finding.ts';
import type { Entity } from '../../incident/graph.ts';
import type { View } from '../../incident/view.ts';
import { detailFinding } from './host.ts';
import { isDump } from './statements.ts';

/** A reading so long before the onset may show what led to it. */
const beforeMs = 2_000;
const schemaStatement =
  /^\s*(\/\*.*?\*\/\s*)?(alter\s+table|create\s+(unique\s+|fulltext\s+)?index|drop\s+(index|table)|optimi[sz]e\s+table|truncate|rename\s+table|create\s+or\s+replace\s+table)/i;
const schemaState =
  /alter|copy to tmp table|copying to tmp|rename result table|committing alter|metadata lock|TOI|total order/i;
const committing = /commit|wsrep|certif|flow control|init for update/i;
const globalLock = /global read lock|backup lock|commit lock/i;
const metadataWait = /metadata lock/i;
const manyRows = 3_000;

/** Of system threads nothing is a cause: appliers hold what others have asked for. */
const isApplier = ({ user, command }: DatabaseSession): boolean =>
  user === 'system user' || command === 'Daemon' || command === 'Binlog Dump';

export const isSchemaStatement = (text: string): boolean => schemaStatement.test(text);

export const sessionFindings = (view: View): readonly Finding[] =>
  view.graph.instances.flatMap((instance) => {
    const details = (view.scene.details.get(instance.name) ?? []).filter(
      ({ atMs }) => atMs >= view.onsetMs - beforeMs && atMs <= view.scene.nowMs + 1_000,
    );
    return details.length === 0 ? [] : [...blocking(instance, details), ...working(instance, details)];
  });

const sessionText = ({ id, user, address }: DatabaseSession): string => `session ${id} (${user}@${address})`;

const isIdle = ({ command, state, statement }: DatabaseSession): boolean =>
  command === 'Sleep' ||
  /idle in transaction/.test(command) ||
  (command !== 'Query' && state === '' && statement === undefined);

const blocking = (instance: Entity, details: readonly DatabaseDetail[]): readonly Finding[] => {
  // The last reading in which somebody was blocked: a tree may be gone for a moment while its root goes on.
  const latest = details.slice(-5).findLast(({ blockers }) => blockers.length > 0);
  const worst = latest?.blockers[0];
  if (latest === undefined || worst === undefined)
    return [detailFinding(instance, 'idle transaction holds locks', 0, 'no session waits for another')];
  const root = latest.sessions.find(({ id }) => id === worst.session);
  const times = details.filter(({ blockers }) => blockers.some(({ session }) => session === worst.session)).length;
  const lasting = grade(times, 0, 2) * grade(worst.blocked, 0, 2);
  if (root === undefined || isApplier(root)) return [];
  const waits = `${worst.blocked} ${worst.blocked === 1 ? 'session waits' : 'sessions wait'} for it`;
  const age = Math.round(root.transactionSeconds ?? root.seconds);
  const evidence = [{ text: `${sessionText(root)} blocks ${worst.blocked}, in its transaction for ${age} s` }];
  if (isSchemaStatement(root.statement ?? ''))
    return [
      detailFinding(
        instance,
        'blocking schema change',
        0.9 * lasting,
        `${sessionText(root)} changes a table; ${waits}`,
        evidence,
      ),
    ];
  if ((root.rowsChanged ?? 0) >= manyRows)
    return [
      detailFinding(
        instance,
        'large transaction',
        0.9 * lasting,
        `${sessionText(root)} has changed ${root.rowsChanged} rows in one transaction; ${waits}`,
        evidence,
      ),
    ];
  const waiters = latest.sessions.filter(({ id }) =>
    latest.waits.some(({ waiting, blocking }) => waiting === id && blocking === root.id),
  );
  // Whoever locks all tables is in no transaction: nothing is applied either, and the group waits.
  if (waiters.some(({ state }) => globalLock.test(state)) || (isIdle(root) && root.transactionSeconds === undefined))
    return [
      detailFinding(
        instance,
        'slow applier',
        0.8 * lasting,
        `${sessionText(root)} holds a lock on all tables; ${waits}, and nothing is applied`,
        evidence,
      ),
    ];
  // Whoever waits for the group or for its own commit is held up like the rest.
  if (!isIdle(root) && (age < 3 || committing.test(root.state))) return [];
  const text = isIdle(root)
    ? `${sessionText(root)} holds row locks in an idle transaction of ${age} s; ${waits}`
    : `${sessionText(root)} holds row locks in a transaction of ${age} s; ${waits}`;
  const old = grade(age, 0, 3);
  return [
    detailFinding(
      instance,
      'idle transaction holds locks',
      (isIdle(root) ? 0.95 : 0.25) * lasting * old,
      text,
      evidence,
    ),
  ];
};

const working = (instance: Entity, details: readonly DatabaseDetail[]): readonly Finding[] => {
  const latest = details.slice(-3);
  const sessions = new Map(
    latest.flatMap((detail) => detail.sessions.map((session) => [session.id, session] as const)),
  );
  const own = [...sessions.values()].filter((session) => !isApplier(session));
  const waiting = own.filter(({ state }) => metadataWait.test(state)).length;
  const changing = own
    .filter(({ statement = '', command }) => command !== 'Sleep' && isSchemaStatement(statement))
    .toSorted((a, b) => b.seconds - a.seconds)[0];
  const findings: Finding[] = [];
  if (changing !== undefined) {
    const behind = waiting - (metadataWait.test(changing.state) ? 1 : 0);
    const strength = Math.max(0.85 * grade(changing.seconds, 0.5, 3), behind > 0 ? 0.9 : 0);
    findings.push(
      detailFinding(
        instance,
        'blocking schema change',
        strength,
        `${sessionText(changing)} has been changing a table for ${Math.round(changing.seconds)} s${behind > 0 ? `; ${behind} wait for its metadata lock` : ''}`,
        [{ text: `statement: ${(changing.statement ?? '').slice(0, 200)}` }],
      ),
    );
  } else
    findings.push(
      detailFinding(
        instance,
        'blocking schema change',
        waiting > 2 || own.some(({ state }) => schemaState.test(state)) ? 0.4 : 0,
        waiting > 0
          ? `${waiting} sessions wait for a metadata lock`
          : 'no session changes a table or waits for one that does',
      ),
    );
  const largest = own.toSorted((a, b) => (b.rowsChanged ?? 0) - (a.rowsChanged ?? 0))[0];
  const rows = largest?.rowsChanged ?? 0;
  findings.push(
    detailFinding(
      instance,
      'large transaction',
      0.92 * grade(rows, 1_000, 8_000),
      rows >= 1_000 && largest !== undefined
        ? `${sessionText(largest)} has changed ${rows} rows in one transaction of ${Math.round(largest.transactionSeconds ?? largest.seconds)} s`
        : 'no open transaction has changed many rows',
    ),
  );
  const dump = own.find((session) => isDump(session.user, session.statement ?? ''));
  if (dump !== undefined)
    findings.push(
      detailFinding(instance, 'backup', 0.88, `${sessionText(dump)} reads whole tables, as a backup does`, [
        { text: `statement: ${(dump.statement ?? '').slice(0, 200)}` },
      ]),
    );
  return findings;
};
