/** A gateway as processes: supervisor and workers are real, sessions echo. */
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { systemClock } from '@coequal/kernel';
import { recordsOf, verifyAudit } from '@coequal/trust';
import { afterEach, describe, expect, test } from 'vitest';
import { callGateway } from './adapters/control-client.ts';
import { readJournal } from './adapters/journal.ts';
import { connectEcho, type Echo, launch, makeConfiguration, startEcho, waitFor } from './testing/echo-client.ts';

const ends: (() => Promise<unknown> | undefined)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

type Configuration = ReturnType<typeof makeConfiguration>;

const configured = (...args: Parameters<typeof makeConfiguration>): Configuration => {
  const configuration = makeConfiguration(...args);
  ends.push(async () => configuration.remove());
  return configuration;
};

const started = async (configuration: Configuration, args: readonly string[] = []): Promise<Echo> => {
  const echo = await startEcho(configuration, args);
  ends.push(async () => {
    echo.destroy();
    await echo.exited;
    // A supervisor that ends by a bug of its own says so here.
    expect(echo.told()).not.toContain('    at ');
  });
  return echo;
};

describe('serving', () => {
  test('connections are dealt to all workers, and each session stays with its own', async () => {
    const echo = await started(configured());
    const clients = await Promise.all(Array.from({ length: 6 }, () => echo.connect()));
    const first = await Promise.all(clients.map((client) => client.ask('hello')));
    const perWorker = Map.groupBy(first, ({ pid }) => pid);
    expect([...perWorker.values()].map(({ length }) => length)).toEqual([3, 3]);
    expect(new Set(first.map(({ id }) => id)).size).toBe(6);
    const second = await Promise.all(clients.map((client) => client.ask('again')));
    expect(second.map(({ id, pid, count }) => [id, pid, count])).toEqual(first.map(({ id, pid }) => [id, pid, 2]));
    for (const client of clients) client.end();
    await waitFor('the end of all', async () => (await echo.status()).connections === 0);
  });

  test('pages: figures of all workers added up, and whether clients may come', async () => {
    const echo = await started(configured());
    const clients = await Promise.all(Array.from({ length: 4 }, () => echo.connect()));
    for (const client of clients) for (const line of ['a', 'b', 'c']) await client.ask(line);
    const response = await echo.page('/metrics');
    const text = await response.text();
    expect(response.headers.get('content-type')).toContain('version=0.0.4');
    expect(text).toContain('coequal_gateway_user_requests_total{user="echo"} 12\n');
    expect(text).toContain('coequal_gateway_connections 4\n');
    expect(text).toContain('coequal_gateway_workers 2\n');
    expect(text).toContain('coequal_gateway_instance_state{instance="bank-north",state="serving"} 1\n');
    const health = await echo.page('/healthz');
    expect([health.status, await health.json()]).toEqual([
      200,
      {
        healthy: true,
        name: 'gateway-north',
        state: 'serving',
        serving: ['bank-north'],
        notServing: [],
        connections: 4,
      },
    ]);
    expect((await echo.page('/other')).status).toBe(404);
  });

  test('a limit on the connections of an account holds over all workers', async () => {
    const { settings } = configured();
    const echo = await started(configured({ limits: { ...settings.limits, connectionsPerUser: 3 } }));
    const clients = await Promise.all(Array.from({ length: 5 }, () => echo.connect()));
    for (const client of clients) client.send('x\n');
    const answers = await Promise.all(clients.map((client) => client.next()));
    expect(answers.filter((answer) => answer === 'refused')).toHaveLength(2);
    const kept = clients.find((_, index) => answers[index] !== 'refused');
    kept?.end();
    await waitFor('room for one more', async () => {
      const next = await echo.connect();
      next.send('x\n');
      return (await next.next())?.endsWith(' x');
    });
  });

  test('the limit of the gateway holds over all workers, and counts sessions that moved', async () => {
    const { settings } = configured();
    const echo = await started(configured({ limits: { ...settings.limits, connections: 2 } }));
    const kept = await Promise.all([echo.connect(), echo.connect()]);
    for (const client of kept) await client.ask('x');
    expect(await (await echo.connect()).next()).toBe('full');
    await echo.call({ method: 'restart', deadlineMs: null });
    expect(await (await echo.connect()).next()).toBe('full');
    kept[0]?.end();
    await waitFor('room for one more', async () => {
      const next = await echo.connect();
      next.send('x\n');
      return (await next.next())?.endsWith(' x');
    });
  });
});

