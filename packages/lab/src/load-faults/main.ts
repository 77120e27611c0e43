/**
 * A program inside a site: the work of its branch, or a load fault. It reads its assignment from the first line of input, says `begun` when it
 * works, and puts back what it changed when its input ends, so that it never outlives its parent. Exit 0: all is as it was. 2: it
 * could not work, or not put everything back; the last line on standard error says why.
 */
import { createInterface } from 'node:readline';
import { reasonOf, seededRandom, systemClock } from '@coequal/kernel';
import { linkOpener } from '@coequal/proof';
import { runBranch } from '../branch/workload.ts';
import type { Assignment } from './assignment.ts';
import { runLoadFault } from './faults.ts';

/** Branches give up on a statement after this, as applications do; faults wait. */
const branchDeadlines = { connectMs: 2_000, statementMs: 15_000 };
const faultDeadlines = { connectMs: 5_000, statementMs: 600_000 };

const main = async (): Promise<void> => {
  const lines = createInterface({ input: process.stdin });
  const first = await lines[Symbol.asyncIterator]().next();
  const assignment = JSON.parse(first.done === true ? '' : first.value) as Assignment;
  const ending = new AbortController();
  const end = (): void => ending.abort();
  lines.once('close', end);
  process.once('SIGTERM', end);
  process.stdin.resume();
  let said = false;
  const begun = (): void => {
    if (!said) process.stdout.write('begun\n');
    said = true;
  };
  const ports = { clock: systemClock, random: seededRandom(assignment.seed), begun };
  if (assignment.kind === 'branch') {
    begun();
    const { site: branch, gateways, instances, sessions, ratePerSecond } = assignment;
    const endpoints = gateways.length > 0 ? gateways : instances.slice(0, 1);
    const openLink = linkOpener(branchDeadlines);
    await runBranch({ branch, endpoints, sessions, ratePerSecond }, { ...ports, openLink }, ending.signal);
  } else {
    await runLoadFault(assignment, { ...ports, openLink: linkOpener(faultDeadlines) }, ending.signal);
  }
  lines.close();
  process.stdin.destroy();
};

try {
  await main();
  process.exit(0);
} catch (error) {
  process.stderr.write(`${reasonOf(error)}\n`);
  process.exit(2);
}
