/**
 * From findings to incidents: a function from the open incidents and what is wrong now to the next incidents. One fault is one
 * incident: what begins near an incident, in the estate's structure and in time, belongs to it. Nothing is fetched and nothing is
 * written here; time and names come in.
 */
import type { Incident, IncidentAlert, Place, TimelineEntry } from '@coequal/contract';
import { limits } from '../limits.ts';
import { type Nearness, nearness, type Places, placeWords, samePlace } from '../places.ts';
import { type Finding, findingKey } from '../watch/finding.ts';
import { severityRank, titleOf } from './titles.ts';

export type GroupContext = {
  readonly places: Places;
  readonly nowMs: number;
  readonly newId: () => string;
  /** Resolved not long ago; what comes again reopens them. */
  readonly recent: readonly Incident[];
};

export type GroupStep = {
  /** Open or acknowledged ones, after this look. */
  readonly open: readonly Incident[];
  /** Those that are not as they were, resolved ones included. */
  readonly changed: readonly Incident[];
  /** Alerts for which there was no room. */
  readonly overflow: number;
};

export const alertKey = ({ source, name, labels }: IncidentAlert): string => findingKey(source, name, labels);

/** One look: alerts join, end, open and resolve incidents. */
export const stepGroups = (
  before: readonly Incident[],
  findings: readonly Finding[],
  context: GroupContext,
): GroupStep => {
  const open = new Map(before.map((incident) => [incident.id, incident]));
  const changed = new Map<string, Incident>();
  let overflow = 0;
  const put = (incident: Incident): void => {
    open.set(incident.id, incident);
    changed.set(incident.id, incident);
  };
  const firing = new Set(findings.map(({ key }) => key));
  const held = holdersOf([...before, ...context.recent]);
  for (const finding of findings.toSorted((a, b) => severityRank[a.severity] - severityRank[b.severity])) {
    const holder = held.get(finding.key);
    if (holder !== undefined) {
      // A person resolved it while it still fires: it stays his decision until it ends.
      const now = open.get(holder);
      if (now !== undefined) {
        const again = againFiring(now, finding, context.nowMs);
        if (again !== undefined) put(again);
      }
      continue;
    }
    const home =
      homeOf([...open.values()], finding, context) ??
      (finding.severity === 'info' ? undefined : reopened(finding, context));
    if (home !== undefined) {
      const added = withAlert(home, finding, context);
      if (added === undefined) overflow += 1;
      else put(added);
    } else if (finding.severity !== 'info') {
      if (open.size >= limits.incidents.open) overflow += 1;
      else put(opened(finding, context));
    }
  }
  for (const incident of [...open.values()]) {
    const next = settled(incident, firing, context.nowMs);
    if (next === undefined) continue;
    changed.set(next.id, next);
    if (next.state === 'resolved') open.delete(next.id);
    else open.set(next.id, next);
  }
  return { open: [...open.values()], changed: [...changed.values()], overflow };
};

/** Which incident holds an alert: an open one, or one that a person resolved while it fired. */
const holdersOf = (incidents: readonly Incident[]): ReadonlyMap<string, string> => {
  const holders = new Map<string, string>();
  for (const { id, state, alerts } of incidents)
    for (const alert of alerts)
      if (state !== 'resolved' || alert.endedMs === undefined) holders.set(alertKey(alert), id);
  return holders;
};

const againFiring = (incident: Incident, finding: Finding, nowMs: number): Incident | undefined => {
  const index = incident.alerts.findIndex((alert) => alertKey(alert) === finding.key);
  const alert = incident.alerts[index];
  if (alert?.endedMs === undefined) return undefined;
  const { endedMs, ...rest } = alert;
  // What was over for a while began anew; what was away for a moment did not.
  const startedMs = nowMs - endedMs > limits.incidents.quietMs ? finding.startedMs : rest.startedMs;
  const alerts = incident.alerts.with(index, { ...rest, startedMs, summary: finding.summary });
  return noted({ ...incident, alerts }, { atMs: nowMs, what: 'alert', text: `Again: ${finding.summary}` });
};

/** The incident that a finding belongs to: the nearest, and of equals the newest. */
const homeOf = (open: readonly Incident[], finding: Finding, context: GroupContext): Incident | undefined => {
  const ranked = open
    .map((incident) => ({ incident, rank: rankIn(incident, finding, context) }))
    .filter(({ rank }) => rank > 0)
    .sort((a, b) => b.rank - a.rank || b.incident.detectedMs - a.incident.detectedMs);
  return ranked[0]?.incident;
};

const rankIn = (incident: Incident, finding: Finding, { places, nowMs }: GroupContext): number => {
  const nearest = nearestOf(places, incident, finding.place);
  if (nearest === 'same') return 3;
  const quietMs = nowMs - lastActivityMs(incident);
  if (nearest === 'related') return quietMs <= limits.incidents.joinMs ? 2 : 0;
  const begunMs = Math.abs(finding.startedMs - incident.startedMs);
  return nearest === 'neighbours' && begunMs <= limits.incidents.siteJoinMs ? 1 : 0;
};

const order: readonly Nearness[] = ['same', 'related', 'neighbours', 'apart'];

const nearestOf = (places: Places, { places: own }: Incident, place: Place): Nearness => {
  let best: Nearness = 'apart';
  for (const one of own) {
    const found = nearness(places, one, place);
    if (order.indexOf(found) < order.indexOf(best)) best = found;
  }
  return best;
};

