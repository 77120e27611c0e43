/**
 * Who has to agree before a plan is carried out. Until the platform knows people nobody can, so nothing is begun: the one place where that is
 * said, and where it ends.
 */
import type { Approvals } from './runs.ts';

export const nobodyAgrees: Approvals = {
  check: async () => ({ ok: false, reason: 'nobody can agree to it yet, because this platform knows no people' }),
};
