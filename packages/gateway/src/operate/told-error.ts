/** Errors on their way to another process: by code and details there, as the same error again here. */
import { CoequalError, type ErrorDetails, fail, isErrorCode, reasonOf } from '@coequal/kernel';
import type { ToldError } from './messages.ts';

export const toldError = (error: unknown): ToldError =>
  error instanceof CoequalError
    ? { code: error.code, message: error.message, details: error.details }
    : { code: '', message: reasonOf(error), details: {} };

/** @param otherwise what to make of an error that has no code of ours, or of another version's */
export const revivedError = (value: unknown, otherwise: (reason: string) => Error): Error => {
  const { code, message, details } = fieldsOf(value);
  return isErrorCode(code) ? fail(code, detailsOf(details)) : otherwise(reasonOf(message ?? 'an unknown error'));
};

const fieldsOf = (
  value: unknown,
): { readonly code?: unknown; readonly message?: unknown; readonly details?: unknown } =>
  typeof value === 'object' && value !== null ? value : {};

const detailsOf = (value: unknown): ErrorDetails =>
  Object.fromEntries(
    Object.entries(fieldsOf(value)).map(([key, detail]) => [
      key,
      typeof detail === 'number' || typeof detail === 'boolean' ? detail : String(detail),
    ]),
  );
