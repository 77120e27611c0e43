/**
 * When whom to tell of what: alerts of one receiver are told together, by the labels it groups by. A function from a state and all that
 * fires at a time to the next state and what is to be sent; no clock, no network, and the state is plain JSON, so that it can be kept over a
 * restart and a night can be walked through in a test.
 *
 *   alert fires ─► group waits `groupWaitMs` ─► told ─► looked at every `groupIntervalMs` ─► told again when something
 *                                                        fired or resolved, or `repeatIntervalMs` has passed
 *
 * What is sent counts as told when the caller settles it: after a kill in between it is sent again. An alert that is muted (silenced,
 * inhibited) is in its group and not told. Source: Alertmanager's dispatcher and its stage of deduplication, in behaviour.
 */
import { type Labels, labelsOf, labelValue, seriesKey } from '../sample.ts';
import { fingerprintOf, type ToldAlert } from './alert.ts';
import { type Matcher, matchesAll } from './matchers.ts';

export type Receiver = {
  readonly name: string;
  /** Which alerts; none is all. */
  readonly matchers: readonly Matcher[];
  /** `...` alone: each alert for itself. */
  readonly groupBy: readonly string[];
  readonly groupWaitMs: number;
  readonly groupIntervalMs: number;
  readonly repeatIntervalMs: number;
  readonly sendResolved: boolean;
};

/** What people are used to, but for waiting: an incident is told in seconds. */
export const usualReceiver = {
  matchers: [],
  groupBy: ['alertname', 'service', 'site'],
  groupWaitMs: 2_000,
  groupIntervalMs: 60_000,
  repeatIntervalMs: 4 * 3_600_000,
  sendResolved: true,
} as const satisfies Omit<Receiver, 'name'>;

type Member = ToldAlert & { readonly endsAtMs?: number };

export type Group = {
  readonly receiver: string;
  readonly labels: Labels;
  readonly alerts: Readonly<Record<string, Member>>;
  /** When it is looked at next. */
  readonly nextMs: number;
  /** What was told last, by fingerprint, and when. */
  readonly told: { readonly firing: readonly string[]; readonly atMs: number } | undefined;
  /** What is being sent. */
  readonly sending: Notification | undefined;
};

export type GroupsState = { readonly groups: Readonly<Record<string, Group>> };

export type Notification = {
  readonly groupKey: string;
  readonly receiver: string;
  readonly groupLabels: Labels;
  readonly atMs: number;
  readonly firing: readonly ToldAlert[];
  readonly resolved: readonly (ToldAlert & { readonly endsAtMs: number })[];
};

export type GroupsStep = {
  readonly state: GroupsState;
  /** To be sent now; each is settled by `settle`. */
  readonly due: readonly Notification[];
  /** When to come again, at the latest; undefined when nothing waits. */
  readonly nextMs: number | undefined;
};

export const noGroups: GroupsState = { groups: {} };

/** Groups at most; further alerts join one group of their receiver, so that a flood is told and not lost. */
const groupLimit = 5_000;

/**
 * @param firing all that fires at `atMs`, muted or not; what was in a group and is not among them has resolved
 * @param isMuted whether nobody shall be told of an alert now
 */
export const stepGroups = (
  receivers: readonly Receiver[],
  before: GroupsState,
  firing: readonly ToldAlert[],
  atMs: number,
  isMuted: (labels: Labels) => boolean,
): GroupsStep => {
  const groups = new Map(Object.entries(before.groups));
  const seen = new Map<string, Map<string, ToldAlert>>();
  for (const alert of firing)
    for (const receiver of receivers)
      if (matchesAll(receiver.matchers, alert.labels)) place(receiver, alert, groups, seen, atMs);
  const due: Notification[] = [];
  const next: Record<string, Group> = {};
  for (const [key, group] of groups) {
    const receiver = receivers.find(({ name }) => name === group.receiver);
    // A receiver that is no more is told nothing more.
    if (receiver === undefined) continue;
    const looked = look(receiver, key, withSeen(group, seen.get(key), atMs), atMs, isMuted);
    if (looked === undefined) continue;
    next[key] = looked;
    if (looked.sending !== undefined && group.sending === undefined) due.push(looked.sending);
  }
  const times = Object.values(next).flatMap(({ sending, nextMs }) => (sending === undefined ? [nextMs] : []));
  return { state: { groups: next }, due, nextMs: times.length === 0 ? undefined : Math.min(...times) };
};

