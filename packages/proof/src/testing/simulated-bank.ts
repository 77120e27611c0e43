/**
 * Databases for tests of what stands on our own ports: instances in one group that holds one truth, with certification
 * at COMMIT, and with every way of losing an answer that the clients have to live with. It can also be told to lie, so
 * that a reconciliation that finds nothing can be told from one that looks at nothing.
 */
import type { Random } from '@coequal/kernel';
import type { Endpoint } from '../arena.ts';
import { type Link, LinkFailure, type Row, type Value } from '../bank/link.ts';
import { type AccountRow, type Contents, type EntryRow, statements, type TransferRow } from '../bank/schema.ts';
import type { VirtualClock } from './virtual-clock.ts';

export type Condition = 'serving' | 'dead' | 'hung' | 'isolated';

export type Lies = {
  /** Share of COMMITs that are acknowledged and forgotten. */
  readonly forget?: number;
  /** Share of COMMITs that are applied twice. */
  readonly twice?: number;
  /** Share of COMMITs that answer 1213 and are applied all the same. */
  readonly deny?: number;
  /** Share of questions after an outcome that gateways answer wrongly. */
  readonly misjudge?: number;
};

export type SimulationOptions = {
  readonly instances: readonly string[];
  /** Gateways: their sessions outlive instances, and can be asked what became of a COMMIT. */
  readonly gateways?: readonly string[];
  readonly accounts: number;
  readonly initialBalance: number;
  readonly statementMs: number;
  /** Share of COMMITs whose connection is lost, before or after they took effect. */
  readonly losses?: number;
  readonly lies?: Lies;
};

export type Simulation = {
  readonly open: (endpoint: Endpoint) => Promise<Link>;
  readonly condition: (instance: string) => Condition;
  readonly set: (instance: string, condition: Condition) => void;
  readonly contents: (instance: string) => Contents;
};

type Account = { readonly id: number; opening: number; balance: number; version: number };

/** What a session has done since BEGIN. */
type Work = {
  reads: Map<number, number>;
  moves: [number, number][];
  transfer: TransferRow | undefined;
  entries: [number, number][];
};

