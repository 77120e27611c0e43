/** Services of other shapes on real servers: encrypted at rest, and two sites with a witness. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { systemClock, until } from '@coequal/kernel';
import { describe, expect, it } from 'vitest';
import { arbitratorDriver } from './adapters/arbitrator.ts';
import { startService } from './coordinator.ts';
import { type Ground, openGround } from './ground.ts';

const marker = 'plain-text-marker-4711-of-a-customer';

const filesBelow = (folder: string): readonly string[] =>
  readdirSync(folder).flatMap((name) => {
    const path = `${folder}/${name}`;
    return statSync(path).isDirectory() ? filesBelow(path) : [path];
  });

const filesWithMarker = (folder: string): readonly string[] =>
  filesBelow(folder).filter((path) => readFileSync(path).includes(marker));

/** Writes the marker, and ends the instances so that everything is on disk. */
const writeAndStop = async (ground: Ground): Promise<void> => {
  await startService(ground.drivers, ground.how);
  const [first] = ground.drivers;
  await first?.administer('CREATE TABLE bank.secrets (id INT PRIMARY KEY, v VARCHAR(200) NOT NULL)');
  await first?.administer('INSERT INTO bank.secrets VALUES (1, ?)', [marker]);
  await until(systemClock, { what: 'the row everywhere', deadlineMs: 30_000 }, async () => {
    const counts = await Promise.all(
      ground.drivers.map((each) => each.administer('SELECT COUNT(*) AS c FROM bank.secrets')),
    );
    return counts.every(([row]) => Number(row?.['c']) === 1);
  });
  for (const driver of ground.drivers) await driver.stop(60_000);
};

describe('encryption at rest', () => {
  it('leaves no plain text in tables, redo log or binary log; without it, it is there', async () => {
    const plain = await openGround(2, {}, 1);
    try {
      await writeAndStop(plain);
      expect(filesWithMarker(plain.dataFolder(0)).join()).toMatch(/secrets\.ibd/);
      expect(filesWithMarker(plain.dataFolder(0)).join()).toMatch(/binlog/);
    } finally {
      await plain.close();
    }
    const encrypted = await openGround(3, { encryption: { keyFile: '', safePaths: [] } }, 1);
    try {
      await writeAndStop(encrypted);
      expect(filesBelow(encrypted.dataFolder(0)).join()).toMatch(/secrets\.ibd/);
      expect(filesWithMarker(encrypted.dataFolder(0))).toEqual([]);
    } finally {
      await encrypted.close();
    }
  });
});

describe('two sites and a witness', () => {
  it('keep serving when one site is lost, because the arbitrator votes', async () => {
    const ground = await openGround(4, { arbitrators: [{ name: 'witness', host: 'witness-1', groupPort: 45_670 }] }, 2);
    const { service, arbitrators, members, places } = ground.options(0);
    const [placed] = arbitrators;
    if (placed === undefined) throw new Error('no arbitrator');
    const arbitrator = arbitratorDriver({
      service,
      arbitrator: placed,
      members,
      arbitrators,
      program: ground.programs.path('garbd') ?? '',
      runFolder: `${ground.folder}/witness`,
      ...(places.certificates === undefined ? {} : { certificates: places.certificates }),
      launch: ground.launch,
      ...(ground.owner === undefined ? {} : { owner: ground.owner }),
      clock: systemClock,
    });
    try {
      await startService(ground.drivers, ground.how);
      await arbitrator.start();
      await until(
        systemClock,
        { what: 'the vote', deadlineMs: 60_000 },
        async () => (await arbitrator.observe()) === 'voting',
      );
      const [first, second] = ground.drivers;
      await until(
        systemClock,
        { what: 'three votes', deadlineMs: 60_000 },
        async () => (await first?.observe())?.members === 3,
      );
      await first?.administer('CREATE TABLE bank.t (id INT PRIMARY KEY)');
      await second?.fence();
      await until(
        systemClock,
        { what: 'two votes', deadlineMs: 60_000 },
        async () => (await first?.observe())?.members === 2,
      );
      await first?.administer('INSERT INTO bank.t VALUES (1)');
      expect((await first?.observe())?.state).toBe('serving');
    } finally {
      await arbitrator.fence();
      await ground.close();
    }
  });
});
