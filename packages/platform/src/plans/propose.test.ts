/** Plans: the same facts give the same plan; what is not safe, not known or not allowed gives none, with its reason. */
import {
  actionTypes,
  type DatabaseDetail,
  type DatabaseSession,
  type Incident,
  plan as planSchema,
} from '@coequal/contract';
import { causeNames } from '@coequal/diagnosis';
import { estateOrThrow } from '@coequal/estate';
import { maskLiterals } from '@coequal/signals';
import { sha256Hex } from '@coequal/trust';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Facts } from './facts.ts';
import { proposalFor } from './for-incident.ts';
import { digestOfPlan, proposePlan } from './propose.ts';

const sites = ['north', 'south', 'west'];
const estate = estateOrThrow(
  `version: 1
name: test
sites:
${sites.map((site, index) => `  - { name: ${site}, hosts: [{ name: ${site}-1, address: 10.0.0.${index + 1} }] }`).join('\n')}
services:
  - name: bank
    database: bank
    instances:
${sites.map((site) => `      - { name: bank-${site}, host: ${site}-1, dataFolder: /data/${site} }`).join('\n')}
`,
  'test.yaml',
);

const session = (change: Partial<DatabaseSession>): DatabaseSession => ({
  ...{ id: 7, user: 'app', address: '10.1.1.1', command: 'Query', state: '', seconds: 60 },
  ...change,
});
const detail = (sessions: readonly DatabaseSession[], blocker?: number, inRing = false): DatabaseDetail => ({
  ...{ instance: 'bank-north', atMs: 1, intervalMs: 1_000, waits: [], statements: [] },
  sessions: [...sessions],
  blockers: blocker === undefined ? [] : [{ session: blocker, blocked: 4, inRing }],
});
const facts = (change: Partial<Facts> = {}, north = 'serving'): Facts => ({
  estate,
  nowMs: 1_000_000,
  instances: new Map([
    ['bank-north', north],
    ['bank-south', 'serving'],
    ['bank-west', 'serving'],
  ]),
  details: new Map(),
  changes: [],
  agents: sites.map((site) => ({ agent: `${site}-1`, host: `${site}-1`, actions: new Set(actionTypes) })),
  ...change,
});
const at = { instance: 'bank-north' };
const proposed = (cause: string, given: Facts, place = at) => proposePlan({ cause, place, incident: 'i-1' }, given);
const stepsOf = (cause: string, given: Facts) => {
  const made = proposed(cause, given);
  if (made.kind === 'none') throw new Error(made.reason);
  expect(planSchema.parse(made.plan)).toEqual(made.plan);
  expect(made.digest).toBe(digestOfPlan(made.plan));
  return made.plan.steps.map(({ action }) => action);
};
const reasonOf = (cause: string, given: Facts): string => {
  const made = proposed(cause, given);
  if (made.kind === 'plan') throw new Error(JSON.stringify(made.plan.steps));
  return made.reason;
};
const withDetail = (one: DatabaseDetail) => facts({ details: new Map([['bank-north', one]]) });

describe('a plan', () => {
  it('starts what crashed, and replaces what hangs', () => {
    expect(stepsOf('instance crashed', facts({}, 'no answer'))).toEqual([{ type: 'instance-start', ...at }]);
    expect(stepsOf('instance frozen', facts({}, 'no answer')).map(({ type }) => type)).toEqual([
      'instance-isolate',
      'instance-rejoin',
    ]);
    expect(stepsOf('slow applier', facts())).toEqual([{ type: 'instance-desync', ...at }]);
  });

  it('ends who sits idle and blocks, and names the statement of who works by its digest', () => {
    const idle = withDetail(detail([session({ command: 'Sleep', transactionSeconds: 90 })], 7));
    expect(stepsOf('idle transaction holds locks', idle)).toEqual([
      { type: 'session-kill', ...at, session: 7, user: 'app', statement: null },
    ]);
    const statement = maskLiterals('ALTER TABLE t ADD c INT DEFAULT 7', 'mysql');
    const busy = withDetail(detail([session({ statement })], 7));
    expect(stepsOf('blocking schema change', busy)).toEqual([
      { type: 'query-kill', ...at, session: 7, user: 'app', statement: sha256Hex(statement) },
    ]);
  });

  it('ends reads that run for long, the longest first, and no writes', () => {
    const many = [
      session({ id: 1, seconds: 9, statement: 'SELECT a FROM t' }),
      session({ id: 2, seconds: 99, statement: 'SELECT b FROM t' }),
      session({ id: 3, seconds: 999, statement: 'UPDATE t SET a = ?' }),
      session({ id: 4, seconds: 1, statement: 'SELECT c FROM t' }),
      session({ id: 5, seconds: 999, user: 'system user', statement: 'SELECT d' }),
    ];
    expect(
      stepsOf('expensive statement', withDetail(detail(many))).map((one) => 'session' in one && one.session),
    ).toEqual([2, 1]);
  });

  it('sets back the last change of a setting that may be set', () => {
    const change = { kind: 'change', id: 'c', atMs: 1, place: at, change: 'setting', source: 'x' } as const;
    const text = 'the setting max_connections changed from 500 to 50';
    expect(stepsOf('setting changed', facts({ changes: [{ ...change, text }] }))).toEqual([
      { type: 'setting-set', ...at, setting: 'max_connections', value: 500, expected: 50 },
    ]);
    const foreign = { ...change, text: 'the setting sync_binlog changed from 1 to 0' };
    expect(reasonOf('setting changed', facts({ changes: [foreign] }))).toMatch(/not among/);
    const durable = { ...change, text: 'the setting innodb_flush_log_at_trx_commit changed from 2 to 1' };
    expect(reasonOf('setting changed', facts({ changes: [durable] }))).toMatch(/may not be set back/);
  });
});

