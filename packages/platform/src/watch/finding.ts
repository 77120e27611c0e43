/** Something that is wrong now, as conditions, detectors, rules and foreign alerts tell it: what incidents are made of. */
import type { IncidentAlert, Place, Severity } from '@coequal/contract';

export type Finding = {
  /** The same while it lasts: source, name and labels. */
  readonly key: string;
  readonly name: string;
  readonly source: IncidentAlert['source'];
  readonly place: Place;
  readonly labels: Readonly<Record<string, string>>;
  /** `info` joins an incident and opens none. */
  readonly severity: Severity;
  /** One sentence without a full stop. */
  readonly summary: string;
  readonly startedMs: number;
  readonly value?: number;
};

export const findingKey = (source: string, name: string, labels: Readonly<Record<string, string>>): string =>
  `${source} ${name} ${JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)))}`;

/** A place as labels, which is how alerts name places. */
export const placeLabels = (place: Place): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(place).filter((entry): entry is [string, string] => entry[1] !== undefined));
