/**
 * From what witnesses say to ranked causes. Findings of one cause at one place are one hypothesis; its score is a weighted sum of what
 * each witness says (log-linear). A hypothesis that a stronger one brings about is explained away, so that a cascade has one
 * cause and two faults at once have two.
 */
import type { Evidence, Place } from '@coequal/contract';
import { type CauseName, catalogue } from '../causes.ts';
import { either, type Finding, type WitnessName } from './finding.ts';
import { type Graph, isWithin, keyOfPlace } from './graph.ts';
import type { Weights } from './weights.ts';

export type Testimony = { readonly witness: WitnessName; readonly strength: number; readonly text: string };

export type Hypothesis = {
  readonly cause: CauseName;
  readonly place: Place;
  readonly testimonies: readonly Testimony[];
  readonly evidence: readonly Evidence[];
  /** Of the strongest finding. */
  readonly text: string;
  readonly score: number;
  readonly confidence: number;
};

const evidenceEach = 6;
/** What remains of a hypothesis that another one explains for certain. */
const leftWhenExplained = 0.15;
/** Below this a hypothesis is not worth a line. */
const leastStrength = 0.05;

export const combine = (
  findings: readonly Finding[],
  graph: Graph,
  origins: ReadonlyMap<string, number>,
  weights: Weights,
): readonly Hypothesis[] => {
  const drafts = supported(draftsOf(findings, graph).map((draft) => withOrigin(draft, origins)));
  const scored = drafts.map((draft) => ({ draft, raw: rawScore(draft, weights), belief: beliefIn(draft) }));
  const judged = scored.map(({ draft, raw, belief }) => {
    const left = scored.reduce((least, other) => {
      if (other.draft === draft || !explains(other, { draft, raw, belief }, graph)) return least;
      return Math.min(least, 1 - (1 - leftWhenExplained) * other.belief);
    }, 1);
    return { draft, score: biasOf(draft.cause, weights) + raw * left };
  });
  const best = (not: Draft): number =>
    judged.reduce(
      (most, { draft, score }) => (draft === not ? most : Math.max(most, score)),
      biasOf(undefined, weights),
    );
  return judged
    .map(({ draft, score }): Hypothesis => {
      const { slope, margin, offset } = weights.confidence;
      const lead = Math.max(-4, Math.min(4, score - best(draft)));
      return {
        cause: draft.cause,
        place: draft.place,
        testimonies: testimoniesOf(draft),
        evidence: evidenceOf(draft),
        text: strongest(draft.findings)?.text ?? catalogue[draft.cause].words,
        score,
        confidence: 1 / (1 + Math.exp(-(slope * score + margin * lead + offset))),
      };
    })
    .toSorted((a, b) => b.score - a.score);
};

type Draft = {
  readonly cause: CauseName;
  readonly place: Place;
  readonly findings: readonly Finding[];
  readonly origin: number;
};
type Scored = { readonly draft: Draft; readonly raw: number; readonly belief: number };

const strongest = (findings: readonly Finding[]): Finding | undefined =>
  findings.reduce<Finding | undefined>(
    (best, each) => (best === undefined || each.strength > best.strength ? each : best),
    undefined,
  );

/** A cause at the kind of place where it lives, as far as the finding's place says. */
const placeFor = (cause: CauseName, place: Place, graph: Graph): Place => {
  const { kind } = catalogue[cause];
  const name = place[kind];
  if (name === undefined) return place;
  const own = graph.entities.get(`${kind}:${name}`)?.place ?? place;
  // Of a site it is said which service it is about, where a finding says so.
  return kind === 'site' && place.service !== undefined ? { ...own, service: place.service } : own;
};

type Group = { readonly cause: CauseName; readonly place: Place; readonly findings: Finding[] };

const draftsOf = (findings: readonly Finding[], graph: Graph): readonly Draft[] => {
  const groups = new Map<string, Group>();
  for (const finding of findings) {
    if (finding.strength < leastStrength) continue;
    const place = placeFor(finding.cause, finding.place, graph);
    const key = `${finding.cause} ${keyOfPlace(place) ?? ''}`;
    const group = groups.get(key) ?? { cause: finding.cause, place, findings: [] };
    group.findings.push(finding);
    groups.set(key, group);
  }
  const all = [...groups.values()];
  const absorbed = new Set<Group>();
  for (const coarse of all) {
    if (catalogue[coarse.cause].kind === kindOf(coarse.place)) continue;
    const finer = all
      .filter((other) => other !== coarse && other.cause === coarse.cause && isWithin(other.place, coarse.place))
      .toSorted((a, b) => (strongest(b.findings)?.strength ?? 0) - (strongest(a.findings)?.strength ?? 0));
    const first = finer[0];
    if (first === undefined) continue;
    // What is said of a service as a whole speaks for the one of its instances that has more against it; but likenesses of
    // single instances to known incidents speak for the whole, where only that was seen.
    if (finer.every(({ findings: own }) => own.every(({ witness }) => witness === 'profile'))) {
      coarse.findings.push(...first.findings);
      for (const each of finer) absorbed.add(each);
    } else {
      first.findings.push(...coarse.findings);
      absorbed.add(coarse);
    }
  }
  const kept = all.filter((group) => !absorbed.has(group));
  return kept.map((group) => ({ ...group, origin: 0 }));
};

