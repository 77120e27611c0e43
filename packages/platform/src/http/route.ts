/**
 * A route as one value: what it is, who may use it, what its answer holds, its limits, the shapes of what comes in and goes out, and what
 * it does. The makers below tie the shapes to the handler's types; `checkRoutes` refuses to start with a route that leaves
 * something out. What a schema does not name neither comes in nor goes out.
 */
import { type Classification, makeMask } from '@coequal/contract';
import { assert, fail } from '@coequal/kernel';
import { z } from 'zod';
import { type Action, ruleOf } from '../access/actions.ts';
import type { Asker } from '../access/audience.ts';
import type { Reach } from '../access/decide.ts';
import type { limits } from '../limits.ts';
import type { Subscriber } from '../live/stream.ts';
import type { Core } from '../ports.ts';

/**
 * `anyone`: also who cannot say who he is; `proof`: the same, where what is sent proves who he is, and the answer is his alone;
 * `agent`: whoever shows the token of agents, where one is set; else an action of the table, and what it reaches: `some` for lists that are cut to what
 * the asker may see, `all` for what cannot be divided, `own` for what is the asker's, or the places that the request names. The action also says how it is recorded.
 */
export type Access = 'anyone' | 'proof' | 'agent' | Needed;
export type Needed = { readonly action: Action; readonly at: At };
export type At = 'some' | 'all' | 'own' | ((core: Core, request: Named) => Reach);
/** What of a request is known before its body is read. */
export type Named = Pick<RawRequest, 'params' | 'query'>;
export type RateClass = keyof typeof limits.http.rates;

export type BodyKind = 'none' | 'json' | 'bytes';

export type RawRequest = {
  readonly params: unknown;
  readonly query: unknown;
  readonly body: Uint8Array;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly asker: Asker;
  /** Address of the other end of the connection: a proxy's, where one stands before. */
  readonly remote: string;
};

/** Beside what every answer has: cookies, a place to go on at. */
export type AnswerHeaders = Readonly<Record<string, string | readonly string[]>>;

export type RawAnswer =
  | {
      readonly kind: 'body';
      readonly status: number;
      readonly type: string;
      readonly body: string;
      readonly headers?: AnswerHeaders;
    }
  | { readonly kind: 'empty'; readonly status: number; readonly headers?: AnswerHeaders }
  | {
      readonly kind: 'stream';
      readonly subscribe: (subscriber: Omit<Subscriber, 'signals'>) => (() => void) | undefined;
    };

export type Route = {
  readonly method: 'GET' | 'POST' | 'DELETE' | 'PUT';
  /** With `:name` for parameters. */
  readonly path: string;
  /** One sentence, for the document of the API. */
  readonly summary: string;
  readonly access: Access;
  /** Of what the answer, or what is taken in, may hold at most. What is secret is masked in the answers of all others. */
  readonly classification: Classification;
  /** `values`: texts leave as they were written. */
  readonly shows?: 'values';
  readonly limits: { readonly bodyBytes: number; readonly rate: RateClass };
  readonly input: {
    readonly params: z.ZodType;
    readonly query: z.ZodType;
    readonly body: { readonly kind: BodyKind; readonly schema: z.ZodType; readonly types: readonly string[] };
  };
  readonly output: { readonly status: number; readonly type: string; readonly schema: z.ZodType | undefined };
  readonly run: (core: Core, request: RawRequest) => Promise<RawAnswer>;
};

export type Headers = RawRequest['headers'];

type Shared = Pick<Route, 'method' | 'path' | 'summary' | 'access' | 'classification' | 'shows' | 'limits'>;

export type JsonRoute<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType, O extends z.ZodType> = Shared & {
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  readonly output: O;
  readonly status?: number;
  readonly handle: (
    core: Core,
    input: {
      readonly params: z.output<P>;
      readonly query: z.output<Q>;
      readonly body: z.output<B>;
      readonly headers: Headers;
      readonly asker: Asker;
    },
  ) => z.input<O> | Promise<z.input<O>>;
};

/** Nothing is asked for. What comes all the same is passed over. */
export const nothing = z.object({});
/** No body. */
export const noBody = z.undefined();

/** A route that takes JSON, or no body, and answers with JSON. */
export const jsonRoute = <P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType, O extends z.ZodType>(
  route: JsonRoute<P, Q, B, O>,
): Route => {
  const { params, query, body, output, status = 200, handle, ...shared } = route;
  const kind: BodyKind = (body as z.ZodType) === noBody ? 'none' : 'json';
  const mask = makeMask(output, shared.classification === 'secret' ? 'secrets' : shared.shows);
  return {
    ...shared,
    input: { params, query, body: { kind, schema: body, types: kind === 'none' ? [] : ['application/json'] } },
    output: { status, type: 'application/json', schema: output },
    run: async (core, request) => {
      const input = {
        params: parsed(params, request.params, 'path'),
        query: parsed(query, request.query, 'query'),
        body: parsed(body, kind === 'none' ? undefined : jsonOf(request.body), 'body'),
        headers: request.headers,
        asker: request.asker,
      };
      const answer = output.parse(await handle(core, input));
      const shown = mask === undefined ? answer : mask(answer);
      return { kind: 'body', status, type: 'application/json', body: JSON.stringify(shown) };
    },
  };
};

