/** `coequal estate` on files. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runIn } from '../testing.ts';

const three = fileURLToPath(new URL('../../../../estates/three-centres.yaml', import.meta.url));
let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'coequal-estate-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const written = (from: string, to: string): string => {
  const path = join(folder, 'coequal.yaml');
  writeFileSync(path, readFileSync(three, 'utf8').replace(from, to));
  return path;
};

test('show sums the cost, counts the votes and names every address', async () => {
  const { out, code } = await runIn(['estate', 'show', three]);
  expect(out).toContain('Estate example-bank: 3 sites, 3 hosts, 1 service, 3 instances');
  expect(out).toMatch(/in all +1,220\.00 EUR\n/);
  expect(out).toContain('3 votes: serves while 2 of them live and reach each other');
  expect(out).toMatch(/bank-south +south +south-1 +10\.0\.2\.11:3306 +10\.0\.2\.11:4567/);
  expect(out).toMatch(/gateway-west +west +west-1 +10\.0\.3\.11:3307 +– +none: a gateway/);
  expect(out).toContain(
    'Gateways: consistency real-time (reports local), guard overdraft, large writes chunk above 64 MiB',
  );
  expect(out).toMatch(/north – west +5 ms\n/);
  expect(code).toBe(0);
});

test('show adds a line with the sum for a site of several hosts', async () => {
  const path = written(
    '  - name: south\n',
    '      - { name: north-2, address: 10.0.1.12, cost: { monthly: 80, currency: USD } }\n  - name: south\n',
  );
  expect((await runIn(['estate', 'show', path])).out).toMatch(/all of north +420\.00 EUR \+ 80\.00 USD\n/);
});

test('show --json is the estate as it is understood', async () => {
  const { out } = await runIn(['estate', 'show', '--json', three]);
  expect(JSON.parse(out)).toMatchObject({
    name: 'example-bank',
    limits: { bufferPoolBytes: 32 * 2 ** 30 },
    gateways: [{ name: 'gateway-north', port: 3307, metricsPort: 13_307 }, {}, {}],
  });
});

test('validate --json lists problems with their places, code 2; people read the same on standard error', async () => {
  const { code, out, told } = await runIn(['estate', 'validate', '--json', written('preset: default', 'preset: fast')]);
  expect(JSON.parse(out)).toMatchObject({
    valid: false,
    problems: [{ line: 41, column: 13, path: 'services[0].preset' }],
  });
  expect(told).toMatch(/coequal\.yaml:41:13: .*\[ESTATE_INVALID\]\n$/);
  expect(code).toBe(2);
});

test('several problems are a line each under a heading', async () => {
  const { told } = await runIn([
    'estate',
    'validate',
    written('    preset: default', '    preset: fast\n    colour: red'),
  ]);
  expect(told.trimEnd().split('\n')).toEqual([
    expect.stringMatching(/^coequal: .*coequal\.yaml is not a valid estate: 2 problems found\. \[ESTATE_INVALID\]$/),
    expect.stringMatching(/coequal\.yaml:41:13: `services\[0\]\.preset` cannot be `fast`/),
    expect.stringMatching(/coequal\.yaml:42:5: There is no key `colour`/),
  ]);
});

test('a broken estate stops `lab up` and `drill` before anything is started', async () => {
  const path = written('preset: default', 'preset: fast');
  for (const args of [
    ['lab', 'up', '--estate', path],
    ['drill', 'instance-kill', '--out', 'o', '--estate', path],
  ])
    expect(await runIn(args)).toMatchObject({ code: 2, calls: [], told: expect.stringMatching(/:41:13: .*\n$/) });
});
