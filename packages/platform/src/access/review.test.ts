/** Who could do what on a day: what held at any of its moments, in the zone that is meant, and as a table that no spreadsheet runs. */
import { describe, expect, test } from 'vitest';
import { dayOf, type KeptGrant, reviewCsv, reviewOf } from './review.ts';
import type { Role } from './subject.ts';

const hour = 3_600_000;
const at = (text: string): number => Date.parse(text);
const given = (name: string, role: Role, from: string, to: string | null): KeptGrant => ({
  subject: { kind: 'person', id: `id-${name}`, name },
  ...{ grant: { role, services: '*', sites: ['north'] }, givenBy: 'kim', fromMs: at(from) },
  ...{ toMs: to === null ? null : at(to), endedBy: to === null ? null : 'lee' },
});

describe('a day', () => {
  test.each([
    ['2026-11-25', 'UTC', '2026-11-25T00:00:00Z', 24],
    ['2026-11-25', 'Asia/Shanghai', '2026-11-24T16:00:00Z', 24],
    ['2026-03-29', 'Europe/Berlin', '2026-03-28T23:00:00Z', 23],
    ['2026-10-25', 'Europe/Berlin', '2026-10-24T22:00:00Z', 25],
    ['2026-11-25', 'Asia/Kathmandu', '2026-11-24T18:15:00Z', 24],
    ['2026-11-25', 'Pacific/Kiritimati', '2026-11-24T10:00:00Z', 24],
    ['2026-09-06', 'America/Santiago', '2026-09-06T04:00:00Z', 23],
  ])('%s of %s', (on, zone, begins, hours) => {
    const { fromMs, toMs } = dayOf(on, zone);
    expect([new Date(fromMs).toISOString(), (toMs + 1 - fromMs) / hour]).toEqual([
      new Date(at(begins)).toISOString(),
      hours,
    ]);
  });

  test.each([
    ['2026-02-30', 'UTC'],
    ['2026-13-01', 'UTC'],
    ['2026-01-01', 'Mars/Olympus'],
    ['2026-01-01', ''],
  ])('%s of %s is none', (on, zone) =>
    expect(() => dayOf(on, zone)).toThrow(expect.objectContaining({ code: 'REQUEST_INVALID' })),
  );
});

test('what held at any moment of the day counts, with what it let its holder do', () => {
  const grants = [
    given('ann', 'operator', '2026-11-01T00:00:00Z', null),
    given('bob', 'viewer', '2026-11-01T00:00:00Z', '2026-11-25T00:00:00.001Z'),
    given('old', 'viewer', '2026-11-01T00:00:00Z', '2026-11-25T00:00:00Z'),
    given('eve', 'approver', '2026-11-25T23:59:59.999Z', null),
    given('new', 'approver', '2026-11-26T00:00:00Z', null),
    {
      ...given('job', 'operator', '2026-11-01T00:00:00Z', null),
      subject: { kind: 'service', id: 's', name: 'job' } as const,
    },
  ];
  const { items } = reviewOf(grants, dayOf('2026-11-25', 'UTC'));
  expect(items.map(({ subject }) => subject.name)).toEqual(['ann', 'bob', 'eve', 'job']);
  expect(items[0]?.actions).toContain('instance.restart');
  expect(items[2]?.actions).toContain('plan.approve');
  expect(items[3]?.actions).toContain('incident.comment');
  expect(items[3]?.actions).not.toContain('query.kill');
});

test('a table of it is one row a grant, and no formula', () => {
  const odd = given('=HYPERLINK("http://evil","x"),\n1', 'viewer', '2026-11-01T00:00:00Z', '2026-11-30T00:00:00Z');
  const csv = reviewCsv(reviewOf([odd], dayOf('2026-11-25', 'UTC')));
  expect(csv.split('\r\n')[0]).toBe('kind,name,id,role,services,sites,from,to,given by,ended by,actions');
  expect(csv).toContain('person,"\'=HYPERLINK(""http://evil"",""x""),\n1",');
  expect(csv).toContain(',viewer,all,north,2026-11-01T00:00:00.000Z,2026-11-30T00:00:00.000Z,kim,lee,');
});
