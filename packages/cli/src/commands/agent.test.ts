/** `coequal agent`: what is run, and how a change reaches the agent of this machine. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runIn } from '../testing.ts';

let folder = '';
let server: Server;
const heard: { readonly authorization: string | undefined; readonly body: unknown }[] = [];
let answer = 202;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'coequal-cli-agent-'));
  server = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk: Buffer) => {
      text += chunk.toString('utf8');
    });
    request.on('end', () => {
      heard.push({ authorization: request.headers.authorization, body: JSON.parse(text) });
      response.writeHead(answer).end('because');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  writeFileSync(join(folder, 'changes.token'), 'secret-of-16-characters\n');
  const sites = ['north', 'south', 'west'];
  writeFileSync(
    join(folder, 'coequal.yaml'),
    `version: 1
name: test
sites:
${sites.map((site, index) => `  - { name: ${site}, hosts: [{ name: ${site}-1, address: 10.0.0.${index + 1} }] }`).join('\n')}
services:
  - name: bank
    database: bank
    instances:
${sites.map((site) => `      - { name: bank-${site}, host: ${site}-1, dataFolder: /data/${site} }`).join('\n')}
agents:
  - { host: north-1, port: ${port}, stateFolder: ${folder} }
`,
  );
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
  rmSync(folder, { recursive: true });
});

test('an agent is run in the foreground with the flags that were given', async () => {
  expect((await runIn(['agent', '--config', 'e.yaml', '--host', 'north-1', '--check', '--json'])).calls).toEqual([
    'agent --config e.yaml --host north-1 --check --json',
  ]);
  expect(await runIn(['agent'])).toMatchObject({
    code: 2,
    told: expect.stringContaining('An agent needs its estate file: --config FILE.'),
  });
});

test('a change reaches the agent with its token, its kind and its place', async () => {
  const config = ['--config', join(folder, 'coequal.yaml')];
  const args = ['agent', 'change', ...config, '--text', 'the backup of bank-north', '--kind', 'backup'];
  expect(await runIn([...args, '--instance', 'bank-north', '--by', 'cron'])).toMatchObject({
    code: 0,
    told: 'The agent north-1 was told.\n',
  });
  expect(heard.at(-1)).toEqual({
    authorization: 'Bearer secret-of-16-characters',
    body: {
      change: 'backup',
      text: 'the backup of bank-north',
      place: { instance: 'bank-north' },
      by: 'cron',
      source: 'command line',
    },
  });
  const { out } = await runIn([...args, '--json']);
  expect(JSON.parse(out)).toMatchObject({ agent: 'north-1' });
  expect(heard.at(-1)?.body).not.toHaveProperty('place');
  answer = 400;
  expect(await runIn(args)).toMatchObject({ code: 2, told: expect.stringContaining('it answers 400: because') });
});

test.each([
  [['agent', 'change', '--config', 'e.yaml'], 'Say what was changed: --text TEXT.'],
  [['agent', 'change', '--text', 'x', '--kind', 'party'], 'It can be ddl, setting,'],
])('%j is refused in words', async (args, words) => {
  expect(await runIn(args)).toMatchObject({ code: 2, told: expect.stringContaining(words) });
});
