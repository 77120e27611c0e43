/**
 * What is known of causes: the profiles of incidents whose causes a person or an experiment has confirmed. The file is
 * JSON with one incident a line, in a stable order, so that it can be read, compared and shared; a summary of each cause
 * stands first, and is written anew each time. Confirming or correcting a cause adds or replaces one line.
 */
import { fail, reasonOf } from '@coequal/kernel';
import { featureKinds, type Profile } from './features.ts';

export type Incident = {
  readonly id: string;
  /** Several at once are allowed; none: nothing was wrong. */
  readonly causes: readonly string[];
  readonly profile: Profile;
};

export type Knowledge = { readonly incidents: readonly Incident[] };

export const emptyKnowledge: Knowledge = { incidents: [] };

/** Incidents with a known id are corrected, others are added. */
export const confirmIncidents = (knowledge: Knowledge, confirmed: readonly Incident[]): Knowledge => {
  const byId = new Map([...knowledge.incidents, ...confirmed].map((incident) => [incident.id, incident]));
  return { incidents: [...byId.values()].sort((a, b) => compare(orderOf(a), orderOf(b))) };
};

const orderOf = ({ causes, id }: Incident): string => `${setName(causes)}\u0000${id}`;
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** The name of several causes at once, in a stable order; the empty text for "nothing is wrong". */
export const setName = (causes: readonly string[]): string => [...causes].sort(compare).join(' + ');

const formatName = 'coequal-knowledge/1';
/** Three digits: what is behind them is noise. */
const rounded = (value: number): number => Math.round(value * 1_000) / 1_000;

export const formatKnowledge = (knowledge: Knowledge): string => {
  const { incidents } = confirmIncidents(emptyKnowledge, knowledge.incidents);
  const lines = incidents.map(({ id, causes, profile }) => {
    const signals = [...profile.signals].sort(([a], [b]) => compare(a, b));
    const values = Object.fromEntries(signals.map(([key, features]) => [key, Array.from(features, rounded)]));
    return JSON.stringify({ id, causes, compared: profile.compared, signals: values });
  });
  const summary = Object.entries(summaryOf(incidents)).map(
    ([cause, text]) => `    ${JSON.stringify(cause)}: ${JSON.stringify(text)}`,
  );
  return [
    '{',
    `  "format": ${JSON.stringify(formatName)},`,
    `  "features": ${JSON.stringify(featureKinds)},`,
    `  "causes": {${summary.length === 0 ? '' : `\n${summary.join(',\n')}\n  `}},`,
    `  "incidents": [${lines.length === 0 ? '' : `\n    ${lines.join(',\n    ')}\n  `}]`,
    '}',
    '',
  ].join('\n');
};

/** For each set of causes: how many incidents, and the signals that moved most in all of them alike. */
const summaryOf = (incidents: readonly Incident[]): Readonly<Record<string, string>> => {
  const sets = Map.groupBy(incidents, ({ causes }) => setName(causes));
  return Object.fromEntries(
    [...sets].map(([set, members]) => {
      const signs = signsOf(members)
        .slice(0, 8)
        .map(({ key, shift }) => `${key} ${shift > 0 ? 'up' : 'down'} ${Math.abs(shift).toFixed(1)}`);
      const counted = `${members.length} ${members.length === 1 ? 'incident' : 'incidents'}`;
      return [set === '' ? 'nothing is wrong' : set, signs.length === 0 ? counted : `${counted}: ${signs.join(', ')}`];
    }),
  );
};

/** A sign that all incidents share: the smallest of its robust shifts, if they all point one way. */
export type Sign = { readonly key: string; readonly shift: number };

const robustPlace = featureKinds.indexOf('robust');

/** Signs of some incidents of one cause, the strongest first. */
export const signsOf = (incidents: readonly Incident[]): readonly Sign[] => {
  const compared = incidents.filter(({ profile }) => profile.compared);
  const first = compared[0];
  if (first === undefined) return [];
  return [...first.profile.signals.keys()]
    .flatMap((key) => {
      const shifts = compared.map(({ profile }) => profile.signals.get(key)?.[robustPlace] ?? 0);
      const weakest = shifts.reduce((least, shift) => (Math.abs(shift) < Math.abs(least) ? shift : least));
      const alike = shifts.every((shift) => Math.sign(shift) === Math.sign(weakest));
      return alike && Math.abs(weakest) > 0.7 ? [{ key, shift: weakest }] : [];
    })
    .sort((a, b) => Math.abs(b.shift) - Math.abs(a.shift) || compare(a.key, b.key));
};

/** @throws KNOWLEDGE_INVALID */
export const parseKnowledge = (text: string, path: string): Knowledge => {
  const invalid = (reason: string) => fail('KNOWLEDGE_INVALID', { path, reason });
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw invalid(`it is not JSON: ${reasonOf(error)}`);
  }
  if (!isRecord(parsed) || parsed['format'] !== formatName) throw invalid(`its format is not ${formatName}`);
  if (JSON.stringify(parsed['features']) !== JSON.stringify(featureKinds))
    throw invalid(`its features are not ${featureKinds.join(', ')}`);
  const incidents = parsed['incidents'];
  if (!Array.isArray(incidents)) throw invalid('incidents is not a list');
  return confirmIncidents(
    emptyKnowledge,
    incidents.map((each: unknown, index) =>
      parseIncident(each, (reason) => invalid(`incident ${index + 1} ${reason}`)),
    ),
  );
};

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isTextList = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every((each) => typeof each === 'string' && each !== '');

const parseIncident = (value: unknown, invalid: (reason: string) => Error): Incident => {
  if (!isRecord(value)) throw invalid('is not an object');
  const { id, causes, compared, signals } = value;
  if (typeof id !== 'string' || id === '') throw invalid('has no id');
  if (!isTextList(causes)) throw invalid(`(${id}) has no list of causes`);
  if (typeof compared !== 'boolean') throw invalid(`(${id}) does not say whether it was compared`);
  if (!isRecord(signals)) throw invalid(`(${id}) has no signals`);
  const parsed = Object.entries(signals).map(([key, features]): [string, Float64Array] => {
    if (!isFeatureList(features)) throw invalid(`(${id}) has no ${featureKinds.length} finite numbers for ${key}`);
    return [key, Float64Array.from(features)];
  });
  return { id, causes, profile: { compared, signals: new Map(parsed) } };
};

const isFeatureList = (value: unknown): value is readonly number[] =>
  Array.isArray(value) && value.length === featureKinds.length && value.every((each) => Number.isFinite(each));