/** What speaks for a change beside its time: that something is wrong where it was made. */
const unsupported = 0.5;

/** A change of which no other witness sees anything counts as far as its own place is abnormal. */
const supported = (drafts: readonly Draft[]): readonly Draft[] =>
  drafts.map((draft) => {
    if (!isOnlyChange(draft)) return draft;
    const near = drafts.filter((other) => !isOnlyChange(other) && isSamePlace(other.place, draft.place));
    const support = Math.max(draft.origin, ...near.map(beliefIn));
    const factor = unsupported + (1 - unsupported) * support;
    return { ...draft, findings: draft.findings.map((each) => ({ ...each, strength: each.strength * factor })) };
  });

const isOnlyChange = ({ findings }: Draft): boolean => findings.every(({ witness }) => witness === 'changes');

/** An instance and its host are one place; a service is everywhere. */
const isSamePlace = (a: Place, b: Place): boolean => {
  if (a.instance !== undefined && b.instance !== undefined) return a.instance === b.instance;
  if (a.host !== undefined && b.host !== undefined) return a.host === b.host;
  return a.service !== undefined && a.service === b.service;
};

const kindOf = (place: Place): string | undefined => keyOfPlace(place)?.split(':')[0];

/** Where it began speaks for whatever cause is seen there, a little. */
const originShare = 0.25;

const withOrigin = (draft: Draft, origins: ReadonlyMap<string, number>): Draft => {
  const { instance, host, gateway } = draft.place;
  const own = [
    keyOfPlace(draft.place),
    instance === undefined ? undefined : `instance:${instance}`,
    host === undefined || gateway !== undefined ? undefined : `host:${host}`,
  ];
  return { ...draft, origin: Math.max(0, ...own.map((key) => (key === undefined ? 0 : (origins.get(key) ?? 0)))) };
};

const strengthOf = ({ findings, origin }: Draft, witness: WitnessName): number => {
  const said = either(...findings.filter((each) => each.witness === witness).map(({ strength }) => strength));
  return witness === 'structure' ? either(said, originShare * origin) : said;
};

const witnesses: readonly WitnessName[] = ['structure', 'detail', 'changes', 'profile'];

const rawScore = (draft: Draft, weights: Weights): number =>
  witnesses.reduce((sum, witness) => sum + weights[witness] * strengthOf(draft, witness), 0);

const biasOf = (cause: CauseName | undefined, weights: Weights): number =>
  weights.bias + (cause === undefined ? 0 : (weights.causes[cause] ?? 0));

const beliefIn = ({ findings }: Draft): number =>
  either(
    ...findings.map(({ strength, witness }) => (witness === 'changes' || witness === 'profile' ? 0.6 : 1) * strength),
  );

/** One must be believed enough to explain another; of two that would explain each other, the stronger does. */
const explains = (one: Scored, other: Scored, graph: Graph): boolean => {
  const [a, b] = [one.draft, other.draft];
  if (!catalogue[a.cause].explains.includes(b.cause) || one.belief < 0.35) return false;
  if (isOnlyChange(a) && !isSamePlace(a.place, b.place)) return false;
  const mutual = catalogue[b.cause].explains.includes(a.cause);
  if (mutual ? one.raw <= other.raw : one.belief < 0.45 * other.belief) return false;
  const [from, to] = [keyOfPlace(a.place), keyOfPlace(b.place)];
  return from !== undefined && to !== undefined && graph.steps(from, to) !== undefined;
};

const testimoniesOf = (draft: Draft): readonly Testimony[] =>
  witnesses.flatMap((witness) => {
    const strength = strengthOf(draft, witness);
    if (strength < leastStrength) return [];
    const said = strongest(draft.findings.filter((each) => each.witness === witness));
    return [{ witness, strength, text: said?.text ?? 'what is abnormal there is not explained by what it depends on' }];
  });

const evidenceOf = ({ findings }: Draft): readonly Evidence[] => {
  const told = new Map<string, Evidence>();
  for (const { evidence } of findings.toSorted((a, b) => b.strength - a.strength))
    for (const each of evidence) if (!told.has(each.text)) told.set(each.text, each);
  return [...told.values()].slice(0, evidenceEach);
};
