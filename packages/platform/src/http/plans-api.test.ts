/** Plans over a real socket: who may carry which one out, and that nothing a plan says of itself is believed. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Plan, type PlanStep, planRun, problem, proposal } from '@coequal/contract';
import { fail, seededRandom, silentLog, systemClock } from '@coequal/kernel';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Identify } from '../access/audience.ts';
import type { Grant, Subject } from '../access/subject.ts';
import { openBarePlatform } from '../adapters/bare.ts';
import { quietRuns } from '../plans/testing.ts';
import { platformSettings } from '../settings.ts';
import { everywhere, tryAudit, tryEstate } from '../testing.ts';
import { type Server, startServer } from './adapters/server.ts';
import { allRoutes } from './routes.ts';

const folder = mkdtempSync(join(tmpdir(), 'coequal-plans-'));
const platform = openBarePlatform({
  settings: platformSettings(tryEstate(), undefined),
  ...{ folder, clock: systemClock, random: seededRandom(1), log: silentLog },
});
const { heart, accounts, once, takeBackup } = platform;
const audit = tryAudit();
const people = new Map<string, Subject>();
const identify: Identify = ({ headers }) => people.get(String(headers['x-session'])) ?? fail('ACCESS_UNKNOWN', {});
const person = (id: string, grants: readonly Grant[], factorAt = systemClock.now()) => {
  const session = { id, device: { id: 'd', bound: true }, factor: 'passkey', factorAt, lockedSince: null } as const;
  people.set(id, { kind: 'person', id, name: id, grants, session });
  return { 'x-session': id, 'coequal-reason': 'it holds up the others' };
};

let server: Server;
let url = '';
beforeAll(async () => {
  const routes = allRoutes({ version: '1', accounts, takeBackup, runs: quietRuns() });
  server = await startServer({
    ...{ core: heart.core, routes, accounts, once, audit, identify, agentToken: undefined },
    ...{ address: '127.0.0.1', port: 0 },
  });
  url = `http://127.0.0.1:${server.port}/api/v1`;
});
afterAll(async () => {
  await server.close();
  platform.close();
  rmSync(folder, { recursive: true });
});

let made = 0;
const planOf = (...steps: readonly PlanStep[]): Plan => {
  made += 1;
  return {
    ...{ version: 1, estate: 'try', incident: null, cause: 'slow applier', place: { instance: 'north-db-1' } },
    ...{ why: 'Because.', class: 'C1', madeAtMs: systemClock.now() + made, untilMs: systemClock.now() + 60_000 },
    steps: [...steps],
  };
};
const step = (instance: string, more: Partial<PlanStep> = {}): PlanStep => ({
  ...{ agent: 'north-1', action: { type: 'instance-desync', instance }, class: 'C1', does: 'x', needs: [], check: 'y' },
  ...{ undo: null, deadlineMs: 10_000, ...more },
});
const start = async (plan: unknown, headers: Record<string, string>) => {
  const answer = await fetch(`${url}/plan-runs`, {
    ...{ method: 'POST', headers: { 'content-type': 'application/json', ...headers } },
    body: JSON.stringify({ plan }),
  });
  const json: unknown = await answer.json();
  return answer.ok ? planRun.parse(json) : problem.parse(json).code;
};
const operator = [everywhere('operator')];

describe('a plan of class C1', () => {
  test('is an operator’s own, with a fresh passkey and a reason; it can be looked at and stopped', async () => {
    const ann = person('ann', operator);
    const run = await start(planOf(step('north-db-1')), ann);
    if (typeof run === 'string') throw new Error(run);
    expect(run).toMatchObject({ state: 'running', by: ['ann'] });
    const get = async (path: string, headers: Record<string, string>) =>
      (await fetch(`${url}${path}`, { headers })).json();
    expect(await get('/plan-runs', ann)).toMatchObject({ items: [{ id: run.id }] });
    expect(await get(`/plan-runs/${run.id}`, person('vic', [everywhere('viewer')]))).toMatchObject({ id: run.id });
    const south = person('sid', [{ role: 'viewer', services: ['bank'], sites: ['south'] }]);
    expect(await get('/plan-runs', south)).toEqual({ items: [] });
    expect((await fetch(`${url}/plan-runs/${run.id}`, { headers: south })).status).toBe(403);
    const stopped = await fetch(`${url}/plan-runs/${run.id}/stop`, { method: 'POST', headers: ann });
    expect(await stopped.json()).toMatchObject({ stopping: true });
    expect(audit.entries.some(({ action, actor }) => action === 'instance.desync' && actor === 'person:ann')).toBe(
      true,
    );
  });

  test('is refused to others, without a reason, and after the factor got old', async () => {
    const plan = planOf(step('north-db-1'));
    expect(await start(plan, {})).toBe('ACCESS_UNKNOWN');
    expect(await start(plan, person('vic', [everywhere('viewer')]))).toBe('ACCESS_DENIED');
    expect(await start(plan, person('app', [everywhere('approver')]))).toBe('ACCESS_DENIED');
    expect(await start(plan, person('old', operator, systemClock.now() - 400_000))).toBe('ACCESS_STEP_UP');
    const { 'coequal-reason': _, ...wordless } = person('ann', operator);
    expect(await start(plan, wordless)).toBe('ACCESS_DENIED');
  });

  test('is refused to whoever does not look after everything that it touches, whatever place it names', async () => {
    const north = person('nora', [{ role: 'operator', services: ['bank'], sites: ['north'] }]);
    expect(await start(planOf(step('north-db-1')), north)).toMatchObject({ by: ['nora'] });
    expect(await start(planOf(step('north-db-1'), step('south-db-1')), north)).toBe('PLAN_REFUSED');
    expect(await start(planOf(step('somewhere')), north)).toBe('PLAN_REFUSED');
  });
});

describe('a plan that is graver', () => {
  test('is refused, also when it says that it is not', async () => {
    const ann = person('ann', operator);
    const action = { type: 'instance-restart', instance: 'north-db-1' } as const;
    expect(await start(planOf(step('north-db-1', { action, class: 'C2' })), ann)).toBe('PLAN_REFUSED');
    expect(await start(planOf(step('north-db-1', { action, class: 'C1' })), ann)).toBe('PLAN_REFUSED');
    const script = { type: 'script-run', script: 'x', arguments: {} } as const;
    expect(await start(planOf(step('north-db-1', { action: script })), ann)).toBe('PLAN_REFUSED');
  });
});

test('what is no plan is refused with what is wrong, and an unknown incident has none', async () => {
  const ann = person('ann', operator);
  const plan = planOf(step('north-db-1'));
  const unknownAction = { ...plan, steps: [{ ...plan.steps[0], action: { type: 'format-disk' } }] };
  for (const bad of [{}, { ...plan, more: 1 }, { ...plan, steps: [] }, unknownAction, null])
    expect(await start(bad, ann)).toBe('REQUEST_INVALID');
  expect((await fetch(`${url}/incidents/none/plan`, { headers: ann })).status).toBe(404);
  expect(proposal.safeParse({ kind: 'none', reason: '' }).success).toBe(false);
});
