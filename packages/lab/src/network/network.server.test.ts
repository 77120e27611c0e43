/**
 * The network for real, as root and as an ordinary user who is root in his own namespaces: distances, partitions and losses
 * seen by TCP and UDP from inside the sites, and nothing left behind when the process that held it is killed.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Programs } from '@coequal/engines';
import { systemClock, until } from '@coequal/kernel';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findMarked, markedEnvironment } from '../process/sweep.ts';
import type { HolderCall, HolderOptions } from '../testing/holder.ts';
import { type Conversation, converse } from '../testing/lines.ts';
import type { PeerAnswer, PeerTask } from '../testing/peer.ts';
import { testPrograms } from '../testing/programs.ts';
import { siteAddress, siteClientAddress } from './addresses.ts';
import { daemonPrefix, probeFullMode } from './namespaces.ts';

const HOLDER = fileURLToPath(new URL('../testing/holder.ts', import.meta.url));
const SITES = ['north', 'south', 'west'];
const TOOLS = ['ip', 'nft', 'tc', 'nsenter', 'unshare', 'setpriv', 'vde_switch', 'wirefilter', 'rsync'] as const;
/** Long enough for an answer on a busy machine. */
const PATIENCE_MS = 20_000;
/** Long against a round trip of a few milliseconds: what has not come by then was dropped. */
const SILENCE_MS = 700;

const database = (site: string): string => siteAddress(SITES.indexOf(site) + 1, 1);
const client = (site: string): string => siteClientAddress(SITES.indexOf(site) + 1);

const isRoot = process.getuid?.() === 0;
const asNobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--'];
/** Who the tests are run as: whoever runs them, and as root also as an ordinary user. */
type Run = { readonly who: string; readonly prefix: readonly string[] };
const runs: readonly Run[] = isRoot
  ? [
      { who: 'root', prefix: [] },
      { who: 'an ordinary user', prefix: asNobody },
    ]
  : [{ who: 'an ordinary user', prefix: [] }];

const programs: Programs = await testPrograms();
const impossible = await probeFullMode(programs).then((probe) => (probe.possible ? undefined : probe.reason));
if (impossible !== undefined) process.stderr.write(`Skipped: full mode is not possible here (${impossible}).\n`);

