/**
 * From a cause to a plan. Pure: the same cause, estate and facts give the same plan, byte for byte. Where there is no safe answer there is
 * no plan, and a reason. It never proposes what would leave a service without a majority, and nothing of class C3.
 */
import {
  type Action,
  type ActionClass,
  type ActionType,
  classOf,
  type DatabaseSession,
  type Need,
  type Place,
  type Plan,
  type PlanStep,
  type Proposal,
  refusalOf,
  type SettingName,
  settingNames,
} from '@coequal/contract';
import { isCauseName } from '@coequal/diagnosis';
import type { Instance, Service } from '@coequal/estate';
import { canonicalJson, sha256Hex } from '@coequal/trust';
import type { Facts } from './facts.ts';
import { firstUnmet } from './needs.ts';

export type Trouble = { readonly cause: string; readonly place: Place; readonly incident: string | null };

const validMs = 15 * 60_000;
const minuteMs = 60_000;
/** A start may repair tables and take a whole copy. */
const startMs = 30 * minuteMs;
/** Statements ended at once: more of them are a load, and no runaway. */
const mostKills = 5;

type Draft = { readonly why: string; readonly steps: readonly PlanStep[] } | { readonly none: string };

export const digestOfPlan = (plan: Plan): string => sha256Hex(canonicalJson(plan));

export const proposePlan = ({ cause, place, incident }: Trouble, facts: Facts): Proposal => {
  const draft = draftOf(cause, place, facts);
  if ('none' in draft) return { kind: 'none', reason: draft.none };
  const [first] = draft.steps;
  if (first === undefined) return { kind: 'none', reason: 'There is nothing to do.' };
  // Later steps stand on what earlier ones do; the first must be possible now.
  const reason = firstUnmet(first.needs, facts);
  if (reason !== undefined) return { kind: 'none', reason: `It would not be safe: ${reason}.` };
  const plan: Plan = {
    version: 1,
    estate: facts.estate.name,
    ...{ incident, cause, place, why: draft.why },
    class: highest(draft.steps.map((step) => step.class)),
    madeAtMs: facts.nowMs,
    untilMs: facts.nowMs + validMs,
    steps: [...draft.steps],
  };
  return { kind: 'plan', plan, digest: digestOfPlan(plan) };
};

const highest = (classes: readonly ActionClass[]): ActionClass =>
  classes.includes('C3') ? 'C3' : classes.includes('C2') ? 'C2' : 'C1';

const draftOf = (cause: string, place: Place, facts: Facts): Draft => {
  if (!isCauseName(cause)) return { none: `There is no plan for "${cause.slice(0, 100)}".` };
  switch (cause) {
    case 'instance crashed':
    case 'instance stopped':
      return atInstance(place, facts, startIt);
    case 'instance frozen':
      return atInstance(place, facts, replaceIt);
    case 'one-way partition':
      return atInstance(place, facts, isolateIt);
    case 'slow applier':
      return atInstance(place, facts, (at) => desync(at, 'The group waits for it, and it does not keep up.'));
    case 'slow disk':
      return atInstance(place, facts, moveOff);
    case 'idle transaction holds locks':
    case 'blocking schema change':
      return atInstance(place, facts, endBlocker);
    case 'expensive statement':
      return atInstance(place, facts, endStatement);
    case 'setting changed':
      return atInstance(place, facts, setBack);
    case 'site cut off':
    case 'site lost':
      return { none: 'The other sites serve; what is cut off comes back by itself.' };
    case 'large transaction':
      return { none: 'Rolling it back takes as long as it ran, and holds the same locks: let it end.' };
    case 'disk full':
      return { none: 'No rule says what may be removed: free space there, or run a script of your own for it.' };
    case 'missing index':
      return { none: 'Creating an index is no action of an agent yet.' };
    case 'connections exhausted':
    case 'load spike':
      return { none: 'Throttling is no action of an agent yet: limit the account at the gateways.' };
    case 'gateway crashed':
    case 'gateway frozen':
    case 'gateway stopped':
      return { none: 'Starting gateways is no action of an agent yet; clients use the other ones.' };
    case 'network latency':
    case 'packet loss':
    case 'clock offset':
    case 'CPU taken by another process':
    case 'memory pressure':
    case 'backup':
    case 'hot row conflicts':
    case 'failed log-ins':
      return { none: 'It is outside of what an agent can put right.' };
  }
};

type At = { readonly facts: Facts; readonly service: Service; readonly instance: Instance; readonly agent: string };

