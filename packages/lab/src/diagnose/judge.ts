/**
 * What one fault came to, judged from what the platform said at which time. Pure. A cause is right when it has the right name and is
 * placed at the right site (or, of the service, anywhere). Two faults at once are right when both causes are: each stands first in an incident,
 * or together they are the first two of one. Times count from the moment when the fault was in force.
 */
import type { Incident, RankedCause } from '@coequal/contract';
import type { PlannedFault } from './faults.ts';

/** What the platform showed of one incident at a time. */
export type Sight = {
  readonly atMs: number;
  readonly incident: Pick<Incident, 'id' | 'detectedMs' | 'title'>;
  readonly causes: readonly RankedCause[];
  readonly sentence: string | undefined;
};

export type Verdict = {
  readonly type: 'fault';
  readonly kind: string;
  readonly cause: string;
  readonly site: string;
  /** The cause of the fault that was made at the same moment. */
  readonly also: string | null;
  /** How strong it was, where that was drawn. */
  readonly amount: number | null;
  readonly atMs: number;
  /** Incidents that the fault opened, until it was healed and all was quiet; one is right. */
  readonly incidents: number;
  readonly titles: readonly string[];
  /** To the incident, to the first cause named, and to the moment from which on the right cause stayed first. Null: never. */
  readonly incidentMs: number | null;
  readonly causeMs: number | null;
  readonly rightMs: number | null;
  /** Of the right cause in what stood at the end, from 1; null: it was not there. */
  readonly rank: number | null;
  readonly confidence: number | null;
  /** What stood first at the end, and the two behind it. */
  readonly named: readonly { readonly cause: string; readonly where: string; readonly confidence: number }[];
  readonly sentence: string | null;
  /** All that was suspected at the end, whether rightly, and what each witness said: `coequal diagnose weigh` learns from it. */
  readonly suspects: readonly (RankedCause & { readonly right: boolean })[];
};

export const isRight = (planned: PlannedFault, { cause, place }: RankedCause): boolean => {
  if (cause !== planned.cause) return false;
  if (planned.where === 'service') return true;
  const { site } = planned.fault;
  const named = [place.site, place.host, place.instance, place.gateway].filter((name) => name !== undefined);
  return named.length > 0 && named.every((name) => name === site || name.startsWith(`${site}-`));
};

const isOneOf = (planned: PlannedFault, cause: RankedCause): boolean =>
  isRight(planned, cause) || (planned.also !== undefined && isRight(planned.also, cause));

/** `sights`: everything seen from the fault to its healing, in order; `later`: ids of incidents opened while it healed. */
export const judgeFault = (
  planned: PlannedFault,
  inForceMs: number,
  sights: readonly Sight[],
  later: ReadonlyMap<string, string>,
): Verdict => {
  const titles = new Map([...sights.map(({ incident }) => [incident.id, incident.title] as const), ...later]);
  const detected = sights.map(({ incident }) => incident.detectedMs);
  const withCauses = sights.filter(({ causes }) => causes.length > 0);
  const last = withCauses.at(-1);
  const rank = rankAfter(planned, withCauses, withCauses.length);
  const wrong = withCauses.findLastIndex((_, index) => rankAfter(planned, withCauses, index + 1) !== 1);
  const settled = withCauses[wrong + 1];
  const since = (atMs: number | undefined): number | null =>
    atMs === undefined ? null : Math.max(0, atMs - inForceMs);
  return {
    type: 'fault',
    kind: planned.fault.kind,
    cause: planned.cause,
    site: planned.fault.site,
    also: planned.also?.cause ?? null,
    amount: planned.varied === true ? (planned.fault.amount ?? null) : null,
    atMs: inForceMs,
    incidents: titles.size,
    titles: [...titles.values()],
    incidentMs: detected.length === 0 ? null : since(Math.min(...detected)),
    causeMs: since(withCauses[0]?.atMs),
    rightMs: since(settled?.atMs),
    rank,
    confidence: last?.causes[0]?.confidence ?? null,
    named: (last?.causes ?? []).slice(0, 3).map(({ cause, place, confidence }) => ({
      cause,
      where: place.instance ?? place.gateway ?? place.host ?? place.site ?? place.service ?? '',
      confidence,
    })),
    sentence: last?.sentence ?? null,
    suspects: (last?.causes ?? []).map((cause) => ({ ...cause, right: isOneOf(planned, cause) })),
  };
};

/** Of the right cause after the first `count` sights, from 1; of two, the later one's, where the other does not count. */
const rankAfter = (planned: PlannedFault, sights: readonly Sight[], count: number): number | null => {
  const seen = sights.slice(0, count);
  // One fault shall be one incident: then what was said last is what stands.
  const { also } = planned;
  if (also === undefined) return rankIn(seen.at(-1)?.causes ?? [], planned);
  const standing = [...new Map(seen.map(({ incident, causes }) => [incident.id, causes])).values()];
  const ranks = [
    { own: planned, other: also },
    { own: also, other: planned },
  ].map(({ own, other }) =>
    standing
      .map((causes) =>
        rankIn(
          causes.filter((cause) => !isRight(other, cause)),
          own,
        ),
      )
      .reduce((best, each) => (best === null || (each !== null && each < best) ? each : best), null),
  );
  const [one = null, two = null] = ranks;
  return one === null || two === null ? null : Math.max(one, two);
};

const rankIn = (causes: readonly RankedCause[], planned: PlannedFault): number | null => {
  const index = causes.findIndex((cause) => isRight(planned, cause));
  return index < 0 ? null : index + 1;
};
