/**
 * Reads `--rtt`: one figure for all pairs, `two-cities`, or a matrix of pairs. Pure. Invariant: what it returns knows
 * every pair of the sites, symmetrically, so nobody has to guess a missing one.
 */
import { parseDuration } from '@coequal/kernel';

/** The round trip time between two sites, ms; 0 from a site to itself. */
export type RttOf = (a: string, b: string) => number;

export type ParsedRtt =
  | { readonly ok: true; readonly rttMs: RttOf }
  /** One sentence that says what is wrong and what would be right. */
  | { readonly ok: false; readonly problem: string };

/** Beyond this a group channel with these presets cannot work, and a typing error is likelier. */
const LARGEST_RTT_MS = 2_000;
const TWO_CITIES = { nearMs: 2, farMs: 30 } as const;

/** Pairs of a matrix may be named in either order: `north-south=5ms,north-west=30ms,south-west=30ms`. */
export const parseRtt = (text: string, sites: readonly string[]): ParsedRtt => {
  const trimmed = text.trim();
  if (trimmed === 'two-cities') return twoCities(sites);
  if (trimmed.includes('=')) return matrix(trimmed, sites);
  const ms = readRtt(trimmed);
  if (typeof ms !== 'number') return ms;
  return { ok: true, rttMs: (a, b) => (a === b ? 0 : ms) };
};

const twoCities = (sites: readonly string[]): ParsedRtt => {
  if (sites.length < 3) return problem('two-cities needs at least three sites: two in one city, the third in another.');
  const near = new Set(sites.slice(0, 2));
  return {
    ok: true,
    rttMs: (a, b) => (a === b ? 0 : near.has(a) && near.has(b) ? TWO_CITIES.nearMs : TWO_CITIES.farMs),
  };
};

const matrix = (text: string, sites: readonly string[]): ParsedRtt => {
  const pairs = allPairs(sites);
  const found = new Map<string, number>();
  for (const entry of text.split(',').map((part) => part.trim())) {
    const [name = '', figure = '', ...more] = entry.split('=').map((part) => part.trim());
    if (more.length > 0 || figure === '') return problem(`"${entry}" is not of the form SITE-SITE=5ms.`);
    const pair = pairs.find(([a, b]) => name === `${a}-${b}` || name === `${b}-${a}`);
    if (pair === undefined)
      return problem(`"${name}" is not a pair of sites; the pairs are ${pairs.map(nameOf).join(', ')}.`);
    if (found.has(nameOf(pair))) return problem(`The pair ${nameOf(pair)} is given twice.`);
    const ms = readRtt(figure);
    if (typeof ms !== 'number') return ms;
    found.set(nameOf(pair), ms);
  }
  const missing = pairs.map(nameOf).filter((pair) => !found.has(pair));
  if (missing.length > 0) return problem(`No round trip time is given for ${missing.join(', ')}.`);
  return { ok: true, rttMs: (a, b) => found.get(`${a}-${b}`) ?? found.get(`${b}-${a}`) ?? 0 };
};

const readRtt = (text: string): number | (ParsedRtt & { ok: false }) => {
  const ms = text === '0' ? 0 : parseDuration(text);
  if (ms === undefined || !Number.isFinite(ms))
    return problem(`"${text}" is not a round trip time; write 5ms, two-cities, or pairs such as north-south=5ms.`);
  if (ms > LARGEST_RTT_MS) return problem(`A round trip time of ${text} is more than ${LARGEST_RTT_MS} ms.`);
  return ms;
};

/** Every pair of sites once, in the order of the sites. */
export const allPairs = (sites: readonly string[]): readonly (readonly [string, string])[] =>
  sites.flatMap((a, index) => sites.slice(index + 1).map((b) => [a, b] as const));

const nameOf = ([a, b]: readonly [string, string]): string => `${a}-${b}`;
const problem = (text: string): ParsedRtt & { ok: false } => ({ ok: false, problem: text });