/** The instance that the cause names; with a host or a site, the only one there. */
const atInstance = (place: Place, facts: Facts, draft: (at: At) => Draft): Draft => {
  const found = facts.estate.services.flatMap((service) =>
    service.instances.filter((instance) => isAt(place, instance, facts)).map((instance) => ({ service, instance })),
  );
  const [first, ...others] = found;
  if (first === undefined) return { none: 'It is at no instance of the estate.' };
  if (others.length > 0) return { none: 'It is at several instances, and which one is meant is not known.' };
  const agent = facts.agents.find(({ host }) => host === first.instance.host);
  if (agent === undefined) return { none: `No agent acts on ${first.instance.host}.` };
  const drafted = draft({ facts, ...first, agent: agent.agent });
  if ('none' in drafted) return drafted;
  const missing = drafted.steps.find((step) => !mayDo(facts, step));
  if (missing === undefined) return drafted;
  return { none: `The agent ${missing.agent} may not do ${missing.action.type}.` };
};

const mayDo = ({ agents }: Facts, { agent, action }: PlanStep): boolean =>
  agents.some((one) => one.agent === agent && one.actions.has(action.type));

const isAt = (place: Place, instance: Instance, { estate }: Facts): boolean => {
  if (place.instance !== undefined) return place.instance === instance.name;
  if (place.host !== undefined) return place.host === instance.host;
  if (place.site === undefined) return false;
  return estate.sites.some(
    ({ name, hosts }) => name === place.site && hosts.some((host) => host.name === instance.host),
  );
};

const step = (agent: string, action: Action, does: string, more: Partial<PlanStep> = {}): PlanStep => ({
  ...{ agent, action, does, class: classOf[action.type], needs: [], undo: null, deadlineMs: minuteMs },
  check: checkOf[action.type],
  ...more,
});

const checkOf: Readonly<Record<ActionType, string>> = {
  'instance-start': 'It serves.',
  'instance-stop': 'Its process has ended.',
  'instance-restart': 'Another process of it serves.',
  'instance-isolate': 'Its process has ended.',
  'instance-rejoin': 'Another process of it serves.',
  'instance-reprovision': 'It serves, with a whole copy.',
  'instance-desync': 'wsrep_desync is ON.',
  'instance-resync': 'wsrep_desync is OFF.',
  'gateway-drain': 'The gateway says that it is drained.',
  'gateway-undrain': 'The gateway says that it is not drained.',
  'query-kill': 'The session no longer runs the statement.',
  'session-kill': 'The session is gone.',
  'setting-set': 'The setting has the value.',
  'diagnostics-collect': 'The file is written.',
  'script-run': 'The script ended well.',
};

/** A majority of the votes serves without this instance: then the others go on, whatever becomes of it. */
const othersServe = ({ service, instance }: At): Need => ({
  kind: 'serving',
  service: service.name,
  least: Math.floor((service.instances.length + service.arbitrators.length) / 2 + 1) - service.arbitrators.length,
  without: [instance.name],
});

const state = ({ instance }: At, ...states: readonly string[]): Need => ({
  kind: 'state',
  instance: instance.name,
  states: [...states],
});

/** Words of the overview for an instance that may be down. */
const notServing = ['silent', 'no answer', 'outside the group', 'not ready'] as const;

const startIt = (at: At): Draft => {
  const { agent, instance } = at;
  const action = { type: 'instance-start', instance: instance.name } as const;
  return {
    why: `${instance.name} is down while the others serve: started with its own position it takes what it missed.`,
    steps: [
      step(agent, action, `Start ${instance.name}.`, {
        needs: [othersServe(at), state(at, ...notServing)],
        undo: { type: 'instance-stop', instance: instance.name },
        deadlineMs: startMs,
      }),
    ],
  };
};

const isolateStep = (at: At): PlanStep =>
  step(at.agent, { type: 'instance-isolate', instance: at.instance.name }, `End ${at.instance.name} for certain.`, {
    needs: [othersServe(at)],
    undo: { type: 'instance-rejoin', instance: at.instance.name },
  });

const rejoinStep = (at: At): PlanStep =>
  step(at.agent, { type: 'instance-rejoin', instance: at.instance.name }, `Start ${at.instance.name} again.`, {
    needs: [othersServe(at)],
    undo: { type: 'instance-isolate', instance: at.instance.name },
    deadlineMs: startMs,
  });

const replaceIt = (at: At): Draft => ({
  why: `${at.instance.name} holds its connections and answers nothing: ended for certain and started again it comes back with what it missed.`,
  steps: [isolateStep(at), rejoinStep(at)],
});

const isolateIt = (at: At): Draft => ({
  why: `${at.instance.name} hears the others and is not heard: while it is in between, the group forms anew again and again.`,
  steps: [isolateStep(at)],
});

const desyncStep = (at: At): PlanStep =>
  step(
    at.agent,
    { type: 'instance-desync', instance: at.instance.name },
    `Let the group go on without waiting for ${at.instance.name}.`,
    { needs: [othersServe(at)], undo: { type: 'instance-resync', instance: at.instance.name } },
  );

const desync = (at: At, why: string): Draft => ({ why, steps: [desyncStep(at)] });

