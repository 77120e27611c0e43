/**
 * The catalogue of causes: one name for each, the same in knowledge files, diagnoses, runbooks of alert rules and drills. Of
 * each it says where it lives, what it explains (what it brings about is no cause beside it), what it is taken for (and is
 * therefore ruled out by name), and which runbook puts it right.
 */

export type EntityKind = 'site' | 'host' | 'instance' | 'gateway' | 'service';

export type Cause = {
  readonly kind: EntityKind;
  /** In a sentence, before the place: `the instance crashed`. */
  readonly words: string;
  readonly runbook: string;
  /** Causes whose signs it brings about, at its own place or at what depends on it. */
  readonly explains: readonly CauseName[];
  /** Told as ruled out, with what speaks against it. */
  readonly lookalikes: readonly CauseName[];
};

export const causeNames = [
  'instance crashed',
  'instance stopped',
  'instance frozen',
  'site cut off',
  'one-way partition',
  'site lost',
  'network latency',
  'packet loss',
  'slow disk',
  'disk full',
  'clock offset',
  'gateway crashed',
  'gateway frozen',
  'gateway stopped',
  'CPU taken by another process',
  'memory pressure',
  'idle transaction holds locks',
  'expensive statement',
  'missing index',
  'load spike',
  'backup',
  'large transaction',
  'blocking schema change',
  'connections exhausted',
  'setting changed',
  'slow applier',
  'hot row conflicts',
  'failed log-ins',
] as const;

export type CauseName = (typeof causeNames)[number];

export const isCauseName = (name: string): name is CauseName => causeNames.some((known) => known === name);

/** What follows from an instance that is away: others take its load, its sessions come again, the group waits once. */
const afterLoss: readonly CauseName[] = [
  'load spike',
  'connections exhausted',
  'network latency',
  'packet loss',
  'hot row conflicts',
  'slow applier',
  'failed log-ins',
];
/** What follows when one instance does its work slowly: its queue holds up the group, and sessions pile up. */
const afterSlowness: readonly CauseName[] = ['slow applier', 'connections exhausted', 'hot row conflicts'];

