/** A gateway's state for people who were woken up: what is wrong first, then instances, workers, and what clients noticed. */
import type { DrainResult, GatewayStatus, SessionView } from '@coequal/gateway';
import { formatBytes, formatDuration } from '@coequal/kernel';
import { counted, formatCount, formatLatency, formatRate } from '../numbers.ts';
import { formatTable } from '../table.ts';
import { stateWords } from '../view/frame.ts';

export const servesNow = ({ state }: GatewayStatus): boolean => state === 'serving';

const stateSentences: Readonly<Record<GatewayStatus['state'], string>> = {
  starting: 'it is starting',
  serving: 'serving',
  'no-instance': 'NO INSTANCE SERVES: clients wait, then get an error',
  'no-worker': 'NO WORKER RUNS: clients wait for one',
  draining: 'draining: its port is closed, sessions end between transactions',
  drained: 'drained: its port is closed; `coequal gateway drain --off` opens it',
  ending: 'it is ending',
};

export const statusLines = (status: GatewayStatus): readonly string[] => [
  `Gateway ${status.name} at ${status.site}: ${stateSentences[status.state]}`,
  `Service ${status.service}, profile ${status.profile}${status.observe ? ', only observing: nothing is hidden' : ''}. Up ${formatDuration(status.upSeconds * 1_000)}, process ${status.pid}, version ${status.version}`,
  connectionsLine(status),
  `Metrics: http://${endpoint(status.metrics)}/metrics`,
  '',
  ...(status.workers.length === 0
    ? ['No worker runs, so nobody watches the instances.']
    : [...instanceLines(status), '', ...workerLines(status)]),
  '',
  ...totalLines(status),
];

const endpoint = ({ host, port }: { readonly host: string; readonly port: number }): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;

const connectionsLine = ({ listen, connections, connectionLimit, sessions, perSecond }: GatewayStatus): string => {
  const limit = connectionLimit === 0 ? '' : ` of at most ${formatCount(connectionLimit)}`;
  const rates =
    perSecond === null
      ? ''
      : `; ${formatRate(perSecond.requests)} requests and ${formatRate(perSecond.transactions)} transactions a second`;
  return (
    `Clients at ${endpoint(listen)}: ${counted(connections, 'connection')}${limit}, ${formatCount(sessions.working)} working, ` +
    `${formatCount(sessions.inTransaction)} in a transaction, ${formatCount(sessions.notReplayable)} that a loss would hit${rates}`
  );
};

const instanceLines = ({ instances }: GatewayStatus): readonly string[] =>
  instances.length === 0
    ? ['No worker has looked at the instances yet.']
    : formatTable(
        [
          { title: 'INSTANCE' },
          { title: 'SITE' },
          { title: 'STATE' },
          { title: 'SINCE', right: true },
          { title: 'SESSIONS', right: true },
          { title: 'ANSWER', right: true },
          { title: 'WHY' },
        ],
        instances.map(({ name, site, state, sinceMs, sessions, answerMs, draining, reason }) => [
          name,
          site,
          stateWords(state),
          formatDuration(sinceMs),
          formatCount(sessions),
          answerMs === null ? '–' : `${formatLatency(answerMs)} ms`,
          [...(draining ? ['draining'] : []), reason].join('; '),
        ]),
      );

const workerLines = ({ workers, workerDeaths }: GatewayStatus): readonly string[] => [
  ...formatTable(
    [
      { title: 'WORKER', right: true },
      { title: 'PROCESS', right: true },
      { title: 'STATE' },
      { title: 'CONNECTIONS', right: true },
      { title: 'MEMORY', right: true },
      { title: 'STALL', right: true },
    ],
    workers.map(({ slot, pid, state, connections, residentBytes, stallMs }) => [
      String(slot),
      String(pid),
      state,
      formatCount(connections),
      residentBytes === null ? '–' : formatBytes(residentBytes),
      stallMs === null ? '–' : formatDuration(stallMs),
    ]),
  ),
  ...(workerDeaths === 0 ? [] : [`${counted(workerDeaths, 'worker')} died and had to be replaced; the log says how.`]),
];

