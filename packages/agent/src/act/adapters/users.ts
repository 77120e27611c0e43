/** Users of the system as numbers, from the text of its file of users: where names come from elsewhere (LDAP), give it one of its own. */
import { fail } from '@coequal/kernel';

export type SystemUser = { readonly uid: number; readonly gid: number };

/** @throws PERMISSION_MISSING: there is no such user */
export const userOf = (name: string, passwd: string): SystemUser => {
  const line = passwd.split('\n').find((one) => one.startsWith(`${name}:`));
  const [, , uid, gid] = line?.split(':') ?? [];
  if (uid === undefined || gid === undefined)
    throw fail('PERMISSION_MISSING', {
      what: `there is no user ${name} here`,
      advice: 'Make the user, or name another.',
    });
  return { uid: Number(uid), gid: Number(gid) };
};
