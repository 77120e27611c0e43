/** Scenes of the model's estate: a fault at a site since some seconds, or nothing but load that varies. */
import { readFileSync } from 'node:fs';
import { estateOrThrow } from '@coequal/estate';
import { seededRandom } from '@coequal/kernel';
import type { IncidentScene } from '../incident/scene.ts';
import { everywhere, type Fault } from './faults.ts';
import { type Dials, healthyDials, makeModel, type SiteName, siteNames } from './model.ts';
import { detailsOf, instanceAt, signalsOf } from './signals.ts';

const path = new URL('../../../../estates/three-centres.yaml', import.meta.url);
export const estate = estateOrThrow(readFileSync(path, 'utf8'), 'three-centres.yaml');

const startMs = 1_700_000_000_000;

export type Told = {
  readonly faults: readonly { readonly fault: Fault; readonly site: SiteName }[];
  readonly seed: number;
  /** Seconds of health, and seconds since the fault. */
  readonly before?: number;
  readonly since?: number;
  /** How far the load wanders, 0 to 1. */
  readonly wandering?: number;
};

export const sceneOf = ({ faults, seed, before = 240, since = 9, wandering = 0.5 }: Told): IncidentScene => {
  const model = makeModel(seededRandom(seed), wandering);
  const seconds = Array.from({ length: before + since }, (_, row) => {
    const dials: Record<SiteName, Dials> = { north: healthyDials(), south: healthyDials(), west: healthyDials() };
    if (row >= before)
      for (const { fault, site } of faults)
        for (const each of everywhere.has(fault.cause) ? siteNames : [site]) fault.turn(dials[each], row - before);
    return model.step(dials, row);
  });
  const onsetMs = startMs + before * 1_000;
  const happened = faults.map(({ fault, site }) => fault.happens?.(site, onsetMs) ?? {});
  return {
    nowMs: startMs + (before + since) * 1_000,
    window: signalsOf(seconds, startMs, seededRandom(seed + 1)),
    triggers: faults
      .slice(0, 1)
      .map(() => ({ name: 'commits fell', place: { service: 'bank' }, startedMs: onsetMs + 2_000 })),
    changes: happened.flatMap(({ changes = [] }) => changes),
    logs: happened.flatMap(({ logs = [] }) => logs),
    details: new Map(
      siteNames.map((site) => [
        instanceAt(site),
        detailsOf(seconds, site, startMs, before, (row) =>
          Object.assign(
            {},
            ...faults.filter((each) => each.site === site).map(({ fault }) => fault.extra?.(row, site) ?? {}),
          ),
        ),
      ]),
    ),
    estate,
  };
};
