/** What a recording rule makes of one evaluation: samples under its name, with its labels over those of the series. Pure. */
import { labelsOf, quoted, type Sample, seriesKey } from '../sample.ts';
import type { QueryPoint } from './alerts.ts';
import type { RecordingRule } from './model.ts';

export type RecordResult =
  | { readonly ok: true; readonly samples: readonly Sample[] }
  | { readonly ok: false; readonly what: string };

/** A rule whose series would fall together, or that makes more than `limit`, makes none: half a result misleads. */
export const recordPoints = (
  rule: RecordingRule,
  points: readonly QueryPoint[],
  atMs: number,
  limit: number,
): RecordResult => {
  if (points.length > limit) return { ok: false, what: `${quoted(rule.record)} gives more than ${limit} series` };
  const samples = new Map<string, Sample>();
  for (const { labels: own, value } of points) {
    const merged = new Map([...own.filter(([name]) => name !== '__name__'), ...rule.labels]);
    const labels = labelsOf([...merged]) ?? [];
    const key = seriesKey(rule.record, labels);
    if (samples.has(key)) return { ok: false, what: `two series of ${quoted(rule.record)} have the same labels` };
    samples.set(key, { name: rule.record, labels, value, timeMs: atMs });
  }
  return { ok: true, samples: [...samples.values()] };
};
