/**
 * How long the certificates of processes live, and when they are renewed. Pure. A certificate is renewed at two thirds of its life, so that
 * the last third is what a process can do without its platform: eight days.
 */
import { X509Certificate } from 'node:crypto';
import { fail, reasonOf } from '@coequal/kernel';

const dayMs = 86_400_000;

export const certificateLifetimeMs = 24 * dayMs;
/** Certificates are valid from a day before they were issued (`certificates.ts`): that day is no part of their life. */
const leadMs = dayMs;

export type Validity = { readonly fromMs: number; readonly untilMs: number };

/** Throws CERTIFICATE_REFUSED. */
export const validityOf = (pem: string): Validity => {
  try {
    const { validFromDate, validToDate } = new X509Certificate(pem);
    return { fromMs: validFromDate.getTime(), untilMs: validToDate.getTime() };
  } catch (error) {
    throw fail('CERTIFICATE_REFUSED', { reason: `it cannot be read (${reasonOf(error)})` }, { cause: error });
  }
};

/** When it is to be renewed. */
export const renewalMs = ({ fromMs, untilMs }: Validity): number => {
  const issuedMs = fromMs + leadMs;
  return issuedMs + Math.max(0, ((untilMs - issuedMs) * 2) / 3);
};

/**
 * Whether it is to be renewed now. Of two clocks that disagree the later one counts: too early costs one request, too late costs the
 * enrolment.
 */
export const isRenewalDue = (validity: Validity, nowMs: number, platformNowMs = nowMs): boolean =>
  Math.max(nowMs, platformNowMs) >= renewalMs(validity);

/** What a clock of a process makes of a certificate. */
export const standingOf = ({ fromMs, untilMs }: Validity, nowMs: number): 'valid' | 'expired' | 'not-yet' =>
  nowMs < fromMs ? 'not-yet' : nowMs >= untilMs ? 'expired' : 'valid';
