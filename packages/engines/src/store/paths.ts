/**
 * What of the store's API passes the front: writing samples, asking, and the pages that say how it is. Everything else (deleting series,
 * exporting all, settings, the pages for debugging) is not there for others. Pure.
 */

export type AllowedRequest = {
  /** What counters call it: bounded, whatever is asked. */
  readonly name: string;
  /** The request's body may be so long. */
  readonly bodyBytes: number;
};

type Path = AllowedRequest & { readonly pattern: RegExp; readonly methods: readonly string[] };

const mebibyte = 2 ** 20;
const asking = { methods: ['GET', 'POST'], bodyBytes: mebibyte } as const;
const page = { methods: ['GET'], bodyBytes: 0 } as const;

/** Answered by the front itself. */
export const ownPage = 'own_metrics';

const paths: readonly Path[] = [
  // What remote write may have when it is compressed; the store bounds what comes out.
  { name: 'write', pattern: /^\/api\/v1\/write$/, methods: ['POST'], bodyBytes: 32 * mebibyte },
  { name: 'query', pattern: /^\/api\/v1\/query$/, ...asking },
  { name: 'query_range', pattern: /^\/api\/v1\/query_range$/, ...asking },
  { name: 'series', pattern: /^\/api\/v1\/series$/, ...asking },
  { name: 'labels', pattern: /^\/api\/v1\/labels$/, ...asking },
  { name: 'label_values', pattern: /^\/api\/v1\/label\/[a-zA-Z_][a-zA-Z0-9_]*\/values$/, ...page },
  { name: 'health', pattern: /^\/health$/, ...page },
  { name: 'metrics', pattern: /^\/metrics$/, ...page },
  // Of the supervisor and the front themselves: there when the store is not.
  { name: ownPage, pattern: /^\/coequal\/metrics$/, ...page },
];

export type RequestVerdict =
  | { readonly ok: true; readonly request: AllowedRequest }
  | { readonly ok: false; readonly status: 404 | 405 | 414; readonly allow?: string };

const targetLimit = 64 * 1_024;

/** `target`: of the request line, as it came. What is encoded to look like another path is another path. */
export const judgeRequest = (method: string, target: string): RequestVerdict => {
  if (target.length > targetLimit) return { ok: false, status: 414 };
  const path = target.split('?', 1)[0] ?? '';
  const found = paths.find(({ pattern }) => pattern.test(path));
  if (found === undefined) return { ok: false, status: 404 };
  return found.methods.includes(method)
    ? { ok: true, request: found }
    : { ok: false, status: 405, allow: found.methods.join(', ') };
};
