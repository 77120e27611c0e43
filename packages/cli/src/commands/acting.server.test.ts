/**
 * Enrolment and the line, on real processes, sockets and certificates: an agent that acts, and the platform's side of the line. What the agent does
 * here is a script of the bank's that counts how often it ran.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { actSettings, enrol, signManifest } from '@coequal/agent';
import type { Order } from '@coequal/contract';
import { estateOrThrow } from '@coequal/estate';
import { type Clock, silentLog, systemClock, until } from '@coequal/kernel';
import {
  enrolledAgents,
  type HeardFromAgent,
  inviteAgent,
  openHands,
  openHandsFolder,
  platformSettings,
  revokeAgent,
} from '@coequal/platform';
import { type AuditEntry, agentHostName, answerRequest, makeRequest, makeSigningKey, sha256Hex } from '@coequal/trust';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const dayMs = 86_400_000;
const program = fileURLToPath(import.meta.resolve('@coequal/agent/act'));
const deadlineMs = 20_000;

const folder = mkdtempSync(join(tmpdir(), 'coequal-acting-'));
const counted = join(folder, 'counted');
const estateFile = join(folder, 'coequal.yaml');
const stateFolder = join(folder, 'agent');
const audit: AuditEntry[] = [];
const heard: HeardFromAgent[] = [];
let port = 0;

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const at = server.address();
  server.close();
  return typeof at === 'object' && at !== null ? at.port : 0;
};

const estate = () => estateOrThrow(readFileSync(estateFile, 'utf8'), estateFile);
const settings = () => platformSettings(estate(), undefined);
const invite = (by: string, clock: Clock = systemClock) =>
  inviteAgent({ settings: settings(), agent: 'north-1', by, clock });
const enrolWith = async (...people: readonly string[]) => {
  const [invitation, second] = await Promise.all(people.map((by) => invite(by)));
  if (invitation === undefined) throw new Error('nobody invites');
  return enrol({ invitation, second, agent: 'north-1', stateFolder, clock: systemClock });
};

type Platform = NonNullable<Awaited<ReturnType<typeof openHands>>>;
const openPlatform = async (): Promise<Platform> => {
  const opened = await openHands({
    settings: settings(),
    audit: { write: async (entry) => void audit.push(entry) },
    hear: async (_, one) => void heard.push(one),
    clock: systemClock,
    log: silentLog,
  });
  if (opened === undefined) throw new Error('no line');
  return opened;
};

type Agent = { readonly process: ChildProcess; readonly said: () => string };
const agents: Agent[] = [];
const startAgent = (): Agent => {
  const child = spawn(process.execPath, [program, '--config', estateFile], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      said += chunk.toString('utf8');
    });
  const agent = { process: child, said: () => said };
  agents.push(agent);
  return agent;
};
const endAgent = async ({ process: child }: Agent, signal: NodeJS.Signals): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill(signal);
  await once(child, 'close');
};

const wait = (what: string, probe: () => boolean | Promise<boolean>, last: () => string = () => '') =>
  until(systemClock, { what, deadlineMs, everyMs: 20, last }, probe);
const isConnected = (platform: Platform) =>
  wait(
    'a line',
    () => platform.connected().length === 1,
    () => agents.at(-1)?.said() ?? '',
  );
const endOf = (key: string) =>
  wait(
    `the end of ${key}`,
    () => statesOf(key).some((state) => state.outcome !== undefined),
    () => JSON.stringify(heard),
  ).then(() => statesOf(key).find((state) => state.outcome !== undefined));
const statesOf = (key: string) =>
  heard.flatMap((one) => (one.kind === 'state' && one.order.key === key ? [one.order] : []));
const runs = (): number => (existsSync(counted) ? readFileSync(counted, 'utf8').trim().split('\n').length : 0);
const script = (key: string, seconds: number): Order => ({
  key,
  action: { type: 'script-run', script: 'count', arguments: { seconds } },
  deadlineMs,
  by: 'tester',
});

let platform: Platform;

beforeAll(async () => {
  port = await freePort();
  const tool = join(folder, 'count.sh');
  writeFileSync(tool, `#!/bin/sh\necho begun >> ${counted}\nsleep "$1"\necho ended >> ${counted}.ended\n`, {
    mode: 0o755,
  });
  chmodSync(folder, 0o755);
  const me = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((line) => line.split(':')[2] === String(process.getuid?.()))
    ?.split(':')[0];
  const manifest = join(folder, 'scripts.json');
  const [sha256, list] = [sha256Hex(readFileSync(tool)), [{ name: 'seconds', type: 'integer', least: 0, most: 600 }]];
  const one = { name: 'count', path: tool, sha256, user: me, timeoutMs: 60_000, class: 'C1', arguments: list };
  writeFileSync(manifest, JSON.stringify({ version: 1, scripts: [one] }));
  const key = makeSigningKey();
  writeFileSync(join(folder, 'sign.key'), key.privatePem, { mode: 0o600 });
  writeFileSync(join(folder, 'sign.pub'), key.publicPem);
  await signManifest(manifest, join(folder, 'sign.key'));
  writeFileSync(
    estateFile,
    `version: 1
name: test
sites:
${['north', 'south', 'west'].map((site, index) => `  - { name: ${site}, hosts: [{ name: ${site}-1, address: 127.0.0.${index + 1} }] }`).join('\n')}
services:
  - name: bank
    database: bank
    instances:
${['north', 'south', 'west'].map((site) => `      - { name: bank-${site}, host: ${site}-1, dataFolder: /nowhere/${site} }`).join('\n')}
agents:
  - host: north-1
    stateFolder: ${stateFolder}
    acts: { scripts: { manifest: ${manifest}, key: ${folder}/sign.pub } }
platforms:
  - { name: platform, host: north-1, stateFolder: ${folder}/platform, line: { port: ${port} } }
`,
  );
  platform = await openPlatform();
});

afterAll(async () => {
  for (const agent of agents) await endAgent(agent, 'SIGKILL');
  await platform?.close();
  rmSync(folder, { recursive: true, force: true });
});

describe('enrolment', () => {
  it('takes an invitation once, for an agent that acts, in its time', async () => {
    const invitation = await invite('ann');
    const once1 = { invitation, second: undefined, agent: 'north-1', stateFolder, clock: systemClock };
    await expect(enrol({ ...once1, agent: 'south-1' })).rejects.toMatchObject({ code: 'ENROLMENT_REFUSED' });
    await expect(enrol({ ...once1, invitation: { ...invitation, secret: 'x'.repeat(43) } })).rejects.toMatchObject({
      code: 'ENROLMENT_REFUSED',
    });
    expect(await enrol(once1)).toBe(`127.0.0.1:${port}`);
    await expect(enrol(once1)).rejects.toMatchObject({ code: 'ENROLMENT_REFUSED' });
    const old = await invite('ann', { ...systemClock, now: () => Date.now() - 2 * 3_600_000 });
    await expect(enrol({ ...once1, invitation: old })).rejects.toMatchObject({
      message: expect.stringMatching(/over/),
    });
    await expect(
      inviteAgent({ settings: settings(), agent: 'south-1', by: 'ann', clock: systemClock }),
    ).rejects.toMatchObject({ code: 'ENROLMENT_REFUSED' });
    expect(await enrolledAgents(settings(), systemClock)).toMatchObject([{ agent: 'north-1', revoked: false }]);
    expect(audit.filter(({ action }) => action === 'agent.enrol').map(({ result }) => result)).toContain('done');
  });

  it('believes no platform of another authority', async () => {
    const other = await openHandsFolder(join(folder, 'other'), systemClock);
    const { certificate } = await other.authority('other');
    const invitation = { ...(await invite('ann')), authority: certificate };
    const asked = enrol({ invitation, second: undefined, agent: 'north-1', stateFolder, clock: systemClock });
    await expect(asked).rejects.toMatchObject({ code: 'LINE_UNUSABLE', message: expect.stringMatching(/authority/) });
  });
});

const sayTo = async (line: string, options: object = {}): Promise<string> => {
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...options });
  let said = '';
  socket.on('data', (chunk: Buffer) => {
    said += chunk.toString('utf8');
  });
  socket.on('error', (error) => {
    said += error.message;
  });
  socket.write(line);
  await new Promise((resolve) => socket.once('close', resolve));
  return said;
};

describe('the line', () => {
  it('is for nobody without a certificate, with one of another authority, or below TLS 1.3', async () => {
    const hello = `${JSON.stringify({ kind: 'hello', version: 1, program: 'x', nowMs: 1, actions: [] })}\n`;
    expect(await sayTo(hello)).toMatch(/can only enrol/);
    expect(await sayTo('no json\n')).toMatch(/not JSON/);
    expect(await sayTo(`${'x'.repeat(300_000)}\n`)).toMatch(/too long/);
    expect(await sayTo(hello, { maxVersion: 'TLSv1.2' })).toMatch(/protocol version|alert/i);
    const other = await (await openHandsFolder(join(folder, 'other'), systemClock)).authority('other');
    const { request, key } = await makeRequest('north-1');
    const names = { commonName: 'north-1', dnsNames: [agentHostName('north-1')], usage: 'client' } as const;
    const foreign = await answerRequest(other, request, { ...names, lifetimeMs: dayMs }, systemClock);
    expect(await sayTo(hello, { cert: foreign, key })).toMatch(/not of the authority/);
    expect(platform.connected()).toEqual([]);
  });

  it('carries an order, once, and refuses what the agent does not know', async () => {
    startAgent();
    await isConnected(platform);
    platform.order('north-1', script('order-0001', 0));
    const first = await endOf('order-0001');
    expect(first, first?.words).toMatchObject({ outcome: 'done', result: { status: 0 } });
    platform.order('north-1', script('order-0001', 0));
    await wait(
      'the second answer',
      () => statesOf('order-0001').filter(({ outcome }) => outcome === 'done').length === 2,
    );
    expect(runs()).toBe(1);
    const strange = { ...script('order-0002', 0), action: { type: 'format-disk', instance: 'x' } };
    platform.order('north-1', strange as unknown as Order);
    const climbing = { type: 'script-run', script: 'count', arguments: { seconds: '1; id' } } as const;
    platform.order('north-1', { ...script('order-0003', 0), action: climbing });
    await wait('two refusals', () => heard.some((one) => one.kind === 'rejected' && one.key === 'order-0002'));
    expect(await endOf('order-0003')).toMatchObject({ outcome: 'refused' });
    expect(await platform.preview('north-1', script('x', 1).action)).toMatchObject({ class: 'C1', possible: true });
    expect(() => platform.order('south-1', script('order-0004', 0))).toThrow(/no line/);
    expect(runs()).toBe(1);
  });

  it('may be cut at any moment: the order goes on, and its end is told when there is a line again', async () => {
    platform.order('north-1', script('order-0005', 2));
    await wait('its begin', () => runs() === 2);
    await platform.close();
    platform = await openPlatform();
    expect(await endOf('order-0005')).toMatchObject({ outcome: 'done' });
    expect(runs()).toBe(2);
  });

  it('is dialled again by an agent that was killed: what it did is stopped, and said so, and not done again', async () => {
    platform.order('north-1', script('order-0006', 300));
    await wait('its begin', () => runs() === 3);
    const [agent] = agents.slice(-1);
    if (agent !== undefined) await endAgent(agent, 'SIGKILL');
    startAgent();
    await isConnected(platform);
    platform.order('north-1', script('order-0006', 300));
    expect(await endOf('order-0006')).toMatchObject({
      outcome: 'stopped',
      words: expect.stringMatching(/interrupted/),
    });
    expect(runs()).toBe(3);
  });

  it('brings a cancellation, which ends the script', async () => {
    platform.order('north-1', script('order-0007', 300));
    await wait('its begin', () => runs() === 4);
    platform.cancel('north-1', 'order-0007');
    expect(await endOf('order-0007')).toMatchObject({ outcome: 'stopped' });
  });
});

describe('a certificate', () => {
  /** Writes an identity that was issued so many days ago. */
  const plant = async (daysAgo: number): Promise<string> => {
    const clock: Clock = { ...systemClock, now: () => Date.now() - daysAgo * dayMs };
    const hands = await openHandsFolder(join(folder, 'platform'), systemClock);
    const authority = await hands.authority('coequal');
    const { request, key } = await makeRequest('north-1');
    const names = { commonName: 'north-1', dnsNames: [agentHostName('north-1')], usage: 'client' } as const;
    const certificate = await answerRequest(authority, request, { ...names, lifetimeMs: 24 * dayMs }, clock);
    const record = { agent: 'north-1', enrolledMs: 1, revoked: false };
    await hands.write({ ...record, certificates: [new X509Certificate(certificate).fingerprint256] });
    const identity = { certificate, key, authority: authority.certificate };
    writeFileSync(join(stateFolder, 'identity.json'), JSON.stringify(identity), { mode: 0o600 });
    return certificate;
  };
  const shown = (): string => JSON.parse(readFileSync(join(stateFolder, 'identity.json'), 'utf8')).certificate;

  it('is renewed by itself when seven days are left, with a key of its own', async () => {
    for (const agent of agents) await endAgent(agent, 'SIGTERM');
    const old = await plant(17);
    startAgent();
    await wait(
      'a new certificate',
      () => shown() !== old,
      () => agents.at(-1)?.said() ?? '',
    );
    await wait('a line by it', () => {
      const [one] = platform.connected();
      return one !== undefined && one.certificateUntilMs > Date.now() + 20 * dayMs;
    });
    expect(new X509Certificate(shown()).publicKey.equals(new X509Certificate(old).publicKey)).toBe(false);
  });

  it('that is revoked ends the line, and two people are needed to enrol again', async () => {
    await revokeAgent({ settings: settings(), agent: 'north-1', clock: systemClock });
    await wait('the end of the line', () => platform.connected().length === 0);
    await expect(enrolWith('ann')).rejects.toMatchObject({ message: expect.stringMatching(/second invitation/) });
    await expect(enrolWith('ann', 'ann')).rejects.toMatchObject({
      message: expect.stringMatching(/second invitation/),
    });
    await enrolWith('ann', 'bob');
    await isConnected(platform);
  });

  it('that is over, or of a clock that is off by days, is refused in words', async () => {
    for (const agent of agents) await endAgent(agent, 'SIGTERM');
    await plant(30);
    const late = startAgent();
    await wait('a refusal', () => /over by the clock of the platform/.test(late.said()), late.said);
    await endAgent(late, 'SIGTERM');
    await plant(-3);
    const early = startAgent();
    await wait('a refusal', () => /not valid yet by the clock/.test(early.said()), early.said);
    await endAgent(early, 'SIGTERM');
    expect(early.process.exitCode).toBe(0);
  });

  it('is needed: an agent that only watches does not act, and says why', async () => {
    expect(() => actSettings(estate(), 'south-1')).toThrow(/no agent|There is no agent/);
  });
});
