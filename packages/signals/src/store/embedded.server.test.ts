/** The embedded store on the real VictoriaMetrics: it is watched, started again, taken over, and reached with certificates alone. */
import { spawnSync } from 'node:child_process';
import { mkdir, rm, utimes, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { type RunningStores, runStores, type StoreSettings } from '@coequal/engines';
import { Counters, codeOf, prometheusText, silentLog, systemClock, until } from '@coequal/kernel';
import { type Authority, type Credentials, issueCertificate, makeAuthority } from '@coequal/trust';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodeRemoteWrite } from '../remote/remote-write.ts';
import { StoreClient } from './adapters/client.ts';
import { resending } from './resend.ts';
import { testFolder, testLaunch, testStoreSettings } from './testing.ts';

const options = { launch: testLaunch, clock: systemClock, log: silentLog };
const sampleAt = (value: number) =>
  encodeRemoteWrite([{ name: 'coequal_test', labels: [], value, timeMs: systemClock.now() }]);
const limits = { deadlineMs: 10_000, answerBytes: 1_000_000 };

describe('a store under supervision', () => {
  let folder: string;
  let settings: StoreSettings;
  let running: RunningStores;
  beforeAll(async () => {
    folder = await testFolder('embedded');
    settings = await testStoreSettings(folder);
    running = await runStores({ ...options, stores: [settings] });
  });
  afterAll(async () => {
    await running.close();
    await rm(folder, { recursive: true });
  });
  const only = () => {
    const [store] = running.stores;
    if (store === undefined) throw new Error('there is no store');
    return store;
  };

  test('that is killed is started again, and has what was sent just before', async () => {
    await only().untilServing(60_000);
    const client = new StoreClient({ url: only().url, ...limits });
    const write = resending((body) => client.write(body), systemClock);
    expect(await write(sampleAt(7))).toEqual({ outcome: 'taken' });
    const first = only().pid() ?? 0;
    // At once: it is nowhere but in memory.
    process.kill(first, 'SIGKILL');
    const body = sampleAt(8);
    expect((await write(body)).outcome).toBe('again');
    const taken = async () => (await write(body)).outcome === 'taken';
    await until(systemClock, { what: 'the store to take samples again', deadlineMs: 60_000 }, taken);
    await until(
      systemClock,
      { what: 'the state serving', deadlineMs: 60_000 },
      () => only().view().state === 'serving',
    );
    expect(only().pid()).not.toBe(first);
    expect(only().view().restarts).toBe(1);
    const found = async () => {
      const answer = await client.instant('coequal_test[1h]', systemClock.now());
      return answer.ok && [...(answer.series[0]?.values ?? [])].join() === '7,8';
    };
    await until(systemClock, { what: 'both samples, each once', deadlineMs: 60_000 }, found);
  });

  test('outlives its supervisor, and the next one takes it over', async () => {
    const before = only().pid();
    await running.leave();
    expect(only().pid()).toBe(before);
    running = await runStores({ ...options, stores: [settings] });
    await only().untilServing(60_000);
    expect(only().pid()).toBe(before);
    await running.leave();
    running = await runStores({ ...options, stores: [{ ...settings, retentionDays: 400 }] });
    await only().untilServing(60_000);
    expect(only().pid()).not.toBe(before);
  });

  test('whose port is taken is refused at once', async () => {
    const other = runStores({ ...options, stores: [{ ...settings, folder: `${folder}/other` }] });
    await expect(other).rejects.toMatchObject({ code: 'PORT_BUSY' });
  });

  test('that cannot run says why, and is tried again', async () => {
    const own = { ...(await testStoreSettings(folder)), folder: `${folder}/broken`, retentionDays: -1 };
    const broken = await runStores({ ...options, stores: [own] });
    try {
      const view = await until(systemClock, { what: 'two restarts', deadlineMs: 60_000 }, () => {
        const now = broken.stores[0]?.view();
        return now !== undefined && now.restarts >= 2 ? now : undefined;
      });
      expect(view.reason).toMatch(/it ended: .*retentionPeriod/);
    } finally {
      await broken.close();
    }
  });
});

const mounted = (folder: string): boolean =>
  spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', folder]).status === 0;

