/** Key providers: the same conduct of all, and what is peculiar to each, with a Vault of our own over real HTTPS. */
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { codeOf, systemClock } from '@coequal/kernel';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { issueCertificate, makeAuthority } from '../../certificates.ts';
import type { KeyProvider } from '../provider.ts';
import { type FakeVault, startFakeVault } from '../testing/fake-vault.ts';
import { fileProvider, makeMasterKeys } from './file-provider.ts';
import { type VaultSettings, vaultProvider } from './vault-provider.ts';

let folder = '';
let vault: FakeVault;
let settings: VaultSettings;
const authority = await makeAuthority('test', { days: 2, clock: systemClock });
const server = await issueCertificate(
  authority,
  { commonName: 'vault', dnsNames: [], addresses: ['127.0.0.1'], days: 1, usage: 'server' },
  systemClock,
);

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'coequal-keys-'));
  vault = await startFakeVault(server);
  await writeFile(join(folder, 'token'), 'hvs.right\n', { mode: 0o600 });
  await writeFile(join(folder, 'ca.pem'), authority.certificate);
  settings = {
    kind: 'vault',
    address: vault.address,
    mount: 'transit',
    key: 'coequal',
    tokenFile: join(folder, 'token'),
    authority: join(folder, 'ca.pem'),
  };
});
afterEach(async () => {
  await vault.close();
  await rm(folder, { recursive: true });
});

const rejected = async (promise: Promise<unknown>): Promise<string> => {
  try {
    await promise;
  } catch (error) {
    return `${codeOf(error)} ${error instanceof Error ? error.message : ''}`;
  }
  return 'it was taken';
};

const makers: Readonly<Record<string, () => Promise<KeyProvider>>> = {
  file: async () => {
    const path = join(folder, 'master');
    await makeMasterKeys(path, systemClock);
    return fileProvider(path, systemClock);
  },
  vault: async () => vaultProvider(settings, systemClock),
};

describe.each(Object.keys(makers))('the provider %s', (name) => {
  let provider: KeyProvider;
  beforeEach(async () => {
    provider = (await makers[name]?.()) as KeyProvider;
  });

  test('wraps data keys, each for its context alone', async () => {
    const { plain, wrapped } = await provider.newDataKey('a');
    expect(plain).toHaveLength(32);
    expect(await provider.unwrap(wrapped, 'a')).toEqual(plain);
    expect(await rejected(provider.unwrap(wrapped, 'b'))).toContain('KEY_PROVIDER_REFUSED');
    const own = Buffer.alloc(32, 7);
    expect(await provider.unwrap(await provider.wrap(own, 'a'), 'a')).toEqual(own);
    expect((await provider.newDataKey('a')).plain).not.toEqual(plain);
  });

  test('opens what an older version wrapped, until that is retired', async () => {
    const { plain, wrapped } = await provider.newDataKey('a');
    expect(await provider.rotate()).toBe(2);
    expect(await provider.unwrap(wrapped, 'a')).toEqual(plain);
    const again = await provider.rewrap(wrapped, 'a');
    expect(again).toMatch(new RegExp(`^${name}:v2:`));
    await provider.retireBelow(2);
    expect(await provider.status()).toMatchObject({ newest: 2, oldest: 2 });
    expect(await provider.unwrap(again, 'a')).toEqual(plain);
    expect(await rejected(provider.unwrap(wrapped, 'a'))).toContain('KEY_PROVIDER_REFUSED');
  });

  test('refuses what was changed, and what another wrapped', async () => {
    const { wrapped } = await provider.newDataKey('a');
    const at = wrapped.length - 20;
    const changed = `${wrapped.slice(0, at)}${wrapped[at] === 'A' ? 'B' : 'A'}${wrapped.slice(at + 1)}`;
    for (const text of [changed, wrapped.replace(':v1:', ':v9:'), 'other:v1:AAAAAAAAAAAAAAAAAAAAAAAA', 'x', ''])
      expect(await rejected(provider.unwrap(text, 'a'))).toContain('KEY_PROVIDER_REFUSED');
  });
});

