/**
 * A directory over OpenID Connect: authorization code with PKCE, state and nonce. The refresh token of each person is kept sealed; with it the
 * provider is asked again and again, and what it refuses for good is somebody who has left.
 */
import { readFile } from 'node:fs/promises';
import { CoequalError, fail, reasonOf } from '@coequal/kernel';
import * as oidc from 'openid-client';
import type { DirectoryEntry, GroupRole, WebDirectory } from '../directory.ts';
import { identityLimits } from '../limits.ts';
import type { Vault } from '../ports.ts';
import type { IdentityStore } from '../store.ts';

export type OidcSettings = {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecretFile: string;
  readonly scope: string;
  readonly nameClaim: string;
  readonly displayClaim: string;
  readonly groupsClaim: string;
  readonly roles: readonly GroupRole[];
};

export const openOidc = (
  settings: OidcSettings,
  redirect: string,
  { store, vault }: { readonly store: IdentityStore; readonly vault: Vault },
): WebDirectory => {
  let known: Promise<oidc.Configuration> | undefined;
  const configuration = (): Promise<oidc.Configuration> => {
    known ??= discover(settings);
    // The next one asks again.
    known.catch(() => {
      known = undefined;
    });
    return known;
  };
  const asking = async <T>(work: (config: oidc.Configuration) => Promise<T>): Promise<T> => {
    try {
      return await work(await configuration());
    } catch (error) {
      if (error instanceof CoequalError) throw error;
      const reason = reasonOf(error).slice(0, 200);
      throw fail('DIRECTORY_FAILED', { name: settings.issuer, reason }, { cause: error });
    }
  };
  const keep = async (person: string, token: string): Promise<void> =>
    store.directoryTokens.put(person, await vault.seal(token, { table: 'directory_token', row: person }));
  const entryOf = async (config: oidc.Configuration, access: string, subject: string): Promise<DirectoryEntry> => {
    const claims = await oidc.fetchUserInfo(config, access, subject);
    const text = (claim: string): string | undefined => {
      const value = claims[claim];
      return typeof value === 'string' && value !== '' ? value.slice(0, 200) : undefined;
    };
    const groups = claims[settings.groupsClaim];
    const name = text(settings.nameClaim);
    if (name === undefined)
      throw fail('DIRECTORY_FAILED', { name: settings.issuer, reason: `it tells no ${settings.nameClaim}` });
    return {
      ...{ external: subject, name, display: text(settings.displayClaim) ?? name },
      groups: (Array.isArray(groups) ? groups : [])
        .filter((group) => typeof group === 'string')
        .slice(0, identityLimits.directory.groups),
    };
  };
  return {
    ...{ source: 'oidc', roles: settings.roles, keep },
    ask: (state) =>
      asking(async (config) => {
        const verifier = oidc.randomPKCECodeVerifier();
        const nonce = oidc.randomNonce();
        const url = oidc.buildAuthorizationUrl(config, {
          ...{ redirect_uri: redirect, scope: settings.scope, state, nonce, prompt: 'consent' },
          ...{ code_challenge: await oidc.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256' },
        });
        return { url: url.href, verifier, nonce };
      }),
    take: (query, { state, verifier, nonce }) =>
      asking(async (config) => {
        const tokens = await refusing(() =>
          oidc.authorizationCodeGrant(config, new URL(`${redirect}?${query}`), {
            ...{ pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true },
          }),
        );
        const subject = tokens.claims()?.sub ?? '';
        const { refresh_token: token } = tokens;
        if (token === undefined)
          throw fail('DIRECTORY_FAILED', { name: settings.issuer, reason: 'it gives no refresh token' });
        return { entry: await entryOf(config, tokens.access_token, subject), token };
      }),
    look: ({ id, external }) =>
      asking(async (config) => {
        const sealed = store.directoryTokens.get(id);
        if (sealed === undefined) return 'gone';
        const token = await vault.open(sealed, { table: 'directory_token', row: id });
        let tokens: Awaited<ReturnType<typeof oidc.refreshTokenGrant>>;
        try {
          tokens = await oidc.refreshTokenGrant(config, token);
        } catch (error) {
          if (error instanceof oidc.ResponseBodyError && error.error === 'invalid_grant') return 'gone';
          throw error;
        }
        if (tokens.refresh_token !== undefined) await keep(id, tokens.refresh_token);
        return await entryOf(config, tokens.access_token, external ?? '');
      }),
  };
};

const discover = async ({ issuer, clientId, clientSecretFile }: OidcSettings): Promise<oidc.Configuration> => {
  const secret = (await readFile(clientSecretFile, 'utf8')).split('\n')[0]?.trim() ?? '';
  const url = new URL(issuer);
  const config = await oidc.discovery(url, clientId, secret, undefined, {
    timeout: identityLimits.directory.deadlineMs / 1_000,
    // The estate allows it on the machine itself only.
    ...(url.protocol === 'http:' ? { execute: [oidc.allowInsecureRequests] } : {}),
  });
  return config;
};

/** An answer that does not fit its question is somebody's attempt, and no fault of the provider. */
const refusing = async <T>(work: () => Promise<T>): Promise<T> => {
  try {
    return await work();
  } catch (error) {
    const theirs =
      error instanceof oidc.ClientError ||
      error instanceof oidc.ResponseBodyError ||
      error instanceof oidc.AuthorizationResponseError;
    if (!theirs) throw error;
    throw fail('SIGN_IN_FAILED', {}, { cause: error });
  }
};
