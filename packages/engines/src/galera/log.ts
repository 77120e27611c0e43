/**
 * What the server's error log says, for people: the reason why an instance did not start, joins, or ended. Pure.
 * The log is untrusted text: only known lines are turned into sentences, everything else is at most quoted, shortened.
 */

type Known = { readonly pattern: RegExp; readonly reason: (match: RegExpExecArray) => string; readonly advice: string };

/** Most specific first. Patterns are of MariaDB 10.6–11.4 with Galera 26.4. */
const knownFailures: readonly Known[] = [
  {
    pattern:
      /Can't start server: Bind on TCP\/IP port.*Address already in use|Do you already have another .* server running on port: (\d+)/,
    reason: () => 'its client port is already in use',
    advice:
      'End the program that holds the port (`ss -ltnp` names it), or give the instance another one in the estate.',
  },
  {
    pattern:
      /(?:bind|listen)[^\n]*?((?:tcp|ssl):\/\/\S+?)['.]?[^\n]*Address already in use|Address already in use[^\n]*asio/i,
    reason: () => 'its group port is already in use',
    advice:
      'End the program that holds the port (`ss -ltnp` names it), or give the instance another one in the estate.',
  },
  {
    pattern: /It may not be safe to bootstrap the cluster from this node/,
    reason: () => 'it was not the last to leave the group, and may miss acknowledged transactions',
    advice: 'Start the service as a whole: recovery compares all instances and begins with the highest position.',
  },
  {
    pattern: /No space left on device|Disk is full|Errcode: 28|OS error: 28|errno: 28/i,
    reason: () => 'its disk is full',
    advice: 'Free space on the volume of its data folder and start it again; nothing acknowledged is lost.',
  },
  {
    pattern: /certificate verify failed|SSL handshake failed|error:.*SSL routines/i,
    reason: () => 'the group channel refused a certificate',
    advice: 'Check that all instances have certificates of the same authority and that none has expired.',
  },
  {
    pattern: /failed to open channel '([^']+)'|gcs connect failed: Connection timed out|failed to reach primary view/i,
    reason: () => 'it found no member of its group that has a majority',
    advice: 'Check that the other sites serve and can be reached at their group addresses.',
  },
  {
    pattern: /Local state UUID .* is different from group state UUID|group UUID.*does not match|wrong state UUID/i,
    reason: () => 'its data belongs to another group',
    advice: 'Check its data folder; an instance of another cluster must be re-provisioned before it can join.',
  },
  {
    pattern:
      /Can't create\/write to file '([^']+)'[^\n]*(?:Permission denied|Errcode: 13)|\[ERROR\][^\n]*Permission denied/,
    reason: () => 'it may not write its files',
    advice: 'Give the data and run folders to the user that the instance runs as.',
  },
  {
    pattern: /Unknown\/unsupported storage engine: InnoDB|InnoDB: Plugin initialization aborted|corrupt/i,
    reason: () => 'InnoDB cannot read its data',
    advice: 'See its log; re-provision the instance from another site (its data is kept aside).',
  },
  {
    pattern: /SST (?:failed|script aborted)|State transfer.*failed|wsrep_sst_\w+ .*failed|Failed to read 'ready/i,
    reason: () => 'the full transfer of data failed',
    advice: "See its log and the donor's; rsync, stunnel and `ss` must be there on both hosts.",
  },
  {
    pattern: /unknown variable '([^']{1,80})'|unknown option '([^']{1,80})'/,
    reason: (match) => `this version does not know the setting ${match[1] ?? match[2]}`,
    advice: 'Use a MariaDB version named in the README.',
  },
];

export type LogFinding = { readonly reason: string; readonly advice: string };

/** The reason an instance ended or does not start, from the end of its log. Undefined: the log names none. */
export const findFailure = (log: string): LogFinding | undefined => {
  for (const { pattern, reason, advice } of knownFailures) {
    const match = pattern.exec(log);
    if (match !== null) return { reason: reason(match), advice };
  }
  const errors = log.split('\n').filter((line) => line.includes('[ERROR]'));
  const last = errors.at(-1);
  if (last === undefined) return undefined;
  return { reason: quote(last), advice: 'See its log for what led to this.' };
};

/** What a joining instance is doing, in words; undefined when the log does not say. */
export const findProgress = (log: string): string | undefined => {
  const lines = log.split('\n');
  for (let index = lines.length - 1; index >= 0; index -= 1) {
    const line = lines[index] ?? '';
    for (const [pattern, text] of progress) if (pattern.test(line)) return text;
  }
  return undefined;
};

/** Whether the server says that it waits for space. It does so for as long as it takes, and its group waits with it. */
export const saysDiskIsFull = (log: string): boolean => /Disk is full|No space left on device|Errcode: 28\b/i.test(log);

/** Whether a transfer of data to this instance has begun, by the log since its start. */
export const hasBegunTransfer = (log: string): boolean =>
  /wsrep_sst_\w+ --role 'joiner'|Prepared IST receiver|Receiving IST|Requesting state transfer/.test(log);

const progress: readonly (readonly [RegExp, string])[] = [
  [/Synchronized with group, ready for connections|ready for connections/, 'It is ready for connections.'],
  [/IST received|Receiving IST|IST applying/, 'It receives the write sets it missed (incremental transfer).'],
  [
    /WSREP_SST: .*Joiner|SST .*start|wsrep_sst_\w+ --role 'joiner'|Requesting state transfer/,
    'It asks the others for what it missed (incremental or full copy).',
  ],
  [/InnoDB: Starting crash recovery|Starting final batch to recover/, 'InnoDB repairs itself after a crash.'],
  [/Shutdown complete/, 'It ended in order.'],
];

const quote = (line: string): string => {
  const text = line.replace(/^[\d:\- ]+\d+ \[ERROR\]\s*/, '').replaceAll(/[^\x20-\x7e]/g, ' ');
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
};
