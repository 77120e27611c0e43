/**
 * A transit engine as Vault documents it, over real HTTPS: derived keys with versions, their wrapping texts, its status codes and errors. For
 * tests of the provider where no Vault is; what it cannot know is what an administrator's policy does.
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';

type Key = { derived: boolean; versions: Buffer[]; oldest: number };
type Answer = { readonly status: number; readonly body?: object };

export type FakeVault = {
  readonly address: string;
  /** `hang`: never answers; `garbage`: answers what is no JSON. */
  mood: 'well' | 'sealed' | 'hang' | 'garbage' | 'endless';
  token: string;
  readonly keys: Map<string, Key>;
  /** Method, path and body of each call. */
  readonly calls: string[];
  readonly close: () => Promise<void>;
};

const errors = (status: number, ...said: string[]): Answer => ({ status, body: { errors: said } });
const data = (body: object): Answer => ({ status: 200, body: { request_id: 'r', lease_id: '', data: body } });

export const startFakeVault = async (tls: {
  readonly key: string;
  readonly certificate: string;
}): Promise<FakeVault> => {
  const keys = new Map<string, Key>([['coequal', { derived: true, versions: [randomBytes(32)], oldest: 1 }]]);
  const calls: string[] = [];
  const server = createServer({ key: tls.key, cert: tls.certificate }, (asked, answering) => {
    let text = '';
    asked.setEncoding('utf8');
    asked.on('data', (chunk: string) => {
      text += chunk;
    });
    asked.on('end', () => {
      calls.push(`${asked.method} ${asked.url} ${text}`);
      if (vault.mood === 'hang') return;
      if (vault.mood === 'endless') {
        const more = (): void => {
          while (!answering.destroyed && answering.write(Buffer.alloc(65_536, 32)));
        };
        answering.on('drain', more).on('error', () => undefined);
        more();
        return;
      }
      const { status, body } = answerTo(
        vault,
        String(asked.headers['x-vault-token']),
        `${asked.method}`,
        asked.url ?? '',
        text,
      );
      answering.statusCode = status;
      answering.end(vault.mood === 'garbage' ? '<html>' : body === undefined ? undefined : JSON.stringify(body));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const vault: FakeVault = {
    address: `https://127.0.0.1:${port}`,
    mood: 'well',
    token: 'hvs.right',
    keys,
    calls,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return vault;
};

const answerTo = (vault: FakeVault, token: string, method: string, url: string, text: string): Answer => {
  if (vault.mood === 'sealed') return errors(503, 'Vault is sealed');
  if (token !== vault.token) return errors(403, 'permission denied');
  const match = /^\/v1\/transit\/(datakey\/plaintext|encrypt|decrypt|rewrap|keys)\/([\w.-]+)(\/rotate|\/config)?$/.exec(
    url,
  );
  const [, action = '', name = '', extra] = match ?? [];
  const key = vault.keys.get(name);
  if (match === null) return errors(404);
  if (key === undefined) return action === 'keys' ? errors(404) : errors(400, 'encryption key not found');
  const body: Readonly<Record<string, unknown>> = text === '' ? {} : JSON.parse(text);
  if (action === 'keys') return keyCall(key, method, extra, body);
  return cryptoCall(key, action, body);
};

const keyCall = (
  key: Key,
  method: string,
  extra: string | undefined,
  body: Readonly<Record<string, unknown>>,
): Answer => {
  if (method === 'GET')
    return data({
      type: 'aes256-gcm96',
      derived: key.derived,
      latest_version: key.versions.length,
      min_decryption_version: key.oldest,
    });
  if (extra === '/rotate') {
    key.versions.push(randomBytes(32));
    return { status: 204 };
  }
  const oldest = Number(body['min_decryption_version']);
  if (oldest > key.versions.length)
    return errors(400, 'cannot set min decryption version of larger than the latest version');
  key.oldest = oldest;
  return { status: 204 };
};

const cryptoCall = (key: Key, action: string, body: Readonly<Record<string, unknown>>): Answer => {
  const context = body['context'];
  if (key.derived && typeof context !== 'string')
    return errors(400, "missing 'context' for key derivation; the key was created using a derived key");
  const seal = (plain: Buffer): string => sealed(key, plain, String(context));
  if (action === 'encrypt') return data({ ciphertext: seal(Buffer.from(String(body['plaintext']), 'base64')) });
  if (action === 'datakey/plaintext') {
    const plain = randomBytes(Number(body['bits']) / 8);
    return data({ plaintext: plain.toString('base64'), ciphertext: seal(plain) });
  }
  const plain = opened(key, String(body['ciphertext']), String(context));
  if (typeof plain === 'string') return errors(400, plain);
  return data(action === 'rewrap' ? { ciphertext: seal(plain) } : { plaintext: plain.toString('base64') });
};

const derived = (key: Key, version: number, context: string): Buffer =>
  Buffer.from(hkdfSync('sha256', key.versions[version - 1] ?? Buffer.alloc(0), '', key.derived ? context : '', 32));

const sealed = (key: Key, plain: Buffer, context: string): string => {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', derived(key, key.versions.length, context), nonce);
  const content = Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  return `vault:v${key.versions.length}:${content.toString('base64')}`;
};

const opened = (key: Key, text: string, context: string): Buffer | string => {
  const match = /^vault:v(\d+):([A-Za-z0-9+/=]+)$/.exec(text);
  if (match === null) return 'invalid ciphertext: no prefix';
  const version = Number(match[1]);
  if (version > key.versions.length) return 'invalid ciphertext: version is too new';
  if (version < key.oldest) return 'ciphertext or signature version is disallowed by policy (too old)';
  const bytes = Buffer.from(match[2] ?? '', 'base64');
  const decipher = createDecipheriv('aes-256-gcm', derived(key, version, context), bytes.subarray(0, 12));
  decipher.setAuthTag(bytes.subarray(-16));
  try {
    return Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()]);
  } catch {
    return 'cipher: message authentication failed';
  }
};
