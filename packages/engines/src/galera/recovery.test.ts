/** The way back after a full outage: no plan may begin below the highest position, or without having seen all. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { StoredPosition } from '../driver.ts';
import { zeroGroup } from './position.ts';
import { type Inspected, planRecovery } from './recovery.ts';

const group = '5428756f-80c5-4046-996e-99033525e80b';
const component = ['a', 'b', 'c'];

const at = (sequence: number, more: Partial<StoredPosition> = {}): StoredPosition => ({
  group,
  sequence,
  safeToBootstrap: false,
  componentKnown: false,
  ...more,
});
const empty: StoredPosition = { group: zeroGroup, sequence: -1, safeToBootstrap: false, componentKnown: false };
const inspected = (...positions: readonly (StoredPosition | undefined)[]): readonly Inspected[] =>
  positions.map((position, index) => ({
    instance: `db-${index}`,
    position,
    component: position?.componentKnown === true ? component : [],
  }));

describe('planRecovery', () => {
  it('refuses to begin with nothing: an empty service would forget what a restore could bring back', () => {
    expect(planRecovery(inspected(empty, empty, empty)).kind).toBe('refuse');
  });

  it('re-forms the component that all of its members have on disk, each from its own position', () => {
    const plan = planRecovery(
      inspected(at(5, { componentKnown: true }), at(7, { componentKnown: true }), at(6, { componentKnown: true })),
    );
    expect(plan).toMatchObject({ kind: 're-form', writeComponent: false, otherwise: { from: 'db-1' } });
  });

  it('writes a component where none is on disk but all stand at one position', () => {
    expect(planRecovery(inspected(at(7), at(7), at(7)))).toMatchObject({ kind: 're-form', writeComponent: true });
  });

  it('begins with the highest position where the components on disk differ', () => {
    const positions = inspected(at(5, { componentKnown: true }), at(9), at(6, { componentKnown: true }));
    expect(planRecovery(positions)).toMatchObject({ kind: 'bootstrap', from: 'db-1', position: `${group}:9` });
  });

  it('prefers the one that ended last in order among equals', () => {
    const plan = planRecovery(inspected(at(9), at(9, { safeToBootstrap: true }), at(3)));
    expect(plan).toMatchObject({ kind: 'bootstrap', from: 'db-1' });
  });

  it('lets an instance without data join with a full copy', () => {
    expect(planRecovery(inspected(at(4), empty, at(2)))).toMatchObject({
      kind: 'bootstrap',
      from: 'db-0',
      others: [
        { instance: 'db-2', position: `${group}:2` },
        { instance: 'db-1', position: undefined },
      ],
    });
  });

  it('refuses while one instance was not inspected, naming it', () => {
    const plan = planRecovery(inspected(at(4), undefined, at(5)));
    expect(plan.kind).toBe('refuse');
    expect(plan.kind === 'refuse' && plan.reason).toContain('db-1');
  });

  it('refuses data of two groups, and positions that even recovery does not know', () => {
    const foreign = { ...at(4), group: '0d0c5bd2-7e26-4a91-9c27-2f4b5b6a1111' };
    expect(planRecovery(inspected(at(4), foreign)).kind).toBe('refuse');
    expect(planRecovery(inspected(at(4), at(-1))).kind).toBe('refuse');
  });

  it('never leaves a higher position behind, whatever was found', () => {
    const positions = fc.record({
      sequence: fc.integer({ min: 0, max: 50 }),
      safeToBootstrap: fc.boolean(),
      componentKnown: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(positions, { minLength: 1, maxLength: 7 }), (found) => {
        const all = inspected(...found.map((each) => at(each.sequence, each)));
        const plan = planRecovery(all);
        const highest = Math.max(...found.map(({ sequence }) => sequence));
        const begun = plan.kind === 're-form' ? plan.otherwise : plan;
        expect(begun.kind).toBe('bootstrap');
        expect(begun.kind === 'bootstrap' && begun.position).toBe(`${group}:${highest}`);
        if (plan.kind === 're-form') expect(plan.instances).toHaveLength(all.length);
      }),
    );
  });
});
