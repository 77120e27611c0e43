/** Recovery codes: ten of 79 bits, each good once, for whoever has lost the rest. Their hashes are sealed. */
import { identityLimits } from './limits.ts';
import type { IdentityPorts } from './ports.ts';
import { hashOfCode, newCode, newId, sameText } from './values.ts';

/** New ones; those of before are void. Shown this once. */
export const makeRecoveryCodes = async (
  { store, vault }: IdentityPorts,
  person: string,
): Promise<readonly string[]> => {
  const codes = Array.from({ length: identityLimits.recoveryCodes }, () => newCode(16));
  const kept = await Promise.all(
    codes.map(async (code) => {
      const id = newId('recovery');
      return { id, sealed: await vault.seal(hashOfCode(code), { table: 'recovery_code', row: id }) };
    }),
  );
  store.together(() => store.recovery.replace(person, kept));
  return codes;
};

/** True once for each code. */
export const takeRecoveryCode = async (
  { store, vault, clock }: IdentityPorts,
  person: string,
  typed: string,
): Promise<boolean> => {
  const wanted = hashOfCode(typed);
  let found: string | undefined;
  for (const { id, sealed } of store.recovery.unused(person))
    if (sameText(await vault.open(sealed, { table: 'recovery_code', row: id }), wanted)) found ??= id;
  return found !== undefined && store.recovery.take(found, clock.now());
};
