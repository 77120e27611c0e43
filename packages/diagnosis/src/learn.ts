/** Incidents from labelled cases: what `coequal diagnose learn` and the bench put into knowledge. */
import type { LabelledCase } from './cases.ts';
import { findOnset, type OnsetOptions } from './onset.ts';
import { profileOf } from './profile/features.ts';
import type { Incident } from './profile/knowledge.ts';
import { ratesOfCounters, type SignalWindow, type Stretch } from './window.ts';

/** An incident whose stretch and causes a person has confirmed. */
export const profileIncident = (
  id: string,
  causes: readonly string[],
  raw: SignalWindow,
  stretch: Stretch,
  options: OnsetOptions = {},
): Incident => {
  const window = ratesOfCounters(raw);
  return { id, causes, profile: profileOf(window, stretch, findOnset(window, options)?.active) };
};

/**
 * An incident in its own stretch; where the file does not say which, in the whole case. Of a normal case two things are
 * learned: its levels, and how its most conspicuous stretch differs from the rest, because that is what would be taken
 * for an incident.
 */
export const incidentsOf = (one: LabelledCase, options: OnsetOptions = {}): readonly Incident[] => {
  const window = ratesOfCounters(one.window);
  const onset = findOnset(window, options);
  const whole = { start: 0, end: window.length };
  const own = { id: one.id, causes: one.causes, profile: profileOf(window, one.abnormal ?? whole, onset?.active) };
  if (one.causes.length > 0 || onset === undefined) return [own];
  return [
    own,
    { id: `${one.id}, at its most conspicuous`, causes: [], profile: profileOf(window, onset.stretch, onset.active) },
  ];
};
