/** Snapshots for tests of what is shown: a calm lab, and one in trouble. */
import type { ClientsSnapshot, LabSnapshot, SiteSnapshot } from '@coequal/lab';

const clients: ClientsSnapshot = {
  alive: true,
  transactionsPerSecond: 412.4,
  p50Ms: 3.14,
  p99Ms: 12.2,
  acknowledged: 12_345,
  conflicts: 1_234,
  errors: 0,
  inDoubt: 0,
  decided: 0,
  longestPauseMs: 48,
  sinceAckMs: 2,
};

const site = (name: string, index: number): SiteSnapshot => ({
  name,
  state: 'serving',
  rttMs: 5,
  rttTo: {},
  faults: [],
  instances: [
    {
      name: `${name}-db-1`,
      engine: 'galera',
      state: 'serving',
      reason: 'Synced, 3 members.',
      host: '127.0.0.1',
      port: 33_061 + index,
      members: 3,
      memoryBytes: 180 * 2 ** 20,
    },
  ],
  gateways: [1, 2].map((number) => ({
    name: `${name}-gateway-${number}`,
    state: 'serving' as const,
    reason: '2 sessions.',
    host: '127.0.0.1',
    port: 33_160 + 10 * index + number,
    metricsPort: 33_260 + 10 * index + number,
    sessions: number === 1 ? 4 : 0,
    longestPauseMs: 12,
    losses: 0,
    replays: 0,
    outcomes: 0,
    hidden: 34,
    notReplayable: 0,
    memoryBytes: 90 * 2 ** 20,
  })),
  clients,
  direct: { ...clients, transactionsPerSecond: 20, longestPauseMs: 61, errors: 0 },
});

export const calmSnapshot: LabSnapshot = {
  at: 1_760_000_000_000,
  name: 'lab',
  mode: 'full',
  limits: [],
  platform: null,
  preset: 'default',
  upMs: 250_000,
  sites: ['north', 'south', 'west'].map(site),
  bank: {
    acknowledged: 37_035,
    expectedBalance: 100_000_000,
    balance: 100_000_000,
    exact: true,
    verified: 2_310,
    missing: 0,
    checkedAt: 1_759_999_999_000,
  },
  events: [{ at: 1_759_999_990_000, site: null, text: 'Serving.' }],
  user: 'bank',
  password: 'k3v9xw2p7m',
  database: 'bank',
  authorityPath: '/var/lib/coequal/labs/lab/ca.pem',
};

/** North was killed two seconds ago, south is cut off, west's clients wait. */
export const troubledSnapshot: LabSnapshot = {
  ...calmSnapshot,
  sites: [
    {
      ...site('north', 0),
      state: 'gone',
      faults: ['killed'],
      instances: site('north', 0).instances.map((instance) => ({
        ...instance,
        state: 'gone' as const,
        reason: 'Connection refused.',
      })),
      gateways: site('north', 0).gateways.map((gateway, index) =>
        index === 0 ? { ...gateway, replays: 3, outcomes: 2 } : { ...gateway, state: 'gone' as const, sessions: null },
      ),
      direct: { ...clients, longestPauseMs: 2_040, errors: 12 },
      clients: {
        ...clients,
        transactionsPerSecond: 0,
        p50Ms: null,
        p99Ms: null,
        errors: 96,
        sinceAckMs: 2_040,
        longestPauseMs: 2_040,
      },
    },
    { ...site('south', 1), state: 'isolated', clients: { ...clients, alive: false } },
    { ...site('west', 2), clients: null, direct: null },
  ],
  bank: {
    acknowledged: 37_035,
    expectedBalance: 100_000_000,
    balance: 99_999_900,
    exact: false,
    verified: 2_310,
    missing: 3,
    checkedAt: null,
  },
  events: [
    ...calmSnapshot.events,
    { at: 1_759_999_998_000, site: 'north', text: 'The database was killed.' },
    { at: 1_759_999_998_500, site: 'north', text: 'Hostile \u001b[2J text\r\nwith 中文 and a tab\t.' },
  ],
};
