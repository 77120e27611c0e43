/** The view where there is no terminal: a status line every five seconds, and every event as a line of its own. */
import { formatDuration } from '@coequal/kernel';
import type { LabEvent, LabSnapshot } from '@coequal/lab';
import { formatCount, formatRate } from '../numbers.ts';
import { stateWords } from './frame.ts';
import { printable } from './text.ts';

const everyMs = 5_000;

/** A function that takes snapshots and writes what is new in them. */
export const plainView = (write: (line: string) => void): ((snapshot: LabSnapshot) => void) => {
  let nextAt = Number.NEGATIVE_INFINITY;
  let told: readonly LabEvent[] = [];
  return (snapshot) => {
    for (const event of snapshot.events.filter((each) => !told.some((known) => sameEvent(known, each))))
      write(`${clockTime(event.at)} ${event.site === null ? '' : `${event.site}: `}${printable(event.text)}`);
    told = snapshot.events;
    if (snapshot.at < nextAt) return;
    nextAt = snapshot.at + everyMs;
    write(statusLine(snapshot));
  };
};

const sameEvent = (a: LabEvent, b: LabEvent): boolean => a.at === b.at && a.site === b.site && a.text === b.text;

/** One line: every site in a few words, then the bank. */
export const statusLine = (snapshot: LabSnapshot): string =>
  [
    ...snapshot.sites.map(({ name, state, clients, direct, faults }) => {
      const rate = clients === null ? '' : ` ${formatRate(clients.transactionsPerSecond)} tx/s`;
      const pause = clients === null ? '' : `, longest pause ${formatDuration(clients.longestPauseMs)}`;
      const beside = direct === null ? '' : ` (directly ${formatDuration(direct.longestPauseMs)})`;
      return `${name} ${stateWords(state)}${rate}${pause}${beside}${faults.length === 0 ? '' : ` (${faults.join(', ')})`}`;
    }),
    bankWords(snapshot),
  ].reduce((line, part, index) => `${line}${index === 0 ? ' ' : ' · '}${part}`, clockTime(snapshot.at));

const bankWords = ({ bank }: LabSnapshot): string => {
  if (bank === null) return 'no bank';
  const money =
    bank.exact === true ? 'money exact' : bank.exact === false ? 'MONEY NOT EXACT' : 'money not readable now';
  return `${money}, ${formatCount(bank.acknowledged)} acknowledged, ${formatCount(bank.missing)} missing`;
};

/** Hours, minutes and seconds of this machine's time zone. */
const clockTime = (at: number): string => new Date(at).toTimeString().slice(0, 8);
