/**
 * Routes of identity: as others, and with what those do not need: the address of the other end, the session of whoever asks as a value, and
 * cookies in the answer. A route says whether it is for anybody or for somebody who is signed in; that is looked at first.
 */
import type { z } from 'zod';
import type { Asker } from '../../identity/devices.ts';
import type { Identity, Seen } from '../../identity/identity.ts';
import type { Live } from '../../identity/sessions.ts';
import { type AnswerHeaders, jsonOf, noBody, nothing, parsed, type RawRequest, type Route } from '../route.ts';

type Parts<P extends z.ZodType, B extends z.ZodType, O extends z.ZodType> = {
  readonly method: Route['method'];
  readonly path: string;
  readonly summary: string;
  readonly params?: P;
  readonly body?: B;
  readonly output?: O;
};

/** What the guard lets in for. Locked sessions pass `proof` only: their holders show a factor, or leave. */
type Allowed = { readonly access?: Route['access'] };

type Given<P extends z.ZodType, B extends z.ZodType> = Seen & {
  readonly params: z.output<P>;
  readonly body: z.output<B>;
  /** A browser as a device, called by what it says it is. */
  readonly asker: Asker;
};

/** What a handler answers: nothing, a value, or a value with cookies. */
export type Said<O> = { readonly value: O; readonly cookies?: readonly string[] };

const bodyBytes = 64 * 1_024;

export type MakeRoute = {
  /** For anybody: what is shown proves who it is. */
  readonly anyone: <P extends z.ZodType, B extends z.ZodType, O extends z.ZodType>(
    parts: Parts<P, B, O> & { readonly handle: (given: Given<P, B>) => Promise<Said<z.input<O>>> },
  ) => Route;
  /** For whoever is signed in, about themselves or, where identity finds that they may, about others. */
  readonly somebody: <P extends z.ZodType, B extends z.ZodType, O extends z.ZodType>(
    parts: Parts<P, B, O> &
      Allowed & { readonly handle: (live: Live, given: Given<P, B>) => Promise<Said<z.input<O>>> },
  ) => Route;
};

export const makeRoute = (identity: Identity): MakeRoute => {
  const route = <P extends z.ZodType, B extends z.ZodType, O extends z.ZodType>(
    { method, path, summary, params, body, output }: Parts<P, B, O>,
    access: Route['access'],
    run: (request: RawRequest, given: (seen: Seen) => Given<P, B>) => Promise<Said<z.input<O>>>,
  ): Route => {
    const schema = body ?? noBody;
    const kind = body === undefined ? 'none' : 'json';
    return {
      ...{ method, path, summary, access, classification: 'secret' },
      limits: { bodyBytes: kind === 'none' ? 0 : bodyBytes, rate: method === 'GET' ? 'read' : 'act' },
      input: {
        ...{ params: params ?? nothing, query: nothing },
        body: { kind, schema, types: kind === 'none' ? [] : ['application/json'] },
      },
      output: {
        status: output === undefined ? 204 : 200,
        type: output === undefined ? '' : 'application/json',
        schema: output,
      },
      run: async (_, request) => {
        const { value, cookies = [] } = await run(request, (seen) => ({
          ...seen,
          params: parsed(params ?? nothing, request.params, 'path') as z.output<P>,
          body: parsed(schema, kind === 'none' ? undefined : jsonOf(request.body), 'body') as z.output<B>,
          asker: askerOf(request, seen),
        }));
        const headers: AnswerHeaders = cookies.length === 0 ? {} : { 'set-cookie': cookies };
        if (output === undefined) return { kind: 'empty', status: 204, headers };
        const text = JSON.stringify(output.parse(value));
        return { kind: 'body', status: 200, type: 'application/json', body: text, headers };
      },
    };
  };
  return {
    anyone: ({ handle, ...parts }) =>
      route(parts, 'proof', async (request, given) =>
        handle(given(identity.see({ ...request, method: parts.method }))),
      ),
    somebody: ({ handle, access, ...parts }) =>
      route(
        parts,
        access ?? { action: parts.method === 'GET' ? 'self.read' : 'self.change', at: 'own' },
        async (request, given) => {
          const live = identity.liveOf({ ...request, method: parts.method });
          return handle(live, given(live));
        },
      ),
  };
};

const askerOf = ({ headers }: RawRequest, { source, cookies }: Seen): Asker => ({
  source,
  deviceToken: cookies.device,
  deviceName: browserName(headers['user-agent']),
});

/** Enough for its owner to know it by; the whole text would tell more than is needed. */
const browserName = (agent: unknown): string => {
  const text = typeof agent === 'string' ? agent.slice(0, 500) : '';
  const find = (names: readonly (readonly [RegExp, string])[]): string | undefined =>
    names.find(([pattern]) => pattern.test(text))?.[1];
  const browser = find([
    ...([
      [/Edg\//, 'Edge'],
      [/Firefox\//, 'Firefox'],
      [/Chrome\//, 'Chrome'],
      [/Safari\//, 'Safari'],
    ] as const),
  ]);
  const system = find([
    ...([
      [/Android/, 'Android'],
      [/iPhone|iPad/, 'iOS'],
      [/Windows/, 'Windows'],
      [/Mac OS X/, 'macOS'],
      [/Linux/, 'Linux'],
    ] as const),
  ]);
  return `${browser ?? 'Browser'} on ${system ?? 'an unknown system'}`;
};
