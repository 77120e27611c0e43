/**
 * Which statements take the time: those whose active time grew since the onset, and why it did. More calls at the same cost are load, more
 * rows for each call are an index that is not used, a new statement that reads everything is an expensive one.
 */
import type { DatabaseDetail, DatabaseSession } from '@coequal/contract';
import { type Finding, grade, numberWith } from '../../incident/finding.ts';
import type { Entity } from '../../incident/graph.ts';
import type { View } from '../../incident/view.ts';
import { detailFinding } from './host.ts';

const dumpText = /sql_no_cache|flush tables with read lock|flush no_write_to_binlog tables|backup stage/i;
const dumpUser = /backup|dump|mariabackup|pgbackrest|barman/i;
const wholeTable = /^\s*(\/\*.*?\*\/\s*)?(select\s+(\/\*.*?\*\/\s*)?(sql_no_cache\s+)?\*\s+from\s+\S+\s*$|copy\s)/i;

export const isDump = (user: string, statement: string): boolean =>
  dumpText.test(statement) || (dumpUser.test(user) && statement !== '');

type Activity = {
  readonly digest: string;
  readonly text: string;
  /** A second. */
  readonly calls: number;
  readonly seconds: number;
  readonly lockSeconds: number;
  /** For each call. */
  readonly rows: number;
  readonly changed: number;
  readonly withoutIndex: number;
  readonly sent: number;
};

export const statementFindings = (view: View): readonly Finding[] =>
  view.graph.instances.flatMap((instance) => {
    const details = view.scene.details.get(instance.name) ?? [];
    const since = details.filter(({ atMs }) => atMs > view.onsetMs && atMs <= view.scene.nowMs + 1_000).slice(-12);
    const past = details.filter(({ atMs }) => atMs <= view.onsetMs).slice(-120);
    // What was running long a while ago is usual; what runs since shortly before the onset may be what it is about.
    const usual = details.filter(({ atMs }) => atMs < Math.min(view.onsetMs, view.scene.nowMs - usualMs));
    if (since.length === 0) return [];
    return [
      ...grown(instance, activityOf(past), activityOf(since), past.length >= 5),
      ...running(instance, since, usual),
    ];
  });

const activityOf = (details: readonly DatabaseDetail[]): ReadonlyMap<string, Activity> => {
  const seconds = details.reduce((sum, { intervalMs }) => sum + intervalMs, 0) / 1_000;
  const sums = new Map<
    string,
    {
      text: string;
      calls: number;
      seconds: number;
      locked: number;
      rows: number;
      changed: number;
      bare: number;
      sent: number;
    }
  >();
  for (const { statements, intervalMs } of details) {
    if (intervalMs <= 0) continue;
    for (const one of statements) {
      const sum = sums.get(one.digest) ?? {
        text: one.text,
        calls: 0,
        seconds: 0,
        locked: 0,
        rows: 0,
        changed: 0,
        bare: 0,
        sent: 0,
      };
      sum.calls += one.calls;
      sum.seconds += one.seconds;
      sum.locked += one.lockSeconds;
      sum.rows += one.rowsExamined;
      sum.changed += one.rowsChanged;
      sum.bare += one.withoutIndex;
      sum.sent += one.rowsSent;
      sums.set(one.digest, sum);
    }
  }
  const span = Math.max(seconds, 0.5);
  return new Map(
    [...sums].map(([digest, sum]) => {
      const calls = Math.max(1, sum.calls);
      return [
        digest,
        {
          digest,
          text: sum.text,
          calls: sum.calls / span,
          seconds: sum.seconds / span,
          lockSeconds: sum.locked / span,
          rows: sum.rows / calls,
          changed: sum.changed / calls,
          withoutIndex: sum.bare / calls,
          sent: sum.sent / calls,
        },
      ];
    }),
  );
};

const shortText = (text: string): string => (text.length > 120 ? `${text.slice(0, 117)}…` : text);

/** Rows a second that cost a good part of a processor. */
const costlyRows = 100_000;

const grown = (
  instance: Entity,
  past: ReadonlyMap<string, Activity>,
  since: ReadonlyMap<string, Activity>,
  known: boolean,
): readonly Finding[] =>
  [...since.values()]
    .filter(({ seconds, calls, rows }) => seconds > 0.05 || calls * rows > costlyRows / 4)
    .toSorted((a, b) => b.calls * b.rows + b.seconds * costlyRows - (a.calls * a.rows + a.seconds * costlyRows))
    .slice(0, 3)
    .flatMap((now) => judged(instance, past.get(now.digest), now, known));

