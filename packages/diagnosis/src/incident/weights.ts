/**
 * How much each witness counts, and how sure a score makes. A file of these can be read, changed by hand, and learned from incidents
 * whose cause is known (`learn-weights.ts`); the shipped ones are written by hand.
 */
import { fail, reasonOf } from '@coequal/kernel';
import { isCauseName } from '../causes.ts';

export type Weights = {
  readonly format: 'coequal-weights/1';
  readonly bias: number;
  readonly structure: number;
  readonly detail: number;
  readonly changes: number;
  readonly profile: number;
  /** Added for some causes: those that few witnesses can see need less. */
  readonly causes: Readonly<Record<string, number>>;
  /** confidence = 1 / (1 + e^−(slope · score + margin · lead + offset)): Platt's calibration. */
  readonly confidence: { readonly slope: number; readonly margin: number; readonly offset: number };
  /** Of how many known incidents these were learned; 0: written by hand. */
  readonly incidents: number;
};

export const usualWeights: Weights = {
  format: 'coequal-weights/1',
  bias: -2.2,
  structure: 4,
  detail: 4,
  changes: 2,
  profile: 2,
  causes: { 'setting changed': 1.6, backup: 0.6 },
  confidence: { slope: 1, margin: 0.25, offset: 0 },
  incidents: 0,
};

export const formatWeights = (weights: Weights): string => `${JSON.stringify(weights, undefined, 2)}\n`;

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** @throws KNOWLEDGE_INVALID */
export const parseWeights = (text: string, path: string): Weights => {
  const invalid = (reason: string) => fail('KNOWLEDGE_INVALID', { path, reason });
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw invalid(`it is not JSON: ${reasonOf(error)}`);
  }
  if (!isRecord(parsed) || parsed['format'] !== usualWeights.format)
    throw invalid(`its format is not ${usualWeights.format}`);
  const numberIn = (from: unknown, key: string): number => {
    const value = isRecord(from) ? from[key] : undefined;
    if (typeof value !== 'number' || !Number.isFinite(value)) throw invalid(`${key} is not a number`);
    return value;
  };
  const causes = parsed['causes'];
  if (!isRecord(causes)) throw invalid('causes is not an object');
  const unknown = Object.keys(causes).find((name) => !isCauseName(name));
  if (unknown !== undefined) throw invalid(`there is no cause ${unknown}`);
  const { confidence } = parsed;
  return {
    format: usualWeights.format,
    bias: numberIn(parsed, 'bias'),
    structure: numberIn(parsed, 'structure'),
    detail: numberIn(parsed, 'detail'),
    changes: numberIn(parsed, 'changes'),
    profile: numberIn(parsed, 'profile'),
    causes: Object.fromEntries(Object.keys(causes).map((name) => [name, numberIn(causes, name)])),
    confidence: {
      slope: numberIn(confidence, 'slope'),
      margin: numberIn(confidence, 'margin'),
      offset: numberIn(confidence, 'offset'),
    },
    incidents: numberIn(parsed, 'incidents'),
  };
};
