/**
 * The changes witness for a live incident: each suspect change (`changes.ts`) speaks for the causes that such a change has. A change alone
 * is a suspicion; what it says counts more where nothing else would show its cause.
 */
import type { ChangeEvent } from '@coequal/contract';
import type { CauseName } from '../causes.ts';
import type { Finding } from '../incident/finding.ts';
import { keyOfPlace } from '../incident/graph.ts';
import type { View } from '../incident/view.ts';
import { suspectChanges } from './changes.ts';
import { withoutUndone } from './undone.ts';

type Speaks = readonly (readonly [cause: CauseName, strength: number])[];

const dropsIndex = /drop\s+(index|key|constraint)|index .* (dropped|removed)|dropped index/i;

/** Settings that only say what is written down, and those that change how the server works. */
const quietSetting =
  /long_query_time|slow_query|log_(error|warnings|output|slow|queries|bin_trust)|performance_schema|userstat|comment/i;
const strongSetting =
  /max_(user_)?connections|read_only|flush_log|sync_binlog|io_capacity|buffer_pool|log_file_size|wsrep_|slave_|applier|timeout|thread|max_statement_time|optimizer|join_buffer|sort_buffer|tmp_table|max_allowed|isolation|query_cache|table_open_cache|general_log|innodb_/i;

/** A setting works at once, and a schema change blocks from its beginning: suspects for a short time only, half after so long. */
const settingHalfLifeMs = 30_000;
const blockingHalfLifeMs = 20_000;

const fading = (change: ChangeEvent['change'], cause: CauseName, seconds: number): number => {
  if (change === 'setting') return 0.5 ** ((seconds * 1_000) / settingHalfLifeMs);
  return cause === 'blocking schema change' ? 0.5 ** ((seconds * 1_000) / blockingHalfLifeMs) : 1;
};

/** What was put back so long before anything fired is out of it, wherever the onset was found. */
const undoneQuietMs = 5_000;

const causesOf = ({ change, text, place }: ChangeEvent): Speaks => {
  switch (change) {
    case 'ddl':
      return dropsIndex.test(text)
        ? [
            ['missing index', 0.9],
            ['blocking schema change', 0.3],
          ]
        : [
            ['blocking schema change', 0.8],
            ['missing index', 0.2],
          ];
    case 'setting':
      return [['setting changed', quietSetting.test(text) ? 0.2 : strongSetting.test(text) ? 0.9 : 0.6]];
    case 'backup':
      return [['backup', 0.9]];
    case 'job':
      return [
        ['large transaction', 0.35],
        ['expensive statement', 0.35],
        ['backup', 0.2],
      ];
    case 'deployment':
      return [
        ['expensive statement', 0.3],
        ['load spike', 0.2],
      ];
    case 'stop':
      // An agent that ended says nothing of what it watched.
      if (place.gateway !== undefined) return [['gateway stopped', 0.6]];
      return place.instance === undefined ? [] : [['instance stopped', 0.6]];
    case 'clock':
      return [['clock offset', 0.8]];
    case 'restart':
    case 'membership':
    case 'account':
    case 'other':
      return [];
  }
};

/** What was changed before anything fired may be the cause, also where something that ended made the onset look earlier. */
const toleranceOf = (onsetMs: number, firedMs: number): number =>
  Number.isFinite(firedMs) ? Math.max(6_000, Math.min(20_000, firedMs - onsetMs + 2_000)) : 6_000;

/** What is abnormal may be anywhere in the estate: places that are far from it count half. */
export const changeFindings = (view: View): readonly Finding[] => {
  const touched = new Set(view.scene.triggers.flatMap(({ place }) => keyOfPlace(place) ?? []));
  const firedMs = Math.min(...view.scene.triggers.map(({ startedMs }) => startedMs));
  const beganMs = Number.isFinite(firedMs) ? Math.max(firedMs, view.onsetMs) : view.onsetMs;
  const changes = withoutUndone(view.scene.changes, beganMs, undoneQuietMs);
  const events = new Map(changes.map((event) => [event.id, event]));
  const stepsTo = (entity: string): number | undefined => {
    const distances = [...touched].flatMap((from) => view.graph.steps(from, entity) ?? []);
    return touched.size === 0 ? 0 : distances.length === 0 ? 4 : Math.min(...distances);
  };
  const suspects = suspectChanges(
    [...events.values()].map((event) => ({
      atMs: event.atMs,
      entity: keyOfPlace(event.place) ?? 'estate',
      text: event.id,
    })),
    {
      onsetMs: view.onsetMs,
      toleranceMs: toleranceOf(view.onsetMs, firedMs),
      stepsTo: (entity) => Math.min(2, (stepsTo(entity) ?? 4) / 2),
    },
  );
  return suspects.slice(0, 20).flatMap(({ change, weight }) => {
    const event = events.get(change.text);
    if (event === undefined) return [];
    const seconds = Math.max(0, Math.round((view.onsetMs - event.atMs) / 1_000));
    const when =
      seconds === 0 ? 'as it began' : seconds < 120 ? `${seconds} s before` : `${Math.round(seconds / 60)} min before`;
    return causesOf(event).map(([cause, strength]): Finding => {
      const { service, instance } = event.place;
      const place = cause === 'missing index' && service !== undefined ? { service } : event.place;
      return {
        witness: 'changes',
        cause,
        place: place === event.place || instance === undefined ? event.place : place,
        strength: strength * Math.min(1, weight * 1.6) * fading(event.change, cause, seconds),
        text: `${event.text}, ${when}`,
        evidence: [{ text: `${event.text}, ${when}${event.by === undefined ? '' : `, by ${event.by}`}` }],
      };
    });
  });
};
