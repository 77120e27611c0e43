/**
 * What each load fault does, until it is told to end; then it puts back what it changed. Sessions that are lost are opened again: a fault
 * holds as long as its site can be reached.
 */
import { spawn } from 'node:child_process';
import { type Clock, type Random, reasonOf } from '@coequal/kernel';
import { type Endpoint, type Link, LinkFailure, type LoadFaultKind, type OpenLink, type Value } from '@coequal/proof';
import { payments } from '../branch/schema.ts';
import { runBranch } from '../branch/workload.ts';
import type { LoadFaultAssignment } from './assignment.ts';

export type FaultPorts = {
  readonly openLink: OpenLink;
  readonly clock: Clock;
  readonly random: Random;
  /** Called when the fault is in force. */
  readonly begun: () => void;
};

type Work = (assignment: LoadFaultAssignment, ports: FaultPorts, signal: AbortSignal) => Promise<void>;

export const runLoadFault: Work = (assignment, ports, signal) => works[assignment.kind](assignment, ports, signal);

const again = 300;

/** Resolves when the fault is to end. */
const ended = (signal: AbortSignal): Promise<void> =>
  signal.aborted
    ? Promise.resolve()
    : new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));

/** A session that does `work` again and again, opened again when it is lost, closed at the end whatever it is doing. */
const persist = async (
  endpoint: Endpoint,
  { openLink, clock }: FaultPorts,
  signal: AbortSignal,
  work: (link: Link) => Promise<void>,
): Promise<void> => {
  while (!signal.aborted) {
    let link: Link | undefined;
    const close = (): void => link?.close();
    signal.addEventListener('abort', close, { once: true });
    try {
      link = await openLink(endpoint);
      while (!signal.aborted) await work(link);
    } catch (error) {
      if (!(error instanceof LinkFailure)) throw error;
      await quietly(clock.sleep(again, signal));
    } finally {
      signal.removeEventListener('abort', close);
      link?.close();
    }
  }
};

/**
 * The same for statements that take long: a server does not notice that nobody waits for a statement any more, so at the end it is
 * told to end the session.
 */
const persistUntilKilled = async (
  assignment: LoadFaultAssignment,
  endpoint: Endpoint,
  ports: FaultPorts,
  signal: AbortSignal,
  work: (link: Link) => Promise<void>,
): Promise<void> => {
  let session: Value | undefined;
  const asked = new WeakSet<Link>();
  await persist(endpoint, ports, signal, async (link) => {
    if (!asked.has(link)) {
      session = (await link.query('SELECT CONNECTION_ID()'))[0]?.[0];
      asked.add(link);
    }
    await work(link);
  });
  if (session !== undefined) await kill({ ...endpoint, ...assignment.operator }, ports, Number(session));
};

const kill = async (endpoint: Endpoint, { openLink }: FaultPorts, session: number): Promise<void> => {
  try {
    const link = await openLink(endpoint);
    await link.query(`KILL CONNECTION ${session}`).finally(() => link.close());
  } catch (error) {
    // Gone already (1094), or its instance is: either way it does no more harm.
    if (!(error instanceof LinkFailure)) throw error;
  }
};

/** The end of a fault ends every wait; that is no failure. */
const quietly = (wait: Promise<void>): Promise<void> => wait.catch(() => undefined);

/** What undoes a fault must be tried in earnest, on the instances in turn. */
const undo = async (
  { instances, operator }: LoadFaultAssignment,
  { openLink, clock }: FaultPorts,
  statement: string,
): Promise<void> => {
  const reasons: string[] = [];
  for (let attempt = 0; attempt < 3 * instances.length; attempt += 1) {
    const endpoint = instances[attempt % instances.length];
    if (endpoint === undefined) return;
    try {
      const link = await openLink({ ...endpoint, ...operator });
      try {
        await link.query(statement);
        return;
      } finally {
        link.close();
      }
    } catch (error) {
      if (!(error instanceof LinkFailure)) throw error;
      reasons.push(reasonOf(error));
      await clock.sleep(again);
    }
  }
  throw new Error(`${statement} could not be done: ${reasons.at(-1)}`);
};

const own = ({ instances }: LoadFaultAssignment): Endpoint => {
  const [first] = instances;
  if (first === undefined) throw new Error('Bug: a site without an instance');
  return first;
};

/** Where applications connect. */
const front = (assignment: LoadFaultAssignment): readonly Endpoint[] =>
  assignment.gateways.length > 0 ? assignment.gateways : [own(assignment)];

const asOperator = ({ operator }: LoadFaultAssignment, endpoint: Endpoint): Endpoint => ({ ...endpoint, ...operator });

const busyLoop = 'for (;;) { let n = 0; for (let i = 0; i < 1e9; i += 1) n += i; if (n < 0) process.exit(1); }';
/** Touches each page once a second, so that none is given away. */
const hold = `const bytes = Number(process.argv[1]); const held = Buffer.alloc(bytes, 1);
setInterval(() => { for (let at = 0; at < bytes; at += 4096) held[at] = (held[at] + 1) & 255; }, 1000);`;

const children: (
  script: (assignment: LoadFaultAssignment) => readonly string[],
  count: (amount: number) => number,
) => Work =
  (script, count) =>
  async (assignment, { begun }, signal) => {
    const running = Array.from({ length: count(assignment.amount) }, () =>
      spawn(process.execPath, ['-e', ...script(assignment)], { stdio: 'ignore' }),
    );
    begun();
    await ended(signal);
    for (const child of running) child.kill('SIGKILL');
  };