export const simulateBank = (options: SimulationOptions, clock: VirtualClock, random: Random): Simulation => {
  const conditions = new Map<string, Condition>(
    [...options.instances, ...(options.gateways ?? [])].map((name) => [name, 'serving']),
  );
  const accounts = new Map<number, Account>();
  for (let id = 1; id <= options.accounts; id += 1) {
    accounts.set(id, { id, opening: options.initialBalance, balance: options.initialBalance, version: 0 });
  }
  const transfers: TransferRow[] = [];
  const entries: EntryRow[] = [];
  const condition = (instance: string): Condition => conditions.get(instance) ?? 'dead';
  const chance = (share: number | undefined): boolean => random.next() < (share ?? 0);

  const isGateway = (name: string): boolean => options.gateways?.includes(name) === true;
  /** A gateway lets its sessions wait while no instance serves. */
  const untilServed = async (name: string): Promise<void> => {
    while (condition(name) === 'serving' && !options.instances.some((one) => condition(one) === 'serving'))
      await clock.sleep(5);
  };

  const answer = async (instance: string, generation: () => boolean): Promise<void> => {
    await clock.sleep(1 + random.next());
    if (isGateway(instance)) await untilServed(instance);
    if (condition(instance) === 'hung') {
      await clock.sleep(options.statementMs);
      throw new LinkFailure('deadline', 'DEADLINE_PASSED', 'no answer');
    }
    if (condition(instance) === 'dead' || !generation()) throw new LinkFailure('lost', 'CONNECTION_LOST', 'lost');
    if (condition(instance) === 'isolated') throw new LinkFailure('answer', '1047', 'not prepared');
  };

  const apply = (work: Work): void => {
    for (const [id, amount] of work.moves) {
      const account = accounts.get(id);
      if (account === undefined) continue;
      account.balance += amount;
      account.version += 1;
    }
    if (work.transfer !== undefined && !transfers.some(({ id }) => id === work.transfer?.id))
      transfers.push(work.transfer);
    const transfer = work.transfer?.id ?? '';
    for (const [account, amount] of work.entries) entries.push({ id: entries.length + 1, transfer, account, amount });
  };

  /** The last write of each session that has committed, and those that were fenced before they could. */
  const outcomes = new Map<string, number>();
  const fenced = new Set<string>();
  const outcomeOf = (key: string): string => {
    const [session = '', sequence = '0'] = key.split('0000');
    const committed = (outcomes.get(session) ?? 0) > Number(sequence);
    if (!committed) fenced.add(session);
    return committed !== chance(options.lies?.misjudge) ? 'committed' : 'not committed';
  };

  const commit = (work: Work, session: string): void => {
    if (fenced.has(session)) throw new LinkFailure('answer', '1213', 'Deadlock: somebody has asked');
    for (const [id, version] of work.reads) {
      if (accounts.get(id)?.version !== version) throw new LinkFailure('answer', '1213', 'Deadlock');
    }
    const lost = chance(options.losses);
    if (lost && chance(0.5)) throw new LinkFailure('lost', 'CONNECTION_LOST', 'lost before COMMIT took effect');
    if (!chance(options.lies?.forget)) apply(work);
    outcomes.set(session, (outcomes.get(session) ?? 0) + 1);
    if (chance(options.lies?.twice)) apply(work);
    if (lost) throw new LinkFailure('lost', 'CONNECTION_LOST', 'lost after COMMIT took effect');
    if (chance(options.lies?.deny)) throw new LinkFailure('answer', '1213', 'Deadlock, it says');
  };

  const openLink = async (endpoint: Endpoint): Promise<Link> => {
    let closed = false;
    // A session does not survive the death of its instance, even when the instance comes back.
    const bornInto = generations.get(endpoint.instance) ?? 0;
    const generation = (): boolean => !closed && (generations.get(endpoint.instance) ?? 0) === bornInto;
    let work: Work = { reads: new Map(), moves: [], transfer: undefined, entries: [] };
    sessions += 1;
    const session = `f${sessions}f`;
    await clock.sleep(1);
    if (condition(endpoint.instance) === 'dead') throw new LinkFailure('lost', 'CONNECTION_REFUSED', 'refused');
    const execute = async (sql: string, values: readonly Value[]): Promise<readonly Row[]> => {
      await answer(endpoint.instance, generation);
      const [a, b, c, d, e, f] = values.map(Number);
      switch (sql) {
        case statements.funds: {
          const rows = [a, b].flatMap((id) => accounts.get(id ?? 0) ?? []).sort((x, y) => x.id - y.id);
          for (const { id, version } of rows) work.reads.set(id, version);
          return rows.map(({ id, balance, version }) => [id, balance, version]);
        }
        case statements.move:
          work.moves.push([d ?? 0, b ?? 0], [e ?? 0, c ?? 0]);
          return [];
        case statements.transfer:
          work.transfer = {
            id: String(values[0]),
            from: b ?? 0,
            to: c ?? 0,
            amount: d ?? 0,
            site: String(values[4]),
            at: f ?? 0,
          };
          return [];
        case statements.slip:
          slips.set(String(values[0]), {
            transfer: {
              id: String(values[0]),
              from: b ?? 0,
              to: c ?? 0,
              amount: d ?? 0,
              site: String(values[4]),
              at: f ?? 0,
            },
            done: 0,
          });
          return [];
        case statements.carryOut:
          carryOut(String(values[0]));
          await afterCommit(endpoint.instance, generation);
          return [];
        case statements.entries:
          work.entries.push([b ?? 0, c ?? 0], [e ?? 0, f ?? 0]);
          return [];
        default:
          throw new Error(`The simulation does not know: ${sql}`);
      }
    };
    const query = async (sql: string): Promise<readonly Row[]> => {
      await answer(endpoint.instance, generation);
      if (sql === statements.begin || sql === statements.rollback)
        work = { reads: new Map(), moves: [], transfer: undefined, entries: [] };
      if (sql === statements.sessionKey) return [[`${session}0000${outcomes.get(session) ?? 0}`]];
      const asked = /outcome\('([0-9a-f]+)'\)/.exec(sql)?.[1];
      if (asked !== undefined) return [[outcomeOf(asked)]];
      if (sql === statements.commit) {
        commit(work, session);
        await afterCommit(endpoint.instance, generation);
      }
      return [];
    };
    return {
      instance: endpoint.instance,
      query,
      execute,
      ended: () => !generation(),
      close: () => {
        closed = true;
      },
    };
  };
  const generations = new Map<string, number>();
  let sessions = 0;
  /** A gateway can die between the commit and its answer. */
  const afterCommit = async (name: string, generation: () => boolean): Promise<void> => {
    if (!isGateway(name)) return;
    await clock.sleep(1);
    if (condition(name) === 'dead' || !generation()) throw new LinkFailure('lost', 'CONNECTION_LOST', 'lost');
  };
  const slips = new Map<string, { readonly transfer: TransferRow; done: number }>();
  const carryOut = (id: string): void => {
    const slip = slips.get(id);
    if (slip === undefined) return;
    slip.done += 1;
    const { from, to, amount } = slip.transfer;
    apply({
      reads: new Map(),
      moves: [
        [from, -amount],
        [to, amount],
      ],
      transfer: slip.transfer,
      entries: [
        [from, -amount],
        [to, amount],
      ],
    });
  };

  return {
    open: openLink,
    condition,
    set: (instance, next) => {
      if (next === 'dead') generations.set(instance, (generations.get(instance) ?? 0) + 1);
      conditions.set(instance, next);
    },
    contents: (instance) => ({
      instance,
      accounts: [...accounts.values()].map((account): AccountRow => ({ ...account })),
      transfers: [...transfers],
      entries: [...entries],
    }),
  };
};

export const endpointsOf = (instances: readonly string[], gateways = false): readonly Endpoint[] =>
  instances.map((instance, index) => ({
    instance,
    ...(gateways ? { gateway: true as const } : {}),
    site: instance.replace(/(-gateway)?-\d+$/, ''),
    host: '192.0.2.1',
    port: 3_306 + index,
    user: 'bank',
    password: '',
    database: 'bank',
  }));
