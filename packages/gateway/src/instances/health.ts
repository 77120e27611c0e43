/**
 * From what is seen of an instance to a named state. Pure: a fold over observations, each with its time. Two kinds of
 * eyes: the gateway's own questions, many times a second, and what sessions run into.
 *
 * What it keeps true:
 * - Silence is counted from the last answer, less the time in which this gateway itself stood still.
 * - Bad news counts at once, good news when it lasts: an instance that wakes up believes itself a member for a moment.
 * - What a session saw is disproved only by an answer to a question that was asked later.
 *
 * It leaves to others: who is chosen (`routing.ts`), asking (`adapters/monitor.ts`).
 */
import { type InstanceState, serves } from '@coequal/estate';
import { unreachable } from '@coequal/kernel';

export type HealthRules = {
  /** Without an answer for so long it is silent, ms. */
  readonly silenceMs: number;
  /** Answers that take longer than this make it slow, ms. */
  readonly slowMs: number;
  /** One that was away must be well for so long before it serves again, ms. */
  readonly steadyMs: number;
  /** The same for one that was silent: until then it may not have noticed that the others go on without it. */
  readonly wakingMs: number;
  /** Over this time it gets back its share of the sessions that had left, ms. */
  readonly rampMs: number;
  /** The instance need not be a member of a cluster: it is the only one. */
  readonly alone: boolean;
  readonly service: string;
};

/** Answers of the instance about itself. */
export type InstanceStatus = {
  /** `wsrep_on`: what is written there is replicated at all. */
  readonly replicates: boolean;
  readonly clusterName: string;
  /** `Primary`, `non-Primary`, `Disconnected`. */
  readonly clusterStatus: string;
  /** `Synced`, `Donor/Desynced`, `Joined`, `Joining …`, `Initialized`. */
  readonly stateComment: string;
  readonly ready: boolean;
  readonly members: number;
  readonly receiveQueue: number;
  /** Time in which replication was paused by flow control since the instance started. */
  readonly pausedNs: number;
  readonly readOnly: boolean;
};

export type Sighting = 'refused' | 'lost' | 'silent' | 'isolated' | 'answered';

export type Observation =
  | { readonly kind: 'status'; readonly askedMs: number; readonly atMs: number; readonly status: InstanceStatus }
  /** The small question was answered. */
  | { readonly kind: 'beat'; readonly askedMs: number; readonly atMs: number; readonly readOnly: boolean }
  /** It answers that it does not serve (1047). */
  | { readonly kind: 'unready'; readonly askedMs: number; readonly atMs: number }
  /** Nobody listens, or no way leads there. */
  | { readonly kind: 'refused'; readonly atMs: number; readonly reason: string }
  /** Something else answers, or with an error that lasts: wrong credentials, a wrong certificate. */
  | { readonly kind: 'foreign'; readonly atMs: number; readonly reason: string }
  /** A session saw something. */
  | { readonly kind: 'saw'; readonly atMs: number; readonly what: Sighting }
  /** Nothing: only time has gone by. */
  | { readonly kind: 'time'; readonly atMs: number }
  /** This gateway stood still for so long: nobody could have been heard. */
  | { readonly kind: 'excuse'; readonly ms: number };

export type Health = {
  readonly state: InstanceState;
  readonly reason: string;
  readonly sinceMs: number;
  /** From here silence is counted. */
  readonly heardMs: number;
  /** A session has met trouble at this time, and no later question has been answered yet. */
  readonly suspectedMs: number | null;
  /** While it is away: since when all is well again. */
  readonly wellSinceMs: number | null;
  /** When it came back after it had been away; null: never away. */
  readonly backMs: number | null;
  /** Answers in a row that came late, or in time once it is slow. */
  readonly against: number;
  readonly answerMs: number | null;
  readonly members: number | null;
  readonly receiveQueue: number | null;
  /** Share of the time in which flow control paused it, between the last two looks. */
  readonly flowControl: number | null;
  readonly paused: { readonly ns: number; readonly atMs: number } | null;
  readonly readOnly: boolean;
};

