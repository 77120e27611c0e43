/** Errors of the registry as answers: status and problem details (RFC 9457). A bug of ours says that it is one, and nothing else. */
import type { Problem } from '@coequal/contract';
import { CoequalError, type ErrorCode } from '@coequal/kernel';

const statuses: Partial<Readonly<Record<ErrorCode, number>>> = {
  REQUEST_INVALID: 400,
  REQUEST_UNAUTHORISED: 401,
  SIGN_IN_NEEDED: 401,
  SIGN_IN_FAILED: 401,
  REQUEST_FOREIGN: 403,
  FACTOR_STALE: 403,
  SESSION_LOCKED: 403,
  PERSON_UNKNOWN: 404,
  PERSON_REFUSED: 409,
  IDENTITY_FULL: 409,
  SIGN_IN_BLOCKED: 429,
  DIRECTORY_FAILED: 502,
  ACCESS_UNKNOWN: 401,
  ACCESS_DENIED: 403,
  ACCESS_STEP_UP: 403,
  ACCESS_NEEDS_APPROVAL: 403,
  SERVICE_ACCOUNT_UNKNOWN: 404,
  SERVICE_ACCOUNT_EXISTS: 409,
  IDEMPOTENCY_PENDING: 409,
  IDEMPOTENCY_KEY_REUSED: 422,
  ROUTE_UNKNOWN: 404,
  INCIDENT_UNKNOWN: 404,
  THING_UNKNOWN: 404,
  INCIDENT_IS_RESOLVED: 409,
  PLAN_REFUSED: 409,
  REQUEST_TOO_LARGE: 413,
  REQUEST_TOO_MANY: 429,
  STORE_FAILED: 502,
  STORAGE_FAILED: 503,
};

export const problemOf = (error: unknown): Problem => {
  if (!(error instanceof CoequalError))
    return {
      ...{ type: 'about:blank', title: 'Internal error', status: 500, code: 'BUG', retry: false },
      detail: 'This is a bug in the platform; its log has the rest.',
    };
  return {
    type: 'about:blank',
    title: error.code.toLowerCase().replaceAll('_', ' '),
    status: statuses[error.code] ?? (error.kind === 'user' ? 400 : 503),
    detail: error.message,
    code: error.code,
    advice: error.advice,
    retry: error.retry,
  };
};
