/** What happens in one run of the simulation, as values that fast-check makes and shrinks: clients, what they ask for, and faults. */
import fc from 'fast-check';
import type { Operation, Procedure } from './operations.ts';
import type { Fault, FaultKind } from './simulated-instance.ts';

export type ClientPlan = {
  readonly operations: readonly Operation[];
  readonly deprecateEof: boolean;
  readonly sessionTrack: boolean;
  readonly depth: number;
  readonly direct: boolean;
  readonly quits: boolean;
  /** Goes away without a word after so many answers; null: it stays. */
  readonly leavesAfter: number | null;
};

/** How a fence ends: decided, or undecided with or without having been carried out. */
export type SettlePlan = 'decided' | 'undecided' | 'undecided-fenced';

export type Plan = {
  /** Of everything that the rest leaves open: who moves next, and where bytes are cut. */
  readonly seed: number;
  readonly instances: number;
  readonly clients: readonly ClientPlan[];
  readonly faults: readonly Fault[];
  readonly settles: readonly SettlePlan[];
  readonly counters: number;
  readonly padBytes: number;
  readonly rollbackOnTimeout: boolean;
  readonly readsOwnWrites: boolean;
  readonly guarded: boolean;
  readonly transactionBytes: number;
  readonly roomBytes: number;
  readonly recoveryMs: number;
  /** So often is a session asked to leave its instance in order. */
  readonly drains: number;
};

type Choice<Value> = readonly [weight: number, values: fc.Arbitrary<Value>];
const chosen = <Value>(...choices: readonly Choice<Value>[]): fc.Arbitrary<Value> =>
  fc.oneof(...choices.map(([weight, arbitrary]) => ({ weight, arbitrary })));
const is = (operation: Operation): fc.Arbitrary<Operation> => fc.constant(operation);

const id = fc.integer({ min: 0, max: 2 });
const binary = fc.boolean();

const read: fc.Arbitrary<Operation> = chosen<Operation>(
  [5, fc.record({ do: fc.constant('read' as const), id, binary })],
  [4, fc.record({ do: fc.constant('read-all' as const), binary })],
  [1, fc.record({ do: fc.constant('cursor' as const), rows: fc.integer({ min: 1, max: 3 }) })],
);

const write: fc.Arbitrary<Operation> = chosen<Operation>(
  [6, fc.record({ do: fc.constant('add' as const), id, binary })],
  [6, fc.record({ do: fc.constant('log' as const), binary, long: fc.boolean() })],
  [1, is({ do: 'log-warned' })],
  [1, fc.record({ do: fc.constant('load' as const), lines: fc.integer({ min: 0, max: 3 }) })],
);

const name = fc.constantFrom('a', 'b');

/** State of the session, and questions about it. */
const state: fc.Arbitrary<Operation> = chosen<Operation>(
  [2, fc.record({ do: fc.constant('set-variable' as const), value: fc.nat(99) })],
  [3, is({ do: 'get-variable' })],
  [2, fc.record({ do: fc.constant('set-setting' as const), value: fc.integer({ min: 1, max: 99 }) })],
  [3, is({ do: 'get-setting' })],
  [1, fc.record({ do: fc.constant('use' as const), schema: fc.constantFrom('app', 'other') })],
  [2, is({ do: 'database' })],
  [3, is({ do: 'last-insert-id' })],
  [2, is({ do: 'row-count' })],
  [2, is({ do: 'warnings' })],
  [2, fc.record({ do: fc.constant('fail' as const), binary })],
  [1, is({ do: 'ping' })],
  [1, is({ do: 'statistics' })],
  [2, is({ do: 'close-statements' })],
);

const savepoint: fc.Arbitrary<Operation> = chosen<Operation>(
  [2, fc.record({ do: fc.constant('savepoint' as const), name })],
  [1, fc.record({ do: fc.constant('back-to' as const), name })],
  [1, fc.record({ do: fc.constant('release' as const), name })],
);

const procedure = fc.constantFrom<Procedure>('add_log', 'add_maybe', 'add_commit', 'add_commit_begin');

/** What nobody can hide when it is lost, or what ends a session. */
const opaque: fc.Arbitrary<Operation> = chosen<Operation>(
  [2, is({ do: 'ddl' })],
  [2, fc.record({ do: fc.constant('call' as const), name: procedure })],
  [2, fc.record({ do: fc.constant('multi' as const), id })],
  [2, is({ do: 'log-returning' })],
  [1, is({ do: 'lock' })],
);

const inside = (others: readonly Choice<Operation>[]): fc.Arbitrary<readonly Operation[]> =>
  fc.array(chosen<Operation>([5, read], [6, write], [2, state], [1, savepoint], ...others), {
    minLength: 1,
    maxLength: 6,
  });

const begin: fc.Arbitrary<Operation> = fc.record({
  do: fc.constant('begin' as const),
  modifiers: fc.constantFrom('', '', '', ' READ ONLY', ' WITH CONSISTENT SNAPSHOT'),
});

