/**
 * What every driver must do, on real servers. One service lives through all of it, in this order, as an operator
 * would live through a bad year; each test leaves all three instances serving.
 */
import { readFileSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { serves } from '@coequal/estate';
import { CoequalError, systemClock, until } from '@coequal/kernel';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { GaleraDriver } from './adapters/driver.ts';
import { signal } from './adapters/process.ts';
import { errorLogPath } from './configuration.ts';
import { forcePrimary, rejoin, startService } from './coordinator.ts';
import { type Ground, openGround } from './ground.ts';

let ground: Ground;
const driver = (index: number): GaleraDriver => {
  const found = ground.drivers[index];
  if (found === undefined) throw new Error(`no driver ${index}`);
  return found;
};
let written = 0;
const write = async (index: number): Promise<void> => {
  await driver(index).administer('INSERT INTO bank.t (v) VALUES (?)', [written]);
  written += 1;
};
const count = async (index: number): Promise<number> => {
  const [row] = await driver(index).administer('SELECT COUNT(*) AS c FROM bank.t');
  return Number(row?.['c']);
};
const untilState = (index: number, state: string) =>
  until(
    systemClock,
    { what: `${driver(index).instance} ${state}`, deadlineMs: 60_000 },
    async () => (await driver(index).observe()).state === state,
  );
const untilMembers = (index: number, members: number) =>
  until(
    systemClock,
    { what: `${members} members`, deadlineMs: 60_000 },
    async () => (await driver(index).observe()).members === members,
  );
const logFrom = (index: number, mark: number): string =>
  readFileSync(errorLogPath(ground.runFolder(index)), 'utf8').slice(mark);
const logSize = (index: number): number => readFileSync(errorLogPath(ground.runFolder(index)), 'utf8').length;
const codeOf = async (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'no error',
    (error: unknown) => (error instanceof CoequalError ? error.code : String(error)),
  );

beforeAll(async () => {
  ground = await openGround(1);
});
afterAll(async () => {
  await ground.close();
});

describe('a Galera service of three instances', () => {
  it('forms from a seed: all three serve, none by a full transfer', async () => {
    const recovery = await startService(ground.drivers, ground.how);
    expect(recovery.way).toBe('re-form');
    for (const [index, each] of ground.drivers.entries()) {
      expect(await each.observe()).toMatchObject({ state: 'serving', members: 3 });
      expect(logFrom(index, 0)).not.toContain("wsrep_sst_rsync --role 'joiner'");
    }
    await driver(0).administer('CREATE TABLE bank.t (id BIGINT AUTO_INCREMENT PRIMARY KEY, v INT NOT NULL)');
    for (const index of [0, 1, 2, 0, 1, 2]) await write(index);
    for (const index of [0, 1, 2]) expect(await count(index)).toBe(written);
  });

  it('talks over TLS only, on the group channel and to clients', async () => {
    const [row] = await driver(0).administer("SHOW GLOBAL STATUS LIKE 'wsrep_provider_capabilities'");
    expect(row).toBeDefined();
    expect(logFrom(0, 0)).toMatch(/ssl:\/\/127\.78\./);
    const [secure] = await driver(0).administer('SELECT @@GLOBAL.require_secure_transport AS r');
    expect(String(secure?.['r'])).toBe('1');
  });

  it('goes on when one is killed, which comes back by incremental transfer', async () => {
    await driver(2).fence();
    expect((await driver(2).observe()).state).toBe('gone');
    await write(0);
    await write(1);
    const mark = logSize(2);
    await rejoin(driver(2), 120_000);
    expect(await count(2)).toBe(written);
    expect(logFrom(2, mark)).not.toContain("wsrep_sst_rsync --role 'joiner' --bypass 0");
    expect(logFrom(2, mark)).toMatch(/IST received|IST/);
  });

  it('calls an instance stopped in order stopped, and knows its position without asking it', async () => {
    await driver(1).stop(60_000);
    expect((await driver(1).observe()).state).toBe('stopped');
    const position = await driver(1).storedPosition();
    expect(position.sequence).toBeGreaterThan(0);
    await write(0);
    await rejoin(driver(1), 120_000);
    expect(await count(1)).toBe(written);
  });

  it('calls one that hangs silent, evicts it, and takes it back when it wakes', async () => {
    const process = driver(2).process();
    expect(process).toBeDefined();
    if (process === undefined) return;
    signal(process, 'SIGSTOP');
    await untilState(2, 'silent');
    await untilMembers(0, 2);
    await write(0);
    signal(process, 'SIGCONT');
    // For a moment after it woke it believes itself a member still; reads then fail rather than be stale.
    await until(systemClock, { what: 'its return', deadlineMs: 60_000 }, () =>
      count(2).then(
        (found) => found === written,
        () => false,
      ),
    );
    await untilState(2, 'serving');
  });

  it.each(['rsync', 'mariabackup'] as const)(
    'gives a full copy by %s to an instance that lost its data',
    async (method) => {
      await driver(2).stop(60_000);
      await driver(2).reprovision();
      const joining = ground.driverLike(2, (options) => ({
        ...options,
        service: { ...options.service, stateTransfer: method },
      }));
      await joining.prepare();
      const mark = logSize(2);
      await rejoin(joining, 180_000);
      expect(await count(2)).toBe(written);
      expect(logFrom(2, mark)).toContain(`wsrep_sst_${method} --role 'joiner'`);
      await joining.stop(60_000);
      joining.close();
      await driver(2).prepare();
      await rejoin(driver(2), 120_000);
    },
  );

  it.each([
    ['missing', (path: string) => rm(path)],
    ['empty', (path: string) => writeFile(path, '')],
    ['garbage', (path: string) => writeFile(path, 'uuid: not one\nseqno: many\n')],
    [
      'of another group',
      (path: string) =>
        writeFile(path, 'version: 2.1\nuuid: 0d0c5bd2-7e26-4a91-9c27-2f4b5b6a1111\nseqno: -1\nsafe_to_bootstrap: 1\n'),
    ],
  ])('comes back when its state file is %s, because its tables know the position', async (_, damage) => {
    await driver(2).stop(60_000);
    const { sequence } = await driver(2).storedPosition();
    await damage(`${ground.dataFolder(2)}/grastate.dat`);
    expect((await driver(2).storedPosition()).sequence).toBe(sequence);
    await write(0);
    await rejoin(driver(2), 120_000);
    expect(await count(2)).toBe(written);
  });

  it('re-forms by itself after all were killed at once, with every acknowledged write', async () => {
    for (const index of [0, 1, 2]) await write(index);
    await Promise.all(ground.drivers.map((each) => each.fence()));
    const recovery = await startService(ground.drivers, ground.how);
    expect(recovery.way).toBe('re-form');
    for (const index of [0, 1, 2]) expect(await count(index)).toBe(written);
  });

  it('begins with the highest position when they died one after the other and the last component is not known', async () => {
    await driver(0).fence();
    await untilMembers(1, 2);
    await write(1);
    await Promise.all([driver(1).fence(), driver(2).fence()]);
    await rm(`${ground.dataFolder(1)}/gvwstate.dat`, { force: true });
    const recovery = await startService(ground.drivers, ground.how);
    expect(recovery.way).toBe('bootstrap');
    for (const index of [0, 1, 2]) expect(await count(index)).toBe(written);
  });

  it('stops rather than forks when two of three are lost; a person forces the last, and old branches are not served', async () => {
    await driver(0).fence();
    await untilMembers(2, 2);
    await write(2);
    await driver(1).fence();
    await untilState(2, 'isolated');
    expect(await codeOf(driver(2).administer('INSERT INTO bank.t (v) VALUES (0)'))).toMatch(
      /1047|WSREP|not yet prepared/,
    );
    const refused = startService(ground.drivers, { ...ground.how, unreachable: ['db-0', 'db-1'] });
    expect(await codeOf(refused)).toBe('RECOVERY_REFUSED');
    expect((await driver(2).observe()).state).toBe('isolated');
    await forcePrimary(driver(2), [driver(0), driver(1)], ground.how);
    await write(2);
    // As if db-1 had committed one write set that the survivor never saw.
    const { sequence } = await driver(1).storedPosition();
    await driver(1).markFork(sequence - 1);
    expect(await driver(1).holdsOldBranch()).toBe(true);
    expect(await driver(0).holdsOldBranch()).toBe(false);
    const mark = logSize(1);
    await rejoin(driver(0), 120_000);
    await rejoin(driver(1), 120_000);
    expect(logFrom(1, mark)).toContain("wsrep_sst_rsync --role 'joiner'");
    for (const index of [0, 1, 2]) expect(await count(index)).toBe(written);
  });

  it('refuses a start with the reason: busy port, full disk', async () => {
    await driver(2).stop(60_000);
    const { at, ports } = ground.options(2).instance;
    const squatter = createServer();
    await new Promise<void>((resolve) => squatter.listen(ports.client, at.address, resolve));
    expect(await codeOf(rejoin(driver(2), 30_000))).toBe('PORT_BUSY');
    await new Promise((resolve) => squatter.close(resolve));
    const cramped = ground.driverLike(2, (options) => ({
      ...options,
      estate: { ...options.estate, limits: { ...options.estate.limits, freeDiskBytes: 2 ** 60 } },
    }));
    const full = await rejoin(cramped, 30_000).catch((error: unknown) => error);
    expect(full).toBeInstanceOf(CoequalError);
    expect(String(full)).toContain('disk is full');
    await rejoin(driver(2), 120_000);
  });

  it('calls wrong credentials and an instance of another group foreign, and touches neither', async () => {
    const stranger = ground.driverLike(0, (options) => ({
      ...options,
      account: () => ({ user: 'coequal_admin', password: 'wrong' }),
    }));
    expect(await stranger.observe()).toMatchObject({ state: 'foreign' });
    expect(await codeOf(stranger.untilServing(5_000))).toBe('ENGINE_CREDENTIALS');
    stranger.close();
    const other = ground.driverLike(0, (options) => ({ ...options, service: { ...options.service, name: 'other' } }));
    expect(await other.observe()).toMatchObject({ state: 'foreign' });
    expect(await codeOf(other.untilServing(5_000))).toBe('ENGINE_FOREIGN');
    other.close();
    expect(serves((await driver(0).observe()).state)).toBe(true);
  });

  it('does not let an instance of another group join', async () => {
    await driver(2).stop(60_000);
    const other = ground.driverLike(2, (options) => ({ ...options, service: { ...options.service, name: 'other' } }));
    await other.prepare();
    await other.start({ kind: 'join' });
    expect(await codeOf(other.untilServing(8_000))).toMatch(/ENGINE_REFUSED_START|DEADLINE_PASSED/);
    await other.fence();
    other.close();
    expect(await driver(0).observe()).toMatchObject({ state: 'serving', members: 2 });
    await driver(2).prepare();
    await rejoin(driver(2), 120_000);
    expect(await count(2)).toBe(written);
  });

  it('refuses a data folder that is not its own', async () => {
    const foreign = `${ground.folder}/foreign`;
    const intruder = ground.driverLike(0, (options) => ({
      ...options,
      instance: { ...options.instance, dataFolder: foreign },
    }));
    await intruder.prepare();
    await writeFile(`${foreign}/letters.txt`, 'private');
    expect(await codeOf(intruder.prepare())).toBe('DATA_FOLDER_FOREIGN');
  });
});