describe('no plan', () => {
  it('is made where a majority would be lost', () => {
    const two = new Map([
      ['bank-north', 'no answer'],
      ['bank-south', 'serving'],
      ['bank-west', 'no answer'],
    ]);
    for (const cause of ['instance frozen', 'instance crashed', 'slow applier', 'one-way partition', 'slow disk'])
      expect(reasonOf(cause, facts({ instances: two }))).toMatch(/not be safe: 1 other/);
    expect(reasonOf('instance crashed', facts())).toMatch(/is serving/);
  });

  it('is made where it is not known who or where, or where nobody may act', () => {
    expect(reasonOf('idle transaction holds locks', facts())).toMatch(/not seen/);
    const ring = withDetail(detail([session({})], 7, true));
    expect(reasonOf('idle transaction holds locks', ring)).toMatch(/not seen/);
    const applier = withDetail(detail([session({ user: 'system user' })], 7));
    expect(reasonOf('idle transaction holds locks', applier)).toMatch(/server itself/);
    expect(reasonOf('instance frozen', facts({ agents: [] }, 'no answer'))).toMatch(/No agent acts/);
    const weak = facts({ agents: [{ agent: 'north-1', host: 'north-1', actions: new Set(['instance-isolate']) }] });
    expect(reasonOf('instance frozen', weak)).toMatch(/may not do instance-rejoin/);
    expect(proposed('instance frozen', facts(), { instance: 'nobody' }).kind).toBe('none');
    expect(reasonOf('something else', facts())).toMatch(/no plan for/);
  });

  it('or a plan, is what every cause of the catalogue gets, always the same, and never one of class C3', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...causeNames),
        fc.constantFrom('serving', 'no answer', 'joining', 'outside the group', 'silent'),
        fc.constantFrom<{ instance?: string; host?: string; site?: string }>(
          at,
          { host: 'north-1' },
          { site: 'north' },
          {},
        ),
        (cause, north, place) => {
          const given = facts({}, north);
          const made = proposePlan({ cause, place, incident: null }, given);
          expect(proposePlan({ cause, place, incident: null }, facts({}, north))).toEqual(made);
          if (made.kind === 'none') expect(made.reason).not.toBe('');
          else expect(made.plan.class).not.toBe('C3');
        },
      ),
    );
  });

  it('says the same under another name: one letter changes the digest', () => {
    const made = proposed('slow applier', facts());
    if (made.kind === 'none') throw new Error(made.reason);
    expect(digestOfPlan({ ...made.plan, why: `${made.plan.why}.` })).not.toBe(made.digest);
  });
});

describe('an incident', () => {
  const incident = (change: Partial<Incident>): Incident => ({
    ...{
      id: 'i-1',
      state: 'open',
      severity: 'critical',
      title: 'x',
      place: at,
      places: [at],
      startedMs: 1,
      detectedMs: 1,
    },
    ...{ alerts: [], timeline: [], ...change },
  });
  const diagnosis: NonNullable<Incident['diagnosis']> = {
    ...{ atMs: 1, window: null, sentence: 'x', ruledOut: [], unknown: 0 },
    causes: [{ cause: 'slow applier', place: at, confidence: 0.9, sinceMs: 1, evidence: [], witnesses: [] }],
  };

  it('gets the plan of its first cause, or of what a person said it was', () => {
    expect(proposalFor(incident({ diagnosis }), facts())).toMatchObject({ kind: 'plan', plan: { incident: 'i-1' } });
    const said = incident({ diagnosis, confirmedCause: 'large transaction' });
    expect(proposalFor(said, facts())).toMatchObject({ kind: 'none', reason: expect.stringMatching(/let it end/) });
  });

  it('that is over, or not understood yet, gets none', () => {
    expect(proposalFor(incident({ state: 'resolved', diagnosis }), facts()).kind).toBe('none');
    expect(proposalFor(incident({}), facts())).toMatchObject({ reason: expect.stringMatching(/not known yet/) });
  });
});
