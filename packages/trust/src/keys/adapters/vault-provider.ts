/**
 * Key-encryption keys in the transit engine of Vault, over HTTPS. The key never leaves Vault; the context becomes Vault's derivation
 * context, so the key must have been made with `derived=true`: then a wrapped key opens with no other context, and rewrapping
 * shows nobody the data key. The token is read for each call, so that whoever renews it only has to replace its file.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { request } from 'node:https';
import { type Clock, CoequalError, fail, reasonOf, within } from '@coequal/kernel';
import { z } from 'zod';
import { readPrivate } from '../../adapters/private-file.ts';
import { keyBytes } from '../aead.ts';
import type { KeyProvider } from '../provider.ts';
import type { ProviderSettings } from '../ring.ts';

export type VaultSettings = Extract<ProviderSettings, { kind: 'vault' }>;

const usualDeadlineMs = 10_000;
/** Answers are a few hundred bytes; what Vault says of a key with many versions is longer. */
const longestAnswer = 2 ** 20;

const answers = {
  dataKey: z.object({ data: z.object({ plaintext: z.base64(), ciphertext: z.string() }) }),
  ciphertext: z.object({ data: z.object({ ciphertext: z.string().regex(/^vault:v[1-9]/) }) }),
  plaintext: z.object({ data: z.object({ plaintext: z.base64() }) }),
  key: z.object({
    data: z.object({
      derived: z.boolean(),
      type: z.string(),
      latest_version: z.int().min(1),
      min_decryption_version: z.int().min(0),
    }),
  }),
  nothing: z.unknown(),
};

export const vaultProvider = (settings: VaultSettings, clock: Clock, deadlineMs = usualDeadlineMs): KeyProvider => {
  const { key } = settings;
  const call = async <T>(method: 'GET' | 'POST', path: string, shape: z.ZodType<T>, body?: object): Promise<T> => {
    const answer = await ask(settings, clock, deadlineMs, { method, path, ...(body === undefined ? {} : { body }) });
    const parsed = shape.safeParse(answer);
    if (!parsed.success) throw refused(settings, 'its answer is not that of a transit engine');
    return parsed.data;
  };
  const unwrap = async (ciphertext: string, context: string): Promise<Buffer> => {
    const { data } = await call('POST', `decrypt/${key}`, answers.plaintext, { ciphertext, context: encoded(context) });
    return dataKeyOf(settings, data.plaintext);
  };
  const wrap = async (plain: Buffer, context: string): Promise<string> => {
    const body = { plaintext: plain.toString('base64'), context: encoded(context) };
    return (await call('POST', `encrypt/${key}`, answers.ciphertext, body)).data.ciphertext;
  };
  const about = async () => {
    const { data } = await call('GET', `keys/${key}`, answers.key);
    // Without derivation Vault ignores the context, and what is bound to nothing could be exchanged.
    if (!data.derived) throw refused(settings, 'its key was made without derived=true');
    return data;
  };
  return {
    kind: 'vault',
    wrap,
    unwrap,
    newDataKey: async (context) => {
      const body = { bits: keyBytes * 8, context: encoded(context) };
      await about();
      const { data } = await call('POST', `datakey/plaintext/${key}`, answers.dataKey, body);
      return { plain: dataKeyOf(settings, data.plaintext), wrapped: data.ciphertext };
    },
    rewrap: async (ciphertext, context) => {
      const body = { ciphertext, context: encoded(context) };
      return (await call('POST', `rewrap/${key}`, answers.ciphertext, body)).data.ciphertext;
    },
    rotate: async () => {
      await call('POST', `keys/${key}/rotate`, answers.nothing, {});
      return (await about()).latest_version;
    },
    retireBelow: async (oldest) => {
      await call('POST', `keys/${key}/config`, answers.nothing, { min_decryption_version: oldest });
    },
    status: async () => {
      const { latest_version, min_decryption_version } = await about();
      const place = `${settings.address.replace(/\/$/, '')}/v1/${settings.mount}/keys/${key}`;
      return { newest: latest_version, oldest: Math.max(1, min_decryption_version), place };
    },
  };
};

/** A hash, because contexts have names of tenants in them and Vault logs what it is asked. */
const encoded = (context: string): string => createHash('sha256').update(context).digest('base64');

const dataKeyOf = (settings: VaultSettings, text: string): Buffer => {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.length !== keyBytes) throw refused(settings, `it gave a key of ${bytes.length} bytes`);
  return bytes;
};

type Ask = { readonly method: 'GET' | 'POST'; readonly path: string; readonly body?: object };