const totalLines = ({ totals, upSeconds }: GatewayStatus): readonly string[] => [
  `Since the start, ${formatDuration(upSeconds * 1_000)} ago:`,
  ...formatTable(
    [{ title: '' }, { title: '' }],
    [
      ['  requests', `${formatCount(totals.requests)}; ${counted(totals.errors, 'error')} other than conflicts`],
      ['  transactions', `${formatCount(totals.committed)} committed, ${formatCount(totals.rolledBack)} rolled back`],
      [
        '  losses',
        `${counted(totals.losses, 'session')} lost an instance; ${counted(totals.pauses, 'pause')}${totals.pauses === 0 ? '' : `, the longest ${formatDuration(totals.longestPauseMs)}`}`,
      ],
      ['  replays', parts(totals.replays)],
      ['  outcomes in doubt', parts(totals.outcomes)],
      ['  conflicts', parts(totals.conflicts)],
      ['  not replayable', parts(totals.notReplayable)],
      ['  refused statements', parts(totals.refusedStatements)],
      ['  log-ins', parts(totals.logins)],
      ['  ended by restarts', parts(totals.drained)],
      [
        '  acknowledged',
        `${formatCount(totals.acknowledged)} in the journal${totals.acknowledgementsDropped === 0 ? '' : `, ${formatCount(totals.acknowledgementsDropped)} NOT WRITTEN`}`,
      ],
    ].filter(([, text]) => text !== nothing),
  ).slice(1),
];

/** What has not happened is not shown. */
const nothing = '';

const parts = (counts: Readonly<Record<string, number>>): string => {
  const entries = Object.entries(counts).sort(([, a], [, b]) => b - a);
  return entries.map(([name, count]) => `${formatCount(count)} ${name}`).join(', ');
};

export const drainedText = ({ handedOver, closed, cut }: DrainResult): string =>
  `${counted(handedOver, 'session')} handed over, ${formatCount(closed)} closed between transactions, ${formatCount(cut)} cut.`;

export const sessionLines = (sessions: readonly SessionView[], limit: number): readonly string[] => {
  if (sessions.length === 0) return ['No session.'];
  const shown = [...sessions].sort(byInterest).slice(0, limit);
  const left = sessions.length - shown.length;
  return [
    ...formatTable(
      [
        { title: 'ID', right: true },
        { title: 'USER' },
        { title: 'CLIENT' },
        { title: 'INSTANCE' },
        { title: 'STATE' },
        { title: 'FOR', right: true },
        { title: 'TRANSACTION', right: true },
        { title: 'STATEMENTS', right: true },
        { title: 'NOTES' },
      ],
      shown.map((session) => [
        String(session.id),
        session.user || '–',
        `${session.client}${session.tls ? ' TLS' : ''}`,
        session.instance ?? '–',
        session.state,
        formatDuration(session.sinceMs),
        session.transactionMs === null ? '–' : formatDuration(session.transactionMs),
        formatCount(session.statements),
        notesOf(session),
      ]),
    ),
    ...(left === 0 ? [] : [`… and ${counted(left, 'session')} more; --limit shows them.`]),
  ];
};

const notesOf = ({ notReplayable, journalBytes, replays }: SessionView): string =>
  [
    ...(notReplayable === null ? [] : [`a loss would hit it: ${notReplayable}`]),
    ...(journalBytes === 0 ? [] : [`keeps ${formatBytes(journalBytes)}`]),
    ...(replays === 0 ? [] : [counted(replays, 'replay')]),
  ].join('; ');

/** Long transactions first, then those that work, then by their time in this state. */
const byInterest = (a: SessionView, b: SessionView): number =>
  (b.transactionMs ?? -1) - (a.transactionMs ?? -1) ||
  Number(b.state !== 'idle') - Number(a.state !== 'idle') ||
  b.sinceMs - a.sinceMs;
