/**
 * Key-encryption keys in a security module, through `pkcs11-tool` (OpenSC) and any PKCS#11 library. The module holds generic secrets that
 * never leave it (one a version) and answers HMAC-SHA-256 with them; the key that wraps a data key is its answer to a
 * random salt and the context. So nothing but the module can make it again, and no native code is loaded into this process.
 * The PIN reaches the tool by its environment, never by its arguments, and data by pipes, never by files.
 */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { type CoequalError, fail, reasonOf } from '@coequal/kernel';
import { readPrivate } from '../../adapters/private-file.ts';
import { sha256Hex } from '../../hash.ts';
import { decrypt, encrypt, keyBytes } from '../aead.ts';
import { drawDataKey, type KeyProvider, parseWrapped, type Wrapped, wrappedText } from '../provider.ts';
import type { ProviderSettings } from '../ring.ts';

export type Pkcs11Settings = Extract<ProviderSettings, { kind: 'pkcs11' }>;

const saltBytes = 32;
const deadlineMs = 30_000;
const pinVariable = 'COEQUAL_PKCS11_PIN';

/** @param environment what the tool needs of this process's environment: SOFTHSM2_CONF, LD_LIBRARY_PATH and the like */
export const pkcs11Provider = (
  settings: Pkcs11Settings,
  environment: Readonly<Record<string, string | undefined>>,
): KeyProvider => {
  const tool = (args: readonly string[], input?: Buffer): Promise<Buffer> =>
    runTool(settings, environment, args, input);
  const wrappingKey = async (version: number, salt: Buffer, context: string): Promise<Buffer> => {
    const asked = Buffer.concat([Buffer.from('coequal pkcs11 wrapping key 1\0'), salt, Buffer.from(context)]);
    const args = ['--sign', '--mechanism', 'SHA256-HMAC', '--id', idOf(settings, version)];
    const key = await tool(args, asked);
    if (key.length !== keyBytes) throw refused(settings, `it answered ${key.length} bytes instead of ${keyBytes}`);
    return key;
  };
  const versions = async (): Promise<readonly number[]> => {
    const listed = (await tool(['--list-objects', '--type', 'secrkey'])).toString('utf8');
    const found = [...listed.matchAll(/^\s*label:\s+(.*?)\s*$/gm)].flatMap(([, label]) =>
      versionOf(settings, label ?? ''),
    );
    return found.sort((a, b) => a - b);
  };
  const newest = async (): Promise<number> => {
    const version = (await versions()).at(-1);
    if (version === undefined)
      throw refused(settings, `it holds no key ${labelOf(settings, 1)}; \`coequal key rotate\` makes one`);
    return version;
  };
  const wrap = async (plain: Buffer, context: string): Promise<string> => {
    const version = await newest();
    const salt = randomBytes(saltBytes);
    const content = encrypt(plain, await wrappingKey(version, salt, context), Buffer.from(context));
    return wrappedText('pkcs11', version, Buffer.concat([salt, content]));
  };
  const unwrap = async (wrapped: string, context: string): Promise<Buffer> => {
    const { version, content }: Wrapped = parseWrapped(wrapped) ?? { kind: '', version: 0, content: '' };
    if (!wrapped.startsWith('pkcs11:')) throw refused(settings, 'it was wrapped by another provider');
    if (!(await versions()).includes(version)) throw refused(settings, `it holds no version ${version} of its key`);
    const bytes = Buffer.from(content, 'base64');
    const key = await wrappingKey(version, bytes.subarray(0, saltBytes), context);
    const plain = decrypt(bytes.subarray(saltBytes), key, Buffer.from(context));
    if (plain === undefined) throw refused(settings, 'a wrapped key was changed, or belongs elsewhere');
    return plain;
  };
  return {
    kind: 'pkcs11',
    wrap,
    unwrap,
    newDataKey: (context) => drawDataKey(wrap, context),
    rewrap: async (wrapped, context) => wrap(await unwrap(wrapped, context), context),
    rotate: async () => {
      const version = ((await versions()).at(-1) ?? 0) + 1;
      await tool([
        '--keygen',
        '--key-type',
        `GENERIC:${keyBytes}`,
        '--usage-sign',
        '--sensitive',
        '--label',
        labelOf(settings, version),
        '--id',
        idOf(settings, version),
      ]);
      return version;
    },
    retireBelow: async (oldest) => {
      const known = await versions();
      for (const version of known.slice(0, -1))
        if (version < oldest) await tool(['--delete-object', '--type', 'secrkey', '--id', idOf(settings, version)]);
    },
    status: async () => {
      const known = await versions();
      const last = await newest();
      return {
        newest: last,
        oldest: known[0] ?? last,
        place: `${settings.module}, token ${settings.token}, key ${settings.key}`,
      };
    },
  };
};

