/** `coequal gateway`: what is run, what operators see, and what they are told when it is not possible. */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { DrainResult, GatewayControl, GatewayStatus, JournalEntry, SessionView } from '@coequal/gateway';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeFiles } from '../files.ts';
import { runInForeground } from '../foreground.ts';
import { runIn } from '../testing.ts';
import type { GatewayPort } from '../world.ts';

let folder = '';
let estate = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'coequal-cli-gateway-'));
  estate = join(folder, 'coequal.yaml');
  const three = readFileSync(fileURLToPath(new URL('../../../../estates/three-centres.yaml', import.meta.url)), 'utf8');
  writeFileSync(estate, `${three.replaceAll(/^gateways:[\s\S]*?(?=^\S)/gm, '')}\n${gateways()}`);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const gateways = (): string =>
  `gateways:\n${['north', 'south']
    .map(
      (site, index) =>
        `  - { name: gateway-${site}, host: ${site}-1, service: bank, port: ${4_400 + index}, stateFolder: ${folder}/${site}, certificates: { authority: /tls/authority.pem } }\n`,
    )
    .join('')}`;

const status: GatewayStatus = {
  name: 'gateway-north',
  site: 'north',
  service: 'bank',
  state: 'serving',
  version: '0.1.0',
  pid: 4711,
  upSeconds: 3_720,
  generation: 1,
  observe: false,
  profile: 'real-time',
  listen: { host: '10.0.1.11', port: 4400 },
  metrics: { host: '127.0.0.1', port: 14400 },
  stateFolder: '/state',
  workers: [
    { slot: 0, pid: 4712, generation: 1, state: 'serving', connections: 1_234, residentBytes: 2 ** 27, stallMs: 12 },
  ],
  workerDeaths: 1,
  instances: [
    {
      name: 'bank-north',
      site: 'north',
      state: 'silent',
      serves: false,
      reason: 'No answer for 712 ms.',
      sinceMs: 4_000,
      answerMs: null,
      flowControl: null,
      receiveQueue: null,
      draining: true,
      sessions: 0,
    },
  ],
  connections: 1_234,
  connectionLimit: 5_000,
  sessions: { working: 4, inTransaction: 2, notReplayable: 1 },
  perSecond: { requests: 2_130, transactions: 81 },
  totals: {
    requests: 1_000_000,
    committed: 80_000,
    rolledBack: 3,
    errors: 1,
    losses: 300,
    pauses: 300,
    longestPauseMs: 640,
    replays: { same: 41, different: 1 },
    outcomes: { committed: 7, absent: 5 },
    conflicts: {},
    notReplayable: { 'temporary-table': 2 },
    refusedStatements: {},
    logins: { ok: 1_234 },
    drained: {},
    acknowledged: 80_000,
    acknowledgementsDropped: 3,
  },
};

const session = (change: Partial<SessionView>): SessionView => ({
  id: 2_147_483_650,
  user: 'payments',
  client: '192.0.2.7:41000',
  tls: false,
  database: 'bank',
  instance: 'bank-north',
  state: 'idle',
  sinceMs: 5_000,
  inTransaction: false,
  transactionMs: null,
  notReplayable: null,
  journalBytes: 0,
  statements: 17,
  transactions: 3,
  replays: 0,
  ...change,
});

type Script = {
  readonly running?: readonly string[];
  readonly status?: Partial<GatewayStatus>;
  readonly sessions?: readonly SessionView[];
  readonly entries?: readonly JournalEntry[];
};

/** Gateways that only remember what they were asked. */
const scripted = ({ running = ['gateway-north'], sessions = [], entries = [], ...script }: Script = {}) => {
  const asked: string[] = [];
  const drained: DrainResult = { handedOver: 2, closed: 1, cut: 0 };
  const control = (name: string): GatewayControl => {
    const note = (what: string): void => void asked.push(`${name}: ${what}`);
    return {
      process: async () => (running.includes(name) ? 4711 : undefined),
      status: async () => ({ ...status, ...script.status, name }),
      sessions: async () => sessions,
      drain: async (withinMs) => {
        note(`drain ${withinMs}`);
        return drained;
      },
      resume: async () => note('resume'),
      drainInstance: async (instance, on) => note(`drain ${instance} ${on}`),
      restart: async (withinMs) => {
        note(`restart ${withinMs}`);
        return drained;
      },
      kill: async (id, what) => note(`kill ${what} ${id}`),
      journal: async function* () {
        yield* entries;
      },
    };
  };
  const port = async (): Promise<GatewayPort> => ({
    ...(await import('@coequal/gateway')),
    gatewayControl: ({ name }) => control(name),
  });
  return { asked, port };
};

