/** Certificates, judged by OpenSSL as Node carries it: real handshakes, and what must be refused in one. */
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { type Clock, codeOf, systemClock } from '@coequal/kernel';
import { afterEach, describe, expect, test } from 'vitest';
import { type Authority, type Credentials, issueCertificate, makeAuthority } from './certificates.ts';

const dayMs = 86_400_000;
const clockAt = (now: number): Clock => ({ ...systemClock, now: () => now });
const authorityNamed = (name: string) => makeAuthority(name, { days: 30, clock: systemClock });
const request = {
  commonName: 'instance-1',
  dnsNames: ['instance-1.lab'],
  addresses: ['127.0.0.1', '::1', '10.77.1.1'],
  days: 7,
  usage: 'both',
} as const;

const codeOfRejected = async (promise: Promise<unknown>): Promise<string | undefined> => {
  try {
    await promise;
  } catch (error) {
    return codeOf(error);
  }
  return undefined;
};

const open: { close: () => void }[] = [];
afterEach(() => {
  for (const thing of open.splice(0)) thing.close();
});

/** A mutual handshake on a loopback socket: the client's address check, and what both ends think of the other. */
const handshake = async (server: Credentials, client: Credentials, trusted: Authority): Promise<'trusted' | string> => {
  const options = { ca: trusted.certificate, minVersion: 'TLSv1.2' } as const;
  const listener = createServer({ ...options, key: server.key, cert: server.certificate, requestCert: true });
  listener.on('tlsClientError', () => listener.emit('verdict', 'the server refuses the client'));
  listener.on('secureConnection', (socket: TLSSocket) => socket.on('error', () => socket.destroy()).write('hello'));
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  open.push(listener);
  const address = listener.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const socket = connect({
    ...options,
    host: '127.0.0.1',
    port: address.port,
    key: client.key,
    cert: client.certificate,
  });
  open.push({ close: () => socket.destroy() });
  return await new Promise<string>((resolve) => {
    listener.once('verdict', resolve);
    socket.once('data', () => resolve('trusted'));
    socket.once('error', (error) => resolve(codeOf(error) ?? error.message));
  });
};

describe('a certificate', () => {
  test('is trusted by both ends of a connection that know its authority', async () => {
    const authority = await authorityNamed('estate');
    const server = await issueCertificate(authority, { ...request, usage: 'server' }, systemClock);
    const client = await issueCertificate(authority, { ...request, commonName: 'c', usage: 'client' }, systemClock);
    const both = await issueCertificate(authority, request, systemClock);
    expect(await handshake(server, client, authority)).toBe('trusted');
    expect(await handshake(both, both, authority)).toBe('trusted');
  });

  test('is refused by whoever trusts another authority of the same name', async () => {
    const both = await issueCertificate(await authorityNamed('estate'), request, systemClock);
    expect(await handshake(both, both, await authorityNamed('estate'))).not.toBe('trusted');
  });

  test('of a client cannot stand in for a server, nor a server for a client', async () => {
    const authority = await authorityNamed('estate');
    const server = await issueCertificate(authority, { ...request, usage: 'server' }, systemClock);
    const client = await issueCertificate(authority, { ...request, usage: 'client' }, systemClock);
    expect(await handshake(client, client, authority)).toBe('INVALID_PURPOSE');
    expect(await handshake(server, server, authority)).toBe('the server refuses the client');
  });

  test('is refused at an address that it does not name', async () => {
    const authority = await authorityNamed('estate');
    const elsewhere = await issueCertificate(authority, { ...request, addresses: ['10.77.2.1'] }, systemClock);
    expect(await handshake(elsewhere, elsewhere, authority)).toBe('ERR_TLS_CERT_ALTNAME_INVALID');
  });

  test('names its addresses and host names, and its key fits', async () => {
    const { certificate, key } = await issueCertificate(await authorityNamed('estate'), request, systemClock);
    const read = new X509Certificate(certificate);
    for (const address of request.addresses) expect(read.checkIP(address)).toBeDefined();
    expect(read.checkHost('instance-1.lab')).toBe('instance-1.lab');
    expect(read.checkHost('instance-2.lab')).toBeUndefined();
    expect(read.ca).toBe(false);
    expect(key).toMatch(/^-----BEGIN PRIVATE KEY-----\n/);
  });

  test('cannot issue certificates itself', async () => {
    const authority = await authorityNamed('estate');
    const leaf = await issueCertificate(authority, request, systemClock);
    const forged = await issueCertificate({ name: 'forged', ...leaf }, request, systemClock);
    const chain = { key: forged.key, certificate: `${forged.certificate}${leaf.certificate}` };
    expect(await handshake(chain, chain, authority)).not.toBe('trusted');
  });

  test('is valid from before its issue, for hosts whose clock is behind, and never outlives its authority', async () => {
    const start = Date.UTC(2030, 0, 1);
    const authority = await makeAuthority('estate', { days: 10, clock: clockAt(start) });
    const early = new X509Certificate((await issueCertificate(authority, request, clockAt(start))).certificate);
    expect(Date.parse(early.validFrom)).toBe(start - dayMs);
    expect(Date.parse(early.validTo)).toBe(start + 7 * dayMs);
    const late = await issueCertificate(authority, request, clockAt(start + 5 * dayMs));
    expect(Date.parse(new X509Certificate(late.certificate).validTo)).toBe(start + 10 * dayMs);
  });

  test('has a serial number of its own', async () => {
    const authority = await authorityNamed('estate');
    const issued = await Promise.all(
      Array.from({ length: 20 }, () => issueCertificate(authority, request, systemClock)),
    );
    const serials = issued.map(({ certificate }) => new X509Certificate(certificate).serialNumber);
    expect(new Set(serials).size).toBe(20);
    for (const serial of serials) expect(serial).toMatch(/^[4-7][0-9A-F]{31}$/);
  });
});

describe('no certificate is issued', () => {
  test.each([
    ['without a name', { ...request, commonName: '' }],
    ['for a name with a line break', { ...request, commonName: 'a\nb' }],
    ['for a host name that is none', { ...request, dnsNames: ['a b'] }],
    ['for an address that is none', { ...request, addresses: ['10.77.1'] }],
    ['for no time', { ...request, days: 0 }],
    ['for a time that is no number', { ...request, days: Number.NaN }],
  ])('%s', async (_, bad) => {
    const authority = await authorityNamed('estate');
    expect(await codeOfRejected(issueCertificate(authority, bad, systemClock))).toBe('CERTIFICATE_REFUSED');
  });

  test('by an authority that has expired, or whose key cannot be read', async () => {
    const old = await makeAuthority('old', { days: 1, clock: clockAt(Date.UTC(2020, 0, 1)) });
    expect(await codeOfRejected(issueCertificate(old, request, systemClock))).toBe('CERTIFICATE_REFUSED');
    const broken = { ...(await authorityNamed('estate')), key: 'no key' };
    expect(await codeOfRejected(issueCertificate(broken, request, systemClock))).toBe('CERTIFICATE_REFUSED');
  });
});
