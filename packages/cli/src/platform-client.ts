/**
 * A platform over its API, as commands use it: which one is meant, questions with a deadline, and what it refuses as our errors. What it
 * answers is checked by the contract.
 */
import { type Problem, problem } from '@coequal/contract';
import { fail, reasonOf } from '@coequal/kernel';
import { platformSettings } from '@coequal/platform';
import type { z } from 'zod';
import { readLogin } from './login-file.ts';
import { readEstate } from './read-estate.ts';
import type { World } from './world.ts';

export type PlatformFlags = {
  readonly platform?: string;
  readonly config?: string;
  readonly lab: string;
  readonly tokenFile?: string;
  /** Why it is asked for, in one's own words. */
  readonly reason?: string;
};

export type PlatformClient = {
  readonly url: string;
  readonly get: <T extends z.ZodType>(path: string, schema: T) => Promise<z.output<T>>;
  /** What it answers as it stands. */
  readonly text: (path: string) => Promise<string>;
  readonly send: <T extends z.ZodType>(
    method: 'POST' | 'DELETE',
    path: string,
    body: unknown,
    schema: T,
  ) => Promise<z.output<T>>;
};

const answerMs = 10_000;

/** `anybody`: a token that was named, or who is logged in; `person`: only the latter; `nobody`: who is about to log in. */
type As = 'anybody' | 'person' | 'nobody';

/** `--platform URL`, else that of `--config FILE`, else that of the lab. @throws COMMAND_USAGE, PLATFORM_UNREACHABLE */
export const platformClient = async (
  world: World,
  flags: PlatformFlags,
  as: As = 'anybody',
): Promise<PlatformClient> => {
  const place = await placeOf(world, flags);
  const url = place.url.replace(/\/+$/, '');
  const shown = {
    ...(await shownBy(world, url, as, flags.tokenFile, place.tokenFile)),
    ...(flags.reason === undefined ? {} : { 'coequal-reason': encodeURIComponent(flags.reason) }),
  };
  const ask = async <T extends z.ZodType>(path: string, request: RequestInit, schema: T): Promise<z.output<T>> => {
    const answer = await answerOf(world, url, path, request);
    if (!answer.ok) throw refusal(url, answer.body);
    const parsed = schema.safeParse(answer.body);
    if (parsed.success) return parsed.data;
    const reason = `its answer to ${path} has another shape; is it of another version`;
    throw fail('PLATFORM_UNREACHABLE', { url, reason }, { cause: parsed.error });
  };
  return {
    url,
    text: async (path) => {
      const answer = await answerOf(world, url, path, { headers: shown }, 'text');
      if (!answer.ok) throw refusal(url, answer.body);
      return String(answer.body);
    },
    get: (path, schema) => ask(path, { headers: shown }, schema),
    send: (method, path, body, schema) =>
      ask(
        path,
        body === undefined
          ? { method, headers: shown }
          : { method, body: JSON.stringify(body), headers: { ...shown, 'content-type': 'application/json' } },
        schema,
      ),
  };
};

const answerOf = async (
  world: World,
  url: string,
  path: string,
  request: RequestInit,
  kind: 'json' | 'text' = 'json',
): Promise<{ readonly ok: boolean; readonly body: unknown }> => {
  try {
    const signal = AbortSignal.any([world.interrupted, AbortSignal.timeout(answerMs)]);
    const response = await fetch(`${url}${path}`, { ...request, redirect: 'error', signal });
    const text = await response.text();
    if (response.ok && kind === 'text') return { ok: true, body: text };
    return { ok: response.ok, body: text === '' ? undefined : JSON.parse(text) };
  } catch (error) {
    if (world.interrupted.aborted) throw fail('INTERRUPTED', {}, { cause: error });
    const reason = error instanceof SyntaxError ? 'it answers something else than JSON' : reasonOf(causeOf(error));
    throw fail('PLATFORM_UNREACHABLE', { url, reason }, { cause: error });
  }
};

const causeOf = (error: unknown): unknown =>
  error instanceof Error && error.cause instanceof Error ? error.cause : error;

const refusal = (url: string, body: unknown): Error => {
  const told: Problem | undefined = problem.safeParse(body).data;
  return fail('PLATFORM_REFUSED', {
    url,
    detail: told?.detail ?? 'no reason given.',
    advice: told?.advice ?? 'See its log.',
  });
};

/** What was named comes first, then who is logged in, then the account that a lab has made. */
const shownBy = async (world: World, url: string, as: As, named: string | undefined, ofLab: string | undefined) => {
  if (as === 'nobody') return {};
  const shown = as === 'person' && named === undefined ? {} : await credentialsOf(world, named);
  if (shown.authorization !== undefined) return shown;
  const login = await readLogin(world, url);
  if (login !== undefined) return { authorization: `Bearer ${login.token}` };
  return as === 'person' || ofLab === undefined ? {} : credentialsOf(world, ofLab);
};

const tokenBytes = 4_096;

/**
 * What shows who asks: the token in a file that was named, in the file of COEQUAL_TOKEN_FILE, or, of a lab, in the file that it wrote.
 * @throws FILE_MISSING, COMMAND_USAGE
 */
export const credentialsOf = async (
  world: World,
  tokenFile: string | undefined,
): Promise<{ readonly authorization?: string }> => {
  const path = tokenFile ?? world.environment['COEQUAL_TOKEN_FILE'];
  if (path === undefined || path === '') return {};
  const text = await world.files.readText(path, tokenBytes, 'Name the file that holds the token with --token-file.');
  const token = text.trim();
  if (!/^[\x21-\x7e]{1,1000}$/.test(token))
    throw fail('COMMAND_USAGE', { problem: `${path} holds no token on one line.`, help });
  return { authorization: `Bearer ${token}` };
};

const help = 'coequal incident --help';

type PlatformAt = { readonly url: string; readonly tokenFile?: string };

const placeOf = async (world: World, { platform, config, lab }: PlatformFlags): Promise<PlatformAt> => {
  if (platform !== undefined) {
    if (!/^https?:\/\/[^\s/]+/.test(platform))
      throw fail('COMMAND_USAGE', { problem: '--platform takes an address like http://127.0.0.1:9620.', help });
    return { url: platform };
  }
  if (config !== undefined) {
    const { platform: meant } = platformSettings(await readEstate(world, config), undefined);
    return { url: `http://${meant.address.includes(':') ? `[${meant.address}]` : meant.address}:${meant.port}` };
  }
  const handle = await (await world.lab()).openLab(lab);
  try {
    const { platform: found } = await handle.snapshot();
    if (found !== null && found !== undefined) return found;
  } finally {
    handle.detach();
  }
  throw fail('COMMAND_USAGE', {
    problem: `The lab ${lab} has no platform. Start one with \`coequal lab up --operations\`, or name another platform with --platform URL or --config FILE.`,
    help,
  });
};
