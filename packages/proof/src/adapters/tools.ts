/** The real databases and files behind a drill's ports. A composition root adds the arena, the clock and the progress. */

import type { Endpoint } from '../arena.ts';
import { createBank, readContents } from '../bank/adapters/bank.ts';
import { changeBatch, countBatch, fillBatch } from '../bank/adapters/batch.ts';
import { linkOpener } from '../bank/adapters/link.ts';
import type { Link } from '../bank/link.ts';
import type { BankAccess, DrillTools } from '../drills/run.ts';
import { readHistory } from './ledger.ts';
import { machineStampUs } from './stamp.ts';

/** Reading a page, or waiting for the group's order on a busy machine, may take long; for ever it may not. */
const open = linkOpener({ connectMs: 5_000, statementMs: 60_000 });
/** A million rows, replicated in small transactions to a distant site, are minutes. */
const openPatient = linkOpener({ connectMs: 5_000, statementMs: 900_000 });

export const bankAccess: BankAccess = {
  create: (endpoint, options) => overLink(endpoint, (link) => createBank(link, options)),
  read: (endpoint) => overLink(endpoint, readContents),
  fillBatch: (endpoint, rows) => overLink(endpoint, (link) => fillBatch(link, rows)),
  changeBatch: (endpoint) => overLink(endpoint, changeBatch, openPatient),
  countBatch: (endpoint) => overLink(endpoint, countBatch),
};

export const drillTools = (tools: Pick<DrillTools, 'arena' | 'clock' | 'progress'>): DrillTools => ({
  ...tools,
  stampUs: machineStampUs,
  bank: bankAccess,
  readHistory,
});

const overLink = async <T>(endpoint: Endpoint, use: (link: Link) => Promise<T>, opener = open): Promise<T> => {
  const link = await opener(endpoint);
  try {
    return await use(link);
  } finally {
    link.close();
  }
};
