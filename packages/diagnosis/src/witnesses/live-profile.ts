/**
 * The profile witness for a live incident: which confirmed incidents does this look like? Compared is one instance with its host at a
 * time, under names without site, host and instance, so that what was learned at one site counts at every other.
 */
import type { Place } from '@coequal/contract';

import { isCauseName } from '../causes.ts';
import type { Finding } from '../incident/finding.ts';
import { type Entity, isWithin } from '../incident/graph.ts';
import { isCounter } from '../incident/names.ts';
import { ratesOf, type View } from '../incident/view.ts';
import { featureKinds, type Profile, profileOf } from '../profile/features.ts';
import type { Incident, Knowledge } from '../profile/knowledge.ts';
import { learnProfiles, type ProfileWitness } from '../profile/witness.ts';
import { makeWindow, type Signal, signalKey } from '../window.ts';

/** Labels that say where a signal is from, not what it is. */
const whereabouts = new Set([
  'instance',
  'exported_instance',
  'host',
  'site',
  'service',
  'gateway',
  'job',
  'id',
  'peer',
  'cpu',
]);
/** Growing forests takes seconds with much knowledge: once for each. */
const witnesses = new WeakMap<Knowledge, Known>();
const profileRows = 180;
/** Below this a forest says nothing. */
const leastConfidence = 0.2;

type Known = { readonly witness: ProfileWitness; readonly keys: ReadonlySet<string> };

const knownOf = (knowledge: Knowledge): Known => {
  const known = witnesses.get(knowledge) ?? {
    witness: learnProfiles(knowledge),
    keys: new Set(knowledge.incidents.flatMap(({ profile }) => [...profile.signals.keys()])),
  };
  witnesses.set(knowledge, known);
  return known;
};

/** The profile of an instance and its host. `keys`: only these signals, of all there are. */
const entityProfile = (view: View, instance: Entity, keys?: ReadonlySet<string>): Profile => {
  const start = Math.max(0, view.onset - profileRows);
  const own = [
    ...view.signalsOf(instance.key).values(),
    ...view.signalsOf(`host:${instance.place.host}`).values(),
  ].flat();
  const named = new Map<string, Signal>();
  for (const signal of own) {
    const labels = Object.fromEntries(Object.entries(signal.labels).filter(([label]) => !whereabouts.has(label)));
    const key = signalKey({ name: signal.name, labels });
    if (keys !== undefined && !keys.has(key)) continue;
    const raw = signal.values.subarray(start, view.end);
    const values = isCounter(signal) ? ratesOf(raw) : raw;
    const known = named.get(key);
    if (known === undefined) named.set(key, { name: signal.name, labels, kind: 'gauge', values });
    else named.set(key, { ...known, values: known.values.map((value, row) => value + (values[row] ?? Number.NaN)) });
  }
  const window = makeWindow({
    startMs: view.scene.window.startMs + start * 1_000,
    stepMs: 1_000,
    length: view.end - start,
    signals: [...named.values()],
  });
  return profileOf(window, { start: view.onset - start, end: view.end - start });
};

/** Signals that moved by less, in logarithms of deviations, are left out of what is learned: they say nothing, and fill the file. */
const worthKeeping = 0.7;
const movedPlaces = [featureKinds.indexOf('shift'), featureKinds.indexOf('robust')];

/** A confirmed incident for the knowledge: how the instance at its place moved, or the one that moved most where no instance is named. */
export const incidentOf = (view: View, id: string, cause: string, place: Place): Incident => {
  const near = view.graph.instances.filter(
    (instance) => isWithin(instance.place, place) || instance.place.site === place.site,
  );
  const profiles = (near.length > 0 ? near : view.graph.instances).map((instance) => entityProfile(view, instance));
  const moved = ({ signals }: Profile) =>
    [...signals].filter(([, features]) => movedPlaces.some((at) => Math.abs(features[at] ?? 0) >= worthKeeping));
  const furthest = profiles.toSorted((a, b) => moved(b).length - moved(a).length)[0];
  return {
    id,
    causes: [cause],
    profile: { compared: furthest?.compared ?? false, signals: new Map(furthest === undefined ? [] : moved(furthest)) },
  };
};

export const profileFindings = (view: View): { readonly findings: readonly Finding[]; readonly unknown: number } => {
  const { knowledge } = view.scene;
  if (knowledge === undefined || knowledge.incidents.length === 0) return { findings: [], unknown: 1 };
  const { witness, keys } = knownOf(knowledge);
  const asked = view.graph.instances.map((instance) => ({
    instance,
    testimony: witness.testify(entityProfile(view, instance, keys)),
  }));
  const findings = asked.flatMap(({ instance, testimony }) =>
    testimony.causes.flatMap(({ cause, confidence }): readonly Finding[] => {
      const strength = confidence * (1 - testimony.unknown) * (1 - testimony.nothing);
      if (!isCauseName(cause) || strength < leastConfidence) return [];
      return [
        {
          witness: 'profile',
          cause,
          place: instance.place,
          strength,
          text: `${instance.name} and its host look like known incidents of this cause`,
          evidence: [],
        },
      ];
    }),
  );
  return { findings, unknown: Math.min(...asked.map(({ testimony }) => testimony.unknown), 1) };
};
