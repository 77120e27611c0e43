/** Which roles go together. Nobody is all of them: who gives access does not act, who checks changes nothing. Pure. */
import type { Grant, Role } from '../access/subject.ts';

const excludes: Readonly<Partial<Record<Role, readonly Role[]>>> = {
  'security-admin': ['operator', 'approver', 'auditor'],
  auditor: ['operator', 'approver', 'security-admin'],
};

/** Two roles that one person may not have; undefined: they go together. */
export const contradiction = (grants: readonly Pick<Grant, 'role'>[]): readonly [Role, Role] | undefined => {
  const held = new Set(grants.map(({ role }) => role));
  for (const role of held) {
    const other = excludes[role]?.find((one) => held.has(one));
    if (other !== undefined) return [role, other];
  }
  return undefined;
};

/** Of whoever is enrolled first: enough to let others in, and nothing else. */
export const firstGrants: readonly Grant[] = [
  { role: 'security-admin', services: '*', sites: '*' },
  { role: 'viewer', services: '*', sites: '*' },
];
