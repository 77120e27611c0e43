/** Enrolment: a key stays where it was made, the issuer says the name, and a certificate is renewed long before it ends. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { type Clock, systemClock } from '@coequal/kernel';
import { describe, expect, it } from 'vitest';
import { makeAuthority } from '../certificates.ts';
import { certificateLifetimeMs, isRenewalDue, renewalMs, standingOf, validityOf } from './lifetime.ts';
import { agentHostName, agentOfCertificate, lineName } from './names.ts';
import { answerRequest, makeRequest } from './request.ts';

const dayMs = 86_400_000;
const at = (ms: number): Clock => ({ ...systemClock, now: () => ms });
const grant = { commonName: 'north-1', dnsNames: ['north-1.agent.coequal'], usage: 'client' } as const;

describe('a request', () => {
  it('is answered with a certificate of its own key, under the name that the issuer says', async () => {
    const authority = await makeAuthority('test', { days: 100, clock: systemClock });
    const { request, key } = await makeRequest('somebody-else');
    const answer = await answerRequest(authority, request, { ...grant, lifetimeMs: dayMs }, systemClock);
    const certificate = new X509Certificate(answer);
    expect(certificate.checkPrivateKey(createPrivateKey(key))).toBe(true);
    expect(certificate.verify(new X509Certificate(authority.certificate).publicKey)).toBe(true);
    expect(certificate.subject).toBe('CN=north-1');
    expect(agentOfCertificate(certificate.raw)).toBe('north-1');
    expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.2']);
  });

  it('is refused when it is changed, foreign or too long', async () => {
    const authority = await makeAuthority('test', { days: 100, clock: systemClock });
    const { request } = await makeRequest('north-1');
    const lines = request.trim().split('\n');
    const changed = [...lines.slice(0, -2), lines.at(-2)?.replace(/^..../, 'AAAA'), lines.at(-1)].join('\n');
    for (const bad of [changed, 'nothing', authority.certificate, `${request}${' '.repeat(5_000)}`, ''])
      await expect(answerRequest(authority, bad, { ...grant, lifetimeMs: dayMs }, systemClock)).rejects.toMatchObject({
        code: 'CERTIFICATE_REFUSED',
      });
  });
});

describe('names', () => {
  it('of one agent are believed, of none or several are not', async () => {
    const authority = await makeAuthority('test', { days: 100, clock: systemClock });
    const { request } = await makeRequest('x');
    const named = async (dnsNames: readonly string[]) =>
      agentOfCertificate(
        new X509Certificate(
          await answerRequest(authority, request, { ...grant, dnsNames, lifetimeMs: dayMs }, systemClock),
        ).raw,
      );
    expect(await named([agentHostName('south-1')])).toBe('south-1');
    expect(await named([])).toBeUndefined();
    expect(await named([lineName])).toBeUndefined();
    expect(await named(['a.agent.coequal', 'b.agent.coequal'])).toBeUndefined();
    expect(await named(['a.b.agent.coequal', 'a.agent.coequal.example'])).toBeUndefined();
  });
});

describe('the life of a certificate', () => {
  it('has a last third in which seven days without a platform are survived', async () => {
    const now = Date.UTC(2026, 10, 1);
    const authority = await makeAuthority('test', { days: 1_000, clock: at(now) });
    const { request } = await makeRequest('x');
    const pem = await answerRequest(authority, request, { ...grant, lifetimeMs: certificateLifetimeMs }, at(now));
    const validity = validityOf(pem);
    expect(validity.untilMs).toBe(now + certificateLifetimeMs);
    expect(renewalMs(validity)).toBe(now + (certificateLifetimeMs * 2) / 3);
    expect(validity.untilMs - renewalMs(validity)).toBeGreaterThan(7 * dayMs);
    expect(isRenewalDue(validity, renewalMs(validity) - 1)).toBe(false);
    expect(isRenewalDue(validity, renewalMs(validity))).toBe(true);
  });

  it('is judged by the later of two clocks, and bears one that is a day behind', async () => {
    const now = Date.UTC(2026, 10, 1);
    const authority = await makeAuthority('test', { days: 1_000, clock: at(now) });
    const { request } = await makeRequest('x');
    const pem = await answerRequest(authority, request, { ...grant, lifetimeMs: certificateLifetimeMs }, at(now));
    const validity = validityOf(pem);
    expect(standingOf(validity, now - 0.9 * dayMs)).toBe('valid');
    expect(standingOf(validity, now - 1.1 * dayMs)).toBe('not-yet');
    expect(standingOf(validity, now + certificateLifetimeMs)).toBe('expired');
    expect(isRenewalDue(validity, now, now + 17 * dayMs)).toBe(true);
    expect(isRenewalDue(validity, now + 17 * dayMs, now)).toBe(true);
  });
});