const judged = (instance: Entity, before: Activity | undefined, now: Activity, known: boolean): readonly Finding[] => {
  const evidence = [{ text: `statement: ${shortText(now.text)}` }];
  const cost = Math.max(
    grade(now.seconds - (before?.seconds ?? 0), 0.1, 0.8),
    grade(now.calls * now.rows, costlyRows / 4, costlyRows),
  );
  if (isDump('', now.text) || (wholeTable.test(now.text) && now.sent > 1_000))
    return [
      detailFinding(
        instance,
        'backup',
        0.8 * Math.max(cost, 0.5),
        `a dump reads whole tables: ${shortText(now.text)}`,
        evidence,
      ),
    ];
  if (now.changed >= 1_000)
    return [
      detailFinding(
        instance,
        'large transaction',
        0.85 * grade(now.changed, 1_000, 8_000),
        `one statement changes ${numberWith(now.changed, 'rows')}: ${shortText(now.text)}`,
        evidence,
      ),
    ];
  if (before === undefined || before.calls === 0) {
    if (!known) return [];
    const reads = Math.max(
      grade(now.rows, 2_000, 20_000),
      0.7 * grade(now.withoutIndex, 0, 1) * grade(now.rows, 200, 5_000),
    );
    const strength = 0.88 * cost * reads;
    return [
      detailFinding(
        instance,
        'expensive statement',
        strength,
        `a new statement reads ${numberWith(now.rows, 'rows')} a call and takes ${numberWith(now.seconds, 's')} a second: ${shortText(now.text)}`,
        evidence,
      ),
    ];
  }
  const perCall = (now.rows + 1) / (before.rows + 1);
  const bare = now.withoutIndex > 0.5 && before.withoutIndex < 0.2;
  const jumped = grade(perCall, 4, 15) * grade(now.rows, 200, 2_000);
  if (jumped > 0.05 || (bare && now.rows > 200)) {
    const strength = Math.max(jumped, bare ? 0.8 : 0) * Math.max(cost, 0.4);
    const text = `the same statement reads ${numberWith(now.rows, 'rows')} a call (before ${numberWith(before.rows, '')}): ${shortText(now.text)}`;
    return [
      detailFinding(instance, 'missing index', 0.9 * strength, text, evidence),
      detailFinding(instance, 'expensive statement', 0.3 * strength, text, evidence),
    ];
  }
  const more = now.calls / Math.max(before.calls, 0.1);
  return [
    detailFinding(instance, 'missing index', 0, `statements read ${numberWith(now.rows, 'rows')} a call, as before`),
    ...(before.rows > 2_000 && more > 2
      ? [
          detailFinding(
            instance,
            'expensive statement',
            0.7 * cost * grade(more, 2, 5),
            `an expensive statement is called ${numberWith(more, 'times')} as often: ${shortText(now.text)}`,
            evidence,
          ),
        ]
      : []),
  ];
};

/** A statement that ran long so many milliseconds ago belongs to normal operation. */
const usualMs = 45_000;

/** Statements that have not ended have no digest yet: sessions show them. */
const running = (
  instance: Entity,
  since: readonly DatabaseDetail[],
  past: readonly DatabaseDetail[],
): readonly Finding[] => {
  const long = longRunning(since.slice(-3));
  const usual = longRunning(past.slice(-20)).length;
  const first = long[0];
  if (first === undefined) return [detailFinding(instance, 'expensive statement', 0, 'no statement runs long')];
  const several = long.length > usual ? 1 : 0.4;
  return [
    detailFinding(
      instance,
      'expensive statement',
      0.8 * grade(first.seconds, 0.8, 4) * several,
      `session ${first.id} (${first.user}@${first.address}) has been reading for ${Math.round(first.seconds)} s: ${shortText(first.statement ?? '')}`,
      [{ text: `statement: ${shortText(first.statement ?? '')}` }],
    ),
  ];
};

const readingState = /sending data|sorting|creating sort|copying|statistics|executing|reading|tmp table|active|^$/i;
const reading = /^\s*(\/\*.*?\*\/\s*)?(\(*\s*select|with|insert\s.*\sselect|update|delete)/is;

const longRunning = (details: readonly DatabaseDetail[]): readonly DatabaseSession[] => {
  const sessions = new Map<number, DatabaseSession>();
  for (const detail of details) {
    const waiting = new Set(detail.waits.map((wait) => wait.waiting));
    for (const session of detail.sessions)
      if (
        (session.command === 'Query' || session.command === 'Execute' || session.command === 'active') &&
        session.user !== 'system user' &&
        session.seconds >= 0.8 &&
        !waiting.has(session.id) &&
        !isDump(session.user, session.statement ?? '') &&
        readingState.test(session.state) &&
        reading.test(session.statement ?? '')
      )
        sessions.set(session.id, session);
  }
  return [...sessions.values()].toSorted((a, b) => b.seconds - a.seconds);
};
