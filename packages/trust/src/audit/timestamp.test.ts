/** Time stamps against an authority of our own, made with `openssl ts`, and DER by bytes. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@coequal/kernel';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openChain } from './adapters/chain.ts';
import { AuditKeeper } from './adapters/keeper.ts';
import { stamp } from './adapters/time-stamper.ts';
import { verifyAudit } from './adapters/verify-folder.ts';
import { stampedHash } from './checkpoint.ts';
import { decodeDer, encodeDer, encodeInteger, encodeOid, oidOf, tags } from './der.ts';
import { checkToken, timeStampRequest, tokenOfAnswer } from './timestamp.ts';

describe('DER', () => {
  test('is written as ITU-T X.690 has it', () => {
    expect(encodeOid('2.16.840.1.101.3.4.2.1').toString('hex')).toBe('0609608648016503040201');
    expect(encodeInteger(Uint8Array.of(0, 0, 0x80)).toString('hex')).toBe('02020080');
    expect(encodeDer(tags.octetString, Buffer.alloc(200)).subarray(0, 3).toString('hex')).toBe('0481c8');
    expect(encodeDer(tags.octetString, Buffer.alloc(300)).subarray(0, 4).toString('hex')).toBe('0482012c');
    // The request of RFC 3161 for SHA-256 of "abc", as `openssl ts -query -digest … -cert` writes it, with nonce 1.
    const abc = createHash('sha256').update('abc').digest('hex');
    expect(timeStampRequest(abc, Uint8Array.of(1)).toString('hex')).toBe(
      `303c0201013031300d0609608648016503040201050004 20${abc}0201010101ff`.replaceAll(' ', ''),
    );
  });

  test('reads what it has written, and no other spelling of it', () => {
    const arcs = fc.tuple(
      fc.constantFrom('1', '2'),
      fc.integer({ min: 0, max: 39 }),
      fc.array(fc.nat(2 ** 28), { maxLength: 6 }),
    );
    fc.assert(
      fc.property(arcs, fc.uint8Array({ maxLength: 70_000 }), ([first, second, rest], bytes) => {
        const text = [first, second, ...rest].join('.');
        const node = decodeDer(encodeDer(tags.sequence, encodeOid(text), encodeDer(tags.octetString, bytes)));
        expect(oidOf(node?.children[0]?.content ?? new Uint8Array())).toBe(text);
        expect(Buffer.from(node?.children[1]?.content ?? []).equals(bytes)).toBe(true);
      }),
      { numRuns: 200 },
    );
    for (const wrong of [
      '0481020101',
      '04820001ff',
      '0480ff0000',
      '0405ff',
      '3003020101ff',
      '1f0100',
      '',
      '30'.repeat(40),
    ])
      expect(decodeDer(Buffer.from(wrong, 'hex'))).toBeUndefined();
  });

  test('nor do arbitrary bytes break it', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        decodeDer(bytes);
        expect(typeof checkToken(bytes, [])).toBe('string');
        tokenOfAnswer(bytes);
      }),
    );
  });
});

const hasOpenssl = (() => {
  try {
    return execFileSync('openssl', ['version'], { stdio: 'pipe' }).toString().startsWith('OpenSSL 3');
  } catch {
    // Without OpenSSL there is no authority to test against.
    return false;
  }
})();

describe.skipIf(!hasOpenssl)('an authority of OpenSSL', () => {
  let folder = '';
  let server: Server;
  let url = '';
  let mood: 'well' | 'other' | 'error' | 'garbage' | 'replay' | 'stranger' = 'well';
  let last: Buffer = Buffer.alloc(0);
  const at = (name: string): string => join(folder, name);
  const openssl = (...args: readonly string[]): void =>
    void execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });

  const makeAuthority = (name: string): void => {
    openssl(
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-days',
      '2',
      '-subj',
      `/CN=${name} root`,
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.pem`,
    );
    openssl(
      'req',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-subj',
      `/CN=${name} stamps`,
      '-keyout',
      `${name}-tsa.key`,
      '-out',
      `${name}-tsa.csr`,
    );
    openssl(
      'x509',
      '-req',
      '-in',
      `${name}-tsa.csr`,
      '-CA',
      `${name}.pem`,
      '-CAkey',
      `${name}.key`,
      '-days',
      '1',
      '-extfile',
      'tsa.ext',
      '-out',
      `${name}-tsa.pem`,
    );
  };

  const reply = (query: Buffer, name: string): Buffer => {
    writeFileSync(at('query'), query);
    openssl(
      'ts',
      '-reply',
      '-config',
      'tsa.conf',
      '-section',
      'tsa',
      '-queryfile',
      'query',
      '-signer',
      `${name}-tsa.pem`,
      '-inkey',
      `${name}-tsa.key`,
      '-out',
      'reply',
    );
    return readFileSync(at('reply'));
  };

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'coequal-tsa-'));
    writeFileSync(at('tsa.ext'), 'extendedKeyUsage=critical,timeStamping\nkeyUsage=critical,digitalSignature\n');
    writeFileSync(at('serial'), '01\n');
    writeFileSync(
      at('tsa.conf'),
      '[tsa]\nserial=serial\ncrypto_device=builtin\nsigner_digest=sha256\ndefault_policy=1.2.3.4.1\ndigests=sha256\naccuracy=secs:1\nordering=yes\ntsa_name=yes\ness_cert_id_chain=no\ness_cert_id_alg=sha256\n',
    );
    makeAuthority('bank');
    makeAuthority('stranger');
    server = createServer((asked, answering) => {
      const chunks: Buffer[] = [];
      asked.on('data', (chunk: Buffer) => chunks.push(chunk));
      asked.on('end', () => {
        if (mood === 'error') answering.statusCode = 500;
        const query = mood === 'other' ? timeStampRequest('00'.repeat(32), Uint8Array.of(9)) : Buffer.concat(chunks);
        const answer = mood === 'replay' ? last : reply(query, mood === 'stranger' ? 'stranger' : 'bank');
        last = answer;
        answering.setHeader('content-type', 'application/timestamp-reply');
        answering.end(mood === 'garbage' ? 'garbage' : answer);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  }, 30_000);
  afterAll(async () => {
    await new Promise((resolve) => server.close(resolve));
    rmSync(folder, { recursive: true });
  });

  const statement = { chain: 'north', sequence: 7, head: 'a'.repeat(64), at: '2026-11-25T18:00:00.000Z', entries: 5 };

  test('stamps a checkpoint, and the token holds against it alone', async () => {
    mood = 'well';
    const { token, stamp: found } = await stamp({ url, authority: at('bank.pem') }, statement, systemClock);
    expect(found).toMatchObject({ hashHex: stampedHash(statement), signer: 'CN=bank stamps' });
    expect(Math.abs(found.atMs - Date.now())).toBeLessThan(60_000);
    const bytes = Buffer.from(token, 'base64');
    const bank = readFileSync(at('bank.pem'), 'utf8');
    expect(checkToken(bytes, [readFileSync(at('stranger.pem'), 'utf8')])).toContain('not of the authority');
    expect(checkToken(bytes, [])).toContain('not of the authority');
    // OpenSSL agrees.
    writeFileSync(at('token'), bytes);
    openssl('ts', '-verify', '-digest', stampedHash(statement), '-in', 'token', '-token_in', '-CAfile', 'bank.pem');
    // Any byte that was changed is either seen, or changes nothing of what the token says.
    for (let index = 0; index < bytes.length; index += 7) {
      const changed = Buffer.from(bytes);
      changed[index] = (changed[index] ?? 0) ^ 1;
      const checked = checkToken(changed, [bank]);
      if (typeof checked !== 'string') expect(checked).toMatchObject({ hashHex: found.hashHex, atMs: found.atMs });
    }
  });

  test.each([
    ['other', 'of something else'],
    ['error', 'it answered 500'],
    ['garbage', 'not that of a time-stamping authority'],
    ['stranger', 'not of the authority that is trusted'],
  ] as const)('that is in the mood %s is refused', async (wrong, words) => {
    mood = wrong;
    await expect(stamp({ url, authority: at('bank.pem') }, statement, systemClock)).rejects.toThrow(words);
  });

  test('cannot answer with the token of another request', async () => {
    mood = 'well';
    await stamp({ url, authority: at('bank.pem') }, statement, systemClock);
    mood = 'replay';
    await expect(stamp({ url, authority: at('bank.pem') }, statement, systemClock)).rejects.toThrow('another request');
  });

  test('stamps the checkpoints of a chain, and a history written later is seen by its times', async () => {
    mood = 'well';
    const place = { folder: at('north'), chain: 'north', keyFile: at('north.key') };
    const duties = { everyMs: 60_000, timeStamps: { url, authority: at('bank.pem') } };
    const ports = {
      clock: systemClock,
      hostName: 'here',
      tell: (duty: string, reason: string | undefined) => expect(`${duty} ${reason}`).toBe(''),
    };
    const write = async (clock: typeof systemClock): Promise<void> => {
      const chain = await openChain(place, clock);
      await chain.write({ actor: 'os:ann', action: 'a', target: 'b', result: 'done' });
      await new AuditKeeper(chain, duties, { ...ports, clock }).close();
    };
    await write(systemClock);
    const stampAuthority = readFileSync(at('bank.pem'), 'utf8');
    const checks = { keys: [], stampAuthority, stampedWithinMs: 3_600_000 };
    expect(await verifyAudit([place.folder], checks)).toMatchObject({
      valid: true,
      chains: [{ stampedTo: 2, problem: null }],
    });
    expect(
      (await verifyAudit([place.folder], { ...checks, stampAuthority: readFileSync(at('stranger.pem'), 'utf8') }))
        .chains[0]?.problem,
    ).toMatchObject({ kind: 'bad-stamp' });
    // Somebody with root and the key writes what happened yesterday anew, with the times of yesterday.
    rmSync(place.folder, { recursive: true });
    await write({ ...systemClock, now: () => systemClock.now() - 86_400_000 });
    expect((await verifyAudit([place.folder], { keys: [] })).valid).toBe(true);
    expect((await verifyAudit([place.folder], checks)).chains[0]?.problem).toMatchObject({
      kind: 'late-stamp',
      sequence: 1,
    });
  });
});