const end: fc.Arbitrary<Operation> = chosen<Operation>(
  [8, is({ do: 'commit', modifiers: '' })],
  [2, is({ do: 'commit', modifiers: ' AND CHAIN' })],
  [2, is({ do: 'rollback', modifiers: '' })],
  [1, is({ do: 'rollback', modifiers: ' AND CHAIN' })],
);

/** A few requests that an application sends together: a transaction, a single statement, a change of mode. */
const piece = (others: readonly Choice<Operation>[]): fc.Arbitrary<readonly Operation[]> =>
  chosen<readonly Operation[]>(
    [6, fc.tuple(begin, inside(others), end).map(([first, middle, last]) => [first, ...middle, last])],
    [2, fc.tuple(begin, inside(others)).map(([first, middle]) => [first, ...middle])],
    [6, write.map((one) => [one])],
    [2, read.map((one) => [one])],
    [3, fc.array(state, { minLength: 1, maxLength: 3 })],
    [1, is({ do: 'reset-connection' }).map((one) => [one])],
    [
      2,
      fc
        .tuple(inside(others), fc.boolean())
        .map(([middle, commits]): readonly Operation[] => [
          { do: 'autocommit', on: false },
          ...middle,
          ...(commits ? [{ do: 'commit', modifiers: '' } as const] : []),
          { do: 'autocommit', on: true },
        ]),
    ],
    ...others.map(([weight, arbitrary]): Choice<readonly Operation[]> => [weight, arbitrary.map((one) => [one])]),
  );

const client = (others: readonly Choice<Operation>[], leaves: boolean): fc.Arbitrary<ClientPlan> =>
  fc.record({
    operations: fc
      .tuple(fc.array(piece(others), { minLength: 1, maxLength: 5 }), fc.boolean())
      .map(([pieces, releases]): readonly Operation[] => [
        ...pieces.flat(),
        ...(releases ? [{ do: 'commit', modifiers: ' RELEASE' } as const] : []),
      ]),
    deprecateEof: fc.boolean(),
    sessionTrack: fc.boolean(),
    depth: fc.constantFrom(1, 1, 3, 20),
    direct: fc.boolean(),
    quits: fc.boolean(),
    leavesAfter: leaves ? fc.option(fc.nat(12), { freq: 6 }) : fc.constant(null),
  });

const fault = (kinds: readonly FaultKind[]): fc.Arbitrary<Fault> =>
  fc.record({
    what: fc.constantFrom(...kinds),
    at: fc.constantFrom('any', 'record', 'statement'),
    after: fc.oneof(fc.nat(3), fc.nat(20)),
    done: fc.boolean(),
    later: fc.boolean(),
    shown: fc.constantFrom(0, 0, 30, 50, 80, 100),
  });

/** Whatever an instance can do to a session that it serves. */
const everyFault: readonly FaultKind[] = [
  'lose',
  'lose',
  'crash',
  'hang',
  'isolate',
  'garbage',
  'stop',
  'commit-error',
  'too-large',
  'interrupt',
  'killed',
  'good-bye',
];

/** Losses that a session alone on its data must not notice. */
const hiddenFaults: readonly FaultKind[] = [
  'lose',
  'lose',
  'crash',
  'hang',
  'isolate',
  'garbage',
  'stop',
  'commit-error',
  'good-bye',
];

const seed = fc.integer({ min: 0, max: 0x7fff_ffff });

/** One client, and losses: it must be told exactly what a single server would tell it. */
export const alonePlan: fc.Arbitrary<Plan> = fc.record({
  seed,
  instances: fc.integer({ min: 2, max: 3 }),
  clients: client([], false).map((one) => [one]),
  faults: fc.array(fault(hiddenFaults), { maxLength: 5 }),
  settles: fc.constant<readonly SettlePlan[]>([]),
  counters: fc.constant(3),
  padBytes: fc.constantFrom(0, 30, 300),
  rollbackOnTimeout: fc.boolean(),
  readsOwnWrites: fc.constant(true),
  guarded: fc.boolean(),
  transactionBytes: fc.constant(1_000_000),
  roomBytes: fc.constant(1_000_000),
  recoveryMs: fc.constant(1_000_000),
  drains: fc.nat(2),
});

/** Several clients on the same few rows, every fault, every limit, everything that cannot be hidden. */
export const crowdPlan: fc.Arbitrary<Plan> = fc.record({
  seed,
  instances: fc.integer({ min: 1, max: 3 }),
  clients: fc.array(client([[1, opaque]], true), { minLength: 1, maxLength: 3 }),
  faults: fc.array(fault(everyFault), { maxLength: 6 }),
  settles: fc.array(fc.constantFrom<SettlePlan>('decided', 'decided', 'undecided', 'undecided-fenced'), {
    maxLength: 4,
  }),
  counters: fc.constant(3),
  padBytes: fc.constantFrom(0, 30, 300),
  rollbackOnTimeout: fc.boolean(),
  readsOwnWrites: fc.boolean(),
  guarded: fc.boolean(),
  transactionBytes: fc.constantFrom(1_000_000, 1_000_000, 1_000),
  roomBytes: fc.constantFrom(1_000_000, 1_000_000, 1_500),
  recoveryMs: fc.constantFrom(1_000_000, 1_000_000, 60),
  drains: fc.nat(2),
});