const ran = async (args: readonly string[], script: Script = {}) => {
  const { asked, port } = scripted(script);
  return { ...(await runIn(['gateway', ...args, '--config', estate], { gateway: await port() })), asked };
};

describe('running one', () => {
  test('hands the flags to its program, and its exit code is the command’s', async () => {
    const args = ['--config', 'e.yaml', '--name', 'gateway-north', '--observe', '--drain-within', '5s'];
    expect(await runIn(['gateway', ...args], { gatewayEnds: 2 })).toMatchObject({
      code: 2,
      calls: ['gateway --config e.yaml --name gateway-north --drain-within 5s --observe'],
    });
    expect((await runIn(['gateway', '--config', 'e.yaml', '--check', '--wait', '--json'])).calls).toEqual([
      'gateway --config e.yaml --check --wait --json',
    ]);
  });

  test('needs a configuration', async () => {
    expect(await runIn(['gateway'])).toMatchObject({
      code: 2,
      told: expect.stringContaining('--config FILE'),
      calls: [],
    });
  });

  test('in the foreground: exit codes and signals pass through', async () => {
    const program = join(folder, 'program.mjs');
    writeFileSync(program, 'process.exit(Number(process.argv[2]));');
    expect(await runInForeground(program, ['7'])).toBe(7);
    const waiting = join(folder, 'waiting.mjs');
    const ready = join(folder, 'ready');
    writeFileSync(
      waiting,
      `import { writeFileSync } from 'node:fs'; process.on('SIGHUP', () => process.exit(9)); writeFileSync(process.argv[2], ''); setTimeout(() => {}, 20000);`,
    );
    const code = runInForeground(waiting, [ready]);
    for (;;) {
      if (statSync(ready, { throwIfNoEntry: false }) !== undefined) break;
      await new Promise((resolve) => setImmediate(resolve));
    }
    process.emit('SIGHUP', 'SIGHUP');
    expect(await code).toBe(9);
  });
});

describe('status', () => {
  test('tells what is wrong first, then instances, workers and what clients noticed', async () => {
    const { out, code } = await ran(['status'], { status: { state: 'no-instance' } });
    expect(out).toMatch(/^Gateway gateway-north at north: NO INSTANCE SERVES: .*\n/);
    expect(out).toContain(
      'Clients at 10.0.1.11:4400: 1,234 connections of at most 5,000, 4 working, 2 in a transaction, 1 that',
    );
    expect(out).toContain('2,130 requests and 81 transactions a second\n');
    expect(out).toMatch(/bank-north +north +silent +4\.0 s +0 +– +draining; No answer for 712 ms\.\n/);
    expect(out).toMatch(/0 +4712 +serving +1,234 +128 MiB +12 ms\n1 worker died/);
    expect(out).toMatch(/ {2}losses +300 sessions lost an instance; 300 pauses, the longest 640 ms\n/);
    expect(out).toMatch(/ {2}replays +41 same, 1 different\n/);
    expect(out).toMatch(/ {2}acknowledged +80,000 in the journal, 3 NOT WRITTEN\n$/);
    expect(out).not.toContain('conflicts  ');
    expect(code).toBe(1);
  });

  test('is good while it serves; --json is the whole of it', async () => {
    const { out, code } = await ran(['status', '--json']);
    expect(JSON.parse(out)).toEqual(status);
    expect(code).toBe(0);
  });

  test('shows every gateway that runs here', async () => {
    const both = { running: ['gateway-north', 'gateway-south'] };
    expect((await ran(['status'], both)).out).toMatch(/^Gateway gateway-north [\s\S]*\n\nGateway gateway-south /);
    expect(JSON.parse((await ran(['status', '--json'], both)).out)).toMatchObject({
      gateways: [{ name: 'gateway-north' }, { name: 'gateway-south' }],
    });
  });

  test('of a drained one', async () => {
    const { out } = await ran(['status'], {
      status: { state: 'drained', workers: [], instances: [], perSecond: null },
    });
    expect(out).toContain('`coequal gateway drain --off` opens it\n');
    expect(out).toContain('No worker runs, so nobody watches the instances.\n');
  });
});

