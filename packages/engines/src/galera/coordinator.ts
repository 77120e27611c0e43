/**
 * Starting a service as a whole, by whoever can see all its hosts. It carries out the plans of `recovery.ts`
 * through the drivers, and falls back from the fast way to the certain one. It never forces anything: what
 * `planRecovery` refuses is refused here, with the reason.
 */
import { randomUUID } from 'node:crypto';
import { serves } from '@coequal/estate';
import { type Clock, CoequalError, fail, type Log, until } from '@coequal/kernel';
import type { GaleraDriver } from './adapters/driver.ts';
import { formatPosition, zeroGroup } from './position.ts';
import { type BootstrapPlan, type Inspected, planRecovery, type RecoveryPlan } from './recovery.ts';

export type Coordination = {
  readonly service: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Deadline for one instance to serve, ms. Full transfers of large data take their time. */
  readonly serveDeadlineMs: number;
  /** How long members on disk may take to find each other before the certain way is taken, ms. */
  readonly reformDeadlineMs?: number;
  /** Instances whose hosts cannot be reached: their data counts as not inspected. */
  readonly unreachable?: readonly string[];
};

export type Recovery = {
  readonly way: 're-form' | 'bootstrap' | 'join';
  readonly positions: Readonly<Record<string, string>>;
};

/**
 * Brings a service to serving on all its instances, whatever state they are in: some serving (the others join),
 * or none (a recovery that keeps every acknowledged write).
 * @throws RECOVERY_REFUSED when going on could lose something; ENGINE_REFUSED_START, DEADLINE_PASSED from an instance.
 */
export const startService = async (drivers: readonly GaleraDriver[], how: Coordination): Promise<Recovery> => {
  const observed = await Promise.all(drivers.map((driver) => driver.observe()));
  const down = drivers.filter((driver) => driver.process() === undefined);
  if (observed.some(({ state }) => serves(state))) {
    await Promise.all(down.map((driver) => rejoin(driver, how.serveDeadlineMs)));
    return { way: 'join', positions: {} };
  }
  if (how.unreachable !== undefined && how.unreachable.length > 0) throw refusal(how, unreachablePlan(how.unreachable));
  // Instances that run without a majority serve nobody; stopped in order they can be compared with the others.
  await Promise.all(drivers.map((driver) => driver.stop(30_000)));
  const inspected = await Promise.all(drivers.map((driver) => inspect(driver, how.log)));
  const plan = planRecovery(inspected);
  const positions = Object.fromEntries(
    inspected.map(({ instance, position }) => [
      instance,
      position === undefined ? 'unknown' : formatPosition(position),
    ]),
  );
  how.log('info', 'recovery planned', { service: how.service, plan: plan.kind, positions });
  const byName = (name: string) => named(drivers, name);
  switch (plan.kind) {
    case 'refuse':
      throw refusal(how, plan);
    case 're-form': {
      if (plan.writeComponent) await writeComponent(drivers);
      await Promise.all(
        plan.instances.map(({ instance, position }) => byName(instance).start({ kind: 're-form', position })),
      );
      if (await reformed(drivers, how)) return { way: 're-form', positions };
      how.log('warn', 'members did not find each other', { service: how.service });
      await Promise.all(drivers.map((driver) => driver.fence()));
      await carryOut(plan.otherwise, byName, how);
      return { way: 'bootstrap', positions };
    }
    case 'bootstrap':
      await carryOut(plan, byName, how);
      return { way: 'bootstrap', positions };
  }
};

const writeComponent = async (drivers: readonly GaleraDriver[]): Promise<void> => {
  const members = drivers.map(() => randomUUID());
  await Promise.all(drivers.map((driver, index) => driver.writeComponent({ self: members[index] ?? '', members })));
};

const unreachablePlan = (instances: readonly string[]) =>
  planRecovery(instances.map((instance) => ({ instance, position: undefined, component: [] })));

const refusal = (how: Coordination, plan: RecoveryPlan) =>
  fail('RECOVERY_REFUSED', {
    service: how.service,
    reason: plan.kind === 'refuse' ? plan.reason : 'its plan is out of date.',
    advice: plan.kind === 'refuse' ? plan.advice : 'Try again.',
  });

