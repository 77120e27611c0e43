/** Commands that speak to a platform: to one of ours that answers as the contract says. */
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Incident, Plan, PlanRun } from '@coequal/contract';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runIn } from '../testing.ts';
import { topData, topOverview } from '../view/top-testing.ts';

const incident: Incident = {
  ...{
    id: 'i-1',
    state: 'open',
    severity: 'critical',
    title: 'Missing index: service bank',
    place: { service: 'bank' },
  },
  ...{ places: [{ service: 'bank' }], startedMs: 0, detectedMs: 2_000 },
  alerts: [
    {
      name: 'RowsScanned',
      source: 'detector',
      labels: {},
      severity: 'warning',
      summary: 'Rows scanned\u001b[2J 5000',
      startedMs: 0,
    },
  ],
  diagnosis: {
    ...{
      atMs: 5_000,
      window: null,
      sentence: 'Since 00:00:00 an index is missing.',
      ruledOut: ['load spike: as before'],
      unknown: 0,
    },
    causes: [
      {
        ...{
          cause: 'missing index',
          place: { service: 'bank' },
          confidence: 0.93,
          sinceMs: 0,
          witnesses: [],
          runbook: 'create-index',
        },
        evidence: [{ text: 'rows scanned per query 5000 (before 10)' }],
      },
    ],
  },
  timeline: [{ atMs: 0, what: 'opened', text: 'it began' }],
};

const plan: Plan = {
  ...{ version: 1, estate: 'try', incident: 'i-1', cause: 'slow applier', place: { instance: 'bank-north' } },
  ...{ why: 'The group waits for it.\u001b[2J', class: 'C1', madeAtMs: 0, untilMs: 900_000 },
  steps: [
    {
      ...{ agent: 'north-1', action: { type: 'instance-desync', instance: 'bank-north' }, class: 'C1' },
      ...{ does: 'Let the group go on.', check: 'wsrep_desync is ON.', deadlineMs: 60_000 },
      needs: [{ kind: 'serving', service: 'bank', least: 2, without: ['bank-north'] }],
      undo: { type: 'instance-resync', instance: 'bank-north' },
    },
  ],
};
const planRun: PlanRun = {
  ...{ id: 'run-1', digest: 'd', plan, by: ['ann'], state: 'stopped', words: 'Step 1 ended as refused.', startedMs: 0 },
  ...{ stopping: false, steps: [{ key: 'run-1-1', state: 'ended', outcome: 'refused', words: 'It is not so.' }] },
};

const asked: string[] = [];
let server: Server;
let url = '';

const answers: Readonly<Record<string, unknown>> = {
  'GET /api/v1/incidents/i-1': incident,
  'GET /api/v1/incidents/i-1/plan': { kind: 'plan', plan, digest: 'a'.repeat(64) },
  'GET /api/v1/incidents/i-3/plan': { kind: 'none', reason: 'It is outside of what an agent can put right.' },
  'GET /api/v1/plan-runs/run-1': planRun,
  'POST /api/v1/plan-runs': { ...planRun, state: 'running' },
  'GET /api/v1/incidents/i-3': { ...incident, id: 'i-3', confirmedCause: 'missing index' },
  'POST /api/v1/incidents/i-1/acknowledge': { ...incident, state: 'acknowledged' },
  'POST /api/v1/incidents/i-1/confirm': { ...incident, confirmedCause: 'missing index' },
  'POST /api/v1/signals/correlate': {
    ...{ source: 'store', whole: false, searched: 1_200 },
    correlated: [{ name: 'waits', labels: { instance: 'a\u001b[2Jb' }, correlation: -0.913, lagSeconds: -3 }],
  },
  'POST /api/v2/silences': { silenceID: 's-1' },
  'GET /api/v2/silences': [],
  'GET /api/v1/overview': topOverview(),
};

