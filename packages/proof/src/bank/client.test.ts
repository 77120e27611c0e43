import { seededRandom } from '@coequal/kernel';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ClientStyle, Via } from '../arena.ts';
import { formatLine, parseHistory } from '../history.ts';
import { endpointsOf, type Lies, type SimulationOptions, simulateBank } from '../testing/simulated-bank.ts';
import { virtualClock } from '../testing/virtual-clock.ts';
import { startBankClients } from './client.ts';
import { clean, reconcile } from './reconcile.ts';

const instances = ['north-1', 'south-1', 'east-1'];
const gateways = ['north-gateway-1', 'north-gateway-2'];
const initialBalance = 50_000;

type Setting = Partial<SimulationOptions> & {
  readonly seed: number;
  readonly via?: Via;
  readonly style?: ClientStyle | 'mixed';
  readonly disturb?: (world: ReturnType<typeof simulateBank>, clock: ReturnType<typeof virtualClock>) => Promise<void>;
};

/** Some virtual seconds of clients in one site, and the account of it. */
const play = async ({ seed, disturb, via = 'direct', style = 'careful', ...setting }: Setting) => {
  const clock = virtualClock();
  const random = seededRandom(seed);
  const world = simulateBank(
    { instances, gateways, accounts: 12, initialBalance, statementMs: 500, ...setting },
    clock,
    random,
  );
  const opening = { accounts: world.contents('north-1').accounts, transfers: [] };
  let ledger = '';
  const clients = startBankClients(
    {
      site: 'north',
      run: 'r1',
      endpoints: via === 'gateway' ? endpointsOf(gateways, true) : endpointsOf(instances),
      options: { seed, connections: 4, accounts: 12, statementMs: 500, via, style },
    },
    {
      openLink: world.open,
      ledger: (line) => {
        ledger += formatLine(line);
      },
      stampUs: clock.stampUs,
      clock,
      random,
    },
  );
  const script = (async () => {
    await clock.sleep(1_000);
    await disturb?.(world, clock);
    await clock.sleep(3_000);
  })();
  await clock.run(script);
  const connectedTo = clients.connectedTo();
  clients.finish();
  await clock.run(clients.ended);
  const history = parseHistory(ledger, 'ledger');
  const contents = instances.map(world.contents);
  return {
    counts: clients.counts(),
    connectedTo,
    history,
    found: reconcile(opening, history.transactions, contents),
    ledger,
  };
};

/** One gateway after the other dies under load; the other one is there. */
const killGateways: Setting['disturb'] = async (world, clock) => {
  for (let round = 0; round < 20; round += 1) {
    const gateway = gateways[round % 2] ?? '';
    world.set(gateway, 'dead');
    await clock.sleep(150);
    world.set(gateway, 'serving');
    await clock.sleep(150);
  }
};

describe('clients of the bank', () => {
  test('account for everything when nothing is wrong', async () => {
    const { counts, found, history } = await play({ seed: 1 });
    expect(counts.acknowledged).toBeGreaterThan(500);
    expect(found).toMatchObject({ acknowledged: counts.acknowledged, conflicts: counts.conflicts, inDoubt: 0 });
    expect(history.transactions.every(({ complete }) => complete !== null)).toBe(true);
    expect(clean(found)).toBe(true);
  });

  test('retry what was rolled back as a new attempt at the same intent', async () => {
    const { history, counts } = await play({ seed: 2 });
    expect(counts.conflicts).toBeGreaterThan(0);
    const retried = history.transactions.filter(({ attempt }) => attempt === 2);
    expect(retried).not.toEqual([]);
    for (const { intent } of retried) {
      const attempts = history.transactions.filter((transaction) => transaction.intent === intent);
      expect(new Set(attempts.map(({ operations }) => JSON.stringify(operations[0]))).size).toBe(1);
      expect(attempts.filter(({ outcome }) => outcome === 'ok').length).toBeLessThanOrEqual(1);
    }
  });

  test('never retry what is in doubt', async () => {
    const { history } = await play({ seed: 3, losses: 0.2 });
    const doubtful = history.transactions.filter(({ outcome }) => outcome === 'info');
    expect(doubtful.length).toBeGreaterThan(10);
    for (const { intent, attempt } of doubtful) {
      const later = history.transactions.filter((one) => one.intent === intent && (one.attempt ?? 0) > (attempt ?? 0));
      expect(later).toEqual([]);
    }
  });

  test.each(['dead', 'hung', 'isolated'] as const)(
    'go elsewhere while home is %s, and come back',
    async (condition) => {
      const { connectedTo, found, counts, history } = await play({
        seed: 4,
        disturb: async (world, clock) => {
          world.set('north-1', condition);
          await clock.sleep(3_000);
          world.set('north-1', 'serving');
          await clock.sleep(4_000);
        },
      });
      expect(new Set(history.transactions.map(({ instance }) => instance))).toEqual(new Set(['north-1', 'south-1']));
      expect(connectedTo).toEqual(['north-1', 'north-1', 'north-1', 'north-1']);
      expect(counts.reconnects).toBe(8);
      expect(clean(found)).toBe(true);
    },
  );

  test('count a failure as an error, a conflict and a refusal as none', async () => {
    const { counts, found } = await play({
      seed: 5,
      initialBalance: 3_000,
      disturb: async (world) => world.set('north-1', 'dead'),
    });
    expect(counts.refused).toBeGreaterThan(0);
    expect(Object.keys(counts.errors)).toEqual(['CONNECTION_LOST']);
    expect(counts.errors.CONNECTION_LOST).toBeLessThanOrEqual(4);
    expect(found.failed + found.inDoubt).toBe(counts.errors.CONNECTION_LOST);
  });

  test('wait rather than fail while no instance serves', async () => {
    const { counts, connectedTo } = await play({
      seed: 6,
      disturb: async (world, clock) => {
        for (const name of instances) world.set(name, 'dead');
        await clock.sleep(10_000);
        for (const name of instances) world.set(name, 'serving');
        await clock.sleep(5_000);
      },
    });
    expect(counts.longestPauseMs).toBeGreaterThan(10_000);
    expect(counts.longestPauseMs).toBeLessThan(12_000);
    expect(connectedTo).not.toContain(null);
  });

  test('lose and double nothing, whatever happens to connections and instances', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer(),
        fc.double({ min: 0, max: 0.3, noNaN: true }),
        fc.array(
          fc.tuple(fc.constantFrom(...instances), fc.constantFrom('dead', 'hung', 'isolated', 'serving'), fc.nat(800)),
          { maxLength: 8 },
        ),
        async (seed, losses, script) => {
          const { found } = await play({
            seed,
            losses,
            disturb: async (world, clock) => {
              for (const [instance, condition, ms] of script) {
                world.set(instance, condition);
                await clock.sleep(ms);
              }
            },
          });
          expect(clean(found), JSON.stringify(found.findings)).toBe(true);
          expect(found.decided).toBe(found.inDoubt);
        },
      ),
      { numRuns: 15 },
    );
  });

  test.each<[string, Lies, 'lost' | 'doubled']>([
    ['forgets what it acknowledged', { forget: 0.02 }, 'lost'],
    ['does things twice', { twice: 0.02 }, 'doubled'],
    ['does what it said it did not', { deny: 0.02 }, 'doubled'],
  ])('show it when a database %s', async (_, lies, kind) => {
    const { found } = await play({ seed: 7, lies });
    expect(found[kind]).toBeGreaterThan(0);
    expect(clean(found)).toBe(false);
  });

  test('leave an open invocation when they are killed, and nothing they were told is lost', async () => {
    const { ledger } = await play({ seed: 8 });
    // A killed writer leaves a prefix of its ledger, cut anywhere.
    fc.assert(
      fc.property(fc.integer({ min: 0, max: ledger.length }), (cut) => {
        const history = parseHistory(ledger.slice(0, cut), 'ledger');
        const acknowledged = ledger
          .slice(0, cut)
          .split('\n')
          .slice(0, -1)
          .filter((line) => line.includes('"outcome":"ok"')).length;
        expect(history.transactions.filter(({ outcome }) => outcome === 'ok').length).toBeGreaterThanOrEqual(
          acknowledged,
        );
        for (const { complete, outcome } of history.transactions) if (complete === null) expect(outcome).toBe('info');
      }),
      { numRuns: 30 },
    );
  });
});

