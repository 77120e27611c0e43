/**
 * From a window of signals to causes: the stretch is found (or given), its profile is shown to the profile witness, and
 * what it says is put into words that a person can check. Normal operation has no cause and no stretch.
 */
import { findOnset, isAbnormal, type OnsetOptions } from './onset.ts';
import { type Predicate, predicatesOf, predicateText, shortNumber } from './predicates.ts';
import { featureKinds, type Profile, profileOf } from './profile/features.ts';
import { type Incident, signsOf } from './profile/knowledge.ts';
import type { ProfileWitness, RankedCause, Testimony } from './profile/witness.ts';
import { robustOf } from './statistics.ts';
import { ratesOfCounters, type SignalWindow, type Stretch, signalKey } from './window.ts';

export type ExplainedCause = RankedCause & { readonly evidence: readonly string[] };

export type Diagnosis = {
  /** Rows that are abnormal; null: nothing is wrong. */
  readonly window: Stretch | null;
  /** The likeliest first; empty when nothing is wrong. */
  readonly causes: readonly ExplainedCause[];
  /** How much it looks like none of the known causes, 0 to 1. */
  readonly unknown: number;
  /** Causes that look alike elsewhere, and what speaks against them here. */
  readonly ruledOut: readonly string[];
};

export type DiagnoseOptions = OnsetOptions & {
  /** The abnormal stretch where it is known; `whole`: all of the window. It is found unless given. */
  readonly stretch?: Stretch | 'whole';
};

const nothing = (unknown: number): Diagnosis => ({ window: null, causes: [], unknown, ruledOut: [] });

export const diagnose = (raw: SignalWindow, witness: ProfileWitness, options: DiagnoseOptions = {}): Diagnosis => {
  const window = ratesOfCounters(raw);
  const onset = findOnset(window, options);
  const whole = { start: 0, end: window.length };
  const ask = (stretch: Stretch): Asked => {
    const profile = profileOf(window, stretch, onset?.active);
    return { profile, testimony: witness.testify(profile) };
  };
  const tell = (stretch: Stretch, asked: Asked): Diagnosis =>
    asked.testimony.nothing > 0.5
      ? nothing(asked.testimony.unknown)
      : explained(window, stretch, asked, witness.knowledge.incidents);
  if (options.stretch !== undefined) {
    const given = options.stretch === 'whole' ? whole : options.stretch;
    return tell(given, ask(given));
  }
  // Whoever knows what normal operation looks like judges every stretch by it; otherwise only one that stands out counts.
  if (onset !== undefined && (witness.knowsNormal || isAbnormal(onset))) {
    const asked = ask(onset.stretch);
    if (asked.testimony.nothing <= 0.5) return tell(onset.stretch, asked);
  }
  if (!witness.knowsNormal) return nothing(1);
  // What was wrong all along stands out from nothing in the window, but its levels may be known.
  return tell(whole, ask(whole));
};

/** Causes below this are told without evidence. */
const worthExplaining = 0.02;
const evidenceEach = 3;

type Asked = { readonly profile: Profile; readonly testimony: Testimony };

/** Predicates are made for so many signals, those that moved furthest. */
const explainedSignals = 60;
const robustPlace = featureKinds.indexOf('robust');

const furthestMoved = ({ signals }: Profile): ReadonlySet<string> => {
  const moved = [...signals].map(([key, features]) => ({ key, by: Math.abs(features[robustPlace] ?? 0) }));
  return new Set(
    moved
      .sort((a, b) => b.by - a.by)
      .slice(0, explainedSignals)
      .map(({ key }) => key),
  );
};

const explained = (
  window: SignalWindow,
  stretch: Stretch,
  { profile, testimony }: Asked,
  incidents: readonly Incident[],
): Diagnosis => {
  const predicates = predicatesOf(window, stretch, furthestMoved(profile));
  return {
    window: stretch,
    unknown: testimony.unknown,
    causes: testimony.causes.map(({ cause, confidence }, place) => ({
      cause,
      confidence,
      evidence: confidence < worthExplaining && place > 0 ? [] : evidenceFor(cause, predicates, incidents),
    })),
    ruledOut: testimony.causes.slice(1, 3).flatMap(({ cause, confidence }) => {
      const missing = confidence < 0.2 ? missingSign(cause, window, stretch, incidents) : undefined;
      return missing === undefined ? [] : [`${cause}: ${missing}`];
    }),
  };
};

/** First what moved here as in every known incident of the cause, then what moved most. */
const evidenceFor = (
  cause: string,
  predicates: readonly Predicate[],
  incidents: readonly Incident[],
): readonly string[] => {
  const signs = new Map(
    signsOf(incidents.filter(({ causes }) => causes.includes(cause))).map(({ key, shift }) => [key, shift]),
  );
  const agrees = ({ signal, relation }: Predicate): boolean =>
    Math.sign(signs.get(signal) ?? 0) === (relation === 'above' ? 1 : -1);
  const own = predicates.filter(agrees);
  return [...own, ...(signs.size === 0 ? predicates : [])].slice(0, evidenceEach).map(predicateText);
};

/** A sign of the cause that this window does not show: its signal stayed where it was. */
const missingSign = (
  cause: string,
  window: SignalWindow,
  { start, end }: Stretch,
  incidents: readonly Incident[],
): string | undefined => {
  const signals = new Map(window.signals.map((signal) => [signalKey(signal), signal.values]));
  for (const { key, shift } of signsOf(incidents.filter(({ causes }) => causes.includes(cause)))) {
    const values = signals.get(key);
    if (values === undefined) continue;
    const inside = robustOf(values.subarray(start, end));
    const outside = robustOf(values.filter((_, row) => row < start || row >= end));
    const moved = (inside.median - outside.median) / Math.max(outside.scale, Math.abs(outside.median) * 0.01, 1e-9);
    if (Number.isFinite(moved) && moved * Math.sign(shift) < 1)
      return `${key} stayed at about ${shortNumber(inside.median)} (before ${shortNumber(outside.median)})`;
  }
  return undefined;
};