beforeAll(async () => {
  server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => {
      body += chunk.toString();
    });
    request.on('end', () => {
      const path = (request.url ?? '').split('?')[0] ?? '';
      asked.push(`${request.method} ${request.url} ${body}`);
      const known = topData().incidents;
      const confirmed = { ...known[0], id: 'i-3', confirmedCause: 'missing index' };
      const items = request.url?.includes('limit=500') === true ? [...known, confirmed] : known;
      const page = { items, next: null };
      const found = path === '/api/v1/incidents' ? page : answers[`${request.method} ${path}`];
      response.statusCode = found === undefined ? 404 : 200;
      response.end(
        JSON.stringify(
          found ?? {
            type: 'about:blank',
            title: 'x',
            status: 404,
            detail: 'There is no such thing.',
            code: 'THING_UNKNOWN',
            advice: 'Look.',
          },
        ),
      );
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  url = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
});
afterAll(() => server.close());

const run = (...args: readonly string[]) => runIn([...args, '--platform', url]);

test('the list says who is needed, by its exit code too', async () => {
  const { code, out } = await run('incident', 'list', '--state', 'open', '--service', 'bank');
  expect(code).toBe(1);
  expect(out).toMatch(/^ID +STATE +SEVERITY +AGE +WHERE +WHAT\ni-1 +open +critical/);
  expect(asked.at(-1)).toBe('GET /api/v1/incidents?limit=50&state=open&service=bank ');
});

test('one incident is told with cause, evidence and story, and nothing in it drives the terminal', async () => {
  const { code, out } = await run('incident', 'show', 'i-1');
  expect(code).toBe(0);
  expect(out).toContain('93 %  missing index at bank  (runbook create-index)');
  expect(out).toContain('rows scanned per query 5000 (before 10)');
  expect(out).not.toContain('\u001b');
  expect(JSON.parse((await run('incident', 'show', '--json')).out)).toEqual(incident);
});

test('a plan is shown with what must hold, what is checked and the way back, and nothing is done', async () => {
  const { code, out } = await run('incident', 'plan', 'i-1');
  expect(code).toBe(0);
  expect(out).toContain('1. Let the group go on.  [agent north-1]');
  expect(out).toContain('before: 2 other instances of bank serve');
  expect(out).toContain('way back: instance-resync bank-north');
  expect(out).not.toContain('\u001b');
  expect(asked.at(-1)).toMatch(/^GET /);
  const none = await run('incident', 'plan', 'i-3');
  expect([none.code, none.out]).toEqual([1, 'No plan. It is outside of what an agent can put right.\n']);
});

test('a plan is carried out as it was shown, with a reason, and told step by step', async () => {
  expect((await run('incident', 'plan', 'i-1', '--carry-out')).told).toContain('Say why');
  expect(asked.some((line) => line.startsWith('POST /api/v1/plan-runs'))).toBe(false);
  const begun = await run('incident', 'plan', 'i-1', '--carry-out', '--reason', 'it lags');
  expect([begun.code, begun.out]).toEqual([0, expect.stringContaining('run-1 is running.')]);
  const [, , sent = ''] = /^(POST \S+) (.*)$/.exec(asked.at(-1) ?? '') ?? [];
  expect(JSON.parse(sent)).toEqual({ plan });
  const told = await run('incident', 'run', 'run-1');
  expect(told.code).toBe(1);
  expect(told.out).toContain('run-1 is stopped. Step 1 ended as refused.\n1. refused: Let the group go on.');
});

test('what people do is sent with who they are', async () => {
  expect((await run('incident', 'ack', 'i-1', '--by', 'ann')).out).toContain('i-1 is acknowledged');
  expect(asked.at(-1)).toBe('POST /api/v1/incidents/i-1/acknowledge {"by":"ann"}');
  await run('incident', 'confirm', 'i-1', 'missing index', '--by', 'ann', '--text', 'dropped by mistake');
  expect(asked.at(-1)).toContain('{"by":"ann","cause":"missing index","text":"dropped by mistake"}');
  await run(
    'incident',
    'silence',
    'instance="north-db-1",site!~"w.*"',
    '--comment',
    'new disk',
    '--for',
    '2h',
    '--by',
    'ann',
  );
  expect(asked.at(-1)).toContain('{"name":"site","value":"w.*","isRegex":true,"isEqual":false}');
  expect(asked.at(-1)).toContain('"endsAt":"1970-01-01T02:00:00.000Z"');
});

test('the estate is printed once, and as JSON', async () => {
  const { code, out } = await run('top', '--once');
  expect(code).toBe(1);
  expect(out).toContain('south-db-1');
  expect(JSON.parse((await run('top', '--once', '--json')).out)).toMatchObject({
    overview: { estate: 'bank' },
    incidents: [{ id: 'i-1' }],
  });
});

test('what the platform refuses, or a platform that is not there, is one line', async () => {
  const refused = await run('incident', 'show', 'none');
  expect([refused.code, refused.told]).toEqual([
    2,
    expect.stringMatching(/^coequal: The platform at .* says no: There is no such thing\..*\n$/),
  ]);
  const away = await runIn(['incident', 'list', '--platform', 'http://127.0.0.1:1']);
  expect([away.code, away.told]).toEqual([2, expect.stringMatching(/does not answer/)]);
  const wrong = await run('incident', 'silence', 'nonsense', '--comment', 'x');
  expect([wrong.code, wrong.told]).toEqual([2, expect.stringMatching(/is not a matcher/)]);
  expect((await runIn(['top', '--platform', 'ftp://x'])).code).toBe(2);
});

test('incidents whose cause was confirmed are exported whole, for what learns from them', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'coequal-export-'));
  try {
    const path = join(folder, 'confirmed.ndjson');
    expect(await run('incident', 'export', '--out', path)).toMatchObject({
      code: 0,
      out: expect.stringMatching(/1 incident /),
    });
    const lines = (await readFile(path, 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines).toEqual([{ ...incident, id: 'i-3', confirmedCause: 'missing index' }]);
    const weights = join(folder, 'weights.json');
    const weighed = await runIn(['diagnose', 'weigh', path, '--out', weights, '--json']);
    expect(JSON.parse(weighed.out)).toMatchObject({ incidents: 1 });
    expect(JSON.parse(await readFile(weights, 'utf8'))).toMatchObject({ format: 'coequal-weights/1', incidents: 1 });
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('what moved like a signal is asked for by name and labels, and told with lag and sign', async () => {
  const stretch = ['--from', '2026-03-01T14:00Z', '--to', '2026-03-01T15:00Z'];
  const ran = await run(...['diagnose', 'correlate', 'up{job="mysql",site=north}', '--among', 'job=node'], ...stretch);
  expect(ran.code).toBe(0);
  expect(JSON.parse(asked.at(-1)?.split(' ').slice(2).join(' ') ?? '')).toEqual({
    ...{ name: 'up', labels: { job: 'mysql', site: 'north' }, among: { job: 'node' }, mostLagSeconds: 30, answers: 20 },
    ...{ fromMs: Date.parse('2026-03-01T14:00Z'), toMs: Date.parse('2026-03-01T15:00Z') },
  });
  expect(ran.out).toMatch(/-0\.91 +-3 s +waits\{instance="a/);
  expect(ran.out).toContain('1200 signals of the store, and then the time was over');
  expect(ran.out).not.toContain('\u001b');
  for (const wrong of [
    ['{job="a"}', ...stretch],
    ['up{job!="a"}', ...stretch],
    ['up{job}', ...stretch],
    ['up', '--from', '2026-03-01T15:00Z', '--to', '2026-03-01T14:00Z'],
    ['up', ...stretch, '--lag', '1000'],
    ['up'],
  ])
    expect(await run('diagnose', 'correlate', ...wrong)).toMatchObject({ code: 2, out: '' });
});