export const unseen = (nowMs: number): Health => ({
  state: 'starting',
  reason: 'It has not been asked yet.',
  sinceMs: nowMs,
  heardMs: nowMs,
  suspectedMs: null,
  wellSinceMs: null,
  backMs: null,
  against: 0,
  answerMs: null,
  members: null,
  receiveQueue: null,
  flowControl: null,
  paused: null,
  readOnly: false,
});

export const observe = (health: Health, seen: Observation, rules: HealthRules): Health => {
  switch (seen.kind) {
    case 'status':
      return onStatus(answered(health, seen.askedMs, seen.atMs), seen, rules);
    case 'beat':
      return onBeat(answered(health, seen.askedMs, seen.atMs), seen, rules);
    case 'unready':
      return enter(answered(health, seen.askedMs, seen.atMs), 'isolated', unreadyReason, seen.atMs);
    case 'refused':
      return enter(health, 'gone', seen.reason, seen.atMs);
    case 'foreign':
      return enter({ ...health, heardMs: seen.atMs }, 'foreign', seen.reason, seen.atMs);
    case 'saw':
      return onSighting(health, seen.what, seen.atMs);
    case 'time':
      return onTime(health, seen.atMs, rules);
    case 'excuse':
      return { ...health, heardMs: health.heardMs + seen.ms };
    default:
      return unreachable(seen);
  }
};

const unreadyReason = 'It answers that it does not serve: it has lost the majority.';

const answered = (health: Health, askedMs: number, atMs: number): Health => ({
  ...health,
  heardMs: Math.max(health.heardMs, atMs),
  suspectedMs: health.suspectedMs !== null && askedMs > health.suspectedMs ? null : health.suspectedMs,
  answerMs: smoothed(health.answerMs, atMs - askedMs),
});

/** A single late answer does not colour the figure for long. */
const smoothed = (before: number | null, ms: number): number => (before === null ? ms : before + (ms - before) / 4);

const onStatus = (
  health: Health,
  { status, askedMs, atMs }: Extract<Observation, { kind: 'status' }>,
  rules: HealthRules,
): Health => {
  const seen: Health = {
    ...health,
    members: status.members,
    receiveQueue: status.receiveQueue,
    flowControl: flowControlOf(health, status, atMs),
    paused: { ns: status.pausedNs, atMs },
    readOnly: status.readOnly,
  };
  const { state, reason } = nameStatus(status, rules);
  if (!serves(state)) return enter(seen, state, reason, atMs);
  return onWell(seen, { state, reason, askedMs, atMs }, rules);
};

type Well = { readonly state: InstanceState; readonly reason: string; readonly askedMs: number; readonly atMs: number };

/** The instance says that it serves. One that was away is believed when it has said so for a while. */
const onWell = (health: Health, { state, reason, askedMs, atMs }: Well, rules: HealthRules): Health => {
  if (health.state === 'starting') return enter(health, state, reason, atMs);
  if (serves(health.state))
    return state === 'serving' ? onPace(health, reason, askedMs, atMs, rules) : enter(health, state, reason, atMs);
  const wellSinceMs = health.wellSinceMs ?? atMs;
  const enoughMs = health.state === 'silent' ? rules.wakingMs : rules.steadyMs;
  if (atMs - wellSinceMs < enoughMs) return { ...health, wellSinceMs };
  return { ...enter(health, state, reason, atMs), backMs: atMs };
};

/** So many answers in a row make it slow, and as many quick ones take it back. */
const turnsAfter = 3;

const onPace = (health: Health, reason: string, askedMs: number, atMs: number, rules: HealthRules): Health => {
  const ms = atMs - askedMs;
  const slow = health.state === 'slow';
  // Half of the limit on the way back: no wavering around one figure.
  const counts = slow ? ms < rules.slowMs / 2 : ms > rules.slowMs;
  const against = counts ? health.against + 1 : 0;
  if (against < turnsAfter) {
    const stays = slow || health.state === 'serving';
    return stays ? { ...health, against } : { ...enter(health, 'serving', reason, atMs), backMs: atMs };
  }
  return slow
    ? enter(health, 'serving', reason, atMs)
    : enter(health, 'slow', `It takes ${Math.round(ms)} ms to answer a small question.`, atMs);
};