const labelOf = ({ key }: Pkcs11Settings, version: number): string => `${key}-v${version}`;

/** The tool finds keys to sign with by their ids alone. */
const idOf = (settings: Pkcs11Settings, version: number): string => sha256Hex(labelOf(settings, version)).slice(0, 32);

const versionOf = ({ key }: Pkcs11Settings, label: string): readonly number[] => {
  const number = label.startsWith(`${key}-v`) ? label.slice(key.length + 2) : '';
  return /^[1-9]\d{0,5}$/.test(number) ? [Number(number)] : [];
};

const runTool = async (
  settings: Pkcs11Settings,
  environment: Readonly<Record<string, string | undefined>>,
  args: readonly string[],
  input: Buffer | undefined,
): Promise<Buffer> => {
  const { module, token, tool } = settings;
  const pin = await pinOf(settings);
  const login = ['--module', module, '--token-label', token, '--login', '--pin', `env:${pinVariable}`];
  return new Promise((resolve, reject) => {
    const child = execFile(
      tool,
      [...login, ...args],
      {
        encoding: 'buffer',
        timeout: deadlineMs,
        killSignal: 'SIGKILL',
        maxBuffer: 2 ** 20,
        env: { ...environment, [pinVariable]: pin },
      },
      (error, out, told) => {
        if (error === null) resolve(out);
        else reject(failure(settings, error, told.toString('utf8')));
      },
    );
    // A tool that ends early closes its input; why it ended is told by its exit.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input);
  });
};

const pinOf = async (settings: Pkcs11Settings): Promise<string> => {
  const text = await readPrivate(settings.pinFile, (reason, cause) =>
    refused(settings, `its PIN file ${settings.pinFile} cannot be read: ${reason}`, cause),
  );
  const pin = text?.replace(/\r?\n$/, '') ?? '';
  if (pin === '' || /\p{Cc}/u.test(pin)) throw refused(settings, `there is no PIN in ${settings.pinFile}`);
  return pin;
};

const failure = (
  settings: Pkcs11Settings,
  error: Error & { killed?: boolean; code?: unknown },
  told: string,
): CoequalError => {
  if (error.killed === true)
    return fail('KEY_PROVIDER_UNREACHABLE', {
      provider: named(settings),
      reason: `pkcs11-tool did not end within ${deadlineMs / 1_000} s`,
    });
  if (typeof error.code === 'string') return refused(settings, `${settings.tool} cannot be run: ${error.code}`, error);
  const reason = /CKR_[A-Z_]+/.exec(told.split('\n').findLast((line) => line.includes('error:')) ?? '')?.[0];
  return refused(settings, reason ?? reasonOf(told.trim().split('\n').at(-1) ?? 'pkcs11-tool failed').slice(0, 200));
};

const named = ({ token, key }: Pkcs11Settings): string => `The key ${key} in the security module (token ${token})`;

const refused = (settings: Pkcs11Settings, reason: string, cause?: unknown) =>
  fail(
    'KEY_PROVIDER_REFUSED',
    { provider: named(settings), reason, advice: 'Check module, token, PIN and pkcs11-tool as the ring names them.' },
    { cause },
  );