const place = (
  receiver: Receiver,
  alert: ToldAlert,
  groups: Map<string, Group>,
  seen: Map<string, Map<string, ToldAlert>>,
  atMs: number,
): void => {
  const labels =
    receiver.groupBy[0] === '...'
      ? alert.labels
      : (labelsOf(receiver.groupBy.map((name) => [name, labelValue(alert.labels, name)] as const)) ?? []);
  const own = groupKeyOf(receiver.name, labels);
  const key = groups.has(own) || groups.size < groupLimit ? own : groupKeyOf(receiver.name, []);
  if (!groups.has(key)) {
    // One that fired long ago, as after a restart without a state, has waited enough.
    const waits = alert.startsAtMs + receiver.groupWaitMs < atMs ? 0 : receiver.groupWaitMs;
    const told = { told: undefined, sending: undefined };
    groups.set(key, {
      receiver: receiver.name,
      labels: key === own ? labels : [],
      alerts: {},
      nextMs: atMs + waits,
      ...told,
    });
  }
  const members = seen.get(key) ?? new Map<string, ToldAlert>();
  members.set(fingerprintOf(alert.labels), alert);
  seen.set(key, members);
};

export const groupKeyOf = (receiver: string, labels: Labels): string => seriesKey(receiver, labels);

const withSeen = (group: Group, seen: ReadonlyMap<string, ToldAlert> | undefined, atMs: number): Group => {
  const alerts: Record<string, Member> = {};
  // The first moment at which it was missed is its end.
  for (const [print, alert] of Object.entries(group.alerts))
    if (seen?.has(print) !== true) alerts[print] = alert.endsAtMs === undefined ? { ...alert, endsAtMs: atMs } : alert;
  for (const [print, alert] of seen ?? []) alerts[print] = alert;
  return { ...group, alerts };
};

/** The group after it was looked at, when it was due; undefined when nothing is left of it. */
const look = (
  receiver: Receiver,
  groupKey: string,
  group: Group,
  atMs: number,
  isMuted: (labels: Labels) => boolean,
): Group | undefined => {
  if (group.sending !== undefined) return group;
  const members = Object.entries(group.alerts);
  const told = new Set(group.told?.firing);
  // Gone before anybody was told: nobody is.
  if (group.told === undefined && members.every(([, { endsAtMs }]) => endsAtMs !== undefined)) return undefined;
  if (atMs < group.nextMs) return group;
  const heard = members.filter(([, { labels }]) => !isMuted(labels));
  const firing = heard.filter(([, { endsAtMs }]) => endsAtMs === undefined);
  const resolved = heard.flatMap(([print, alert]) =>
    alert.endsAtMs !== undefined && told.has(print) ? [{ ...alert, endsAtMs: alert.endsAtMs }] : [],
  );
  const nextMs = atMs + receiver.groupIntervalMs;
  const isNew = firing.some(([print]) => !told.has(print));
  const isOver = receiver.sendResolved && resolved.length > 0;
  const isOld = firing.length > 0 && group.told !== undefined && atMs - group.told.atMs >= receiver.repeatIntervalMs;
  if (isNew || isOver || isOld) {
    const sending: Notification = {
      groupKey,
      receiver: receiver.name,
      groupLabels: group.labels,
      atMs,
      firing: firing.map(([, alert]) => alert),
      resolved: receiver.sendResolved ? resolved : [],
    };
    return { ...group, nextMs, sending };
  }
  return withoutEnded({ ...group, nextMs });
};

/** What ended has been told, or need not be. */
const withoutEnded = (group: Group): Group | undefined => {
  const left = Object.entries(group.alerts).filter(([, { endsAtMs }]) => endsAtMs === undefined);
  if (left.length === 0) return undefined;
  const still = new Set(left.map(([print]) => print));
  const told =
    group.told === undefined
      ? undefined
      : { ...group.told, firing: group.told.firing.filter((print) => still.has(print)) };
  return { ...group, alerts: Object.fromEntries(left), told };
};

/**
 * What became of a notification. `told`: somebody took it, or will never take it. `again`: it is due again after the group's interval
 * at the latest, with what has changed meanwhile.
 */
export const settle = (
  before: GroupsState,
  { groupKey, firing, resolved, atMs }: Notification,
  outcome: 'told' | 'again',
): GroupsState => {
  const group = before.groups[groupKey];
  if (group?.sending?.atMs !== atMs) return before;
  const open: Group = { ...group, sending: undefined };
  const groups: Record<string, Group> = { ...before.groups };
  if (outcome === 'again') groups[groupKey] = open;
  else {
    const over = new Set(resolved.map(({ labels }) => fingerprintOf(labels)));
    // One that ended while it was being told is told at the next look.
    const alerts = Object.entries(open.alerts).filter(
      ([print, { endsAtMs }]) => endsAtMs === undefined || !over.has(print),
    );
    const told = { firing: firing.map(({ labels }) => fingerprintOf(labels)), atMs };
    groups[groupKey] = { ...open, alerts: Object.fromEntries(alerts), told };
    if (alerts.length === 0) delete groups[groupKey];
  }
  return { groups };
};

/** After a restart: what was being sent is sent again. */
export const reopened = (before: GroupsState): GroupsState => ({
  groups: Object.fromEntries(
    Object.entries(before.groups).map(([key, group]) => [
      key,
      group.sending === undefined ? group : { ...group, sending: undefined, nextMs: group.sending.atMs },
    ]),
  ),
});
