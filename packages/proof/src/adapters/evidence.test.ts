import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { seededRandom } from '@coequal/kernel';
import { fingerprint, makeSigningKey } from '@coequal/trust';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type DrillResult, runDrill } from '../drills/run.ts';
import { type ArenaSetting, simulatedArena } from '../testing/simulated-arena.ts';
import { virtualClock } from '../testing/virtual-clock.ts';
import { verifyEvidence, writeEvidence } from './evidence.ts';

const key = makeSigningKey();
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'coequal-evidence-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const drill = async (setting: ArenaSetting = {}): Promise<DrillResult> => {
  const clock = virtualClock();
  const arena = simulatedArena(clock, seededRandom(5), setting);
  const result = await clock.run(
    runDrill(arena.tools, 'instance-kill', {
      seed: 5,
      seconds: 10,
      via: 'direct' as const,
      connections: 2,
      ratePerSecond: 20,
      accounts: 20,
      initialBalance: 50_000,
      statementMs: 1_000,
      ledgerFolder: '/ledgers',
      command: 'coequal drill instance-kill --seed 5',
    }),
  );
  await clock.run(arena.settled());
  return result;
};

const change = async (name: string, alter: (text: string) => string): Promise<void> => {
  const path = join(folder, name);
  await writeFile(path, alter(await readFile(path, 'utf8')));
};

describe('an evidence pack', () => {
  test('is verified with its key pinned, and its verdict re-computed', async () => {
    const result = await drill();
    const report = await writeEvidence(folder, result, key);
    expect(report.evidence).toBe(folder);
    const verdict = await verifyEvidence(folder, key.publicPem);
    expect(verdict).toMatchObject({ valid: true, problems: [], pinned: true, fingerprint: fingerprint(key.publicPem) });
    expect(verdict.found).toMatchObject({
      acknowledged: result.report.acknowledged,
      lost: 0,
      doubled: 0,
      balanceExact: true,
    });
  });

  test('says that it is not pinned without a key, and refuses another key', async () => {
    await writeEvidence(folder, await drill(), key);
    expect(await verifyEvidence(folder)).toMatchObject({ valid: true, pinned: false });
    const other = await verifyEvidence(folder, makeSigningKey().publicPem);
    expect(other).toMatchObject({ valid: false, pinned: true, problems: [expect.stringMatching(/another key/)] });
  });

  test('is valid when it honestly reports a loss', async () => {
    const report = await writeEvidence(folder, await drill({ lies: { forget: 0.05 } }), key);
    expect(report.passed).toBe(false);
    expect(await verifyEvidence(folder)).toMatchObject({ valid: true, found: { lost: report.lost } });
  });

  test.each(['history.ndjson', 'states.ndjson', 'report.json', 'report.html'])('shows a change of %s', async (name) => {
    await writeEvidence(folder, await drill(), key);
    await change(name, (text) => `${text}\n`);
    const verdict = await verifyEvidence(folder);
    expect(verdict.valid).toBe(false);
    expect(verdict.problems).toContain(`${name} was changed after it was signed.`);
  });

  test('shows a missing file, and a manifest that was changed', async () => {
    await writeEvidence(folder, await drill(), key);
    await rm(join(folder, 'report.html'));
    expect((await verifyEvidence(folder)).problems).toEqual(['report.html is missing.']);
    await change('manifest.json', (text) => text.replace(/"bytes": \d/, '"bytes": 9'));
    expect((await verifyEvidence(folder)).problems).toContain('The signature does not fit the manifest.');
  });

  test('shows a report that its own evidence contradicts, even when signed', async () => {
    const result = await drill({ lies: { forget: 0.05 } });
    await writeEvidence(folder, { ...result, report: { ...result.report, lost: 0 } }, key);
    const verdict = await verifyEvidence(folder);
    expect(verdict.problems).toEqual([`The report says lost = 0; its evidence says ${result.report.lost}.`]);
  });

  test('writes what several instances hold alike only once', async () => {
    const result = await drill();
    await writeEvidence(folder, result, key);
    const lines = (await readFile(join(folder, 'states.ndjson'), 'utf8')).split('\n');
    expect(lines.filter((line) => line.startsWith('["t"'))).toHaveLength(result.contents[0]?.transfers.length ?? 0);
    expect(lines.filter((line) => line.includes('"same":"north-1"'))).toHaveLength(2);
  });

  test.each([
    ['an empty folder', async () => {}, /no manifest\.json/],
    ['a manifest of something else', () => writeFile(join(folder, 'manifest.json'), '{}'), /malformed/],
    [
      'a manifest with a key that is none',
      () =>
        writeFile(
          join(folder, 'manifest.json'),
          JSON.stringify({ format: 'coequal-evidence', version: 1, files: {}, key: 'x', signature: '' }),
        ),
      /PUBLIC KEY/,
    ],
  ])('is not %s', async (_, prepare, message) => {
    await prepare();
    await expect(verifyEvidence(folder)).rejects.toThrow(
      expect.objectContaining({ code: 'EVIDENCE_INVALID', message: expect.stringMatching(message) }),
    );
  });
});
