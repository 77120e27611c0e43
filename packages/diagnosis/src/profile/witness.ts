/**
 * The profile witness: which known causes look like this? Two forests over the known profiles name the first cause, what
 * that cause leaves unexplained names its companions (`companions.ts`), and the distance to the nearest known incident says
 * how far "none of these" is the answer. Incidents that could be compared with a normal part of their own are known by their
 * shifts, the others by their levels; the two are never mixed, because "no shift" and "no comparison" would look the same.
 */
import { quantileOf, sortedFinite } from '../statistics.ts';
import { type CompanionFinder, findCompanionsAmong, type RankedCause } from './companions.ts';
import { distanceCap, distanceOf } from './distance.ts';
import { type FeatureKind, featureKinds, type Profile } from './features.ts';
import { askForest, type Forest, growForest } from './forest.ts';
import { type Incident, type Knowledge, setName } from './knowledge.ts';

export type { RankedCause } from './companions.ts';

export type Testimony = {
  /** All known causes, the likeliest first. Several may have high confidence: they may be at work together. */
  readonly causes: readonly RankedCause[];
  /** How much it looks like nothing known, 0 to 1. */
  readonly unknown: number;
  /** How much it looks like normal operation, 0 to 1. */
  readonly nothing: number;
};

export type ProfileWitness = {
  readonly testify: (profile: Profile) => Testimony;
  /** Whether the knowledge has normal cases, so that a witness can tell them from incidents. */
  readonly knowsNormal: boolean;
  readonly knowledge: Knowledge;
};

/** What each forest sees: how far signals moved for their own variation; and by what factor, also per unit of work. */
const comparedKinds: readonly (readonly FeatureKind[])[] = [
  ['shift', 'robust'],
  ['ratio', 'ratioPerWork', 'perWork'],
];
const levelKinds: readonly (readonly FeatureKind[])[] = [['level', 'spread', 'perWork', 'trend']];

/** Machines of other sizes are told apart by small things: fewer trees vote by chance there. */
const treesEach = 300;
/** Sharpening needs only a rough forest, over so many incidents. */
const trialTrees = 30;
const trialIncidents = 300;
/** Forests hedge; with too few incidents to measure how much, this is assumed. */
const usualSharpness = 3;
const sharpnesses = [1, 1.5, 2, 3, 4, 6, 8];

export const learnProfiles = (knowledge: Knowledge): ProfileWitness => {
  const compared = modelOf(
    knowledge.incidents.filter(({ profile }) => profile.compared),
    comparedKinds,
  );
  const levels = modelOf(
    knowledge.incidents.filter(({ profile }) => !profile.compared),
    levelKinds,
  );
  const causes = [...new Set(knowledge.incidents.flatMap((incident) => incident.causes))].sort();
  const knowsNormal = knowledge.incidents.some((incident) => incident.causes.length === 0);
  return {
    knowledge,
    knowsNormal,
    testify: (profile) => testify(profile.compared ? compared : levels, profile, causes),
  };
};

type Model = {
  readonly keys: readonly string[];
  readonly kinds: readonly (readonly FeatureKind[])[];
  readonly sets: readonly (readonly string[])[];
  readonly forests: readonly Forest[];
  /** Of each known incident: its class, and what distances are taken over, which are the first forest's features. */
  readonly classes: Int32Array;
  readonly rows: readonly Float64Array[];
  readonly companions: CompanionFinder;
  readonly sharpness: number;
  /** The weight of the nearest incidents beside the forests: with one example of each cause a forest knows little more. */
  readonly resemblance: number;
  /** The distance at which known and unknown are equally likely. */
  readonly halfway: number;
};

const modelOf = (incidents: readonly Incident[], kinds: readonly (readonly FeatureKind[])[]): Model | undefined => {
  if (incidents.length === 0) return undefined;
  const keys = [...new Set(incidents.flatMap(({ profile }) => [...profile.signals.keys()]))].sort();
  const names = [...new Set(incidents.map(({ causes }) => setName(causes)))].sort();
  const classes = Int32Array.from(incidents, ({ causes }) => names.indexOf(setName(causes)));
  const tables = kinds.map((own) => incidents.map(({ profile }) => rowOf(profile, keys, own)));
  const rows = tables[0] ?? [];
  return {
    keys,
    kinds,
    sets: names.map((name) => incidents.find(({ causes }) => setName(causes) === name)?.causes ?? []),
    forests: tables.map((features) =>
      growForest({ features, classes, classCount: names.length }, { trees: treesEach, seed: 1 }),
    ),
    classes,
    rows,
    companions: findCompanionsAmong(
      incidents.map(({ causes, profile }) => ({ causes, row: rowOf(profile, keys, ['shift']) })),
    ),
    resemblance: names.length / (names.length + incidents.length),
    ...calibrate(rows, classes, names.length),
  };
};

const rowOf = (profile: Profile, keys: readonly string[], kinds: readonly FeatureKind[]): Float64Array => {
  const places = kinds.map((kind) => featureKinds.indexOf(kind));
  const row = new Float64Array(keys.length * kinds.length);
  for (const [index, key] of keys.entries()) {
    const features = profile.signals.get(key);
    for (const [offset, place] of places.entries()) row[index * kinds.length + offset] = features?.[place] ?? 0;
  }
  return row;
};

/** Every so many incidents, so that the trial stays small however much is known. */
const sampleOf = (count: number): readonly number[] => {
  const step = Math.max(1, Math.ceil(count / trialIncidents));
  return Array.from({ length: Math.ceil(count / step) }, (_, index) => index * step);
};

