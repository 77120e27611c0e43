/** From an incident to what could be done about it. Pure. */
import type { Incident, Proposal } from '@coequal/contract';
import type { Facts } from './facts.ts';
import { proposePlan } from './propose.ts';

export const proposalFor = (incident: Incident, facts: Facts): Proposal => {
  const { id, state, diagnosis, confirmedCause, place } = incident;
  if (state === 'resolved') return { kind: 'none', reason: 'The incident is over.' };
  const [first] = diagnosis?.causes ?? [];
  // What a person said it was counts more than what was found.
  const cause = confirmedCause ?? first?.cause;
  if (cause === undefined) return { kind: 'none', reason: 'Its cause is not known yet.' };
  const found = diagnosis?.causes.find((one) => one.cause === cause);
  return proposePlan({ cause, place: found?.place ?? place, incident: id }, facts);
};
