/**
 * Labs as people use them: every fault and its healing, every way to end, what is kept, and what is refused. Most of them without
 * gateways, which have their own tests (`gateways.server.test.ts`).
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { systemClock, until } from '@coequal/kernel';
import type { Fault } from '@coequal/proof';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { endLab, type LabHandle, listLabs, openLab, startLab } from './client.ts';
import type { LabOptions } from './definition.ts';
import { probeFullMode } from './network/namespaces.ts';
import { findMarked } from './process/sweep.ts';
import { testPrograms } from './testing/programs.ts';
import { type Home, leftOf, ownHome, sessionAt, untilSeen, untilWhole } from './testing/real-labs.ts';

const launcher = fileURLToPath(new URL('../../../bin/coequal.js', import.meta.url));
const silent = (): void => undefined;

const programs = await testPrograms();
const fullMode = (await probeFullMode(programs)).possible;

let home: Home;
beforeAll(async () => {
  home = await ownHome();
});
afterEach(async () => {
  for (const { name } of await listLabs()) await endLab(name, { discard: true });
});
afterAll(async () => {
  await home.remove();
});

const start = (name: string, options: Partial<LabOptions> = {}, signal?: AbortSignal): Promise<LabHandle> =>
  startLab(
    { name, sites: 3, keep: false, hosts: false, workload: true, gateways: 0, ...options, detach: true },
    silent,
    undefined,
    signal,
  );

/** Resolves when the kernel has let go of all of them. */
const killAll = async (name: string): Promise<void> => {
  for (const pid of findMarked(`${name}:`)) process.kill(pid, 'SIGKILL');
  const what = `The end of all processes of ${name}`;
  await until(systemClock, { what, deadlineMs: 30_000, everyMs: 20 }, () => findMarked(`${name}:`).length === 0);
};

/** Breaks, waits until the fault is seen, heals, and wants a whole lab with the money right. */
const breakAndHeal = async (lab: LabHandle, fault: Fault, isFelt: boolean): Promise<void> => {
  const { text } = await lab.fault(fault);
  expect(text).toContain(fault.site);
  await untilSeen(lab, `The ${fault.kind} at ${fault.site}`, ({ sites }) => {
    const site = sites.find(({ name }) => name === fault.site);
    return site?.faults.length === 1 && (!isFelt || site.state !== 'serving');
  });
  await lab.heal();
  const healed = await untilWhole(lab);
  expect(healed.sites.flatMap(({ faults }) => faults)).toEqual([]);
  const checked = await untilSeen(lab, 'Money that is counted again', ({ bank }) => (bank?.checkedAt ?? 0) > healed.at);
  expect(checked.bank).toMatchObject({ exact: true, missing: 0 });
};

const fault = (kind: Fault['kind'], site: string, more: Partial<Fault> = {}): Fault => ({ kind, site, ...more });

describe.skipIf(!fullMode)('a lab in full mode', () => {
  test('is whole again after each fault and its healing, with every transaction there', async () => {
    const lab = await start('t-faults');
    await breakAndHeal(lab, fault('kill', 'north'), true);
    await breakAndHeal(lab, fault('hang', 'west', { whole: true }), true);
    await breakAndHeal(lab, fault('stop', 'south'), true);
    await breakAndHeal(lab, fault('partition', 'south'), true);
    await breakAndHeal(lab, fault('partition', 'north', { oneWay: true }), true);
    await breakAndHeal(lab, fault('partition', 'north', { between: ['north', 'west'] }), false);
    await breakAndHeal(lab, fault('loss', 'north', { amount: 5 }), false);
    await breakAndHeal(lab, fault('full-disk', 'west'), false);
    const clock = await lab.fault(fault('clock', 'north', { amount: 3_600 })).then(
      () => 'made',
      (error: unknown) => error,
    );
    // Where the library could not be had, the fault says so.
    if (clock !== 'made') expect(clock).toMatchObject({ code: 'FAULT_IMPOSSIBLE' });
    await lab.heal();
    await untilWhole(lab);
    lab.detach();
    await endLab('t-faults');
    expect(await leftOf('t-faults', home)).toEqual([]);
  }, 240_000);

  test('a fault with an end heals by itself, and what was stopped on purpose is not started before', async () => {
    const lab = await start('t-for');
    await lab.fault(fault('stop', 'north'));
    await lab.fault(fault('kill', 'south', { forMs: 2_000 }));
    await untilSeen(lab, 'A healed south', ({ sites }) => sites[1]?.faults.length === 0);
    const { sites } = await lab.snapshot();
    expect(sites[0]?.faults).toHaveLength(1);
    await lab.heal();
    await untilWhole(lab);
    lab.detach();
  });
});

