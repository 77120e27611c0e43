/**
 * What is learned from when the cause of an incident is confirmed: its beginning and what was before, out of the live window, or out of the
 * store where the live window has forgotten that. People confirm hours later as well.
 */
import type { Incident } from '@coequal/contract';
import { type IncidentScene, type StoredSeries, storedQueries, storedWindow } from '@coequal/diagnosis';
import { fail } from '@coequal/kernel';
import { limits } from '../limits.ts';
import type { MetricsStore } from '../ports.ts';
import { hostsOf, type SceneSources, sceneOf } from './scene.ts';

export type LearningTimes = {
  readonly nowMs: number;
  /** From when on the live window has everything. */
  readonly liveFromMs: number;
  readonly store: Pick<MetricsStore, 'range'> | undefined;
};

/** The place, and what is nearest to it: a profile is that of one instance with its host. */
const mostHosts = 8;

/** @throws STORE_FAILED */
export const learningScene = async (
  incident: Incident,
  sources: SceneSources,
  { nowMs, liveFromMs, store }: LearningTimes,
): Promise<IncidentScene> => {
  const { baselineSeconds, windowSeconds } = limits.diagnosis;
  // Later it is the incident that is usual.
  const lastMs = incident.startedMs + (windowSeconds - baselineSeconds) * 1_000;
  const endMs = Math.min(nowMs, incident.resolvedMs ?? nowMs, lastMs);
  const fromMs = Math.max(incident.startedMs - baselineSeconds * 1_000, endMs - windowSeconds * 1_000);
  const scene = sceneOf(incident, sources, endMs);
  if (store === undefined || fromMs >= liveFromMs) return scene;
  const { estate } = sources.places;
  const hosts = hostsOf(incident, sources.places).slice(0, mostHosts);
  const series: StoredSeries[] = [];
  for (const { host, promql } of storedQueries(estate)) {
    if (!hosts.includes(host)) continue;
    const answer = await store.range(promql, fromMs, endMs, 1_000);
    if (!answer.ok) throw fail('STORE_FAILED', { reason: answer.what });
    for (const one of answer.series) series.push({ ...one, labels: Object.fromEntries(one.labels) });
  }
  const window = storedWindow(series.slice(0, limits.diagnosis.signals), fromMs, endMs);
  // A store that has forgotten it too says nothing; the little that is still in memory may.
  return window.signals.length === 0 ? scene : { ...scene, window };
};
