/** Grants are refused where their roles watch each other. */
import { fail } from '@coequal/kernel';
import { conflictOf } from './decide.ts';
import type { Grant } from './subject.ts';

/** @throws GRANTS_REFUSED */
export const checkedGrants = (grants: readonly Grant[]): readonly Grant[] => {
  const conflict = conflictOf(grants);
  if (conflict !== undefined)
    throw fail('GRANTS_REFUSED', { reason: `nobody holds ${conflict[0]} and ${conflict[1]} together` });
  return grants;
};
