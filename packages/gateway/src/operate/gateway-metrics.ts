/**
 * Every figure a gateway keeps, by name, as typed handles: the session side takes the handles of its account and its
 * instance once and then only adds. Names follow the field's style: `coequal_gateway_…_total` counts, `…_seconds`
 * and `…_bytes` measure. docs/gateway.md explains each for operators; a test keeps the two lists equal.
 */
import type { Counter, Counters, Family, Gauge, Histogram } from '@coequal/kernel';

/** `same`: the client noticed nothing. Every other result means that the client got an error. */
export type ReplayResult =
  | 'same'
  | 'different'
  | 'too-large'
  | 'not-replayable'
  | 'no-instance'
  | 'deadline'
  | 'failed';
export type DecidedOutcome = 'committed' | 'absent' | 'undecided';
export type DrainedHow = 'handed-over' | 'closed' | 'cut';
export type ClientEnd = 'slow-client' | 'idle' | 'statement-deadline' | 'handshake-deadline' | 'killed';

/** What is counted for each account. */
export type UserMetrics = {
  readonly requests: Counter;
  readonly requestSeconds: Histogram;
  readonly committed: Counter;
  readonly rolledBack: Counter;
  readonly transactionSeconds: Histogram;
  /** Errors that instances answered and that went on to the client. */
  readonly errors: Counter;
  readonly pauses: Histogram;
  readonly sessions: Gauge;
  readonly replays: (result: ReplayResult) => void;
  readonly losses: (reason: string) => void;
  readonly conflictsHidden: Counter;
  readonly conflictsTold: Counter;
  /** With `--observe`: losses and conflicts that would have been hidden, or not. */
  readonly wouldHide: Counter;
  readonly wouldTell: (reason: string) => void;
  readonly notReplayableTransactions: (reason: string) => void;
  readonly notReplayableSessions: (reason: string) => void;
  readonly refusedStatements: (rule: string) => void;
};

export type InstanceMetrics = {
  readonly requests: Counter;
  readonly requestSeconds: Histogram;
  readonly transactions: Counter;
  readonly connections: Gauge;
  readonly connectionsOpened: Counter;
  readonly connectionsRefused: Counter;
  readonly losses: (reason: string) => void;
};

export type GatewayMetrics = {
  /** Handles of an account that has logged in. Its series are made once; keep the answer for the session's life. */
  readonly user: (user: string) => UserMetrics;
  readonly instance: (name: string) => InstanceMetrics;
  /** A pause that a client saw: raises the account's histogram and the greatest of all. */
  readonly pause: (user: UserMetrics, seconds: number) => void;
  readonly outcomes: (outcome: DecidedOutcome) => void;
  readonly outcomeSeconds: Histogram;
  readonly logins: (result: string) => void;
  readonly connections: Gauge;
  readonly connectionsAccepted: Counter;
  readonly connectionsRefused: (reason: string) => void;
  readonly bytesFromClients: Counter;
  readonly bytesToClients: Counter;
  /** What open transactions keep for their replay now, and the most that one has kept. */
  readonly journalBytes: Gauge;
  readonly journalLargest: Gauge;
  readonly ended: (why: ClientEnd) => void;
  readonly protocolErrors: (side: 'client' | 'instance') => void;
  readonly drained: (how: DrainedHow, count?: number) => void;
  readonly acknowledged: Counter;
  readonly acknowledgementsDropped: Counter;
  readonly linesDropped: Counter;
  /** Of the worker process: resident memory, and the longest time its event loop stood still. */
  readonly residentBytes: Gauge;
  readonly loopStallSeconds: Gauge;
};

const requestBuckets = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
];
/** Around the promises: 0.5 s, 0.7 s, 0.75 s and 1 s. */
const pauseBuckets = [0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.85, 1, 1.5, 2, 3, 5, 10, 30];

const prefix = 'coequal_gateway';

export const makeGatewayMetrics = (counters: Counters): GatewayMetrics => {
  const user = userMetrics(counters);
  const instance = instanceMetrics(counters);
  const pauseGreatest = gaugeOf(counters, 'pause_max_seconds', 'Longest pause a client saw since the start.', 'max');
  return {
    user,
    instance,
    pause: ({ pauses }, seconds) => {
      pauses.observe(seconds);
      pauseGreatest.raise(seconds);
    },
    ...continuityMetrics(counters),
    ...connectionMetrics(counters),
    ...processMetrics(counters),
  };
};