describe('which one', () => {
  test('none runs here: one line, code 2', async () => {
    expect(await ran(['status'], { running: [] })).toMatchObject({
      code: 2,
      out: '',
      told: expect.stringMatching(
        /^coequal: The gateway gateway-north or gateway-south does not run on this machine.*\n$/,
      ),
    });
  });

  test('several do, and the command is for one', async () => {
    expect(await ran(['restart'], { running: ['gateway-north', 'gateway-south'] })).toMatchObject({
      code: 2,
      told: expect.stringContaining('say which with --name'),
      asked: [],
    });
  });

  test('a name that the estate does not have', async () => {
    expect(await ran(['status', '--name', 'nobody'])).toMatchObject({
      code: 2,
      told: expect.stringContaining('Its gateways: gateway-north, gateway-south.'),
    });
  });

  test('by its state folder, without any estate', async () => {
    const { port, asked } = scripted();
    const args = ['gateway', 'restart', '--state', '/state', '--config', '/nowhere'];
    expect((await runIn(args, { gateway: await port() })).code).toBe(0);
    expect(asked).toEqual(['/state: restart undefined']);
  });
});

describe('sessions', () => {
  const sessions = [
    session({ id: 1, sinceMs: 90_000 }),
    session({ id: 2, state: 'working', instance: 'bank-west' }),
    session({ id: 3, user: 'batch', inTransaction: true, transactionMs: 4_000, notReplayable: 'temporary-table' }),
    session({ id: 4, inTransaction: true, transactionMs: 61_000, journalBytes: 2 ** 20, replays: 1, tls: true }),
  ];

  test('the longest transaction first, then work, then idleness', async () => {
    const { out } = await ran(['sessions'], { sessions });
    const ids = out.split('\n').map((line) => /^ *(\d+) /.exec(line)?.[1]);
    expect(ids.filter((id) => id !== undefined)).toEqual(['4', '3', '2', '1']);
    expect(out).toMatch(/ 4 {2}payments {2}192\.0\.2\.7:41000 TLS .* 1 min 1 s +17 {2}keeps 1 MiB; 1 replay\n/);
    expect(out).toContain('a loss would hit it: temporary-table');
  });

  test('chosen by account and instance, and only so many', async () => {
    expect((await ran(['sessions', '--user', 'batch'], { sessions })).out).not.toContain('payments');
    expect(JSON.parse((await ran(['sessions', '--instance', 'bank-west', '--json'], { sessions })).out)).toMatchObject({
      sessions: [{ id: 2 }],
    });
    expect((await ran(['sessions', '--limit', '1'], { sessions })).out).toMatch(/… and 3 sessions more; .*\n$/);
    expect((await ran(['sessions'])).out).toBe('No session.\n');
  });
});

test.each([
  [
    ['drain'],
    'drain undefined',
    'is drained and its port closed: 2 sessions handed over, 1 closed between transactions, 0 cut.',
  ],
  [['drain', '--within', '2min'], 'drain 120000', 'drained'],
  [['drain', '--off'], 'resume', 'takes connections again'],
  [['drain', 'bank-north'], 'drain bank-north true', 'bank-north gets no new sessions'],
  [['drain', 'bank-north', '--off'], 'drain bank-north false', 'gets sessions of gateway-north again'],
  [['restart'], 'restart undefined', 'runs on new workers: 2 sessions handed over'],
  [['kill', '2147483650'], 'kill connection 2147483650', 'Ended the connection of session 2147483650.'],
  [['kill', '2147483650', '--query'], 'kill query 2147483650', 'Ended the query'],
])('%j asks the gateway and says what was done', async (args, asked, words) => {
  const done = await ran(args);
  expect(done).toMatchObject({ code: 0, asked: [`gateway-north: ${asked}`], out: expect.stringContaining(words) });
  expect(JSON.parse((await ran([...args, '--json'])).out)).toMatchObject({ name: 'gateway-north' });
});