const lastActivityMs = ({ alerts, detectedMs }: Incident): number =>
  alerts.reduce((last, { startedMs, endedMs }) => Math.max(last, startedMs, endedMs ?? 0), detectedMs);

/** An incident that ended a moment ago with this very alert goes on. */
const reopened = (finding: Finding, { recent, nowMs }: GroupContext): Incident | undefined => {
  const found = recent.find(
    ({ alerts, resolvedMs = 0 }) =>
      nowMs - resolvedMs <= limits.incidents.reopenMs && alerts.some((alert) => alertKey(alert) === finding.key),
  );
  if (found === undefined) return undefined;
  const { resolvedMs: _, ...rest } = found;
  return noted({ ...rest, state: 'open' }, { atMs: nowMs, what: 'reopened', text: `It came back: ${finding.summary}` });
};

const opened = (finding: Finding, { places, nowMs, newId }: GroupContext): Incident => {
  const place = places.complete(finding.place);
  const incident: Incident = {
    ...{ id: newId(), state: 'open', severity: finding.severity, title: '', place, places: [place] },
    ...{ startedMs: finding.startedMs, detectedMs: nowMs, alerts: [alertOf(finding)], timeline: [] },
  };
  return noted({ ...incident, title: titleOf(incident) }, { atMs: nowMs, what: 'opened', text: finding.summary });
};

const placesLimit = 100;

/** Undefined: the incident has as many alerts as it may have. */
const withAlert = (incident: Incident, finding: Finding, { places, nowMs }: GroupContext): Incident | undefined => {
  const key = finding.key;
  const index = incident.alerts.findIndex((alert) => alertKey(alert) === key);
  if (index < 0 && incident.alerts.length >= limits.incidents.alerts) return undefined;
  const alert = alertOf(finding);
  const alerts = index < 0 ? [...incident.alerts, alert] : incident.alerts.with(index, alert);
  const place = places.complete(finding.place);
  const known = incident.places.some((one) => samePlace(one, place)) || incident.places.length >= placesLimit;
  const severity =
    severityRank[finding.severity] < severityRank[incident.severity] ? finding.severity : incident.severity;
  const next: Incident = {
    ...incident,
    alerts,
    severity,
    startedMs: Math.min(incident.startedMs, finding.startedMs),
    places: known ? incident.places : [...incident.places, place],
  };
  // Until a cause is named, the title follows what is known.
  const title = next.diagnosis === undefined ? titleOf(next) : next.title;
  return noted({ ...next, title }, { atMs: nowMs, what: 'alert', text: finding.summary });
};

const alertOf = ({ name, source, labels, severity, summary, startedMs, value }: Finding): IncidentAlert => ({
  ...{ name, source, labels: { ...labels }, severity, summary, startedMs },
  ...(value === undefined || !Number.isFinite(value) ? {} : { value }),
});

/** Alerts that fire no more end, and an incident without any for a while is over. Undefined: nothing changed. */
const settled = (incident: Incident, firing: ReadonlySet<string>, nowMs: number): Incident | undefined => {
  const ending = incident.alerts.filter((alert) => alert.endedMs === undefined && !firing.has(alertKey(alert)));
  const alerts =
    ending.length === 0
      ? incident.alerts
      : incident.alerts.map((alert) => (ending.includes(alert) ? { ...alert, endedMs: nowMs } : alert));
  const next = ending.reduce<Incident>(
    (made, { summary }) => noted(made, { atMs: nowMs, what: 'cleared', text: summary }),
    ending.length === 0 ? incident : { ...incident, alerts },
  );
  // What only informs neither opens an incident nor keeps one open.
  const weighty = alerts.filter(({ severity }) => severity !== 'info');
  if (weighty.some(({ endedMs }) => endedMs === undefined)) return ending.length === 0 ? undefined : next;
  const lastMs = weighty.reduce((last, { endedMs = 0 }) => Math.max(last, endedMs), 0);
  // A clock that jumped back must not keep it open.
  if (nowMs >= lastMs && nowMs - lastMs < limits.incidents.quietMs) return ending.length === 0 ? undefined : next;
  return noted(
    {
      ...next,
      alerts: alerts.map((alert) => ({ ...alert, endedMs: alert.endedMs ?? nowMs })),
      state: 'resolved',
      resolvedMs: nowMs,
    },
    { atMs: nowMs, what: 'resolved', text: `Nothing is wrong any more at ${placeWords(incident.place)}` },
  );
};

/** With an entry more; of a long story the middle goes, because how it began and how it stands matter. */
export const noted = (incident: Incident, entry: TimelineEntry): Incident => {
  const timeline = [...incident.timeline, entry];
  const most = limits.incidents.timeline;
  if (timeline.length <= most) return { ...incident, timeline };
  return { ...incident, timeline: [...timeline.slice(0, most / 2), ...timeline.slice(-most / 2)] };
};

/** Whether an incident touches what was asked for. */
export const touches = (incident: Incident, wanted: Place): boolean =>
  [incident.place, ...incident.places].some((place) =>
    (['site', 'host', 'service', 'instance', 'gateway'] as const).every(
      (kind) => wanted[kind] === undefined || place[kind] === wanted[kind],
    ),
  );
