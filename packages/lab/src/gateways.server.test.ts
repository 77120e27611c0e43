/**
 * Labs with gateways: who goes through them sees no error when a database is lost, and goes on at the other gateway when one is
 * lost; nothing of them is left at the end.
 */
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { systemClock, until } from '@coequal/kernel';
import type { DrillReport } from '@coequal/proof';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { endLab, type LabHandle, startLab } from './client.ts';
import { runLabDrill } from './drill.ts';
import { probeFullMode } from './network/namespaces.ts';
import { findMarked } from './process/sweep.ts';
import type { LabSnapshot, SiteSnapshot } from './snapshot.ts';
import { testPrograms } from './testing/programs.ts';
import { doorAt, type Home, leftOf, linkAt, ownHome, untilSeen, untilWhole } from './testing/real-labs.ts';

const name = 't-gates';
const fullMode = (await probeFullMode(await testPrograms())).possible;

let home: Home;
let lab: LabHandle;
beforeAll(async () => {
  home = await ownHome();
  lab = await startLab(
    { name, sites: 3, keep: false, hosts: false, workload: true, detach: true, ...(fullMode ? {} : { mode: 'plain' }) },
    () => undefined,
  );
});
afterAll(async () => {
  lab?.detach();
  await endLab(name, { discard: true });
  await home.remove();
});

const siteOf = ({ sites }: LabSnapshot, site: string): SiteSnapshot => {
  const found = sites.find((each) => each.name === site);
  if (found === undefined) throw new Error(`no site ${site}`);
  return found;
};

const statesOf = (snapshot: LabSnapshot): readonly string[] =>
  snapshot.sites.flatMap(({ gateways }) => gateways.map(({ state }) => state));

/** The supervisor itself: it is the one that was started with the gateway's name. */
const isGateway = (pid: number, gateway: string): boolean => {
  const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  return words.includes('--config') && words.includes(gateway);
};

const fetchPage = (host: string, port: number, path: string): Promise<number> =>
  new Promise((resolve, reject) => {
    const asking = request({ host, port, path, agent: false, timeout: 5_000 }, (answer) => {
      answer.resume().once('end', () => resolve(answer.statusCode ?? 0));
    });
    asking.once('error', reject);
    asking.end();
  });

const drill = async (what: 'gateway-kill' | 'commit-kill', more: object = {}): Promise<DrillReport> => {
  const [report] = await runLabDrill(
    { name: what, lab: name, seed: 7, seconds: 10, runs: 1, out: `${home.folder}/${what}`, direct: false, ...more },
    () => undefined,
    new AbortController().signal,
  );
  if (report === undefined) throw new Error('no report');
  return report;
};

describe('a lab with gateways', () => {
  test('serves through two of them in every site, and shows their metrics to this machine', async () => {
    const snapshot = await untilSeen(
      lab,
      'Six gateways',
      (seen) => statesOf(seen).join() === Array(6).fill('serving').join(),
    );
    const link = await linkAt(lab, doorAt(snapshot, 'north', 'gateway'));
    expect(await link.query('SELECT COUNT(*) FROM accounts')).toEqual([[1_000]]);
    link.close();
    const [gateway] = siteOf(snapshot, 'south').gateways;
    expect(await fetchPage(gateway?.host ?? '', gateway?.metricsPort ?? 0, '/healthz')).toBe(200);
    for (const { clients, direct } of snapshot.sites) {
      expect(clients?.acknowledged).toBeGreaterThan(0);
      expect(direct).not.toBeNull();
    }
  });

  test('loses a database, and no client of a gateway sees an error', async () => {
    await untilWhole(lab);
    await lab.fault({ kind: 'kill', site: 'north' });
    const before = siteOf(await lab.snapshot(), 'north').clients?.acknowledged ?? 0;
    const served = await untilSeen(lab, 'Clients of north that go on', (seen) => {
      const { state, clients } = siteOf(seen, 'north');
      return state !== 'serving' && (clients?.acknowledged ?? 0) > before + 60;
    });
    expect(served.sites.map(({ clients }) => clients?.errors)).toEqual([0, 0, 0]);
    await lab.heal();
    const healed = await untilWhole(lab);
    expect(healed.sites.map(({ clients }) => clients?.errors)).toEqual([0, 0, 0]);
    expect(siteOf(healed, 'north').direct?.errors).toBeGreaterThan(0);
    expect(
      healed.sites.flatMap(({ gateways }) => gateways).reduce((sum, { losses }) => sum + losses, 0),
    ).toBeGreaterThan(0);
  });

  test('starts one again that ended by itself, and leaves one alone that was killed on purpose', async () => {
    await lab.fault({ kind: 'gateway-kill', site: 'south', gateway: 2 });
    const [victim] = findMarked(`${name}:`).filter((pid) => isGateway(pid, 'west-gateway-2'));
    process.kill(-(victim ?? 0), 'SIGKILL');
    await untilSeen(lab, 'A gateway that is there again', ({ events }) =>
      events.some(({ text }) => text.includes('west-gateway-2 ended by itself')),
    );
    await untilSeen(lab, 'West with both gateways', (seen) =>
      siteOf(seen, 'west').gateways.every(({ state }) => state === 'serving'),
    );
    expect(siteOf(await lab.snapshot(), 'south').gateways[1]?.state).toBe('gone');
    await lab.heal('south');
    await untilSeen(lab, 'South with both gateways', (seen) =>
      siteOf(seen, 'south').gateways.every(({ state }) => state === 'serving'),
    );
    expect(siteOf(await lab.snapshot(), 'south').faults).toEqual([]);
  });

  test('goes on at the other gateway when one is killed, and every COMMIT in doubt is decided', async () => {
    const report = await drill('gateway-kill', { connections: 16 });
    expect(report.problems).toEqual([]);
    expect(report).toMatchObject({ passed: true, lost: 0, doubled: 0, misjudged: 0 });
    expect(report.sites.filter(({ faulted }) => !faulted).map(({ errors }) => errors)).toEqual([0, 0]);
  });

  test.skipIf(!fullMode)('settles every COMMIT that was in flight when databases were lost', async () => {
    const report = await drill('commit-kill', { commits: 40 });
    expect(report.problems).toEqual([]);
    expect(report).toMatchObject({ passed: true, lost: 0, doubled: 0, errors: 0 });
    expect(report.commits.inFlight).toBeGreaterThanOrEqual(40);
    expect(report.commits.decided).toBe(report.commits.inDoubt);
  });

  test('leaves nothing', async () => {
    lab.detach();
    await endLab(name);
    await until(
      systemClock,
      { what: 'Nothing left', deadlineMs: 10_000 },
      async () => (await leftOf(name, home)).length === 0,
    );
  });
});
