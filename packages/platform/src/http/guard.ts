/**
 * What every request passes before anything of it is read or done: was it meant for us, who asks, how often, and may he. Each decision is
 * counted; what is no routine read, and every refusal, is written to the audit before it is done, and again with how it ended.
 * What cannot be recorded is not done.
 */
import { timingSafeEqual } from 'node:crypto';
import { CoequalError, codeOf, fail } from '@coequal/kernel';
import type { AuditEntry, AuditWriter } from '@coequal/trust';
import { type Action, actions } from '../access/actions.ts';
import { type Asker, type Identify, type Known, makeAsker, nobody, type Shown } from '../access/audience.ts';
import { type Decision, decide, type Resource } from '../access/decide.ts';
import { isServiceToken, type ServiceAccounts } from '../access/service-accounts.ts';
import type { Subject } from '../access/subject.ts';
import type { Core } from '../ports.ts';
import { isForUs } from './origin.ts';
import { makeRates } from './rates.ts';
import { refusalOf } from './refusals.ts';
import type { Named, Needed, Route } from './route.ts';

export type GuardOptions = {
  readonly core: Core;
  readonly accounts: ServiceAccounts;
  readonly audit: AuditWriter;
  /** How sessions of people are known; undefined: there are no people yet. */
  readonly identify?: Identify | undefined;
  /** What agents show; undefined: nothing is asked for. */
  readonly agentToken: string | undefined;
  /** What browsers call it, when that is another name than loopback's. */
  readonly origin?: string;
  /** Whom a request is from, also behind proxies; undefined: it was not meant for this platform. Unless given, only loopback is. */
  readonly from?: ((request: Pick<Shown, 'headers' | 'remote'>) => string | undefined) | undefined;
};

export type Admitted = {
  readonly asker: Asker;
  /** Whether he would still be let in. */
  readonly still: () => boolean;
  /** Records how it ended, where it is recorded. */
  readonly ended: (error?: unknown) => Promise<void>;
};

export type Guard = (route: Route, shown: Shown & Named) => Promise<Admitted>;

export const makeGuard = (options: GuardOptions): Guard => {
  const { core, agentToken, origin } = options;
  const takes = makeRates(core.clock);
  const refused = core.counters.counter({
    name: 'coequal_platform_requests_refused_total',
    help: 'Requests that were refused before they were looked at, by reason.',
    labels: ['reason'],
  });
  const refuse = (reason: string, error: CoequalError): never => {
    refused.with({ reason }).add();
    throw error;
  };
  const decider = makeDecider(options, takes);
  const from =
    options.from ??
    ((request: Pick<Shown, 'headers' | 'remote'>) => (isForUs(request.headers, origin) ? request.remote : undefined));
  return async (route, request) => {
    const { access, limits } = route;
    const source = from(request);
    const shown = { ...request, remote: source ?? request.remote };
    if (source === undefined)
      refuse(
        'foreign-page',
        fail('REQUEST_INVALID', {
          what: 'This was not sent to the platform by name, or comes from a page of another origin.',
        }),
      );
    if (access !== 'agent' && !takes('source', shown.remote)) refuse('rate', fail('REQUEST_TOO_MANY', {}));
    if (access === 'anyone' || access === 'proof' || access === 'agent') {
      if (access === 'agent' && agentToken !== undefined && !showsToken(shown, agentToken))
        refuse('token', fail('REQUEST_UNAUTHORISED', {}));
      if (!takes(limits.rate, shown.remote)) refuse('rate', fail('REQUEST_TOO_MANY', {}));
      return open;
    }
    const known = knownOf(options, request);
    if (known instanceof CoequalError) return decider.unknown(access.action, shown, known);
    if (!takes(limits.rate, known.subject.id)) refuse('rate', fail('REQUEST_TOO_MANY', {}));
    return decider.admit(known, access, shown);
  };
};

const open: Admitted = { asker: nobody, still: () => true, ended: () => Promise.resolve() };

/** A token that is shown counts alone: whoever shows a wrong one beside a session is not let in by the session. */
const knownOf = ({ accounts, identify }: GuardOptions, shown: Shown): Known | CoequalError => {
  const unknown = fail('ACCESS_UNKNOWN', {});
  const token = bearerOf(shown);
  if (token !== undefined && isServiceToken(token)) return accounts.known(token) ?? unknown;
  const found = identify?.(shown) ?? unknown;
  if (found instanceof CoequalError) return found;
  return { subject: found, still: () => stillIs(found, identify?.(shown, true)) };
};

/** Whoever may do something else now has to ask again, so that nobody goes on with what was taken from him. */
const stillIs = (before: Subject, now: Subject | CoequalError | undefined): boolean =>
  now !== undefined &&
  !(now instanceof CoequalError) &&
  (now.session === null || now.session.lockedSince === null) &&
  JSON.stringify(now.grants) === JSON.stringify(before.grants);