const lock: Work = async (assignment, ports, signal) => {
  await persist(own(assignment), ports, signal, async (link) => {
    await link.query('BEGIN');
    await link.execute('UPDATE branch_tills SET amount = amount + 1 WHERE branch = ?', [assignment.site]);
    ports.begun();
    await ended(signal);
  });
};

const badQuery: Work = async (assignment, ports, signal) => {
  const read = async (link: Link): Promise<void> => {
    await link.query(
      'SELECT p.branch, COUNT(*), SUM(p.amount), MAX(MD5(CONCAT(p.memo, p.id))) FROM branch_payments p ' +
        "WHERE p.memo LIKE '%7%a%' OR REVERSE(p.memo) LIKE '%b%3%' GROUP BY p.branch, p.amount ORDER BY SUM(p.amount) DESC LIMIT 10",
    );
  };
  ports.begun();
  await Promise.all(
    Array.from({ length: assignment.amount }, () =>
      persistUntilKilled(assignment, own(assignment), ports, signal, read),
    ),
  );
};

const missingIndex: Work = async (assignment, ports, signal) => {
  await undo(assignment, ports, 'ALTER TABLE branch_payments DROP INDEX IF EXISTS customer');
  ports.begun();
  await ended(signal);
  await undo(assignment, ports, 'ALTER TABLE branch_payments ADD INDEX IF NOT EXISTS customer (customer)');
};

const spike: Work = async (assignment, ports, signal) => {
  ports.begun();
  await runBranch(
    { branch: assignment.site, endpoints: front(assignment), sessions: 24, ratePerSecond: assignment.amount },
    ports,
    signal,
  );
};

/** What a dump reads, and how: one snapshot, every table from its beginning to its end. */
const backup: Work = async (assignment, ports, signal) => {
  const dump = async (link: Link): Promise<void> => {
    await link.query('SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ');
    await link.query('START TRANSACTION /*!40100 WITH CONSISTENT SNAPSHOT */');
    const tables = await link.query('SHOW TABLES');
    for (const [table] of tables)
      await link.query(`SELECT /*!40001 SQL_NO_CACHE */ * FROM \`${String(table).replaceAll('`', '``')}\``);
    await link.query('COMMIT');
  };
  ports.begun();
  await Promise.all(
    Array.from({ length: assignment.amount }, () =>
      persistUntilKilled(assignment, asOperator(assignment, own(assignment)), ports, signal, dump),
    ),
  );
};

const batch: Work = async (assignment, ports, signal) => {
  const rows = Math.min(assignment.amount, payments);
  await persistUntilKilled(assignment, own(assignment), ports, signal, async (link) => {
    ports.begun();
    await link.execute('UPDATE branch_payments SET status = 1 - status, amount = amount + 1 ORDER BY id LIMIT ?', [
      String(rows),
    ]);
  });
};

const ddl: Work = async (assignment, ports, signal) => {
  await persistUntilKilled(assignment, asOperator(assignment, own(assignment)), ports, signal, async (link) => {
    ports.begun();
    await link.query('ALTER TABLE branch_payments FORCE, ALGORITHM=COPY');
  });
};

const connections: Work = async (assignment, ports, signal) => {
  ports.begun();
  await Promise.all(
    Array.from({ length: assignment.amount }, async (_, number) => {
      // A few hundred at the same moment would measure the handshake.
      await quietly(ports.clock.sleep(number * 5, signal));
      await persist(own(assignment), ports, signal, async () => ended(signal));
    }),
  );
};

/** Somebody makes the instance read-only, and forgets it. */
const setting: Work = async (assignment, ports, signal) => {
  const change = async (value: 'ON' | 'OFF'): Promise<void> => {
    const link = await ports.openLink(asOperator(assignment, own(assignment)));
    try {
      await link.query(`SET GLOBAL read_only = ${value}`);
    } finally {
      link.close();
    }
  };
  await change('ON');
  ports.begun();
  await ended(signal);
  await change('OFF');
};

const applier: Work = async (assignment, ports, signal) => {
  await persist(asOperator(assignment, own(assignment)), ports, signal, async (link) => {
    await link.query('FLUSH TABLES WITH READ LOCK');
    ports.begun();
    await ended(signal);
  });
};

const hotRow: Work = async (assignment, ports, signal) => {
  ports.begun();
  const change = async (link: Link): Promise<void> => {
    try {
      await link.query('BEGIN');
      await link.query('UPDATE branch_rates SET rate = rate + 1, changes = changes + 1 WHERE id = 1');
      await link.query('COMMIT');
    } catch (error) {
      if (!(error instanceof LinkFailure) || error.failure !== 'answer') throw error;
      await link.query('ROLLBACK');
    }
  };
  const { instances, amount } = assignment;
  await Promise.all(
    instances.flatMap((endpoint) => Array.from({ length: amount }, () => persist(endpoint, ports, signal, change))),
  );
};

const loginStorm: Work = async (assignment, ports, signal) => {
  const endpoint = { ...own(assignment), password: 'not this one' };
  ports.begun();
  while (!signal.aborted) {
    await ports.openLink(endpoint).then(
      (link) => link.close(),
      (error: unknown) => {
        if (!(error instanceof LinkFailure)) throw error;
      },
    );
    await quietly(ports.clock.sleep(1_000 / assignment.amount, signal));
  }
};

const works: Readonly<Record<LoadFaultKind, Work>> = {
  cpu: children(
    () => [busyLoop],
    (amount) => amount,
  ),
  memory: children(
    ({ amount }) => [hold, String(amount * 2 ** 20)],
    () => 1,
  ),
  lock,
  'bad-query': badQuery,
  'missing-index': missingIndex,
  spike,
  backup,
  batch,
  ddl,
  connections,
  setting,
  applier,
  'hot-row': hotRow,
  'login-storm': loginStorm,
};