export const catalogue: Readonly<Record<CauseName, Cause>> = {
  'instance crashed': {
    kind: 'instance',
    words: 'the database process ended without being told to',
    runbook: 'restart-instance',
    explains: [...afterLoss, 'site cut off'],
    lookalikes: ['instance stopped', 'instance frozen', 'site cut off'],
  },
  'instance stopped': {
    kind: 'instance',
    words: 'the database was shut down in order',
    runbook: 'start-instance',
    explains: [...afterLoss, 'instance crashed', 'site cut off'],
    lookalikes: ['instance crashed', 'instance frozen'],
  },
  'instance frozen': {
    kind: 'instance',
    words: 'the database takes connections and answers nothing',
    runbook: 'restart-instance',
    explains: [...afterLoss, 'site cut off'],
    lookalikes: ['instance crashed', 'site cut off', 'slow disk'],
  },
  'site cut off': {
    kind: 'site',
    words: 'the site does not reach the others',
    runbook: 'failover-nothing-to-do',
    explains: [...afterLoss, 'instance crashed', 'instance frozen'],
    lookalikes: ['instance crashed', 'one-way partition', 'site lost'],
  },
  'one-way partition': {
    kind: 'site',
    words: 'what the site sends does not arrive at the others, while it still hears them',
    runbook: 'isolate-instance',
    explains: [...afterLoss, 'site cut off', 'instance crashed', 'instance frozen'],
    lookalikes: ['site cut off', 'packet loss'],
  },
  'site lost': {
    kind: 'site',
    words: 'everything at the site is gone',
    runbook: 'failover-nothing-to-do',
    explains: [
      ...afterLoss,
      'site cut off',
      'one-way partition',
      'instance crashed',
      'instance stopped',
      'instance frozen',
      'gateway crashed',
      'gateway frozen',
      'gateway stopped',
    ],
    lookalikes: ['site cut off', 'instance crashed'],
  },
  'network latency': {
    kind: 'site',
    words: 'packets from and to the site take longer',
    runbook: 'check-network-path',
    explains: ['slow applier', 'hot row conflicts', 'connections exhausted'],
    lookalikes: ['packet loss', 'slow disk', 'slow applier'],
  },
  'packet loss': {
    kind: 'site',
    words: 'packets from and to the site are lost',
    runbook: 'check-network-path',
    explains: ['network latency', 'site cut off', 'slow applier', 'hot row conflicts', 'connections exhausted'],
    lookalikes: ['network latency', 'site cut off'],
  },
  'slow disk': {
    kind: 'host',
    words: 'the disk answers slowly',
    runbook: 'move-off-slow-disk',
    explains: [...afterSlowness, 'instance frozen', 'idle transaction holds locks'],
    lookalikes: ['network latency', 'slow applier', 'backup'],
  },
  'disk full': {
    kind: 'host',
    words: 'a file system has no space left',
    runbook: 'free-disk-space',
    explains: [...afterLoss, 'instance crashed', 'instance stopped', 'instance frozen', 'slow disk'],
    lookalikes: ['slow disk', 'instance crashed'],
  },
  'clock offset': {
    kind: 'host',
    words: 'the wall clock is wrong',
    runbook: 'set-clock',
    explains: [],
    lookalikes: [],
  },
  'gateway crashed': {
    kind: 'gateway',
    words: 'the gateway process ended without being told to',
    runbook: 'restart-gateway',
    explains: ['load spike', 'connections exhausted', 'gateway stopped'],
    lookalikes: ['gateway stopped', 'gateway frozen'],
  },
  'gateway frozen': {
    kind: 'gateway',
    words: 'the gateway takes connections and answers nothing',
    runbook: 'restart-gateway',
    explains: ['load spike', 'connections exhausted', 'idle transaction holds locks'],
    lookalikes: ['gateway crashed', 'instance frozen'],
  },
  'gateway stopped': {
    kind: 'gateway',
    words: 'the gateway was stopped in order',
    runbook: 'start-gateway',
    explains: ['load spike', 'connections exhausted', 'gateway crashed'],
    lookalikes: ['gateway crashed', 'gateway frozen'],
  },
  'CPU taken by another process': {
    kind: 'host',
    words: 'something else than the database takes the processors',
    runbook: 'stop-foreign-load',
    explains: ['slow applier', 'hot row conflicts', 'network latency'],
    lookalikes: ['expensive statement', 'load spike'],
  },
  'memory pressure': {
    kind: 'host',
    words: 'memory is short',
    runbook: 'free-memory',
    explains: [...afterSlowness, 'slow disk', 'CPU taken by another process'],
    lookalikes: ['slow disk', 'CPU taken by another process'],
  },
  'idle transaction holds locks': {
    kind: 'instance',
    words: 'an idle transaction holds locks that others wait for',
    runbook: 'kill-blocking-session',
    explains: ['connections exhausted', 'hot row conflicts', 'slow applier'],
    lookalikes: ['large transaction', 'blocking schema change', 'hot row conflicts'],
  },
  'expensive statement': {
    kind: 'instance',
    words: 'a statement takes what the others need',
    runbook: 'cancel-statement',
    explains: [...afterSlowness, 'CPU taken by another process'],
    lookalikes: ['missing index', 'load spike', 'CPU taken by another process'],
  },
  'missing index': {
    kind: 'service',
    words: 'a statement reads whole tables for want of an index',
    runbook: 'create-index',
    explains: [...afterSlowness, 'expensive statement', 'CPU taken by another process', 'blocking schema change'],
    lookalikes: ['expensive statement', 'load spike'],
  },
  'load spike': {
    kind: 'site',
    words: 'more is asked of the service than usual',
    runbook: 'limit-traffic',
    explains: ['slow applier', 'connections exhausted', 'CPU taken by another process', 'network latency'],
    lookalikes: ['expensive statement', 'missing index', 'connections exhausted'],
  },
  backup: {
    kind: 'instance',
    words: 'a backup reads everything',
    runbook: 'pause-backup',
    explains: [...afterSlowness, 'expensive statement', 'slow disk', 'CPU taken by another process', 'load spike'],
    lookalikes: ['expensive statement', 'slow disk'],
  },
  'large transaction': {
    kind: 'instance',
    words: 'one transaction changes very many rows',
    runbook: 'split-transaction',
    explains: [...afterSlowness, 'idle transaction holds locks', 'expensive statement', 'CPU taken by another process'],
    lookalikes: ['load spike', 'slow applier', 'idle transaction holds locks'],
  },
  'blocking schema change': {
    kind: 'instance',
    words: 'a schema change blocks the service',
    runbook: 'cancel-schema-change',
    explains: [
      ...afterSlowness,
      'large transaction',
      'missing index',
      'expensive statement',
      'idle transaction holds locks',
      'CPU taken by another process',
    ],
    lookalikes: ['idle transaction holds locks', 'large transaction'],
  },
  'connections exhausted': {
    kind: 'instance',
    words: 'all connections are taken',
    runbook: 'close-idle-connections',
    // Hundreds of log-ins and refusals a second take processor time by themselves.
    explains: ['failed log-ins', 'CPU taken by another process'],
    lookalikes: ['load spike', 'failed log-ins'],
  },
  'setting changed': {
    kind: 'instance',
    words: 'a setting was changed',
    runbook: 'revert-setting',
    explains: [
      ...afterSlowness,
      'slow disk',
      'expensive statement',
      'idle transaction holds locks',
      'load spike',
      'CPU taken by another process',
    ],
    lookalikes: ['slow disk', 'connections exhausted'],
  },
  'slow applier': {
    kind: 'instance',
    words: 'it does not keep up with applying, and flow control stops the others',
    runbook: 'desynchronise-instance',
    explains: ['connections exhausted', 'idle transaction holds locks', 'instance frozen'],
    lookalikes: ['slow disk', 'large transaction', 'CPU taken by another process'],
  },
  'hot row conflicts': {
    kind: 'service',
    words: 'many transactions change the same rows at once',
    runbook: 'serialise-hot-row',
    // What is refused is tried again, so that more is asked than before.
    explains: ['connections exhausted', 'load spike'],
    lookalikes: ['idle transaction holds locks', 'load spike'],
  },
  'failed log-ins': {
    kind: 'instance',
    words: 'many log-ins fail',
    runbook: 'block-address',
    explains: ['load spike'],
    lookalikes: ['connections exhausted', 'load spike'],
  },
};