describe.skipIf(impossible !== undefined).each([...runs])('a network opened by $who', ({ prefix }: Run) => {
  let holder: ChildProcess;
  let talk: Conversation;
  let folder = '';
  let limits: readonly string[] = [];
  const token = randomBytes(6).toString('hex');
  const mark = `network-test:${token}`;

  const ask = (call: HolderCall): Promise<unknown> => talk.ask(call);
  const network = (method: Extract<HolderCall, { call: 'network' }>['method'], ...args: readonly unknown[]) =>
    ask({ call: 'network', method, args });
  const peer = async (site: string, task: PeerTask): Promise<PeerAnswer> =>
    (await ask({ call: 'peer', site, task })) as PeerAnswer;

  /** What a connection from an address of a site to another address comes to. */
  const reaches = async (site: string, from: string | undefined, to: string, expected: PeerAnswer['seen']) => {
    const deadlineMs = expected === 'answered' ? PATIENCE_MS : SILENCE_MS;
    const { seen } = await peer(site, { task: 'ask', ...(from === undefined ? {} : { from }), to, deadlineMs });
    expect(seen, `${site}: ${from ?? 'any address'} to ${to}`).toBe(expected);
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'coequal-net-'));
    await chmod(folder, 0o777);
    const paths = Object.fromEntries(TOOLS.map((name) => [name, programs.path(name) ?? name]));
    const options: HolderOptions = { sites: SITES, rtt: '5ms', folder, paths, environment: programs.environment };
    const namespaces =
      prefix.length === 0 ? daemonPrefix() : ['unshare', '--user', '--map-root-user', ...daemonPrefix().slice(1)];
    const [program = '', ...rest] = [...prefix, ...namespaces, process.execPath, HOLDER, JSON.stringify(options)];
    holder = spawn(program, rest, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...markedEnvironment('network-test', token) },
    });
    talk = converse(holder);
    await talk.ready;
    limits = ((await ask({ call: 'facts' })) as { limits: readonly string[] }).limits;
    for (const limit of limits) process.stderr.write(`${limit}\n`);
  }, 60_000);

  afterAll(async () => {
    holder.kill('SIGKILL');
    await rm(folder, { recursive: true, force: true });
  });

  test('sites are the distance apart that was asked for, or the limit is told', async () => {
    const { measuredMs } = (await ask({ call: 'facts' })) as { measuredMs: number };
    if (limits.length > 0) expect(limits[0]).toMatch(/no delay/);
    else expect(measuredMs).toBeGreaterThan(3);
    const { ms } = await peer('north', {
      task: 'ask',
      from: client('north'),
      to: database('south'),
      deadlineMs: PATIENCE_MS,
    });
    // A connection and an answer are two round trips; the clock of a busy machine can only make them longer.
    expect(ms).toBeGreaterThan(limits.length > 0 ? 0 : 6);
  });

  test('every site reaches every other, and the hub reaches all', async () => {
    for (const from of SITES) for (const to of SITES) await reaches(from, client(from), database(to), 'answered');
    for (const to of SITES) await reaches('hub', undefined, database(to), 'answered');
  });

  test('connections that bind nothing come from the database address, as a server’s do', async () => {
    await network('cut', 'north');
    await reaches('north', undefined, database('south'), 'silent');
    await network('uncut', 'north');
    await reaches('north', undefined, database('south'), 'answered');
  });

  test('a cut database is out of reach from elsewhere, and its site’s clients are not', async () => {
    await network('cut', 'north');
    await reaches('north', database('north'), database('south'), 'silent');
    await reaches('south', database('south'), database('north'), 'silent');
    await reaches('south', client('south'), database('north'), 'silent');
    await reaches('north', client('north'), database('south'), 'answered');
    await reaches('north', client('north'), database('north'), 'answered');
    await reaches('hub', undefined, database('north'), 'answered');
    await reaches('south', database('south'), database('west'), 'answered');
    await network('uncut', 'north');
    await reaches('south', database('south'), database('north'), 'answered');
  });

  test('a connection that was open stalls while cut, and goes on afterwards without an error', async () => {
    const open = await peer('north', {
      task: 'open',
      name: 'line',
      from: database('north'),
      to: database('south'),
      deadlineMs: PATIENCE_MS,
    });
    expect(open.seen).toBe('answered');
    await network('cut', 'north');
    expect((await peer('north', { task: 'askOn', name: 'line', deadlineMs: SILENCE_MS })).seen).toBe('silent');
    await network('uncut', 'north');
    expect((await peer('north', { task: 'waitOn', name: 'line', deadlineMs: PATIENCE_MS })).seen).toBe('answered');
  });

  test('a one-way cut loses what leaves the site, and lets in what comes', async () => {
    await network('cut', 'north', { oneWay: true });
    await peer('north', { task: 'send', from: database('north'), to: database('south'), text: 'out' });
    await peer('south', { task: 'send', from: database('south'), to: database('north'), text: 'in' });
    expect((await peer('north', { task: 'received', text: 'in', deadlineMs: PATIENCE_MS })).seen).toBe('answered');
    expect((await peer('south', { task: 'received', text: 'out', deadlineMs: SILENCE_MS })).seen).toBe('silent');
    await network('uncut');
  });

  test('a cut between two sites leaves the third connected to both', async () => {
    await network('cut', 'north', { between: ['north', 'south'] });
    await reaches('north', database('north'), database('south'), 'silent');
    await reaches('south', database('south'), database('north'), 'silent');
    await reaches('north', database('north'), database('west'), 'answered');
    await reaches('west', database('west'), database('south'), 'answered');
    await network('uncut', 'north');
    await reaches('north', database('north'), database('south'), 'answered');
  });

  test('a whole site that is cut off keeps nothing but itself', async () => {
    await network('cut', 'north', { whole: true });
    await reaches('north', client('north'), database('south'), 'silent');
    await reaches('west', client('west'), database('north'), 'silent');
    await reaches('hub', undefined, database('north'), 'silent');
    await reaches('north', client('north'), database('north'), 'answered');
    await reaches('south', client('south'), database('west'), 'answered');
    await network('uncut', 'north');
    await reaches('hub', undefined, database('north'), 'answered');
  });

  test('cuts of two sites are undone one by one', async () => {
    await network('cut', 'north');
    await network('cut', 'west');
    await network('uncut', 'north');
    await reaches('north', database('north'), database('south'), 'answered');
    await reaches('south', database('south'), database('west'), 'silent');
    await network('clear');
    await reaches('south', database('south'), database('west'), 'answered');
  });

  test('all packets of a site can be lost, or none', async () => {
    await network('setLoss', 'south', 100);
    await reaches('north', client('north'), database('south'), 'silent');
    await reaches('north', client('north'), database('west'), 'answered');
    await network('setLoss', 'south', 0);
    await reaches('north', client('north'), database('south'), 'answered');
  });

  test('latency can be added and taken away while it runs, or is refused with the reason', async () => {
    if (limits.length > 0) {
      await expect(network('setLatency', 'north', 200)).rejects.toThrow(/latency cannot be made here/);
      return;
    }
    const open = {
      task: 'open',
      name: 'far',
      from: client('north'),
      to: database('south'),
      deadlineMs: PATIENCE_MS,
    } as const;
    await peer('north', open);
    await network('setLatency', 'north', 200);
    expect((await peer('north', { task: 'askOn', name: 'far', deadlineMs: PATIENCE_MS })).ms).toBeGreaterThan(195);
    await network('clear', 'north');
    const near = async () => (await peer('north', { task: 'askOn', name: 'far', deadlineMs: PATIENCE_MS })).ms < 150;
    await until(systemClock, { what: 'a short round trip', deadlineMs: PATIENCE_MS }, near);
  });

  test('a server that refuses to be user 0 runs inside, and reads and writes the lab’s files', async () => {
    const told = (await ask({ call: 'run', site: 'north', argv: ['id', '-u'] })) as { stdout: string };
    expect(told.stdout.trim()).toBe('65534');
    const written = (await ask({ call: 'run', site: 'north', argv: ['touch', `${folder}/written`] })) as {
      status: number;
    };
    expect(written.status).toBe(0);
    expect(existsSync(`${folder}/written`)).toBe(true);
  });

  test('nothing is left when the process that held it is killed', async () => {
    expect(findMarked(mark).length).toBeGreaterThan(SITES.length);
    holder.kill('SIGKILL');
    const wait = { what: 'the end of all processes', deadlineMs: PATIENCE_MS, last: () => findMarked(mark).join(' ') };
    await until(systemClock, wait, () => findMarked(mark).length === 0);
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(folder);
    await rm(folder, { recursive: true });
    expect(existsSync(folder)).toBe(false);
  });
});
