/**
 * What operators ask of a gateway, recorded before it is done and again with how it ended. What cannot be recorded is not done; looking
 * (`status`, `sessions`) is not recorded. Pure but for the writer that is passed in.
 */
import { CoequalError, codeOf } from '@coequal/kernel';
import type { AuditDetails, AuditEntry, AuditWriter } from '@coequal/trust';
import type { Call } from './control-lines.ts';

export type OperatorAudit = AuditWriter;

export type Asked = { readonly call: Call; readonly by: string; readonly gateway: string };

/** @throws AUDIT_UNWRITABLE, and what `run` throws */
export const audited = async <T>(audit: OperatorAudit, asked: Asked, run: () => Promise<T>): Promise<T> => {
  const entry = entryOf(asked);
  if (entry === undefined) return run();
  await audit.write({ ...entry, result: 'asked' });
  let answer: T;
  try {
    answer = await run();
  } catch (error) {
    // A code and no message: messages may quote what is not for the record.
    const refused = error instanceof CoequalError && error.kind === 'user';
    await audit.write({ ...entry, result: refused ? 'refused' : 'failed', reason: codeOf(error) ?? 'BUG' });
    throw error;
  }
  await audit.write({ ...entry, result: 'done' });
  return answer;
};

/** Undefined: it only looks. */
const entryOf = ({ call, by, gateway }: Asked): Omit<AuditEntry, 'result'> | undefined => {
  const entry = (action: string, target: string, details: AuditDetails): Omit<AuditEntry, 'result'> => ({
    actor: `os:${by}`,
    action: `gateway.${action}`,
    target,
    details,
  });
  switch (call.method) {
    case 'status':
    case 'sessions':
      return undefined;
    case 'drain': {
      const target = call.instance === null ? `gateway ${gateway}` : `instance ${call.instance} at ${gateway}`;
      const { on, deadlineMs } = call;
      return entry(on ? 'drain' : 'undrain', target, deadlineMs === null ? {} : { deadlineMs });
    }
    case 'restart':
      return entry('restart', `gateway ${gateway}`, call.deadlineMs === null ? {} : { deadlineMs: call.deadlineMs });
    case 'kill':
      return entry('kill', `session ${call.id} at ${gateway}`, { what: call.what });
  }
};
