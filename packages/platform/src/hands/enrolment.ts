/**
 * Who may enrol as which agent. Pure. An agent that is new needs one invitation. One that was enrolled before and comes without a certificate
 * that counts (it expired, the host was built anew, or somebody only says so) needs two, of two different people. A certificate counts only
 * while it is the last one that was issued to the agent, or the one that it renewed with.
 */

export type AgentRecord = {
  readonly agent: string;
  readonly enrolledMs: number;
  /** SHA-256 of certificates that count, the newest first. */
  readonly certificates: readonly string[];
  readonly revoked: boolean;
};

export type InvitationRecord = { readonly agent: string; readonly by: string; readonly untilMs: number };

export type EnrolmentDecision =
  | { readonly ok: true; readonly agent: string; readonly by: readonly string[] }
  | { readonly ok: false; readonly reason: string };

export const decideEnrolment = (
  invitations: readonly (InvitationRecord | undefined)[],
  recordOf: (agent: string) => AgentRecord | undefined,
  nowMs: number,
): EnrolmentDecision => {
  // Who guesses learns nothing: unknown, used and expired are one answer.
  const none = {
    ok: false,
    reason: 'the invitation does not count: it was used, or is over, or was never given',
  } as const;
  const valid = invitations.flatMap((one) => (one === undefined || one.untilMs <= nowMs ? [] : [one]));
  const [first] = valid;
  if (first === undefined || valid.length !== invitations.length) return none;
  const { agent } = first;
  if (valid.some((one) => one.agent !== agent)) return none;
  const by = [...new Set(valid.map((one) => one.by))];
  if (recordOf(agent) === undefined || by.length >= 2) return { ok: true, agent, by };
  return {
    ok: false,
    reason: `${agent} was enrolled before: enrolling it again needs a second invitation, of another person`,
  };
};

/** After an enrolment only the new certificate counts; after a renewal also the one that it was asked with. */
export const withCertificate = (
  record: AgentRecord | undefined,
  agent: string,
  issued: string,
  shown: string | undefined,
  nowMs: number,
): AgentRecord => ({
  agent,
  enrolledMs: shown === undefined ? nowMs : (record?.enrolledMs ?? nowMs),
  // The answer may get lost with the line: then the agent comes again with the certificate that it has.
  certificates: shown === undefined ? [issued] : [issued, shown],
  revoked: false,
});

/** Why a certificate does not count; undefined: it does. */
export const refusalOf = (record: AgentRecord | undefined, certificate: string): string | undefined => {
  if (record === undefined) return 'this agent was never enrolled here';
  if (record.revoked) return 'this agent was revoked';
  return record.certificates.includes(certificate) ? undefined : 'this certificate was replaced by a newer one';
};