test('a store whose disk fills takes no samples, says so, and recovers by itself', async (context) => {
  const folder = await testFolder('full');
  await mkdir(`${folder}/store`);
  if (!mounted(`${folder}/store`)) {
    await rm(folder, { recursive: true });
    context.skip('a small disk can only be mounted as root');
  }
  const settings = { ...(await testStoreSettings(folder)), leaveFreeBytes: 24 * 2 ** 20 };
  const running = await runStores({ ...options, stores: [settings] });
  try {
    const [store] = running.stores;
    await store?.untilServing(60_000);
    const client = new StoreClient({ url: store?.url ?? '', ...limits });
    const filling = `${settings.folder}/filling`;
    await writeFile(filling, Buffer.alloc(45 * 2 ** 20, 1));
    const stateIs = (state: string) => () => store?.view().state === state;
    await until(systemClock, { what: 'the state read-only', deadlineMs: 60_000 }, stateIs('read-only'));
    expect(store?.view().reason).toMatch(/nearly full \(\d+ MiB left\)/);
    // Whoever sends keeps it and comes again.
    expect((await client.write(sampleAt(1))).outcome).toBe('again');
    await rm(filling);
    await until(systemClock, { what: 'the state serving', deadlineMs: 60_000 }, stateIs('serving'));
    const taken = async () => (await client.write(sampleAt(2))).outcome === 'taken';
    await until(systemClock, { what: 'samples to be taken', deadlineMs: 60_000 }, taken);
    expect(store?.view().restarts).toBe(0);
  } finally {
    await running.close();
    spawnSync('umount', [`${folder}/store`]);
    await rm(folder, { recursive: true });
  }
});

