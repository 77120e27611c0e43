/** Times as Prometheus' and Alertmanager's APIs write them: RFC 3339, up to nanoseconds, with any offset. As milliseconds since 1970. */
import { z } from 'zod';

/** Go's zero time, which stands for "not said", is far below 1970. */
export const postableTime = z.string().transform((text, context) => {
  const ms = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/i.test(text)
    ? Date.parse(text.replace(/(\.\d{3})\d+/, '$1'))
    : Number.NaN;
  if (Number.isFinite(ms)) return ms;
  context.addIssue({ code: 'custom', message: 'not a time such as 2026-01-31T12:00:00Z' });
  return z.NEVER;
});
