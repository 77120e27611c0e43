/**
 * The way back when no instance of a service runs: positions in, plan out. Pure. It never gives up an
 * acknowledged write: it starts from the highest position only when every instance was inspected, and refuses
 * otherwise, saying what a person may decide.
 */
import { assert } from '@coequal/kernel';
import type { StoredPosition } from '../driver.ts';
import { formatPosition as text, zeroGroup } from './position.ts';

export type Inspected = {
  readonly instance: string;
  /** Undefined: its host could not be reached or its data could not be read. */
  readonly position: StoredPosition | undefined;
  /** Members of the last component written on disk; empty when none is. */
  readonly component: readonly string[];
};

export type RecoveryPlan =
  /** Every member of the last component is here, or all stand at one position: they form a component together, each from its own position. */
  | {
      readonly kind: 're-form';
      readonly instances: readonly { readonly instance: string; readonly position: string }[];
      /** True: no component is on disk, but all stand at one position, so one may be written there. */
      readonly writeComponent: boolean;
      /** What to do when they do not find each other in time. */
      readonly otherwise: BootstrapPlan;
    }
  /** The one with the highest position starts alone, the others join it. */
  | BootstrapPlan
  | { readonly kind: 'refuse'; readonly reason: string; readonly advice: string };

export type BootstrapPlan = {
  readonly kind: 'bootstrap';
  readonly from: string;
  readonly position: string;
  readonly others: readonly { readonly instance: string; readonly position: string | undefined }[];
};

/** Decides how a service whose instances are all down is started. */
export const planRecovery = (inspected: readonly Inspected[]): RecoveryPlan => {
  if (inspected.length === 0) return refuse('it has no instances.', 'Add instances to the estate.');
  const known = inspected.flatMap(({ instance, position, component }) =>
    position === undefined ? [] : [{ instance, position, component }],
  );
  if (known.length < inspected.length) return refuseUninspected(inspected);
  const withData = known.filter(({ position }) => position.group !== zeroGroup);
  if (withData.length === 0) {
    return refuse('none of its instances holds data.', 'Plant its first data from a seed, or restore a backup.');
  }
  const groups = new Set(withData.map(({ position }) => position.group));
  if (groups.size > 1) {
    return refuse(
      `its instances hold data of different groups (${[...groups].join(', ')}).`,
      'Decide which data is the right one, and re-provision the other instances from it.',
    );
  }
  const unknown = withData.filter(({ position }) => position.sequence < 0);
  if (unknown.length > 0) {
    return refuse(
      `the position of ${unknown.map(({ instance }) => instance).join(', ')} is unknown even to the engine's recovery.`,
      'Repair or re-provision these instances; starting without them may lose what only they hold.',
    );
  }
  const otherwise = fromHighest(known);
  const whole = isWholeComponent(known);
  // The group orders all writes, so instances of one group at one position hold the same data.
  const equal = new Set(known.map(({ position }) => text(position))).size === 1;
  if (!whole && !(equal && known.length > 1)) return otherwise;
  return {
    kind: 're-form',
    instances: known.map(({ instance, position }) => ({ instance, position: text(position) })),
    writeComponent: !whole,
    otherwise,
  };
};

type Known = { readonly instance: string; readonly position: StoredPosition; readonly component: readonly string[] };

/** Fewer instances than members (an arbitrator, a host taken out) cannot be told from a missing majority here. */
const isWholeComponent = (known: readonly Known[]): boolean => {
  const wanted = [...(known[0]?.component ?? [])].sort().join();
  return (
    wanted !== '' &&
    known.length >= (known[0]?.component.length ?? 0) &&
    known.every(({ position, component }) => position.componentKnown && [...component].sort().join() === wanted)
  );
};

const fromHighest = (known: readonly Known[]): BootstrapPlan => {
  const [highest, ...others] = [...known].sort(
    (a, b) =>
      b.position.sequence - a.position.sequence ||
      Number(b.position.safeToBootstrap) - Number(a.position.safeToBootstrap),
  );
  assert(highest !== undefined, 'a plan for no instances');
  return {
    kind: 'bootstrap',
    from: highest.instance,
    position: text(highest.position),
    others: others.map(({ instance, position }) => ({
      instance,
      position: position.group === zeroGroup ? undefined : text(position),
    })),
  };
};

const refuseUninspected = (inspected: readonly Inspected[]): RecoveryPlan => {
  const missing = inspected.filter(({ position }) => position === undefined).map(({ instance }) => instance);
  return refuse(
    `${missing.join(', ')} could not be inspected, and may hold acknowledged transactions that the others do not.`,
    'Bring these hosts back, or have two people decide to go on without them (class C3: what only they hold is lost).',
  );
};

const refuse = (reason: string, advice: string): RecoveryPlan => ({ kind: 'refuse', reason, advice });