const userMetrics = (counters: Counters): GatewayMetrics['user'] => {
  const count = (name: string, help: string) =>
    counters.counter({ name: `${prefix}_user_${name}_total`, help, labels: ['user'] });
  const countBy = <L extends string>(name: string, help: string, label: L) =>
    counters.counter({ name: `${prefix}_user_${name}_total`, help, labels: ['user', label], limit: 5_000 });
  const time = (name: string, help: string, buckets: readonly number[]) =>
    counters.histogram({ name: `${prefix}_user_${name}_seconds`, help, labels: ['user'], buckets });
  const requests = count('requests', 'Requests of clients, by account.');
  const requestSeconds = time('request', 'From a request to the end of its answer.', requestBuckets);
  const transactions = countBy('transactions', 'Transactions that ended, by account and result.', 'result');
  const transactionSeconds = time('transaction', 'From the begin of a transaction to its end.', requestBuckets);
  const errors = count('errors', 'Errors that clients got, other than conflicts.');
  const pauses = time('pause', 'Pauses that clients saw because an instance was lost or left.', pauseBuckets);
  const sessions = counters.gauge({ name: `${prefix}_user_sessions`, help: 'Open sessions.', labels: ['user'] });
  const replays = countBy('replays', 'Replays of transactions, by result; only `same` was hidden.', 'result');
  const losses = countBy('losses', 'Sessions that lost their instance, by reason.', 'reason');
  const conflicts = countBy('conflicts', 'Certification conflicts, hidden by a replay or told.', 'result');
  const observed = countBy('observed', 'With --observe: what could have been hidden, or why not.', 'result');
  const transactionsBarred = countBy(
    'not_replayable_transactions',
    'Transactions that could not be replayed.',
    'reason',
  );
  const sessionsBarred = countBy('not_replayable_sessions', 'Sessions that could no longer be restored.', 'reason');
  const refused = countBy('refused_statements', 'Statements refused by a rule of the estate or a limit.', 'rule');
  return remembered((name) => ({
    requests: requests.with({ user: name }),
    requestSeconds: requestSeconds.with({ user: name }),
    committed: transactions.with({ user: name, result: 'committed' }),
    rolledBack: transactions.with({ user: name, result: 'rolled-back' }),
    transactionSeconds: transactionSeconds.with({ user: name }),
    errors: errors.with({ user: name }),
    pauses: pauses.with({ user: name }),
    sessions: sessions.with({ user: name }),
    replays: (result) => replays.with({ user: name, result }).add(),
    losses: (reason) => losses.with({ user: name, reason }).add(),
    conflictsHidden: conflicts.with({ user: name, result: 'hidden' }),
    conflictsTold: conflicts.with({ user: name, result: 'told' }),
    wouldHide: observed.with({ user: name, result: 'hidden' }),
    wouldTell: (reason) => observed.with({ user: name, result: reason }).add(),
    notReplayableTransactions: (reason) => transactionsBarred.with({ user: name, reason }).add(),
    notReplayableSessions: (reason) => sessionsBarred.with({ user: name, reason }).add(),
    refusedStatements: (rule) => refused.with({ user: name, rule }).add(),
  }));
};

const instanceMetrics = (counters: Counters): GatewayMetrics['instance'] => {
  const count = (name: string, help: string) =>
    counters.counter({ name: `${prefix}_instance_${name}_total`, help, labels: ['instance'] });
  const requests = count('requests', 'Requests that were sent on, by instance.');
  const transactions = count('transactions', 'Transactions that an instance committed.');
  const opened = count('connections_opened', 'Connections that were opened to an instance.');
  const refused = count('connections_refused', 'Connections to an instance that failed or were refused.');
  const requestSeconds = counters.histogram({
    name: `${prefix}_instance_request_seconds`,
    help: 'From sending a request to an instance to the end of its answer.',
    labels: ['instance'],
    buckets: requestBuckets,
  });
  const connections = counters.gauge({
    name: `${prefix}_instance_connections`,
    help: 'Connections of sessions to an instance.',
    labels: ['instance'],
  });
  const losses = counters.counter({
    name: `${prefix}_instance_losses_total`,
    help: 'Sessions that lost this instance, by reason.',
    labels: ['instance', 'reason'],
  });
  return remembered((instance) => ({
    requests: requests.with({ instance }),
    requestSeconds: requestSeconds.with({ instance }),
    transactions: transactions.with({ instance }),
    connections: connections.with({ instance }),
    connectionsOpened: opened.with({ instance }),
    connectionsRefused: refused.with({ instance }),
    losses: (reason) => losses.with({ instance, reason }).add(),
  }));
};