/** A route that takes bytes of others' formats and answers with nothing. */
export const bytesRoute = (
  route: Shared & {
    readonly types: readonly string[];
    readonly status: number;
    readonly handle: (core: Core, body: Uint8Array, headers: Headers) => void | Promise<void>;
  },
): Route => {
  const { types, status, handle, ...shared } = route;
  return {
    ...shared,
    input: { params: nothing, query: nothing, body: { kind: 'bytes', schema: z.unknown(), types } },
    output: { status, type: '', schema: undefined },
    run: async (core, { body, headers }) => {
      await handle(core, body, headers);
      return { kind: 'empty', status };
    },
  };
};

export const textRoute = <Q extends z.ZodType>(
  route: Shared & {
    readonly query: Q;
    readonly type: string;
    readonly handle: (core: Core, query: z.output<Q>) => string | Promise<string>;
  },
): Route => {
  const { query, type, handle, ...shared } = route;
  return {
    ...shared,
    input: { params: nothing, query, body: { kind: 'none', schema: noBody, types: [] } },
    output: { status: 200, type, schema: undefined },
    run: async (core, request) => {
      const body = await handle(core, parsed(query, request.query, 'query'));
      return { kind: 'body', status: 200, type, body };
    },
  };
};

export const streamRoute = <Q extends z.ZodType>(
  route: Shared & {
    readonly query: Q;
    readonly event: z.ZodType;
    readonly subscribe: (
      core: Core,
      query: z.output<Q>,
      lastId: string | undefined,
      subscriber: Omit<Subscriber, 'signals'>,
      asker: Asker,
    ) => (() => void) | undefined;
  },
): Route => {
  const { query, event, subscribe, ...shared } = route;
  const mask = makeMask(event);
  return {
    ...shared,
    input: { params: nothing, query, body: { kind: 'none', schema: noBody, types: [] } },
    output: { status: 200, type: 'text/event-stream', schema: event },
    run: async (core, request) => {
      const asked = parsed(query, request.query, 'query');
      const last = request.headers['last-event-id'];
      return {
        kind: 'stream',
        subscribe: (subscriber) => {
          const give: typeof subscriber.give = (told) =>
            subscriber.give(mask === undefined ? told : { ...told, event: mask(told.event) as typeof told.event });
          const lastId = typeof last === 'string' ? last : undefined;
          return subscribe(core, asked, lastId, { ...subscriber, give }, request.asker);
        },
      };
    },
  };
};

/** @throws REQUEST_INVALID */
export const jsonOf = (body: Uint8Array): unknown => {
  if (body.length === 0) throw fail('REQUEST_INVALID', { what: 'The body is empty, and JSON is expected.' });
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch (error) {
    if (!(error instanceof SyntaxError) && !(error instanceof TypeError)) throw error;
    throw fail('REQUEST_INVALID', { what: 'The body is not JSON in UTF-8.' }, { cause: error });
  }
};

const issuesTold = 5;

/** @throws REQUEST_INVALID, with field and reason */
export const parsed = <T extends z.ZodType>(schema: T, value: unknown, where: string): z.output<T> => {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issues = result.error.issues.slice(0, issuesTold).map(({ path, message }) => {
    const at = [where, ...path.map(String)].join('.').slice(0, 200);
    return `${at}: ${message.slice(0, 200)}`;
  });
  throw fail('REQUEST_INVALID', { what: `The request is not right: ${issues.join('; ')}.` });
};

const everything = [
  'method',
  'path',
  'summary',
  'access',
  'classification',
  'limits',
  'input',
  'output',
  'run',
] as const;

/** Types see to most of it; a table that came together from parts is looked at again before anything listens. */
export const checkRoutes = (routes: readonly Route[]): void => {
  const seen = new Set<string>();
  for (const route of routes) {
    const name = `${route.method} ${route.path}`;
    for (const key of everything) assert(route[key] !== undefined, `the route ${name} declares its ${key}`);
    assert(route.limits.bodyBytes >= 0 && route.limits.rate.length > 0, `the route ${name} declares its limits`);
    checkAccess(route, name);
    assert(!seen.has(name), `the route ${name} is declared once`);
    seen.add(name);
  }
};

const checkAccess = ({ access, classification, method }: Route, name: string): void => {
  if (access === 'anyone') {
    assert(classification === 'public', `the route ${name} shows anyone only what is public`);
    return;
  }
  if (access === 'agent' || access === 'proof') return;
  const rule = ruleOf(access.action);
  assert(rule !== undefined, `the route ${name} declares its action`);
  assert(access.at !== undefined, `the route ${name} declares what it reaches`);
  assert(method === 'GET' || !rule.routine || access.action === 'signal.read', `the route ${name} is recorded`);
};
