/**
 * The process of one site's clients: composition root. It is run inside its site, reads its assignment from the
 * first line of input, and works until `finish`, SIGTERM or the end of input, so that it never outlives its parent
 * unnoticed. Exit 0: ended in order. 2: it could not work; the last line on standard error says why.
 */
import { createInterface } from 'node:readline';
import { CoequalError, reasonOf, systemClock, systemRandom } from '@coequal/kernel';
import { openLedger } from '../adapters/ledger.ts';
import { machineStampUs } from '../adapters/stamp.ts';
import { linkOpener } from './adapters/link.ts';
import { type BankClients, startBankClients } from './client.ts';
import { type ClientAssignment, type ClientReport, parseAssignment, parseRate, reportEveryMs } from './protocol.ts';

const connectMs = 1_000;

const main = async (): Promise<void> => {
  const lines = createInterface({ input: process.stdin });
  const input = lines[Symbol.asyncIterator]();
  const first = await input.next();
  const assignment = parseAssignment(first.done === true ? '' : first.value);
  // Distinguishes starts in the same site, also at the same moment.
  const run = `${systemClock.now().toString(36)}${process.pid.toString(36)}`;
  const ledger = openLedger(assignment.options.ledgerPath);
  ledger.append(headerOf(assignment, run));
  const clients = startBankClients(
    { ...assignment, run },
    {
      openLink: linkOpener({ connectMs, statementMs: assignment.options.statementMs }),
      ledger: ledger.append,
      stampUs: machineStampUs,
      clock: systemClock,
      random: systemRandom,
    },
  );
  const reporting = setInterval(() => report(assignment, run, clients, false), reportEveryMs);
  process.once('SIGTERM', clients.finish);
  process.stdout.on('error', clients.finish);
  const listening = finishOnRequest(input, clients);
  await clients.ended;
  clearInterval(reporting);
  report(assignment, run, clients, true);
  ledger.close();
  // Ends the listening too, when it was a signal and not the input that ended the work.
  lines.close();
  await listening;
  process.stdin.destroy();
};

const headerOf = ({ site, options }: ClientAssignment, run: string) =>
  ({
    type: 'header',
    format: 'coequal-history',
    version: 1,
    workload: 'bank',
    site,
    run,
    seed: options.seed,
    monotonicUs: machineStampUs(),
    wallMs: systemClock.now(),
  }) as const;

const finishOnRequest = async (input: AsyncIterator<string>, clients: BankClients): Promise<void> => {
  for (let line = await input.next(); line.done !== true; line = await input.next()) {
    if (line.value.trim() === 'finish') break;
    const pace = parseRate(line.value);
    if (pace !== undefined) clients.setRate(pace.ratePerSecond);
  }
  clients.finish();
};

/** Says how it goes. A parent that does not read loses reports, never the memory of this process. */
const report = ({ site, options }: ClientAssignment, run: string, clients: BankClients, final: boolean): void => {
  if (process.stdout.writableNeedDrain && !final) return;
  const line: ClientReport = {
    type: 'report',
    site,
    via: options.via ?? 'direct',
    run,
    at: systemClock.now(),
    ...clients.counts(),
    connectedTo: clients.connectedTo(),
    final,
  };
  process.stdout.write(`${JSON.stringify(line)}\n`);
};

try {
  await main();
} catch (error) {
  const advice = error instanceof CoequalError ? ` ${error.advice}` : '';
  process.stderr.write(`${reasonOf(error)}${advice}\n`);
  process.exit(2);
}