const continuityMetrics = (counters: Counters) => {
  const outcomes = countedBy(counters, 'outcomes', 'Outcomes in doubt that were decided, by result.', 'result');
  return {
    outcomes,
    outcomeSeconds: counters
      .histogram({
        name: `${prefix}_outcome_seconds`,
        help: 'From a loss with a COMMIT in flight to its decided outcome.',
        labels: [],
        buckets: pauseBuckets,
      })
      .with({}),
    journalBytes: gaugeOf(counters, 'replay_bytes', 'What open transactions keep for their replay.', 'sum'),
    journalLargest: gaugeOf(counters, 'replay_max_bytes', 'The most one transaction has kept since the start.', 'max'),
    acknowledged: counterOf(counters, 'acknowledged', 'Transactions written to the acknowledgement journal.'),
    acknowledgementsDropped: counterOf(
      counters,
      'acknowledgements_dropped',
      'Acknowledgements missing in the journal because it could not be written.',
    ),
  };
};

const connectionMetrics = (counters: Counters) => {
  const drained = counters.counter({
    name: `${prefix}_drained_sessions_total`,
    help: 'Sessions that ended or moved because their worker was drained.',
    labels: ['how'],
  });
  const refused = connectionsRefusedFamily(counters);
  return {
    logins: countedBy(counters, 'logins', 'Log-ins by result; only `ok` succeeded.', 'result'),
    connections: gaugeOf(counters, 'connections', 'Open connections of clients.', 'sum'),
    connectionsAccepted: counterOf(counters, 'connections_accepted', 'Connections that clients opened.'),
    connectionsRefused: (reason: string) => refused.with({ reason }).add(),
    bytesFromClients: counterOf(counters, 'received_bytes', 'Bytes that clients sent.'),
    bytesToClients: counterOf(counters, 'sent_bytes', 'Bytes that were sent to clients.'),
    ended: countedBy(counters, 'ended_sessions', 'Sessions that the gateway ended, by reason.', 'reason'),
    protocolErrors: countedBy(counters, 'protocol_errors', 'Peers that broke the protocol.', 'side'),
    drained: (how: DrainedHow, count = 1) => drained.with({ how }).add(count),
  };
};

/** The supervisor refuses connections too; its series and those of its workers are added up. */
export const connectionsRefusedFamily = (counters: Counters): Family<'reason', Counter> =>
  counters.counter({
    name: `${prefix}_connections_refused_total`,
    help: 'Connections refused before log-in.',
    labels: ['reason'],
  });

export const logLinesDroppedCounter = (counters: Counters): Counter =>
  counterOf(counters, 'log_lines_dropped', 'Lines of the log lost because nobody took them in time.');

const processMetrics = (counters: Counters) => ({
  linesDropped: logLinesDroppedCounter(counters),
  residentBytes: gaugeOf(counters, 'worker_resident_bytes', 'Memory of the worker processes.', 'sum'),
  loopStallSeconds: gaugeOf(
    counters,
    'worker_stall_seconds',
    'Longest standstill of a worker in the last interval.',
    'max',
  ),
});

const counterOf = (counters: Counters, name: string, help: string): Counter =>
  counters.counter({ name: `${prefix}_${name}_total`, help, labels: [] }).with({});

const countedBy = (counters: Counters, name: string, help: string, label: string): ((value: string) => void) => {
  const family: Family<string, Counter> = counters.counter({
    name: `${prefix}_${name}_total`,
    help,
    labels: [label],
  });
  return (value) => family.with({ [label]: value }).add();
};

const gaugeOf = (counters: Counters, name: string, help: string, combine: 'sum' | 'max'): Gauge =>
  counters.gauge({ name: `${prefix}_${name}`, help, labels: [], combine }).with({});

/** The same handles for the same name. The number of names is that of accounts in the database, or of instances. */
const remembered = <T>(make: (name: string) => T): ((name: string) => T) => {
  const known = new Map<string, T>();
  return (name) => {
    const found = known.get(name);
    if (found !== undefined) return found;
    const made = make(name);
    known.set(name, made);
    return made;
  };
};