const bearerOf = ({ headers }: Shown): string | undefined => {
  const { authorization } = headers;
  return typeof authorization === 'string' ? /^Bearer ([\x21-\x7e]{1,1000})$/i.exec(authorization)?.[1] : undefined;
};

const showsToken = (shown: Shown, token: string): boolean => {
  const given = Buffer.from(bearerOf(shown) ?? '');
  const wanted = Buffer.from(token);
  return given.length === wanted.length && timingSafeEqual(given, wanted);
};

const makeDecider = ({ core, audit }: GuardOptions, takes: ReturnType<typeof makeRates>) => {
  const decisions = core.counters.counter({
    name: 'coequal_platform_decisions_total',
    help: 'Decisions about who may do what.',
    labels: ['action', 'answer'],
  });
  const leftOut = core.counters
    .counter({
      name: 'coequal_platform_refusals_unrecorded_total',
      help: 'Refusals beyond what is recorded of one asker; they are counted only.',
      labels: [],
    })
    .with({});
  const recordRefusal = async (who: string, entry: AuditEntry): Promise<void> => {
    if (takes('refusals', who)) await audit.write(entry);
    else leftOut.add();
  };
  const decided = async (subject: Subject, action: Action, resource: Resource, shown: Shown): Promise<Decision> => {
    const reason = reasonOf(shown);
    const context = { nowMs: core.clock.now(), ...(reason === undefined ? {} : { reason }) };
    const decision = decide(subject, action, resource, context);
    decisions.with({ action, answer: decision.answer }).add();
    const entry = entryOf(subject, action, shown, reason);
    if (decision.answer !== 'allow')
      await recordRefusal(subject.id, { ...entry, result: 'refused', reason: wordOf(decision) });
    else if (!actions[action].routine) await audit.write({ ...entry, result: 'asked' });
    return decision;
  };
  return {
    unknown: async (action: Action, shown: Shown, error: CoequalError): Promise<never> => {
      decisions.with({ action, answer: 'unknown' }).add();
      const { method, path, remote } = shown;
      const entry = { actor: `address:${remote}`, action, target: `${method} ${path}` } as const;
      await recordRefusal(remote, { ...entry, result: 'refused', reason: error.code });
      throw error;
    },
    admit: async ({ subject, still }: Known, { action, at }: Needed, shown: Shown & Named): Promise<Admitted> => {
      const allowed = async (what: Action, resource: Resource): Promise<void> => {
        const decision = await decided(subject, what, resource, shown);
        if (decision.answer !== 'allow') throw refusalOf(subject, what, decision);
      };
      const resource = resourceOf(core, at, subject, shown);
      await allowed(action, resource);
      const asked: Action[] = actions[action].routine ? [] : [action];
      const asker = makeAsker(subject, action, core.places, async (graver) => {
        await allowed(graver, resource);
        if (!actions[graver].routine) asked.push(graver);
      });
      const ended = async (error?: unknown): Promise<void> => {
        for (const each of asked)
          await audit.write({ ...entryOf(subject, each, shown, undefined), ...resultOf(error) }).catch((reason) => {
            // It is done, and that it was asked for stands in the record.
            core.log('error', 'how something ended could not be recorded', { action: each, code: codeOf(reason) });
          });
      };
      return { asker, still, ended };
    },
  };
};

const resourceOf = (core: Core, at: Needed['at'], subject: Subject, named: Named): Resource => {
  if (at === 'own') return { reach: 'some', owner: subject.id };
  return typeof at === 'string' ? { reach: at } : at(core, named);
};

const entryOf = ({ kind, id, name }: Subject, action: Action, shown: Shown, reason: string | undefined) => ({
  ...{ actor: `${kind}:${name}`, action, target: `${shown.method} ${shown.path}` },
  details: { subject: id, source: shown.remote, ...(reason === undefined ? {} : { words: reason }) },
});

const resultOf = (error: unknown): Pick<AuditEntry, 'result' | 'reason'> => {
  if (error === undefined) return { result: 'done' };
  const result = error instanceof CoequalError && error.kind === 'user' ? 'refused' : 'failed';
  return { result, reason: codeOf(error) ?? 'BUG' };
};

const wordOf = (decision: Exclude<Decision, { answer: 'allow' }>): string => {
  if (decision.answer === 'deny') return decision.reason;
  return decision.answer === 'stepUp' ? `step-up ${decision.why}` : 'needs approval';
};

/** Why somebody does it, in his words: a header, so that it is there before anything of the body is. */
const reasonOf = ({ headers }: Shown): string | undefined => {
  const given = headers['coequal-reason'];
  if (typeof given !== 'string') return undefined;
  try {
    return decodeURIComponent(given).trim().slice(0, 1_000);
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
    throw fail(
      'REQUEST_INVALID',
      { what: 'The header coequal-reason is not percent-encoded UTF-8.' },
      { cause: error },
    );
  }
};