describe('what workers tell each other', () => {
  const onBoth = async (echo: Echo) => {
    const clients = await Promise.all([echo.connect(), echo.connect()]);
    const answers = await Promise.all(clients.map((client) => client.ask('x')));
    expect(new Set(answers.map(({ pid }) => pid)).size).toBe(2);
    return { clients, ids: answers.map(({ id }) => id) };
  };

  test('a client ends a session of another worker', async () => {
    const echo = await started(configured());
    const { clients, ids } = await onBoth(echo);
    expect((await clients[0]?.ask(`kill ${ids[1]}`))?.line).toBe('done');
    await clients[1]?.closed;
    expect((await clients[0]?.ask(`kill ${ids[1]}`))?.line).toBe('unknown');
  });

  test('failed log-ins of an address count in all of them', async () => {
    const { settings } = configured();
    const echo = await started(configured({ limits: { ...settings.limits, failuresPerMinute: 2 } }));
    const { clients } = await onBoth(echo);
    await clients[0]?.ask('fail');
    await clients[0]?.ask('fail');
    await waitFor('the word of it', async () => (await clients[1]?.ask('blocked'))?.line === 'true');
  });
});

describe('trouble', () => {
  test('a worker that dies takes its own sessions with it, and is replaced; what it counted stays', async () => {
    const echo = await started(configured());
    const clients = await Promise.all([echo.connect(), echo.connect()]);
    const [first, second] = await Promise.all(clients.map((client) => client.ask('x')));
    await waitFor('a report of its figures', async () => (await echo.status()).totals.requests === 2);
    process.kill(first?.pid ?? 0, 'SIGKILL');
    await clients[0]?.closed;
    expect(await clients[1]?.ask('y')).toMatchObject({ pid: second?.pid, count: 2 });
    const status = await waitFor('two workers', async () => {
      const now = await echo.status();
      return now.workers.filter(({ state }) => state === 'serving').length === 2 ? now : undefined;
    });
    expect(status.workerDeaths).toBe(1);
    expect(status.workers.map(({ pid }) => pid)).not.toContain(first?.pid);
    expect(status.totals.requests).toBe(3);
    expect(echo.events()).toContainEqual(
      expect.objectContaining({ event: 'worker-ended', level: 'error', how: 'SIGKILL', expected: false }),
    );
  });

  test('while all workers are dead, clients wait and are served', async () => {
    const echo = await started(configured({ workers: 1 }));
    const dying = await echo.connect();
    dying.send('die\n');
    await dying.closed;
    const client = await echo.connect();
    expect(await client.ask('here')).toMatchObject({ count: 1, line: 'here' });
  });

  test('a worker that dies again and again is started less and less often', async () => {
    const echo = await started(configured({ workers: 1 }));
    for (let death = 0; death < 4; death += 1) {
      const client = await echo.connect();
      client.send('die\n');
      await client.closed;
    }
    const failing = await waitFor('the event', async () =>
      echo.events().find(({ event }) => event === 'workers-failing'),
    );
    expect(failing).toMatchObject({ level: 'error', nextTryMs: 1_000 });
  });

  test('sessions end in order when the supervisor is killed, and the next gateway starts at once', async () => {
    const echo = await started(configured({ workers: 1 }));
    const client = await echo.connect();
    await client.ask('begin');
    echo.child.kill('SIGKILL');
    await echo.exited;
    expect(await client.ask('still')).toMatchObject({ count: 2 });
    expect(await client.ask('end')).toMatchObject({ count: 3 });
    expect(await client.next()).toBe('closed');
    const next = await started(echo);
    expect((await next.status()).state).toBe('serving');
  });
});

