/** What all faults of a drill came to together, also over several occasions. Pure. */
import type { Verdict } from './judge.ts';

export type DiagnoseSummary = {
  readonly faults: number;
  /** Shares of the faults; one without an incident counts as wrong. */
  readonly top1: number;
  readonly top3: number;
  /** Faults with exactly one incident, and those with none. */
  readonly oneIncident: number;
  readonly missed: number;
  readonly incidentMs: Spread | null;
  readonly causeMs: Spread | null;
  readonly rightMs: Spread | null;
  /** Two faults at once: both causes right first, both among the first three. Not counted above. */
  readonly pairs: { readonly faults: number; readonly top1: number; readonly top3: number };
  /** Faults whose strength was drawn. Counted above too. */
  readonly varied: { readonly faults: number; readonly top1: number; readonly top3: number };
  /** Time without a fault, and incidents opened in it. */
  readonly healthyMs: number;
  readonly falseIncidents: number;
  readonly causes: readonly {
    readonly cause: string;
    readonly faults: number;
    readonly top1: number;
    readonly top3: number;
  }[];
  /** How often the first cause was right, by what it said of itself. */
  readonly reliability: readonly { readonly said: number; readonly right: number; readonly faults: number }[];
};

export type Spread = { readonly median: number; readonly p95: number; readonly largest: number };

export const summarise = (all: readonly Verdict[], healthyMs: number, falseIncidents: number): DiagnoseSummary => {
  const verdicts = all.filter(({ also }) => also === null);
  const share = (list: readonly Verdict[], holds: (verdict: Verdict) => boolean): number =>
    list.length === 0 ? 0 : list.filter(holds).length / list.length;
  const counted = (list: readonly Verdict[]): DiagnoseSummary['pairs'] => ({
    ...{ faults: list.length, top1: share(list, first), top3: share(list, amongThree) },
  });
  const causes = [...new Set(verdicts.map(({ cause }) => cause))].sort();
  return {
    faults: verdicts.length,
    top1: share(verdicts, first),
    top3: share(verdicts, amongThree),
    oneIncident: verdicts.filter(({ incidents }) => incidents === 1).length,
    missed: verdicts.filter(({ incidents }) => incidents === 0).length,
    incidentMs: spreadOf(verdicts.map(({ incidentMs }) => incidentMs)),
    causeMs: spreadOf(verdicts.map(({ causeMs }) => causeMs)),
    rightMs: spreadOf(verdicts.map(({ rightMs }) => rightMs)),
    pairs: counted(all.filter(({ also }) => also !== null)),
    varied: counted(verdicts.filter(({ amount }) => amount !== null)),
    healthyMs,
    falseIncidents,
    causes: causes.map((cause) => {
      const own = verdicts.filter((verdict) => verdict.cause === cause);
      return { cause, ...counted(own) };
    }),
    reliability: reliabilityOf(verdicts),
  };
};

const first = ({ rank }: Verdict): boolean => rank === 1;
const amongThree = ({ rank }: Verdict): boolean => rank !== null && rank <= 3;

/** What never came is not in the spread: it is told as missed. */
const spreadOf = (values: readonly (number | null)[]): Spread | null => {
  const sorted = values.filter((value) => value !== null).sort((a, b) => a - b);
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? 0;
  return sorted.length === 0 ? null : { median: at(0.5), p95: at(0.95), largest: sorted.at(-1) ?? 0 };
};

const bins = 5;

const reliabilityOf = (verdicts: readonly Verdict[]): DiagnoseSummary['reliability'] =>
  Array.from({ length: bins }, (_, bin) => {
    const own = verdicts.filter(({ confidence }) => confidence !== null && binOf(confidence) === bin);
    const said = own.reduce((sum, { confidence }) => sum + (confidence ?? 0), 0);
    return { said: said / own.length, right: own.filter(first).length / own.length, faults: own.length };
  }).filter(({ faults }) => faults > 0);

const binOf = (confidence: number): number => Math.min(bins - 1, Math.floor(confidence * bins));