const ask = async (settings: VaultSettings, clock: Clock, deadlineMs: number, asked: Ask): Promise<unknown> => {
  const token = await tokenOf(settings);
  const ending = new AbortController();
  const wait = { what: 'An answer of Vault', deadlineMs };
  try {
    const { status, text } = await within(clock, wait, exchange(settings, token, asked, ending.signal));
    return parseAnswer(settings, asked, status, text);
  } catch (error) {
    if (error instanceof CoequalError && error.code !== 'DEADLINE_PASSED') throw error;
    throw unreachable(settings, reasonOf(error), error);
  } finally {
    ending.abort();
  }
};

const tokenOf = async (settings: VaultSettings): Promise<string> => {
  const text = await readPrivate(settings.tokenFile, (reason, cause) =>
    refused(settings, `its token file ${settings.tokenFile} cannot be read: ${reason}`, cause),
  );
  const token = text?.trim() ?? '';
  if (!/^[\x21-\x7e]{1,4096}$/.test(token)) throw refused(settings, `there is no token in ${settings.tokenFile}`);
  return token;
};

const exchange = async (settings: VaultSettings, token: string, { method, path, body }: Ask, signal: AbortSignal) => {
  const authority = settings.authority === undefined ? undefined : await readAuthority(settings);
  const url = new URL(`${settings.address.replace(/\/$/, '')}/v1/${settings.mount}/${path}`);
  const content = body === undefined ? undefined : JSON.stringify(body);
  return new Promise<{ readonly status: number; readonly text: string }>((resolve, reject) => {
    const asking = request(
      url,
      {
        method,
        signal,
        agent: false,
        minVersion: 'TLSv1.2',
        ...(authority === undefined ? {} : { ca: authority }),
        headers: {
          'x-vault-token': token,
          'x-vault-request': 'true',
          ...(settings.namespace === undefined ? {} : { 'x-vault-namespace': settings.namespace }),
          ...(content === undefined
            ? {}
            : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(content) }),
        },
      },
      (answer) => {
        const chunks: Buffer[] = [];
        let length = 0;
        answer.on('data', (chunk: Buffer) => {
          length += chunk.length;
          if (length > longestAnswer) asking.destroy(new Error('its answer has no end'));
          else chunks.push(chunk);
        });
        answer.once('error', reject);
        answer.once('end', () =>
          resolve({ status: answer.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') }),
        );
      },
    );
    asking.once('error', reject);
    asking.end(content);
  });
};

const readAuthority = async (settings: VaultSettings): Promise<Buffer> => {
  try {
    return await readFile(settings.authority ?? '');
  } catch (error) {
    throw refused(settings, `its authority ${settings.authority} cannot be read: ${reasonOf(error)}`, error);
  }
};

const parseAnswer = (settings: VaultSettings, { path }: Ask, status: number, text: string): unknown => {
  if (status === 204) return {};
  if (status === 200) {
    try {
      return JSON.parse(text);
    } catch (error) {
      throw refused(settings, 'its answer is not JSON', error);
    }
  }
  const said = saidOf(text);
  switch (status) {
    case 400:
      throw refused(settings, `it refused ${path}${said}`);
    case 403:
      throw refused(settings, `its token may not do ${path}, or has expired${said}`);
    case 404:
      throw refused(settings, `it has no ${path}${said}`);
    case 503:
      throw unreachable(settings, `it is sealed or in maintenance${said}`);
    default:
      throw unreachable(settings, `it answered ${status}${said}`);
  }
};

/** What Vault says of an error: short, and on one line. */
const saidOf = (text: string): string => {
  try {
    const { errors } = z.object({ errors: z.array(z.string()) }).parse(JSON.parse(text));
    const said = errors
      .join(', ')
      .replaceAll(/\p{Cc}+/gu, ' ')
      .slice(0, 200);
    return said === '' ? '' : ` (${said})`;
  } catch {
    // A proxy in between answers in words of its own, which help nobody.
    return '';
  }
};

const named = ({ address, key }: VaultSettings): string => `The key ${key} in Vault (${address})`;

const refused = (settings: VaultSettings, reason: string, cause?: unknown) =>
  fail(
    'KEY_PROVIDER_REFUSED',
    {
      provider: named(settings),
      reason,
      advice: 'Check the provider in the ring, its token and its policy; docs/security.md lists what it needs.',
    },
    { cause },
  );

const unreachable = (settings: VaultSettings, reason: string, cause?: unknown) =>
  fail('KEY_PROVIDER_UNREACHABLE', { provider: named(settings), reason }, { cause });
