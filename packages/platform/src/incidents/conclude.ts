/** An incident with what a diagnosis concluded: its name, its place and its story follow the first cause once that is likely. Pure. */
import type { Incident, IncidentDiagnosis, RankedCause } from '@coequal/contract';
import { placeWords, samePlace } from '../places.ts';
import { noted } from './groups.ts';
import { titleOf } from './titles.ts';

/** From here on the incident is called by its cause. */
const likely = 0.5;

export const withDiagnosis = (incident: Incident, diagnosis: IncidentDiagnosis, nowMs: number): Incident => {
  const [first] = diagnosis.causes;
  const before = incident.diagnosis?.causes[0];
  const named = first !== undefined && first.confidence >= likely ? first : undefined;
  const next: Incident = {
    ...incident,
    diagnosis,
    title: named === undefined ? titleOf(incident) : causeTitle(named),
    ...(first === undefined || incident.diagnosedMs !== undefined ? {} : { diagnosedMs: nowMs }),
    ...(named === undefined
      ? {}
      : {
          place: named.place,
          places: [named.place, ...incident.places.filter((one) => !samePlace(one, named.place))],
        }),
    startedMs: Math.min(incident.startedMs, first?.sinceMs ?? incident.startedMs),
  };
  if (first === undefined || isSame(first, before)) return next;
  const text = `${causeTitle(first)} (${Math.round(first.confidence * 100)} %)`;
  return noted(next, { atMs: nowMs, what: 'diagnosed', text });
};

const causeTitle = ({ cause, place }: RankedCause): string =>
  `${cause.charAt(0).toUpperCase()}${cause.slice(1)}: ${placeWords(place)}`;

const isSame = (a: RankedCause, b: RankedCause | undefined): boolean =>
  b !== undefined && a.cause === b.cause && samePlace(a.place, b.place);
