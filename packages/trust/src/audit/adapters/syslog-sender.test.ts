/** Sending records on to a TLS server that is slow, away, or breaks off, and the messages by their bytes. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { codeOf, systemClock, until } from '@coequal/kernel';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { issueCertificate, makeAuthority } from '../../certificates.ts';
import { makeRecord } from '../record.ts';
import { syslogFrame, syslogMessage } from '../syslog.ts';
import { type Chain, openChain } from './chain.ts';
import { SyslogSender } from './syslog-sender.ts';

test('a message has the form of RFC 5424, whatever is in the record', () => {
  const entry = {
    actor: 'os:"ann"]\\',
    action: 'gateway.drain',
    target: 'größe',
    result: 'refused',
    reason: 'no',
  } as const;
  const place = { chain: 'north', sequence: 7, at: '2026-11-25T18:00:00.123Z', previous: '0'.repeat(64) };
  const { record, line } = makeRecord(entry, place);
  expect(syslogMessage(record, line, 'host one')).toBe(
    `<108>1 2026-11-25T18:00:00.123Z host_one coequal north gateway.drain [audit@32473 chain="north" sequence="7" ` +
      `actor="os:\\"ann\\"\\]\\\\" target="größe" result="refused" hash="${record.hash}" reason="no"] ${line}`,
  );
  expect(syslogFrame('größe').toString()).toBe('7 größe');
});

describe('the sender', () => {
  let folder = '';
  let server: Server;
  let chain: Chain;
  let received = Buffer.alloc(0);
  let sockets: TLSSocket[] = [];
  /** Cuts a connection after so many bytes of it. */
  let cutAfter = Number.POSITIVE_INFINITY;
  const at = (name: string): string => join(folder, name);

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'coequal-syslog-'));
    const authority = await makeAuthority('test', { days: 2, clock: systemClock });
    const request = { commonName: 'syslog', dnsNames: [], addresses: ['127.0.0.1'], days: 1 };
    const own = await issueCertificate(authority, { ...request, usage: 'server' }, systemClock);
    const client = await issueCertificate(authority, { ...request, usage: 'client' }, systemClock);
    await writeFile(at('ca.pem'), authority.certificate);
    await writeFile(at('client.pem'), client.certificate);
    await writeFile(at('client.key'), client.key);
    received = Buffer.alloc(0);
    sockets = [];
    cutAfter = Number.POSITIVE_INFINITY;
    const tls = {
      cert: own.certificate,
      key: own.key,
      ca: authority.certificate,
      requestCert: true,
      rejectUnauthorized: true,
    };
    server = createServer(tls, (socket) => {
      sockets.push(socket);
      let own = Buffer.alloc(0);
      socket
        .on('error', () => undefined)
        .on('data', (chunk) => {
          own = Buffer.concat([own, chunk]);
          if (own.length >= cutAfter) {
            received = Buffer.concat([received, frames(own.subarray(0, cutAfter)).whole]);
            own = Buffer.alloc(0);
            socket.destroy();
          }
        });
      socket.once('close', () => {
        received = Buffer.concat([received, frames(own).whole]);
      });
    });
    await listen(0);
    chain = await openChain({ folder: at('chain'), chain: 'north', keyFile: at('key') }, systemClock);
  });
  afterEach(async () => {
    await chain.close();
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
    await rm(folder, { recursive: true });
  });

  const listen = (port: number): Promise<void> => new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  const sender = (settleMs = 3_600_000, clock = systemClock): SyslogSender =>
    new SyslogSender({
      folder: at('chain'),
      hostName: 'here',
      target: {
        host: '127.0.0.1',
        port: (server.address() as AddressInfo).port,
        authority: at('ca.pem'),
        certificate: at('client.pem'),
        key: at('client.key'),
      },
      clock,
      settleMs,
    });
  const write = async (count: number): Promise<void> => {
    for (let n = 0; n < count; n += 1)
      await chain.write({ actor: 'os:ann', action: 'a.b', target: `${n}`, result: 'done' });
  };
  const numbers = (): number[] =>
    frames(received).messages.map((message) => Number(/ sequence="(\d+)"/.exec(message)?.[1]));
  const upTo = (last: number): number[] => Array.from({ length: last }, (_, index) => index + 1);

  test('sends all records once, also over its own ends', async () => {
    await write(5);
    const first = sender();
    await first.send();
    await write(3);
    await first.send();
    await first.close();
    await write(2);
    const second = sender();
    await second.send();
    await second.close();
    expect(numbers()).toEqual(upTo(11));
    expect(frames(received).messages[1]).toMatch(
      /^<109>1 \S+Z here coequal north a\.b \[audit@32473 chain="north" sequence="2" .*\] \{"action":"a\.b"/,
    );
  });

  test('loses nothing when the connection breaks in the middle of a record, and sends twice only what was not settled', async () => {
    await write(40);
    const one = sender();
    cutAfter = 7_000;
    await until(systemClock, { what: 'the cut', deadlineMs: 20_000 }, async () => {
      await one.send().catch((error: unknown) => expect(codeOf(error)).toBe('SYSLOG_UNREACHABLE'));
      return sockets.some(({ destroyed }) => destroyed);
    });
    cutAfter = Number.POSITIVE_INFINITY;
    await until(systemClock, { what: 'a connection that lasts', deadlineMs: 20_000 }, async () => {
      await one.send().catch((error: unknown) => expect(codeOf(error)).toBe('SYSLOG_UNREACHABLE'));
      return one.position.written === 41 && sockets.length > 1;
    });
    await one.close();
    expect([...new Set(numbers())].sort((a, b) => a - b)).toEqual(upTo(41));
    expect(one.position.settled).toBe(41);
  });

  test('does not send again what had settled when a connection broke', async () => {
    await write(4);
    let ms = 0;
    const one = sender(1_000, { ...systemClock, monotonic: () => ms });
    await one.send();
    ms = 2_000;
    await write(1);
    await one.send();
    expect(one.position).toEqual({ written: 6, settled: 5 });
    expect(await readFile(join(at('chain'), '.syslog'), 'utf8')).toBe('5\n');
    const again = sender();
    await again.send();
    await again.close();
    await one.close();
    expect(numbers().filter((sequence) => sequence === 5)).toHaveLength(1);
    expect(numbers().filter((sequence) => sequence === 6)).toHaveLength(2);
  });

  test('waits while the server is away, and goes on where it was', async () => {
    await write(2);
    const one = sender();
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    await expect(one.send()).rejects.toThrow('ECONNREFUSED');
    await write(2);
    await listen(port);
    await one.send();
    await one.close();
    expect(numbers()).toEqual(upTo(5));
  });

  test('refuses a server of another authority, and begins anew with a position that is no number', async () => {
    await write(1);
    const other = await makeAuthority('other', { days: 2, clock: systemClock });
    const kept = await readFile(at('ca.pem'));
    await writeFile(at('ca.pem'), other.certificate);
    expect(
      codeOf(
        await sender()
          .send()
          .catch((error: unknown) => error),
      ),
    ).toBe('SYSLOG_UNREACHABLE');
    await writeFile(at('ca.pem'), kept);
    await writeFile(join(at('chain'), '.syslog'), 'no number');
    const one = sender();
    await one.send();
    await one.close();
    expect(numbers()).toEqual(upTo(2));
  });
});

/** Messages by octet counting; a frame that has no end is not one. */
const frames = (bytes: Buffer): { readonly messages: readonly string[]; readonly whole: Buffer } => {
  const messages: string[] = [];
  let at = 0;
  for (;;) {
    const blank = bytes.indexOf(32, at);
    const length = blank < 0 ? Number.NaN : Number(bytes.subarray(at, blank).toString());
    if (!(blank + 1 + length <= bytes.length)) return { messages, whole: bytes.subarray(0, at) };
    messages.push(bytes.subarray(blank + 1, blank + 1 + length).toString('utf8'));
    at = blank + 1 + length;
  }
};
