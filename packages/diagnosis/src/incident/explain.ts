/** Puts a diagnosis into one sentence, and says what was ruled out and why. */
import { catalogue } from '../causes.ts';
import { shortNumber } from '../predicates.ts';
import type { Hypothesis } from './combine.ts';
import type { Finding } from './finding.ts';
import { keyOfPlace } from './graph.ts';
import { placeText, type View } from './view.ts';

/** In UTC: whoever reads it may be in another place than what it is about. */
export const timeText = (ms: number): string => `${new Date(ms).toISOString().slice(11, 19)} UTC`;

export const sentenceOf = (view: View, causes: readonly Hypothesis[], sure: number): string => {
  const since = `Since ${timeText(view.onsetMs)} ${effectOf(view)}`;
  const [first, ...others] = causes;
  if (first === undefined) return `${since}; nothing that is known explains it.`;
  const also = others
    .filter(({ confidence }) => confidence >= 0.5)
    .slice(0, 2)
    .map(({ cause, place }) => `${cause} at ${placeText(place)}`);
  const because = first.confidence >= sure ? 'because' : 'perhaps because';
  const added = also.length === 0 ? '' : ` Also: ${also.join('; ')}.`;
  return `${since}, ${because} ${catalogue[first.cause].words} (${placeText(first.place)}): ${first.text}.${added}`;
};

/** Seconds; what is above is no measurement. */
const longestAnswer = 1e6;

/** What users notice: commits that do not happen, answers that take longer; where neither shows, what fired. */
const effectOf = (view: View): string => {
  const sites = view.graph.sites.flatMap((site) => {
    const own = view.graph.instances.filter(({ place }) => place.site === site.name);
    const commits = own.flatMap(
      (each) => view.read(each, 'mysql_global_status_commands_total', { command: 'commit' }) ?? [],
    );
    const before = commits.reduce((sum, each) => sum + (each.before || 0), 0);
    const now = commits.reduce((sum, each) => sum + (each.now || 0), 0);
    return before < 1 ? [] : [{ site: site.name, before, now }];
  });
  const slower = view.graph.gateways.flatMap((gateway) => {
    const reading = view.ratio(
      gateway,
      'coequal_gateway_user_request_seconds_sum',
      'coequal_gateway_user_request_seconds_count',
    );
    const told = reading !== undefined && reading.before > 0 && reading.now < longestAnswer;
    return told && reading.now > reading.before * 1.5 && reading.moved > 4 ? [reading] : [];
  });
  const fallen = sites.filter(({ before, now }) => now < before * 0.6);
  if (fallen.length > 0) {
    const where =
      fallen.length === sites.length && sites.length > 1 ? 'all sites' : fallen.map(({ site }) => site).join(' and ');
    const sum = (pick: (each: (typeof fallen)[number]) => number): string =>
      shortNumber(fallen.reduce((total, each) => total + pick(each), 0));
    return `commits at ${where} fell from ${sum(({ before }) => before)} to ${sum(({ now }) => now)} a second`;
  }
  const slowest = slower.toSorted((a, b) => b.now / b.before - a.now / a.before)[0];
  if (slowest !== undefined)
    return `answers take ${shortNumber(slowest.now * 1_000)} ms instead of ${shortNumber(slowest.before * 1_000)} ms`;
  const fired = view.scene.triggers[0];
  return fired === undefined ? 'signals left their usual course' : `${fired.name} (${placeText(fired.place)})`;
};

/** What looks alike, and what speaks against it here: where the first cause is, or near. */
export const ruledOutOf = (
  view: View,
  causes: readonly Hypothesis[],
  findings: readonly Finding[],
): readonly string[] => {
  const first = causes[0];
  if (first === undefined) return [];
  const here = keyOfPlace(first.place);
  return catalogue[first.cause].lookalikes.flatMap((cause) => {
    if (causes.some((each) => each.cause === cause && each.confidence > 0.3)) return [];
    const against = findings
      .filter((each) => each.cause === cause && each.strength < 0.2)
      .map((each) => {
        const key = keyOfPlace(each.place);
        const steps = here === undefined || key === undefined ? undefined : view.graph.steps(here, key);
        return { each, steps: steps ?? 9 };
      })
      .toSorted((a, b) => a.steps - b.steps || a.each.strength - b.each.strength)[0];
    return against === undefined ? [] : [`${cause} (${placeText(against.each.place)}): ${against.each.text}`];
  });
};