const calibrate = (rows: readonly Float64Array[], classes: Int32Array, classCount: number) => {
  const sample = sampleOf(rows.length);
  return { sharpness: sharpnessOf(sample, rows, classes, classCount), halfway: halfwayOf(sample, rows, classes) };
};

/** The power of the forest's shares under which the causes of incidents left out were likeliest. */
const sharpnessOf = (
  sample: readonly number[],
  rows: readonly Float64Array[],
  classes: Int32Array,
  classCount: number,
): number => {
  const folds = 3;
  if (sample.length < folds * classCount) return usualSharpness;
  const judged = Array.from({ length: folds }, (_, fold) => {
    const kept = sample.filter((_, index) => index % folds !== fold);
    const forest = growForest(
      {
        features: kept.map((at) => rows[at] ?? new Float64Array()),
        classes: Int32Array.from(kept, (at) => classes[at] ?? 0),
        classCount,
      },
      { trees: trialTrees, seed: fold + 1 },
    );
    const left = sample.filter((_, index) => index % folds === fold);
    return left.map((at) => ({ shares: askForest(forest, rows[at] ?? new Float64Array()), own: classes[at] ?? 0 }));
  }).flat();
  const likelihood = (power: number): number =>
    judged.reduce((sum, { shares, own }) => sum + Math.log(Math.max(1e-3, sharpened(shares, power)[own] ?? 0)), 0);
  return sharpnesses.reduce((best, power) => (likelihood(power) > likelihood(best) ? power : best));
};

const sharpened = (shares: Float64Array, power: number): Float64Array => {
  const powers = shares.map((share) => share ** power);
  const total = powers.reduce((sum, each) => sum + each, 0);
  return total === 0 ? powers : powers.map((each) => each / total);
};

/** Between how far incidents of one cause lie apart at most, and how far those of different causes usually do. */
const halfwayOf = (sample: readonly number[], rows: readonly Float64Array[], classes: Int32Array): number => {
  const alike: number[] = [];
  const different: number[] = [];
  for (const at of sample) {
    let own = Number.POSITIVE_INFINITY;
    let other = Number.POSITIVE_INFINITY;
    for (const to of sample) {
      if (to === at) continue;
      const distance = distanceOf(rows[at] ?? new Float64Array(), rows[to] ?? new Float64Array());
      if (classes[at] === classes[to]) own = Math.min(own, distance);
      else other = Math.min(other, distance);
    }
    alike.push(own);
    different.push(other);
  }
  const near = quantileOf(sortedFinite(alike), 0.9);
  const far = quantileOf(sortedFinite(different), 0.5);
  if (Number.isNaN(far)) return Number.isNaN(near) ? distanceCap / 4 : near * 2;
  return Number.isNaN(near) ? far * 0.75 : Math.sqrt(near * far);
};

/** How abruptly "known" becomes "unknown" around the halfway distance. */
const steepness = 4;

const testify = (model: Model | undefined, profile: Profile, causes: readonly string[]): Testimony => {
  if (model === undefined) return { causes: causes.map((cause) => ({ cause, confidence: 0 })), unknown: 1, nothing: 0 };
  const row = rowOf(profile, model.keys, model.kinds[0] ?? []);
  const distances = nearestByClass(model, row);
  const nearest = Math.min(...distances);
  const shares = sharesOf(model, profile, distances);
  const shareOf = (holds: (set: readonly string[]) => boolean): number =>
    model.sets.reduce((sum, set, index) => sum + (holds(set) ? (shares[index] ?? 0) : 0), 0);
  const ranked = causes
    .map((cause) => ({ cause, confidence: shareOf((set) => set.includes(cause)) }))
    .sort((a, b) => b.confidence - a.confidence);
  return {
    causes: profile.compared ? model.companions(rowOf(profile, model.keys, ['shift']), ranked) : ranked,
    unknown: nearest === 0 ? 0 : 1 / (1 + (model.halfway / nearest) ** steepness),
    nothing: shareOf((set) => set.length === 0),
  };
};

/** The mean of the forests, and beside it what the nearest incidents say. */
const sharesOf = (model: Model, profile: Profile, distances: Float64Array): Float64Array => {
  const nearest = Math.min(...distances);
  const votes = distances.map((distance) => Math.exp((-4 * (distance - nearest)) / Math.max(nearest, 1e-6)));
  const allVotes = votes.reduce((sum, vote) => sum + vote, 0);
  const mean = votes.map((vote) => (model.resemblance * vote) / allVotes);
  const { forests, kinds, keys, resemblance } = model;
  for (const [index, forest] of forests.entries()) {
    const shares = askForest(forest, rowOf(profile, keys, kinds[index] ?? []));
    for (let each = 0; each < mean.length; each += 1)
      mean[each] = (mean[each] ?? 0) + ((1 - resemblance) * (shares[each] ?? 0)) / forests.length;
  }
  return sharpened(mean, model.sharpness);
};

const nearestByClass = ({ rows, classes, sets }: Model, row: Float64Array): Float64Array => {
  const distances = new Float64Array(sets.length).fill(Number.POSITIVE_INFINITY);
  for (const [index, known] of rows.entries()) {
    const own = classes[index] ?? 0;
    distances[own] = Math.min(distances[own] ?? 0, distanceOf(row, known));
  }
  return distances;
};
