/**
 * Access reviews: who can do what now, and who could have done what on a given day. Grants are kept with their beginning and their end, so
 * the answer for a day in the past is the one that was true then. Pure.
 */
import type { AccessReview, AccessReviewEntry } from '@coequal/contract';
import { fail } from '@coequal/kernel';
import type { HeldGrant, Person } from '../identity/store.ts';
import type { KeptAccount } from '../store/port.ts';
import { actions } from './actions.ts';
import type { Grant, Role } from './subject.ts';

/** A grant as it was given and taken. */
export type KeptGrant = {
  readonly subject: AccessReviewEntry['subject'];
  readonly grant: Grant;
  readonly givenBy: string;
  readonly fromMs: number;
  readonly toMs: number | null;
  readonly endedBy: string | null;
};

export type Stretch = { readonly fromMs: number; readonly toMs: number };

/** What held at any moment of a stretch, by name. */
export const reviewOf = (grants: readonly KeptGrant[], { fromMs, toMs }: Stretch): AccessReview => ({
  fromMs,
  toMs,
  items: grants
    .filter((one) => one.fromMs <= toMs && (one.toMs === null || one.toMs > fromMs))
    .map(({ subject, grant: { role, services, sites }, ...rest }) => ({
      ...{ subject, role, services: namesOf(services), sites: namesOf(sites) },
      ...{ givenBy: rest.givenBy, fromMs: rest.fromMs, toMs: rest.toMs, endedBy: rest.endedBy },
      actions: actionsOf(subject.kind, role),
    }))
    .sort((a, b) => compare(a.subject.name, b.subject.name) || compare(a.role, b.role) || a.fromMs - b.fromMs),
});

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const namesOf = (scope: Grant['services']): '*' | string[] => (scope === '*' ? scope : [...scope]);

const actionsOf = (kind: 'person' | 'service', role: Role): string[] =>
  Object.entries(actions)
    .filter(([, rule]) => (rule.roles as readonly Role[]).includes(role))
    .filter(([, rule]) => kind === 'person' || (rule.services && rule.class === 'C0'))
    .map(([name]) => name);

export const grantsOfAccounts = (accounts: readonly KeptAccount[]): readonly KeptGrant[] =>
  accounts.flatMap(({ id, name, grants, createdMs, createdBy, expiresMs, revokedMs, revokedBy }) =>
    grants.map((grant) => ({
      ...{ subject: { kind: 'service', id, name } as const, grant, givenBy: createdBy, fromMs: createdMs },
      ...{ toMs: revokedMs === null ? expiresMs : Math.min(revokedMs, expiresMs), endedBy: revokedBy },
    })),
  );

/** A grant ends with its holder at the latest. */
export const grantsOfPeople = ({
  people,
  grants,
}: {
  readonly people: readonly Person[];
  readonly grants: readonly HeldGrant[];
}): readonly KeptGrant[] => {
  const byId = new Map(people.map((person) => [person.id, person]));
  return grants.flatMap(({ person: id, role, services, sites, givenBy, fromMs, toMs, endedBy }) => {
    const person = byId.get(id);
    if (person === undefined) return [];
    const ends = [toMs, person.revokedMs].filter((ms) => ms !== null);
    return [
      {
        ...{ subject: { kind: 'person', id, name: person.name } as const, grant: { role, services, sites }, givenBy },
        ...{ fromMs, toMs: ends.length === 0 ? null : Math.min(...ends), endedBy },
      },
    ];
  });
};

/** A day of a zone, which has 23 or 25 hours where clocks are set. @throws REQUEST_INVALID */
export const dayOf = (on: string, zone: string): Stretch => {
  const utc = Date.parse(`${on}T00:00:00Z`);
  if (Number.isNaN(utc) || new Date(utc).toISOString().slice(0, 10) !== on)
    throw fail('REQUEST_INVALID', { what: `There is no day ${on.slice(0, 20)}.` });
  const next = new Date(utc + 86_400_000).toISOString().slice(0, 10);
  return { fromMs: beginningOf(on, utc, zone), toMs: beginningOf(next, utc + 86_400_000, zone) - 1 };
};

const quarterMs = 15 * 60_000;

/** The first moment at which a zone's calendar shows this day; zones lie up to 14 hours off, by quarters of an hour. */
const beginningOf = (day: string, utcMs: number, zone: string): number => {
  const calendar = calendarOf(zone);
  let [before, at] = [utcMs - 15 * 3_600_000, utcMs + 15 * 3_600_000];
  while (at - before > quarterMs) {
    const middle = before + Math.floor((at - before) / (2 * quarterMs)) * quarterMs;
    if (calendar(middle) >= day) at = middle;
    else before = middle;
  }
  return at;
};

const calendarOf = (zone: string): ((ms: number) => string) => {
  try {
    const parts = new Intl.DateTimeFormat('en-CA', {
      timeZone: zone,
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
    });
    return (ms) => parts.format(ms);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw fail('REQUEST_INVALID', { what: `There is no time zone ${zone.slice(0, 64)}.` }, { cause: error });
  }
};

const columns = ['kind', 'name', 'id', 'role', 'services', 'sites', 'from', 'to', 'given by', 'ended by', 'actions'];

/** As CSV (RFC 4180). What a spreadsheet would take for a formula is kept from being one. */
export const reviewCsv = ({ items }: AccessReview): string =>
  [
    columns,
    ...items.map(({ subject, role, services, sites, fromMs, toMs, givenBy, endedBy, actions: may }) => [
      ...[subject.kind, subject.name, subject.id, role, scopeText(services), scopeText(sites), timeText(fromMs)],
      ...[toMs === null ? '' : timeText(toMs), givenBy, endedBy ?? '', may.join(' ')],
    ]),
  ]
    .map((row) => `${row.map(cell).join(',')}\r\n`)
    .join('');

const scopeText = (scope: '*' | readonly string[]): string => (scope === '*' ? 'all' : scope.join(' '));
const timeText = (ms: number): string => new Date(ms).toISOString();

const cell = (text: string): string => {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
};