describe('journal', () => {
  const entries: readonly JournalEntry[] = [
    { at: -90_000, key: 'a'.repeat(32), epoch: 1, sequence: 1, outcome: 'committed', gtid: '0-1-5' },
    { at: -1_000, key: 'b'.repeat(32), epoch: 1, sequence: 2, outcome: 'told-absent', gtid: '' },
    { at: 0, key: 'a'.repeat(32), epoch: 2, sequence: 1_234, outcome: 'committed', gtid: '' },
  ];

  test('what was acknowledged, how often, and the latest', async () => {
    const { out } = await ran(['journal', '--last', '2'], { entries });
    expect(out).toMatch(
      /^The journal of gateway-north: 2 committed, 1 told-absent, from 1969-12-31T23:58:30\.000Z to 1970/,
    );
    expect(out).not.toContain('0-1-5');
    expect(out).toMatch(/a{32} +2 +1,234 +committed +–\n$/);
  });

  test('every entry as a line for programs', async () => {
    const { out } = await ran(['journal', '--json', '--since', '10s'], { entries });
    expect(
      out
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual(entries.slice(1));
  });

  test('what a database that stands at a position has lost, and what cannot be said', async () => {
    const at = (gtid: string, outcome: JournalEntry['outcome'] = 'committed'): JournalEntry => ({
      at: 0,
      key: 'c'.repeat(32),
      epoch: 1,
      sequence: 1,
      outcome,
      gtid,
    });
    const all = ['0-1-9', '0-2-10', '0-1-11', '7-1-1', ''].map((gtid) => at(gtid));
    const script = { entries: [...all, at('0-1-12', 'told-absent')] };
    const lost = async (position: string) =>
      (await ran(['journal', '--json', '--after', position], script)).out.match(/(?<="gtid":")[^"]*/g);
    expect(await lost('0-3-10')).toEqual(['0-1-11', '7-1-1', '']);
    expect(await lost('0-3-10, 7-1-1')).toEqual(['0-1-11', '']);
    expect(await ran(['journal', '--after', 'yesterday'], script)).toMatchObject({ code: 2, out: '' });
  });

  test('of one session, by its key or its id', async () => {
    expect((await ran(['journal', '--session', 'B'.repeat(32), '--last', '0'], { entries })).out).toContain(
      ': 1 told-absent',
    );
    expect((await ran(['journal', '--session', '00'.repeat(24)], { entries })).out).toContain('holds no such entry');
    expect(await ran(['journal', '--session', 'x'], { entries })).toMatchObject({ code: 2, out: '' });
  });
});

describe('credentials', () => {
  const withStore = (): string => {
    const path = join(folder, 'with-store.yaml');
    const store = `{ file: ${folder}/store, keyFile: ${folder}/store.key }`;
    writeFileSync(
      path,
      readFileSync(estate, 'utf8').replace(/^( +)gateway:\n/m, `$1gateway:\n$1  credentials: ${store}\n`),
    );
    return path;
  };

  test('are kept sealed, listed by account, removed; never shown', async () => {
    const config = withStore();
    const credential = (args: readonly string[], answers: readonly string[] = []) =>
      runIn(['gateway', 'credential', ...args, '--config', config], { answers });
    const set = await credential(['set', 'payments'], ['s3cret!']);
    expect(set).toMatchObject({ code: 0, out: expect.stringContaining('`coequal gateway restart`') });
    expect(await credential(['set', 'audit@10.%', '--json'], ['other'])).toMatchObject({
      out: '{"user":"audit@10.%","kept":true}\n',
    });
    expect((await credential(['list'])).out).toBe('audit@10.%\npayments\n');
    expect(readFileSync(`${folder}/store`, 'utf8')).not.toContain('s3cret');
    expect(statSync(`${folder}/store`).mode & 0o777).toBe(0o600);
    expect(await credential(['remove', 'nobody'])).toMatchObject({
      code: 2,
      told: expect.stringContaining('there are: '),
    });
    expect((await credential(['remove', 'payments'])).code).toBe(0);
    expect((await credential(['list', '--json'])).out).toBe('{"users":["audit@10.%"]}\n');
    expect(await credential(['set', 'payments'], [''])).toMatchObject({ code: 2 });
    expect(JSON.stringify(set)).not.toContain('s3cret');
  });

  test('need a place that the estate names', async () => {
    expect(await runIn(['gateway', 'credential', 'list', '--config', estate])).toMatchObject({
      code: 2,
      told: expect.stringContaining('gateway.credentials'),
    });
  });

  test('come from standard input when nobody sits there', async () => {
    const input = new PassThrough();
    const secret = makeFiles('/', undefined, input).secret('?', new AbortController().signal);
    input.write('pass');
    input.write('word\nmore\n');
    expect(await secret).toBe('password');
  });

  test('are not shown while they are typed', async () => {
    const input = new PassThrough();
    const output = new PassThrough();
    const files = makeFiles('/', { input, output }, input);
    const secret = files.secret('Password: ', new AbortController().signal);
    input.write('hidden\r');
    expect(await secret).toBe('hidden');
    expect(output.read()?.toString()).toBe('Password: \n');
  });
});