/** Sessions leave it first, at every gateway that has an agent: those that read there would wait. */
const moveOff = (at: At): Draft => {
  const { facts, service, instance } = at;
  const drains = facts.estate.gateways
    .filter((gateway) => gateway.service === service.name)
    .flatMap((gateway): readonly PlanStep[] => {
      const agent = facts.agents.find(({ host, actions }) => host === gateway.host && actions.has('gateway-drain'));
      if (agent === undefined) return [];
      const about = { gateway: gateway.name, instance: instance.name };
      return [
        step(
          agent.agent,
          { type: 'gateway-drain', ...about },
          `Move sessions off ${instance.name} at ${gateway.name}.`,
          {
            needs: [othersServe(at)],
            undo: { type: 'gateway-undrain', ...about },
            deadlineMs: 5 * minuteMs,
          },
        ),
      ];
    })
    .slice(0, 19);
  return {
    why: `The disk of ${instance.host} answers slowly, and what commits anywhere waits for ${instance.name}.`,
    steps: [...drains, desyncStep(at)],
  };
};

/** Who is at the root of most waiting. Somebody in a ring waits too: the engine ends one of them by itself. */
const endBlocker = (at: At): Draft => {
  const { facts, instance } = at;
  const detail = facts.details.get(instance.name);
  const root = detail?.blockers.find(({ inRing, blocked }) => !inRing && blocked > 0);
  const session = detail?.sessions.find(({ id }) => id === root?.session);
  if (session === undefined) return { none: `Who blocks at ${instance.name} is not seen now.` };
  if (isServers(session)) return { none: 'What blocks is the server itself: it applies what others wrote.' };
  const needs: Need[] = [{ kind: 'blocker', instance: instance.name, session: session.id }];
  const who = { instance: instance.name, session: session.id, user: session.user };
  if (session.command === 'Sleep')
    return {
      why: `Session ${session.id} of ${session.user} sits idle in its transaction, and ${root?.blocked} others wait for it.`,
      steps: [
        step(
          at.agent,
          { type: 'session-kill', ...who, statement: null },
          `End session ${session.id}; its transaction is rolled back.`,
          { needs },
        ),
      ],
    };
  if (session.statement === undefined) return { none: 'What blocks runs a statement that is not seen.' };
  return {
    why: `The statement of session ${session.id} of ${session.user} holds what ${root?.blocked} others wait for.`,
    steps: [
      step(
        at.agent,
        { type: 'query-kill', ...who, statement: sha256Hex(session.statement) },
        `End the statement of session ${session.id}.`,
        { needs },
      ),
    ],
  };
};

/** Reads that run for long, the longest first: they are what can be ended without anything being lost. */
const endStatement = (at: At): Draft => {
  const { facts, instance } = at;
  const busy = (facts.details.get(instance.name)?.sessions ?? []).filter(
    (one) => !isServers(one) && one.command === 'Query' && one.seconds >= 5 && /^select\b/i.test(one.statement ?? ''),
  );
  const chosen = busy.toSorted((one, other) => other.seconds - one.seconds || one.id - other.id).slice(0, mostKills);
  if (chosen.length === 0) return { none: `No statement that only reads runs for long at ${instance.name} now.` };
  return {
    why: `${chosen.length === 1 ? 'A statement that only reads takes' : 'Statements that only read take'} what the others need.`,
    steps: chosen.map(({ id, user, seconds, statement = '' }) =>
      step(
        at.agent,
        { type: 'query-kill', instance: instance.name, session: id, user, statement: sha256Hex(statement) },
        `End the statement that session ${id} of ${user} has run for ${Math.round(seconds)} s.`,
      ),
    ),
  };
};

const isServers = ({ user }: DatabaseSession): boolean =>
  user === 'system user' || user === 'event_scheduler' || user === '';

/** As collectors word it. */
const settingWords = /\bthe setting ([a-z_]+) changed from (-?[\d.]+) to (-?[\d.]+)$/;

const setBack = ({ facts, instance, agent }: At): Draft => {
  const last = facts.changes.findLast(({ change, place }) => change === 'setting' && place.instance === instance.name);
  const [, name = '', from = '', to = ''] = settingWords.exec(last?.text ?? '') ?? [];
  const setting = settingNames.find((known): known is SettingName => known === name);
  if (last === undefined) return { none: `No changed setting of ${instance.name} is known.` };
  if (setting === undefined) return { none: `What was changed (${last.text}) is not among what an agent may set.` };
  const [value, expected] = [Number(from), Number(to)];
  const refused = refusalOf(setting, value);
  if (refused !== undefined) return { none: `It may not be set back: ${refused}.` };
  const base = { type: 'setting-set', instance: instance.name, setting } as const;
  return {
    why: `${setting} was changed from ${value} to ${expected} just before.`,
    steps: [
      step(agent, { ...base, value, expected }, `Set ${setting} of ${instance.name} back to ${value}.`, {
        undo: { ...base, value: expected, expected: value },
      }),
    ],
  };
};
