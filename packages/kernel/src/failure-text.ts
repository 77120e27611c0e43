/** How a failure is told to a person: one line with what happened, what to do, and the code. */
import type { CoequalError } from './errors.ts';

/** One line; several only where several places of a file are wrong, one line each. */
export const failureText = (error: CoequalError): string => {
  const problems = error.code === 'ESTATE_INVALID' ? String(error.details['problems']).split('\n') : [];
  if (problems.length === 1) return `coequal: ${problems[0]} [${error.code}]`;
  if (problems.length > 1)
    return [`coequal: ${oneLine(error.message.split('\n')[0] ?? '')} [${error.code}]`, ...problems].join('\n');
  return `coequal: ${oneLine(error.message)} ${oneLine(error.advice)} [${error.code}]`;
};

const oneLine = (text: string): string => {
  const line = text.replaceAll(/\s*\n\s*/g, ' ').trim();
  return /[.!?:]$/.test(line) ? line : `${line}.`;
};