describe('the end of a lab', () => {
  test.each(['programs', 'network', 'volumes', 'databases', 'bank'])(
    'an interruption at the step "%s" leaves nothing',
    async (at) => {
      const interruption = new AbortController();
      const starting = startLab(
        { name: 't-stop', sites: 3, keep: false, hosts: false, workload: true, detach: false },
        (step) => {
          if (step === at) interruption.abort();
        },
        undefined,
        interruption.signal,
      );
      await expect(starting).rejects.toMatchObject({ code: 'INTERRUPTED' });
      expect(await leftOf('t-stop', home)).toEqual([]);
    },
  );

  test('a command that is killed takes its lab with it', async () => {
    const command = spawn(process.execPath, [launcher, 'lab', 'up', '--name', 't-orphan', '--no-workload', '--json'], {
      env: process.env,
      stdio: ['ignore', 'pipe', 'ignore'],
      detached: true,
    });
    await once(command.stdout, 'data');
    expect(findMarked('t-orphan:').length).toBeGreaterThan(3);
    // The launcher and the command, but not the lab, which has a process group of its own.
    process.kill(-(command.pid ?? 0), 'SIGKILL');
    const what = 'A lab that ends with its command';
    await until(systemClock, { what, deadlineMs: 60_000 }, async () => (await leftOf('t-orphan', home)).length === 0);
  });

  test('all its processes killed: it is listed as ended, starts again, and leaves nothing', async () => {
    (await start('t-killed', { workload: false })).detach();
    await killAll('t-killed');
    expect(await listLabs()).toMatchObject([{ name: 't-killed', running: false }]);
    await expect(openLab('t-killed')).rejects.toMatchObject({ code: 'LAB_NOT_RUNNING' });
    const again = await start('t-killed');
    await untilWhole(again);
    again.detach();
    await killAll('t-killed');
    await endLab('t-killed');
    expect(await leftOf('t-killed', home)).toEqual([]);
  });

  test('two run side by side, and the end of one does not touch the other', async () => {
    const one = await start('t-one', { workload: false, mode: 'plain' });
    const other = await start('t-one-more', { workload: false });
    await expect(start('t-one')).rejects.toMatchObject({ code: 'LAB_ALREADY_RUNNING' });
    one.detach();
    await endLab('t-one');
    expect((await untilWhole(other)).name).toBe('t-one-more');
    expect((await listLabs()).map(({ name }) => name)).toEqual(['t-one-more']);
    other.detach();
  });

  test('of two commands that start the same lab at once, one does', async () => {
    const ends = await Promise.allSettled([start('t-race', { workload: false }), start('t-race', { workload: false })]);
    expect(ends.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    const refused = ends.find((end) => end.status === 'rejected');
    expect(refused?.reason).toMatchObject({ code: 'LAB_ALREADY_RUNNING' });
    for (const end of ends) if (end.status === 'fulfilled') end.value.detach();
  });
});

describe('data of a person', () => {
  const dump = `CREATE TABLE customers (id INT PRIMARY KEY, name VARCHAR(50));
INSERT INTO customers VALUES (1, 'Ada'), (2, 'Grace');
CREATE TABLE notes (id INT PRIMARY KEY) ENGINE=MyISAM;
CREATE TABLE lines_of_log (a INT);
`;
  const count = async (lab: LabHandle, site: string): Promise<unknown> => {
    const session = await sessionAt(lab, site);
    const [row] = await session.query('SELECT COUNT(*) FROM bank.customers');
    session.close();
    return row?.[0];
  };

  test('is loaded, is at every site, and outlives both the end of the lab and its violent death', async () => {
    const path = `${home.folder}/dump.sql.gz`;
    await writeFile(path, gzipSync(dump));
    const said: string[] = [];
    const options = {
      name: 't-kept',
      sites: 3,
      keep: true,
      hosts: false,
      workload: true,
      gateways: 1,
      detach: true,
    } as const;
    const lab = await startLab({ ...options, loadPath: path }, (step, detail) => said.push(`${step} ${detail ?? ''}`));
    expect(said.join('\n')).toMatch(
      /warning bank\.notes uses MyISAM[\s\S]*warning bank\.lines_of_log has no primary key/,
    );
    await untilWhole(lab);
    expect(await count(lab, 'west')).toBe(2);
    const session = await sessionAt(lab, 'south');
    await session.query("INSERT INTO bank.customers VALUES (3, 'Edsger')");
    session.close();
    lab.detach();
    expect((await endLab('t-kept')).keptIn).toBe(`${home.folder}/state/labs/t-kept`);
    expect(findMarked('t-kept:')).toEqual([]);

    // Data is not thrown away for want of a flag.
    await expect(start('t-kept')).rejects.toMatchObject({ code: 'COMMAND_USAGE' });
    await expect(start('t-kept', { keep: true, loadPath: path })).rejects.toMatchObject({ code: 'COMMAND_USAGE' });

    const second = await start('t-kept', { keep: true });
    expect(await count(second, 'north')).toBe(3);
    second.detach();
    await killAll('t-kept');
    const third = await start('t-kept', { keep: true });
    await untilWhole(third);
    expect(await count(third, 'south')).toBe(3);
    third.detach();
    expect((await endLab('t-kept', { discard: true })).keptIn).toBeNull();
    expect(await leftOf('t-kept', home)).toEqual([]);
  }, 240_000);

  test.each([
    ['a dump with a mistake', 'broken.sql', Buffer.from('CREATE TABLE broken (id INT;\n')],
    ['a dump that is cut off', 'torn.sql.gz', gzipSync(dump).subarray(0, 60)],
  ])('%s is refused, and nothing is kept of it', async (_, name, content) => {
    const path = `${home.folder}/${name}`;
    await writeFile(path, content);
    await expect(start('t-dump', { keep: true, loadPath: path })).rejects.toMatchObject({ code: 'LOAD_FAILED' });
    expect(await leftOf('t-dump', home)).toEqual([]);
  });
});

describe('a lab in plain mode', () => {
  test('serves, says what it cannot do, and heals what it can', async () => {
    const lab = await start('t-plain', { mode: 'plain', sites: 2 });
    const { sites, limits } = await untilWhole(lab);
    expect(sites.map(({ name, instances }) => [name, instances.length])).toEqual([
      ['north', 1],
      ['south', 1],
      ['witness', 0],
    ]);
    expect(limits.join(' ')).toMatch(/no latency/);
    for (const kind of ['partition', 'latency', 'loss', 'slow-disk', 'full-disk', 'clock'] as const) {
      await expect(lab.fault(fault(kind, 'north', { amount: 5 }))).rejects.toMatchObject({ code: 'FAULT_IMPOSSIBLE' });
    }
    await breakAndHeal(lab, fault('kill', 'north', { whole: true }), true);
    lab.detach();
    await endLab('t-plain');
    expect(await leftOf('t-plain', home)).toEqual([]);
  });
});

describe('what cannot be', () => {
  test('a home that is not a folder is refused before anything is started', async () => {
    const before = process.env['COEQUAL_HOME'];
    await writeFile(`${home.folder}/file`, '');
    process.env['COEQUAL_HOME'] = `${home.folder}/file`;
    try {
      await expect(start('t-nowhere')).rejects.toMatchObject({ code: 'FOLDER_UNWRITABLE' });
    } finally {
      process.env['COEQUAL_HOME'] = before;
    }
  });

  test('names, sites, times and files that make no sense are refused, and leave nothing', async () => {
    await expect(start('t-Wrong')).rejects.toMatchObject({ code: 'COMMAND_USAGE' });
    await expect(start('t-much', { sites: 10 })).rejects.toMatchObject({ code: 'COMMAND_USAGE' });
    await expect(start('t-rtt', { rtt: 'soon' })).rejects.toMatchObject({ code: 'COMMAND_USAGE' });
    await expect(start('t-file', { loadPath: '/nowhere.sql' })).rejects.toMatchObject({ code: 'FILE_MISSING' });
    await expect(start('t-file', { estatePath: '/nowhere.yaml' })).rejects.toMatchObject({ code: 'FILE_MISSING' });
    expect(await listLabs()).toEqual([]);
  });
});