describe('one line and exit 2', () => {
  const lineOf = async (args: readonly string[]): Promise<readonly [number | null, string]> => {
    const run = launch(args);
    return [await run.exited, run.told()];
  };

  test('a busy port', async () => {
    const holder = createServer();
    await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
    ends.push(async () => void holder.close());
    const address = holder.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const { file } = configured({ listen: { host: '127.0.0.1', port } });
    const [code, told] = await lineOf(['--config', file]);
    expect(code).toBe(2);
    expect(told).toMatch(
      new RegExp(`^coequal: Port ${port} on 127\\.0\\.0\\.1 is already in use\\. .* \\[PORT_BUSY\\]\\n$`),
    );
  });

  test('a second gateway with the same state folder', async () => {
    const echo = await started(configured());
    const [code, told] = await lineOf(['--config', echo.file]);
    expect(code).toBe(2);
    expect(told).toContain(`already running (process ${echo.child.pid})`);
    expect(told).toContain('[GATEWAY_ALREADY_RUNNING]\n');
    expect((await echo.status()).state).toBe('serving');
  });

  test('workers that cannot start', async () => {
    const [code, told] = await lineOf(['--config', configured({ service: 'broken' }).file]);
    expect(code).toBe(2);
    expect(told).toMatch(/^coequal: .* \[GATEWAY_NOT_STARTED\]\n$/);
  });

  test('a configuration that its check refuses, also with --check', async () => {
    const { file } = configured({ service: 'unreachable' });
    for (const args of [
      ['--config', file],
      ['--config', file, '--check'],
    ])
      expect(await lineOf(args)).toEqual([2, expect.stringMatching(/^coequal: .*\[GATEWAY_NO_INSTANCE\]\n$/)]);
  });

  test.each([
    [[], /--config FILE/],
    [['--config', 'x', '--drain-within', 'soon'], /like 30s, not soon/],
    [['--config', 'x', '--nonsense'], /nonsense/],
  ])('the flags %j', async (args, words) => {
    const [code, told] = await lineOf(args);
    expect(code).toBe(2);
    expect(told).toMatch(words);
    expect(told).toMatch(/\[COMMAND_USAGE\]\n$/);
  });

  test('a state folder that cannot be', async () => {
    const [code, told] = await lineOf(['--config', configured({ stateFolder: join(configured().file, 'x') }).file]);
    expect(code).toBe(2);
    expect(told).toContain('[FOLDER_UNWRITABLE]');
  });
});