/**
 * Class C3: re-forms the service around one instance while the others are lost. They are fenced first, so that
 * they cannot go on as a majority of the old group, and marked with the position of the fork: whatever they hold
 * beyond it is an old branch, and they will take over this instance's data instead of serving it.
 */
export const forcePrimary = async (
  chosen: GaleraDriver,
  others: readonly GaleraDriver[],
  how: Coordination,
): Promise<void> => {
  await Promise.all(others.map((driver) => driver.fence()));
  const { position } = await chosen.observe();
  const sequence = Number(position?.split(':')[1]);
  if (!Number.isInteger(sequence)) {
    throw fail('ENGINE_POSITION_UNKNOWN', {
      instance: chosen.instance,
      reason: 'it does not answer',
      advice: 'Choose an instance that runs; `coequal lab status` shows which do.',
    });
  }
  await Promise.all(others.map((driver) => driver.markFork(sequence)));
  await chosen.forcePrimary();
  await chosen.untilServing(how.serveDeadlineMs);
  how.log('warn', 'primary forced', { service: how.service, instance: chosen.instance, sequence });
};

/**
 * Starts an instance that was down while others serve, with its own position, so that it need not copy everything.
 * One that holds an old branch (see `forcePrimary`) is re-provisioned; its data is kept aside.
 */
export const rejoin = async (driver: GaleraDriver, serveDeadlineMs: number): Promise<void> => {
  if (await driver.holdsOldBranch()) {
    await driver.reprovision();
    await driver.prepare();
  }
  const position = await driver.storedPosition();
  const usable = position.group !== zeroGroup && position.sequence >= 0;
  await join(driver, serveDeadlineMs, usable ? formatPosition(position) : undefined);
};

const join = async (driver: GaleraDriver, deadlineMs: number, position: string | undefined): Promise<void> => {
  await driver.start({ kind: 'join', ...(position === undefined ? {} : { position }) });
  await driver.untilServing(deadlineMs);
};

const startFirst = async (driver: GaleraDriver, deadlineMs: number, position: string | undefined): Promise<void> => {
  await driver.start({ kind: 'bootstrap', ...(position === undefined ? {} : { position }) });
  await driver.untilServing(deadlineMs);
};

const carryOut = async (
  plan: BootstrapPlan,
  byName: (name: string) => GaleraDriver,
  how: Coordination,
): Promise<void> => {
  await startFirst(byName(plan.from), how.serveDeadlineMs, plan.position);
  await Promise.all(plan.others.map(({ instance, position }) => join(byName(instance), how.serveDeadlineMs, position)));
};

/** True when all serve; false when a member ended or the time passed, so that the certain way must be taken. */
const reformed = async (drivers: readonly GaleraDriver[], how: Coordination): Promise<boolean> => {
  try {
    await until(
      how.clock,
      { what: `${how.service} re-formed`, deadlineMs: how.reformDeadlineMs ?? 20_000, everyMs: 20 },
      async () => {
        const states = await Promise.all(drivers.map((driver) => driver.observe()));
        if (states.some(({ state }) => serves(state))) return true;
        if (drivers.some((driver) => driver.process() === undefined)) throw ended;
        return false;
      },
    );
    await Promise.all(drivers.map((driver) => driver.untilServing(how.serveDeadlineMs)));
    return true;
  } catch (error) {
    if (error === ended || (error instanceof CoequalError && error.code === 'DEADLINE_PASSED')) return false;
    throw error;
  }
};

const ended = Symbol('a member ended');

const inspect = async (driver: GaleraDriver, log: Log): Promise<Inspected> => {
  try {
    if (await driver.holdsOldBranch()) {
      await driver.reprovision();
      await driver.prepare();
    }
    return {
      instance: driver.instance,
      position: await driver.storedPosition(),
      component: await driver.storedComponent(),
    };
  } catch (error) {
    if (!(error instanceof CoequalError)) throw error;
    log('error', 'position unknown', { instance: driver.instance, reason: error.message });
    return { instance: driver.instance, position: undefined, component: [] };
  }
};

const named = (drivers: readonly GaleraDriver[], name: string): GaleraDriver => {
  const found = drivers.find((driver) => driver.instance === name);
  if (found === undefined) throw new Error(`Bug: no driver for ${name}`);
  return found;
};
