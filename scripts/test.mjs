/**
 * `npm test`: types, lint and format, then all tests; with `npm test -- PATTERN` only the test files whose path
 * contains the pattern. The last line is `N passed, N failed`, and the exit code is 0 only when something ran and
 * nothing failed. The checks of types and lint count as one test each.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runToEnd, say, setUp, tools } from './setup.mjs';

const filters = process.argv.slice(2);
const node = await setUp();

/** Counts of one run of vitest, from the report it writes for machines. A file that does not load is one failure. */
const readReport = (path) => {
  const report = JSON.parse(readFileSync(path, 'utf8'));
  const broken = report.testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && assertionResults.length === 0,
  );
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + broken.length,
    skipped: report.numPendingTests + report.numTodoTests,
  };
};

const runTests = async () => {
  const folder = mkdtempSync(join(tmpdir(), 'coequal-test-'));
  try {
    const report = join(folder, 'report.json');
    const [, args] = tools.vitest;
    const code = await runToEnd(node, [
      ...args,
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${report}`,
      ...filters,
    ]);
    const counts = readReport(report);
    // An error outside of any test fails the run without failing a test.
    return code !== 0 && counts.failed === 0 ? { ...counts, failed: 1 } : counts;
  } catch (error) {
    say(`the tests left no report: ${error.message}`);
    return { passed: 0, failed: 1, skipped: 0 };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

const runCheck = async ([name, args]) => {
  say(name);
  const failed = (await runToEnd(node, args)) === 0 ? 0 : 1;
  return { passed: 1 - failed, failed, skipped: 0 };
};

const results = [];
if (filters.length === 0) results.push(await runCheck(tools.types), await runCheck(tools.lint));
results.push(await runTests());

const total = (key) => results.reduce((sum, result) => sum + result[key], 0);
const skipped = total('skipped') === 0 ? '' : `, ${total('skipped')} skipped`;
process.stdout.write(`${total('passed')} passed, ${total('failed')} failed${skipped}\n`);
process.exitCode = total('failed') > 0 || results.at(-1).passed + results.at(-1).failed === 0 ? 1 : 0;