describe('clients of gateways', () => {
  const kill = { disturb: killGateways };

  test('ask another gateway what became of a COMMIT whose gateway was lost, and go by the answer', async () => {
    const { counts, found, history } = await play({ seed: 11, via: 'gateway', ...kill });
    const doubtful = history.transactions.filter(({ outcome }) => outcome === 'info');
    expect(doubtful.length).toBeGreaterThan(0);
    expect(doubtful.every(({ decision }) => decision !== undefined && decision.verdict !== 'unknown')).toBe(true);
    expect(found).toMatchObject({ inDoubt: doubtful.length, answered: doubtful.length, misjudged: 0 });
    expect(counts.decided.committed + counts.decided['not-committed']).toBe(doubtful.length);
    expect(clean(found), JSON.stringify(found.findings)).toBe(true);
    for (const { intent, attempt, decision } of doubtful) {
      const later = history.transactions.filter((one) => one.intent === intent && (one.attempt ?? 0) > (attempt ?? 0));
      if (decision?.verdict === 'committed') expect(later).toEqual([]);
    }
  });

  test('see no error when an instance is lost', async () => {
    const { counts, history } = await play({
      seed: 12,
      via: 'gateway',
      disturb: async (world, clock) => {
        world.set('north-1', 'dead');
        await clock.sleep(2_000);
      },
    });
    expect(counts.errors).toEqual({});
    expect(history.transactions.every(({ via, instance }) => via === 'gateway' && instance.includes('gateway'))).toBe(
      true,
    );
  });

  test('find a gateway out that says what is not so', async () => {
    const { found } = await play({ seed: 13, via: 'gateway', lies: { misjudge: 1 }, ...kill });
    expect(found.misjudged).toBeGreaterThan(0);
    expect(found.misjudged).toBeLessThanOrEqual(found.lost + found.doubled);
    expect(clean(found)).toBe(false);
  });

  test.each<Via>(['gateway', 'direct'])(
    'of the legacy kind never try again, and are accounted for all the same (%s)',
    async (via) => {
      const { history, found, counts } = await play({ seed: 14, via, style: 'legacy', ...kill });
      expect(counts.acknowledged).toBeGreaterThan(100);
      expect(history.transactions.every(({ attempt, style }) => attempt === 1 && style === 'legacy')).toBe(true);
      expect(new Set(history.transactions.map(({ intent }) => intent)).size).toBe(history.transactions.length);
      expect(clean(found), JSON.stringify(found.findings)).toBe(true);
    },
  );

  test('of both kinds work side by side', async () => {
    const { history, found } = await play({ seed: 15, via: 'gateway', style: 'mixed' });
    expect(new Set(history.transactions.map(({ style }) => style))).toEqual(new Set(['legacy', undefined]));
    expect(clean(found)).toBe(true);
  });
});
