/** The process of a host's stores, as `coequal store` runs it: from the estate file to its end in order. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { codeOf, systemClock, until } from '@coequal/kernel';
import { issueCertificate, makeAuthority } from '@coequal/trust';
import { afterAll, beforeAll, expect, test } from 'vitest';

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port was given');
  return address.port;
};

const three = readFileSync(new URL('../../../../estates/three-centres.yaml', import.meta.url), 'utf8');
let folder: string;
let port: number;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'coequal-stores-'));
  port = await freePort();
  const authority = await makeAuthority('estate', { days: 10, clock: systemClock });
  await writeFile(`${folder}/authority.crt`, authority.certificate);
  for (const usage of ['server', 'client'] as const) {
    const asked = { commonName: usage, dnsNames: [], addresses: ['127.0.0.1'], days: 5, usage };
    const { certificate, key } = await issueCertificate(authority, asked, systemClock);
    await writeFile(`${folder}/${usage}.crt`, certificate);
    await writeFile(`${folder}/${usage}.key`, key, { mode: 0o600 });
  }
  await writeFile(
    `${folder}/coequal.yaml`,
    `${three.replaceAll('10.0.1.11', '127.0.0.1')}
stores:
  - name: fine
    host: north-1
    port: ${port}
    localPort: ${await freePort()}
    folder: ${folder}/fine
    memory: 64MiB
    freeDisk: 16MiB
    tls: { authority: ${folder}/authority.crt, certificate: ${folder}/server.crt, key: ${folder}/server.key }
`,
  );
});
afterAll(() => rm(folder, { recursive: true }));

const start = (...args: readonly string[]): { readonly process: ChildProcess; readonly said: () => string } => {
  let text = '';
  const child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts'), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
  return { process: child, said: () => text };
};
const endOf = async (child: ChildProcess): Promise<number | null> => {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  return child.exitCode;
};

const page = async (path: string): Promise<string | undefined> => {
  const [ca, cert, key] = await Promise.all(
    ['authority.crt', 'client.crt', 'client.key'].map((name) => readFile(`${folder}/${name}`)),
  );
  return await new Promise((resolve, reject) => {
    const outgoing = request(`https://127.0.0.1:${port}${path}`, { ca, cert, key, agent: false }, (answer) => {
      let text = '';
      answer.on('data', (chunk: Buffer) => {
        text += chunk.toString();
      });
      answer.on('end', () => resolve(answer.statusCode === 200 ? text : undefined));
    });
    outgoing.on('error', (error) => (codeOf(error) === undefined ? reject(error) : resolve(undefined)));
    outgoing.end();
  });
};

test('it serves behind mutual TLS, tells of itself, and ends its store in order', async () => {
  const config = ['--config', `${folder}/coequal.yaml`];
  const checked = start(...config, '--check', '--json');
  expect(await endOf(checked.process)).toBe(0);
  expect(JSON.parse(checked.said())).toEqual({
    valid: true,
    stores: [{ name: 'fine', folder: `${folder}/fine`, address: '127.0.0.1', port, mutualTls: true }],
  });
  const running = start(...config);
  try {
    const serving = async () =>
      /coequal_store_state\{store="fine",state="serving"\} 1/.test((await page('/coequal/metrics')) ?? '');
    await until(systemClock, { what: 'the store', deadlineMs: 60_000, last: running.said }, serving);
    expect(await page('/health')).toBe('OK');
    running.process.kill('SIGHUP');
    const { pid } = JSON.parse(await readFile(`${folder}/fine/process.json`, 'utf8')) as { readonly pid: number };
    process.kill(pid, 0);
    running.process.kill('SIGTERM');
    expect(await endOf(running.process)).toBe(0);
    expect(() => process.kill(pid, 0)).toThrow('ESRCH');
  } finally {
    running.process.kill('SIGTERM');
    await endOf(running.process);
  }
});

test.each([
  [['--config', 'missing.yaml'], 'FILE_MISSING'],
  [[], 'COMMAND_USAGE'],
  [['--nonsense'], 'COMMAND_USAGE'],
])('%j is refused in one line: %s', async (args, code) => {
  const { process: child, said } = start(...args);
  expect(await endOf(child)).toBe(2);
  expect(said()).toContain(`[${code}]`);
  expect(said().trim().split('\n')).toHaveLength(1);
});