describe('master keys in a file', () => {
  const path = () => join(folder, 'master');
  test('are refused when others may read them, and when they are something else', async () => {
    await makeMasterKeys(path(), systemClock);
    const provider = fileProvider(path(), systemClock);
    expect(await rejected(makeMasterKeys(path(), systemClock))).toContain('it is there already');
    await chmod(path(), 0o640);
    expect(await rejected(provider.newDataKey('a'))).toContain('SECRET_FILE_EXPOSED');
    await writeFile(path(), '{"format":"coequal-master-1","versions":[]}');
    await chmod(path(), 0o600);
    expect(await rejected(provider.newDataKey('a'))).toContain('holds no master keys');
    await rm(path());
    expect(await rejected(provider.newDataKey('a'))).toContain('it is not there');
  });
});

describe('Vault', () => {
  test('is asked in its own words, and never sees a context in the clear', async () => {
    const provider = vaultProvider(settings, systemClock);
    const { wrapped } = await provider.newDataKey('tenant of a bank');
    await provider.unwrap(wrapped, 'tenant of a bank');
    expect(vault.calls.map((call) => call.split(' ', 2).join(' '))).toEqual([
      'GET /v1/transit/keys/coequal',
      'POST /v1/transit/datakey/plaintext/coequal',
      'POST /v1/transit/decrypt/coequal',
    ]);
    expect(vault.calls.join('\n')).not.toContain('bank');
  });

  test('that is sealed, slow, endless or unreachable is told apart from one that refuses', async () => {
    const provider = vaultProvider(settings, systemClock, 300);
    vault.mood = 'sealed';
    expect(await rejected(provider.newDataKey('a'))).toMatch(/^KEY_PROVIDER_UNREACHABLE .*sealed/);
    vault.mood = 'hang';
    expect(await rejected(provider.newDataKey('a'))).toMatch(/^KEY_PROVIDER_UNREACHABLE .*did not happen within/);
    vault.mood = 'garbage';
    expect(await rejected(provider.newDataKey('a'))).toMatch(/^KEY_PROVIDER_REFUSED .*not JSON/);
    vault.mood = 'endless';
    expect(await rejected(vaultProvider(settings, systemClock).newDataKey('a'))).toMatch(
      /^KEY_PROVIDER_UNREACHABLE .*no end/,
    );
    await vault.close();
    expect(await rejected(provider.newDataKey('a'))).toMatch(/^KEY_PROVIDER_UNREACHABLE .*ECONNREFUSED/);
  });

  test('that refuses says why, and the token is nowhere in it', async () => {
    const provider = vaultProvider(settings, systemClock);
    await writeFile(settings.tokenFile, 'hvs.wrong\n');
    const denied = await rejected(provider.newDataKey('a'));
    expect(denied).toContain('may not do keys/coequal, or has expired (permission denied)');
    expect(denied).not.toContain('hvs.');
    await writeFile(settings.tokenFile, 'two words');
    expect(await rejected(provider.newDataKey('a'))).toContain('there is no token');
    await chmod(settings.tokenFile, 0o644);
    expect(await rejected(provider.newDataKey('a'))).toContain('SECRET_FILE_EXPOSED');
    await rm(settings.tokenFile);
    expect(await rejected(provider.newDataKey('a'))).toContain('there is no token');
  });

  test('with another key, one without derivation, or another authority is refused', async () => {
    expect(await rejected(vaultProvider({ ...settings, key: 'other' }, systemClock).status())).toContain(
      'it has no keys/other',
    );
    vault.keys.set('plain', { derived: false, versions: [Buffer.alloc(32)], oldest: 1 });
    expect(await rejected(vaultProvider({ ...settings, key: 'plain' }, systemClock).newDataKey('a'))).toContain(
      'without derived=true',
    );
    const { authority: _, ...trusting } = settings;
    expect(await rejected(vaultProvider(trusting, systemClock).status())).toContain('KEY_PROVIDER_UNREACHABLE');
    expect(vault.calls.filter((call) => call.includes('datakey'))).toEqual([]);
  });

  test('takes up a token that was renewed', async () => {
    const provider = vaultProvider(settings, systemClock);
    vault.token = 'hvs.next';
    expect(await rejected(provider.status())).toContain('expired');
    await writeFile(settings.tokenFile, 'hvs.next');
    expect(await provider.status()).toMatchObject({ newest: 1, oldest: 1 });
    expect(await readFile(settings.tokenFile, 'utf8')).toBe('hvs.next');
  });
});