describe('restart', () => {
  test('idle sessions go on in new workers with their numbers, nothing they sent is lost, and the port never closes', async () => {
    const echo = await started(configured());
    const clients = await Promise.all(Array.from({ length: 20 }, () => echo.connect()));
    const before = await Promise.all(clients.map((client) => client.ask('one')));
    // Lines under way while sessions move, and new connections all the time.
    let stopped = false;
    const talking = clients.map(async (client) => {
      let asked = 1;
      while (!stopped) {
        asked += 1;
        expect(await client.ask(`line ${asked}`)).toMatchObject({ count: asked, line: `line ${asked}` });
      }
      return asked;
    });
    const connecting = (async () => {
      let connected = 0;
      while (!stopped) {
        const client = await connectEcho(echo.port);
        expect((await client.ask('new')).line).toBe('new');
        client.end();
        connected += 1;
      }
      return connected;
    })();
    echo.child.kill('SIGHUP');
    await waitFor('the end of the restart', async () =>
      echo.events().some(({ event, phase }) => event === 'restart' && phase === 'done'),
    );
    stopped = true;
    const asked = await Promise.all(talking);
    expect(await connecting).toBeGreaterThan(0);
    const after = await Promise.all(clients.map((client) => client.ask('after')));
    expect(after.map(({ id }) => id)).toEqual(before.map(({ id }) => id));
    expect(after.map(({ count }) => count)).toEqual(asked.map((count) => count + 1));
    const old = new Set(before.map(({ pid }) => pid));
    expect(after.filter(({ pid }) => old.has(pid))).toEqual([]);
    const status = await echo.status();
    expect(status.generation).toBe(2);
    expect(status.totals.drained['handed-over']).toBeGreaterThanOrEqual(20);
    expect(status.totals.drained['cut']).toBeUndefined();
  });

  test('a session in a transaction is waited for, and its client sees its end first', async () => {
    const echo = await started(configured({ workers: 1 }));
    const client = await echo.connect();
    const { pid } = await client.ask('begin');
    const restarted = echo.call({ method: 'restart', deadlineMs: null });
    await waitFor('the new worker', async () => (await echo.status()).generation === 2);
    expect((await client.ask('inside')).pid).toBe(pid);
    expect((await client.ask('end')).pid).toBe(pid);
    expect(await restarted).toEqual({ handedOver: 1, closed: 0, cut: 0 });
    expect((await client.ask('after')).pid).not.toBe(pid);
  });

  test('a transaction that does not end is cut at the deadline, and counted', async () => {
    const echo = await started(configured({ workers: 1 }));
    const client = await echo.connect();
    await client.ask('begin');
    expect(await echo.call({ method: 'restart', deadlineMs: 100 })).toEqual({ handedOver: 0, closed: 0, cut: 1 });
    await client.closed;
  });

  test('new workers that cannot start change nothing', async () => {
    const echo = await started(configured());
    const client = await echo.connect();
    const { pid } = await client.ask('x');
    for (const service of ['broken', 'unreachable']) {
      echo.write({ service });
      await expect(echo.call({ method: 'restart', deadlineMs: null })).rejects.toMatchObject({
        code: 'GATEWAY_RESTART_REFUSED',
      });
    }
    expect((await client.ask('y')).pid).toBe(pid);
    expect(await echo.status()).toMatchObject({ state: 'serving', generation: 1, workerDeaths: 0 });
  });

  test('it takes up the number of workers, limits and port of the configuration now on disk', async () => {
    const echo = await started(configured({ workers: 1 }));
    const client = await echo.connect();
    await client.ask('x');
    const free = createServer();
    await new Promise<void>((resolve) => free.listen(0, '127.0.0.1', resolve));
    const address = free.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    await new Promise((resolve) => free.close(resolve));
    echo.write({ workers: 3, listen: { host: '127.0.0.1', port } });
    await echo.call({ method: 'restart', deadlineMs: null });
    expect(await echo.status()).toMatchObject({ listen: { port }, workers: [{}, {}, {}] });
    expect(await (await connectEcho(port)).ask('new')).toMatchObject({ line: 'new' });
    expect(await client.ask('y')).toMatchObject({ count: 2 });
    await expect(connectEcho(echo.port)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });
});

describe('drain', () => {
  test('of the gateway closes the port and the sessions; and back', async () => {
    const echo = await started(configured());
    const client = await echo.connect();
    await client.ask('x');
    expect(await echo.call({ method: 'drain', instance: null, on: true, deadlineMs: 1_000 })).toEqual({
      handedOver: 0,
      closed: 1,
      cut: 0,
    });
    expect(await client.next()).toBe('closed');
    await expect(echo.connect()).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    expect(await echo.status()).toMatchObject({ state: 'drained' });
    expect((await echo.page('/healthz')).status).toBe(503);
    await echo.call({ method: 'drain', instance: null, on: false, deadlineMs: null });
    const status = await echo.status();
    expect(status.state).toBe('serving');
    expect(await (await connectEcho(status.listen.port)).ask('y')).toMatchObject({ line: 'y' });
  });

  test('of an instance reaches every worker, also those that come later', async () => {
    const echo = await started(configured());
    await echo.call({ method: 'drain', instance: 'bank-north', on: true, deadlineMs: null });
    expect((await echo.status()).instances).toMatchObject([{ name: 'bank-north', draining: true }]);
    expect((await echo.page('/healthz')).status).toBe(503);
    await echo.call({ method: 'restart', deadlineMs: null });
    expect((await echo.status()).instances).toMatchObject([{ draining: true }]);
    await echo.call({ method: 'drain', instance: 'bank-north', on: false, deadlineMs: null });
    expect(await echo.status()).toMatchObject({ state: 'serving', instances: [{ draining: false }] });
    await expect(echo.call({ method: 'drain', instance: 'nowhere', on: true, deadlineMs: null })).rejects.toMatchObject(
      {
        code: 'GATEWAY_INSTANCE_UNKNOWN',
        advice: 'Its instances: bank-north.',
      },
    );
  });
});

describe('operators', () => {
  test('see sessions, and end one wherever it is', async () => {
    const echo = await started(configured());
    const clients = await Promise.all([echo.connect(), echo.connect()]);
    const [one, two] = await Promise.all(clients.map((client) => client.ask('begin')));
    const sessions = await echo.call({ method: 'sessions' });
    expect(sessions).toHaveLength(2);
    expect(sessions).toContainEqual(expect.objectContaining({ id: two?.id, user: 'echo', inTransaction: true }));
    await echo.call({ method: 'kill', id: one?.id ?? 0, what: 'connection' });
    await clients[0]?.closed;
    expect(await clients[1]?.ask('end')).toMatchObject({ count: 2 });
    await expect(echo.call({ method: 'kill', id: 5, what: 'connection' })).rejects.toMatchObject({
      code: 'GATEWAY_SESSION_UNKNOWN',
    });
  });

  test('own the control socket alone', async () => {
    const echo = await started(configured());
    const { stateFolder } = echo.settings;
    expect(statSync(join(stateFolder, 'control.sock')).mode & 0o777).toBe(0o600);
    expect(statSync(stateFolder).mode & 0o777).toBe(0o700);
  });

  test('are recorded before they are done and as they ended; looking is not', async () => {
    const echo = await started(configured());
    const { stateFolder, name } = echo.settings;
    const client = await echo.connect();
    const { id } = await client.ask('begin');
    await echo.status();
    await echo.call({ method: 'kill', id, what: 'connection' });
    await expect(echo.call({ method: 'kill', id: 1, what: 'query' })).rejects.toMatchObject({
      code: 'GATEWAY_SESSION_UNKNOWN',
    });
    await echo.call({ method: 'drain', instance: null, on: true, deadlineMs: 500 });
    await echo.call({ method: 'drain', instance: null, on: false, deadlineMs: null });
    echo.child.kill('SIGTERM');
    expect(await echo.exited).toBe(0);
    const folder = join(stateFolder, 'audit');
    expect(await verifyAudit([folder], { keys: [readFileSync(join(stateFolder, 'audit.key'), 'utf8')] })).toMatchObject(
      {
        valid: true,
        chains: [{ chain: name, problem: null }],
      },
    );
    const records: { actor: string; action: string; target: string; result: string; reason?: string }[] = [];
    for await (const found of recordsOf(folder)) records.push(...found.map(({ record }) => record));
    const own = records.filter(({ action }) => action.startsWith('gateway.'));
    expect(own.map(({ actor, action, result }) => `${actor} ${action} ${result}`)).toEqual([
      `gateway:${name} gateway.start done`,
      'os:tester gateway.kill asked',
      'os:tester gateway.kill done',
      'os:tester gateway.kill asked',
      'os:tester gateway.kill refused',
      'os:tester gateway.drain asked',
      'os:tester gateway.drain done',
      'os:tester gateway.undrain asked',
      'os:tester gateway.undrain done',
      `gateway:${name} gateway.end done`,
    ]);
    expect(own[4]).toMatchObject({ target: `session 1 at ${name}`, reason: 'GATEWAY_SESSION_UNKNOWN' });
  });

  test('are not done when they cannot be recorded, while clients are served', async () => {
    const configuration = configured();
    mkdirSync(configuration.settings.stateFolder, { recursive: true, mode: 0o700 });
    writeFileSync(join(configuration.settings.stateFolder, 'audit'), 'in the way');
    const echo = await started(configuration);
    const client = await echo.connect();
    const { id } = await client.ask('begin');
    await expect(echo.call({ method: 'kill', id, what: 'connection' })).rejects.toMatchObject({
      code: 'AUDIT_UNWRITABLE',
    });
    await expect(echo.call({ method: 'drain', instance: null, on: true, deadlineMs: 0 })).rejects.toMatchObject({
      code: 'AUDIT_UNWRITABLE',
    });
    expect(await echo.status()).toMatchObject({ state: 'serving' });
    expect(await client.ask('begin')).toMatchObject({ id });
    expect(echo.events().map(({ event }) => event)).toContain('audit-trouble');
  });

  test('hear that a gateway does not run', async () => {
    const { settings } = configured();
    await expect(callGateway(systemClock, settings, { method: 'status' }, 1_000, 'tester')).rejects.toMatchObject({
      code: 'GATEWAY_NOT_RUNNING',
    });
  });

  test('end it: sessions come to a boundary, the exit is good, the folder is free, the journal whole', async () => {
    const echo = await started(configured());
    const client = await echo.connect();
    const { id } = await client.ask('begin');
    echo.child.kill('SIGTERM');
    // A second signal, as a terminal and a launcher send it, is the same wish.
    echo.child.kill('SIGINT');
    await waitFor('the end of the port', async () => echo.events().some(({ event }) => event === 'listening-ended'));
    expect(await client.ask('end')).toMatchObject({ id, count: 2 });
    expect(await client.next()).toBe('closed');
    expect(await echo.exited).toBe(0);
    const sequences: number[] = [];
    for await (const { sequence } of readJournal(echo.settings.stateFolder)) sequences.push(sequence);
    expect(sequences).toEqual([1, 2]);
    expect(echo.events().at(-1)).toMatchObject({ event: 'gateway-ended', closed: 1, cut: 0 });
    const again = await started(echo);
    expect((await again.status()).state).toBe('serving');
  });
});