/** Small answers keep a state up and say how quick it is; they do not bring one back. */
const onBeat = (
  health: Health,
  { askedMs, atMs, readOnly }: Extract<Observation, { kind: 'beat' }>,
  rules: HealthRules,
): Health => {
  const seen = { ...health, readOnly };
  const paced = health.state === 'serving' || health.state === 'slow';
  return paced ? onPace(seen, health.reason, askedMs, atMs, rules) : seen;
};

const onSighting = (health: Health, what: Sighting, atMs: number): Health => {
  switch (what) {
    case 'answered':
      return { ...health, heardMs: Math.max(health.heardMs, atMs) };
    case 'isolated':
      return serves(health.state) ? enter({ ...health, suspectedMs: atMs }, 'isolated', unreadyReason, atMs) : health;
    case 'refused':
    case 'lost':
    case 'silent':
      return serves(health.state) ? { ...health, suspectedMs: atMs } : health;
    default:
      return unreachable(what);
  }
};

const onTime = (health: Health, atMs: number, rules: HealthRules): Health => {
  const silentMs = atMs - health.heardMs;
  if (silentMs < rules.silenceMs || health.state === 'gone' || health.state === 'silent') return health;
  return enter(health, 'silent', `It has not answered for ${Math.round(silentMs)} ms.`, atMs);
};

const enter = (health: Health, state: InstanceState, reason: string, atMs: number): Health => ({
  ...health,
  state,
  reason,
  sinceMs: state === health.state ? health.sinceMs : atMs,
  against: 0,
  // Whatever it was, it is not what it takes to come back.
  wellSinceMs: null,
});

const nameStatus = (
  status: InstanceStatus,
  { service, alone }: HealthRules,
): { readonly state: InstanceState; readonly reason: string } => {
  const { stateComment, members } = status;
  if (!status.replicates)
    return alone
      ? { state: 'serving', reason: 'A single instance without a cluster.' }
      : { state: 'foreign', reason: 'Replication is off (wsrep_on): what is written there would reach nobody.' };
  if (status.clusterName !== service)
    return { state: 'foreign', reason: `It belongs to the cluster ${status.clusterName}, not to ${service}.` };
  if (status.clusterStatus !== 'Primary')
    return {
      state: 'isolated',
      reason: `It sees ${members} of the votes: no majority, so it refuses reads and writes.`,
    };
  if (stateComment.startsWith('Donor'))
    return { state: 'donating', reason: 'It gives its data to another one, or stands aside.' };
  if (stateComment.startsWith('Joined')) return { state: 'catching-up', reason: 'It applies the last write sets.' };
  if (stateComment !== 'Synced' || !status.ready)
    return { state: 'joining', reason: `It receives data (${stateComment === '' ? 'state unknown' : stateComment}).` };
  return { state: 'serving', reason: `Synced, one of ${members} members of ${service}.` };
};

const flowControlOf = (health: Health, status: InstanceStatus, atMs: number): number | null => {
  const { paused } = health;
  // It counts from its own start: less than before means that it was started again.
  if (paused === null || atMs <= paused.atMs || status.pausedNs < paused.ns) return health.flowControl;
  return Math.min(1, (status.pausedNs - paused.ns) / 1e6 / (atMs - paused.atMs));
};

/** Whether new sessions may go there: it serves, and no session has just met trouble there. */
export const welcomes = (health: Health): boolean => serves(health.state) && health.suspectedMs === null;

/** Of the sessions that had left, the share that may be back by now: 0 to 1. */
export const returnShare = (health: Health, nowMs: number, rules: HealthRules): number => {
  if (!serves(health.state)) return 0;
  return health.backMs === null ? 1 : Math.max(0, Math.min(1, (nowMs - health.backMs) / rules.rampMs));
};

export type Leave = { readonly reason: string; readonly gentle: boolean };

/**
 * Whether sessions must leave after a change: at once where nothing they ask would be answered, at their next
 * boundary where it soon may not be (a full transfer can block the donor for as long as it takes).
 */
export const leaveAfter = (before: Health, after: Health): Leave | undefined => {
  if (before.state === after.state) return undefined;
  if (after.state === 'donating') return { reason: after.state, gentle: true };
  return serves(before.state) && !serves(after.state) ? { reason: after.state, gentle: false } : undefined;
};
