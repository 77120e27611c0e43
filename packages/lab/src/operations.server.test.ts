/**
 * The whole chain on real servers: agents watch three databases, the platform hears them, a killed database becomes one incident that is
 * called by its cause and its place, and its return resolves it. A platform that is killed goes on from its disk and its store, and the end
 * of the lab leaves nothing.
 */
import { readFile } from 'node:fs/promises';
import { type Incident, overview } from '@coequal/contract';
import { systemClock, until } from '@coequal/kernel';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { endLab, type LabHandle, listLabs, startLab } from './client.ts';
import { type PlatformPort, platformAt } from './diagnose/platform.ts';
import { findMarked } from './process/sweep.ts';
import { doorAt, type Home, leftOf, ownHome, untilSeen } from './testing/real-labs.ts';

const name = 't-watched';
const silent = (): void => undefined;
/** For a machine that is busy with other things. */
const patienceMs = 120_000;

let home: Home;
beforeAll(async () => {
  home = await ownHome();
});
afterEach(async () => {
  for (const lab of await listLabs()) await endLab(lab.name, { discard: true });
});
afterAll(async () => {
  await home.remove();
});

/** Where it is, and what lets its owner in. */
const platformOf = async (lab: LabHandle): Promise<{ readonly url: string; readonly token: string }> => {
  const { platform, events } = await lab.snapshot();
  if (platform === null) throw new Error(`nothing watches the lab: ${JSON.stringify(events)}`);
  return { url: platform.url, token: (await readFile(platform.tokenFile, 'utf8')).trim() };
};

/** Every host is heard, every database tells of itself, and nothing is wrong. */
const untilWatched = async (url: string, token: string): Promise<void> => {
  const headers = { authorization: `Bearer ${token}` };
  let last = '';
  const wait = { what: 'A lab that is watched and well', deadlineMs: patienceMs, everyMs: 250, last: () => last };
  await until(systemClock, wait, async () => {
    const seen = overview.parse(await (await fetch(`${url}/api/v1/overview`, { headers })).json());
    const { level, openIncidents, hosts, instances } = seen;
    last = JSON.stringify({ level, openIncidents, hosts, instances });
    return level === 'fine' && openIncidents === 0 && [...hosts, ...instances].every((one) => one.level === 'fine');
  });
};

/** The only incident since a time, once it looks like this. */
const untilIncident = (
  platform: PlatformPort,
  sinceMs: number,
  what: string,
  isSo: (incident: Incident) => boolean,
): Promise<Incident> => {
  let last = '';
  const wait = { what, deadlineMs: patienceMs, everyMs: 250, last: () => last };
  return until(systemClock, wait, async () => {
    const all = (await platform.incidentsSince(sinceMs)).filter(({ detectedMs }) => detectedMs >= sinceMs);
    last = JSON.stringify(all.map(({ title, state, diagnosis }) => ({ title, state, sentence: diagnosis?.sentence })));
    expect(all.length, last).toBeLessThanOrEqual(1);
    return all.find(isSo);
  });
};

/** As a crash does; the lab starts it again. Answers how long its log was. */
const killPlatform = async (): Promise<number> => {
  for (const pid of findMarked(`${name}:`)) {
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (command.includes('packages/platform/src/main.ts')) process.kill(pid, 'SIGKILL');
  }
  return (await readFile(platformLog(), 'utf8')).length;
};

const platformLog = (): string => `${home.folder}/state/labs/${name}/platform.log`;

/** Started again, it knows from the store what is usual. */
const untilRefilled = async (from: number): Promise<void> => {
  let last = '';
  const wait = { what: 'A platform that remembers', deadlineMs: patienceMs, everyMs: 250, last: () => last };
  await until(systemClock, wait, async () => {
    last = (await readFile(platformLog(), 'utf8')).slice(from);
    return last.includes('"serving"') && last.includes('"what is usual is known from the store"');
  });
};

test('a killed database is one incident with its cause and place, and its return ends it', async () => {
  const lab = await startLab(
    { name, sites: 3, keep: false, hosts: false, workload: false, gateways: 0, operations: true, detach: true },
    silent,
  );
  const { url, token } = await platformOf(lab);
  const platform = platformAt(url, token, new AbortController().signal);
  await untilWatched(url, token);

  const instance = doorAt(await lab.snapshot(), 'west', 'direct').name;
  const killedMs = systemClock.now();
  await lab.fault({ kind: 'kill', site: 'west' });
  const incident = await untilIncident(platform, killedMs, 'The cause of the incident', ({ diagnosis, place }) => {
    const first = diagnosis?.causes[0];
    return first?.cause === 'instance crashed' && first.place.instance === instance && place.instance === instance;
  });
  expect(incident).toMatchObject({ state: 'open', severity: 'critical', place: { site: 'west', instance } });
  expect(incident.title).toMatch(/^Instance crashed: /);
  expect(incident.diagnosis?.causes[0]?.evidence).not.toEqual([]);

  await lab.heal();
  await untilSeen(lab, 'Three databases that serve', ({ sites }) =>
    sites.flatMap(({ instances }) => instances).every(({ state, members }) => state === 'serving' && members === 3),
  );
  const over = await untilIncident(platform, killedMs, 'The end of it', ({ state }) => state === 'resolved');
  expect(over.id).toBe(incident.id);
  expect(over.timeline.map(({ what }) => what)).toEqual(
    expect.arrayContaining(['opened', 'diagnosed', 'cleared', 'resolved']),
  );

  await untilRefilled(await killPlatform());
  expect((await platform.incidentsSince(killedMs)).find(({ id }) => id === incident.id)).toEqual(over);

  lab.detach();
  await endLab(name);
  expect(await leftOf(name, home)).toEqual([]);
}, 400_000);
