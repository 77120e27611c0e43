/** For tests of the view of an estate: a small one in which one thing is wrong. */
import type { DatabaseDetail, Overview } from '@coequal/contract';
import type { TopData } from './top-frame.ts';

export const topNowMs = 1_800_000_000_000;

const sites = ['north', 'south', 'west'] as const;

export const topOverview = (): Overview => ({
  ...{ atMs: topNowMs - 400, estate: 'bank', level: 'act', openIncidents: 1 },
  sentence: 'Since 12:00:00 UTC commits at south wait for north-db-1: session 7 holds locks.',
  sites: sites.map((name) => ({
    ...{ name, hosts: 1, instances: 1, reasons: [] },
    ...(name === 'south' ? { level: 'act' as const, state: 'in trouble' } : { level: 'fine' as const, state: 'fine' }),
  })),
  hosts: sites.map((site) => ({
    ...{
      name: `${site}-1`,
      site,
      level: 'fine',
      state: 'heard',
      reasons: [],
      cpu: 0.42,
      memory: null,
      disk: 0.1,
      heardMs: 300,
    },
  })),
  services: [
    {
      ...{ name: 'bank', level: 'watch', state: 'degraded', reasons: ['one is away'], engine: 'galera' },
      ...{ architecture: 'multi-active', instances: 3, serving: 2, transactionsPerSecond: 812, latencySeconds: 0.0123 },
      errorsPerSecond: 0,
    },
  ],
  instances: sites.map((site) => ({
    ...{ name: `${site}-db-1`, site, host: `${site}-1`, service: 'bank', clusterSize: 3, flowControl: 0.02 },
    ...(site === 'south'
      ? {
          ...{ level: 'act' as const, state: 'no answer', reasons: ['south-db-1 does not answer'] },
          ...{ sessions: null, running: null, queriesPerSecond: null, waiting: null },
        }
      : {
          level: 'fine' as const,
          state: 'serving',
          reasons: [],
          sessions: 27,
          running: 4,
          queriesPerSecond: 1_234,
          waiting: 0,
        }),
  })),
  gateways: sites.map((site) => ({
    ...{ name: `${site}-gate`, site, host: `${site}-1`, service: 'bank', level: 'fine', state: 'serving', reasons: [] },
    ...{ sessions: 7, requestsPerSecond: 99, latencySeconds: 1.5, errorsPerSecond: 0 },
  })),
});

export const topDetail: DatabaseDetail = {
  ...{ instance: 'north-db-1', atMs: topNowMs - 200, intervalMs: 1_000 },
  sessions: [
    {
      ...{ id: 7, user: 'app', address: '10.0.0.5', command: 'Sleep', state: '', seconds: 38, transactionSeconds: 38 },
    },
    {
      ...{ id: 9, user: 'app\u001b[31m', address: '10.0.0.6', command: 'Query', state: 'Updating', seconds: 12 },
      statement: 'UPDATE account SET balance = balance + ? WHERE id = ?',
    },
  ],
  waits: [{ waiting: 9, blocking: 7 }],
  blockers: [{ session: 7, blocked: 1, inRing: false }],
  statements: [
    {
      ...{ digest: 'd', text: 'SELECT * FROM account WHERE owner = ?', calls: 12, seconds: 3.4, lockSeconds: 0 },
      ...{
        rowsExamined: 1_200_000,
        rowsSent: 12,
        rowsChanged: 0,
        errors: 0,
        withoutIndex: 12,
        temporaryTablesOnDisk: 0,
      },
    },
  ],
};

export const topData = (detail?: DatabaseDetail): TopData => ({
  overview: topOverview(),
  incidents: [
    {
      ...{ id: 'i-1', state: 'open', severity: 'critical', title: 'Idle transaction holds locks: instance north-db-1' },
      ...{
        place: { instance: 'north-db-1' },
        startedMs: topNowMs - 90_000,
        detectedMs: topNowMs - 88_000,
        alerts: 4,
        firing: 3,
      },
      sentence: `Since 12:00:00 UTC commits at south wait for north-db-1: session 7 (app@10.0.0.5) holds row locks in an idle transaction of 38 s; 12 sessions wait for it, and ${'more and more '.repeat(20)}.`,
    },
  ],
  detail,
});