describe('the front', () => {
  let folder: string;
  let running: RunningStores;
  let url: string;
  let authority: Authority;
  const counters = new Counters();
  const issue = async (
    name: string,
    by: Authority,
    usage: 'server' | 'client',
    now = systemClock.now(),
  ): Promise<Credentials> => {
    const clock = { ...systemClock, now: () => now };
    const request = { commonName: name, dnsNames: ['store.test'], addresses: ['127.0.0.1'], days: 10, usage };
    return await issueCertificate(by, request, clock);
  };
  const keep = async (name: string, { certificate, key }: Credentials): Promise<void> => {
    await writeFile(`${folder}/${name}.crt`, certificate);
    await writeFile(`${folder}/${name}.key`, key, { mode: 0o600 });
  };
  const filesOf = (name: string) => ({ certificateFile: `${folder}/${name}.crt`, keyFile: `${folder}/${name}.key` });
  const clientOf = (name: string | undefined, serverName?: string) =>
    new StoreClient({
      url,
      ...limits,
      tls: {
        authorityFile: `${folder}/authority.crt`,
        ...(name === undefined ? {} : filesOf(name)),
        ...(serverName === undefined ? {} : { serverName }),
      },
    });

  beforeAll(async () => {
    folder = await testFolder('front');
    const past = { ...systemClock, now: () => systemClock.now() - 100 * 86_400_000 };
    authority = await makeAuthority('estate', { days: 300, clock: past });
    const stranger = await makeAuthority('stranger', { days: 300, clock: systemClock });
    await writeFile(`${folder}/authority.crt`, authority.certificate);
    await keep('store', await issue('store', authority, 'server'));
    await keep('agent', await issue('agent', authority, 'client'));
    await keep('expired', await issue('agent', authority, 'client', systemClock.now() - 50 * 86_400_000));
    await keep('stranger', await issue('agent', stranger, 'client'));
    await keep('server', await issue('agent', authority, 'server'));
    const front = { address: '127.0.0.1', port: 0, ...filesOf('store'), authorityFile: `${folder}/authority.crt` };
    const settings = await testStoreSettings(folder);
    running = await runStores({ ...options, counters, stores: [{ ...settings, front }] });
    await running.stores[0]?.untilServing(60_000);
    url = `https://127.0.0.1:${running.stores[0]?.frontPort}`;
  });
  afterAll(async () => {
    await running.close();
    await rm(folder, { recursive: true });
  });

  test('lets a client of the estate write and ask', async () => {
    const client = clientOf('agent');
    const now = systemClock.now();
    const body = encodeRemoteWrite([{ name: 'coequal_front', labels: [], value: 3, timeMs: now }]);
    expect(await client.write(body)).toEqual({ outcome: 'taken' });
    const counted = async () => {
      const page = await (await fetch(`${running.stores[0]?.url}/metrics`)).text();
      return /^vm_rows_inserted_total\{type="promremotewrite"\} 1$/m.test(page);
    };
    await until(systemClock, { what: 'the store to count the sample', deadlineMs: 30_000 }, counted);
    expect(await client.instant('1 + 2', now)).toMatchObject({ ok: true, series: [{ values: new Float64Array([3]) }] });
    expect(await client.instant('no_such_function(', now)).toMatchObject({
      ok: false,
      what: expect.stringContaining('refuses'),
    });
    expect((await clientOf('agent', 'store.test').instant('1', now)).ok).toBe(true);
    client.close();
  });

  test.each(['expired', 'stranger', 'server', undefined])('refuses a client whose certificate is %s', async (name) => {
    const answer = await clientOf(name).write(sampleAt(1));
    expect(answer).toMatchObject({ outcome: 'again' });
    expect(answer.outcome === 'again' && answer.what).toMatch(/alert|certificate|reset|closed|hang up|EPIPE/i);
  });

  test('is refused itself where its name or its authority is another', async () => {
    expect(await clientOf('agent', 'elsewhere.test').instant('1', 0)).toMatchObject({
      ok: false,
      what: expect.stringContaining('elsewhere.test'),
    });
    const believing = new StoreClient({
      url,
      ...limits,
      tls: { ...filesOf('agent'), authorityFile: `${folder}/stranger.crt` },
    });
    expect((await believing.instant('1', 0)).ok).toBe(false);
    const without = new StoreClient({ url, ...limits, tls: { authorityFile: `${folder}/missing.crt` } });
    expect(await without.instant('1', 0)).toMatchObject({ ok: false, what: expect.stringContaining('missing.crt') });
  });

  test('lets only its paths, methods and sizes pass', async () => {
    const { readFile } = await import('node:fs/promises');
    const tls = {
      ca: await readFile(`${folder}/authority.crt`),
      cert: await readFile(`${folder}/agent.crt`),
      key: await readFile(`${folder}/agent.key`),
    };
    const statusOf = (method: string, path: string, length = 0): Promise<number | string> =>
      new Promise((resolve) => {
        const headers = length === 0 ? {} : { 'transfer-encoding': 'chunked' };
        const outgoing = request(`${url}${path}`, { ...tls, method, headers, agent: false }, (answer) => {
          answer.resume();
          resolve(answer.statusCode ?? 0);
        });
        // A body that is refused halfway may end the connection before the answer is read.
        outgoing.on('error', (error) => resolve(codeOf(error) ?? 'error'));
        outgoing.end(Buffer.alloc(length));
      });
    expect(await statusOf('GET', '/health')).toBe(200);
    expect(await statusOf('GET', '/api/v1/labels')).toBe(200);
    expect(await statusOf('GET', '/metrics')).toBe(200);
    expect(await statusOf('POST', '/health')).toBe(405);
    expect(await statusOf('POST', '/api/v1/admin/tsdb/delete_series?match[]=coequal_front')).toBe(404);
    expect([413, 'EPIPE', 'ECONNRESET']).toContain(await statusOf('POST', '/api/v1/query', 2 * 2 ** 20));
  });

  test('answers that it is busy while its store is away, and serves when it is back', async () => {
    const client = clientOf('agent');
    const [store] = running.stores;
    process.kill(store?.pid() ?? 0, 'SIGKILL');
    const away = async () => {
      const answer = await client.write(sampleAt(1));
      return answer.outcome === 'again' && /503/.test(answer.what);
    };
    await until(systemClock, { what: 'an answer of 503', deadlineMs: 30_000, everyMs: 5 }, away);
    const back = async () => (await client.write(sampleAt(1))).outcome === 'taken';
    await until(systemClock, { what: 'the store to be back', deadlineMs: 60_000 }, back);
  });

  test('and its clients take up renewed certificates without a restart', async () => {
    const next = await makeAuthority('estate anew', { days: 300, clock: systemClock });
    const client = clientOf('agent');
    expect((await client.instant('1', 0)).ok).toBe(true);
    // Files that are of no use change nothing.
    await writeFile(`${folder}/store.crt`, 'nonsense');
    await expect(running.reload()).rejects.toMatchObject({ code: 'STORE_CERTIFICATE_INVALID' });
    expect((await client.instant('1', 0)).ok).toBe(true);
    await keep('store', await issue('store', next, 'server'));
    await writeFile(`${folder}/authority.crt`, next.certificate);
    await running.reload();
    const old = clientOf('expired');
    expect((await old.instant('1', 0)).ok).toBe(false);
    await keep('agent', await issue('agent', next, 'client'));
    await utimes(`${folder}/agent.crt`, 1, 1);
    expect(await client.instant('1', 0)).toMatchObject({ ok: true });
  });

  test('counts what it did', async () => {
    await until(
      systemClock,
      { what: 'the store to serve', deadlineMs: 60_000 },
      () => running.stores[0]?.view().state === 'serving',
    );
    const text = prometheusText(counters.snapshot());
    expect(text).toMatch(/coequal_store_front_requests_total\{store="fine",path="write",status="204"\} [1-9]/);
    expect(text).toMatch(/coequal_store_front_refused_handshakes_total\{store="fine"\} [1-9]/);
    expect(text).toMatch(/coequal_store_front_certificate_expiry_seconds\{store="fine"\} [1-9]\d{9}/);
    expect(text).toContain('coequal_store_state{store="fine",state="serving"} 1');
  });
});
